"""The rule secret-build-arg: a build argument that is stored and looks like a secret."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from warmbuild import csv_attributes
from warmbuild.image import attestations
from warmbuild.lint.case import Case, Found, Rule
from warmbuild.project import dockerfile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from warmbuild.project.dockerfile import Instruction

_SECRET_NAME: Final = re.compile(
    r"(?:.*_)?(?:APIKEY|AUTHTOKEN|CREDENTIALS?|PASSPHRASE|PASSWD|PASSWORD|SECRETS?|TOKEN)"
    # Secrets only after another word.
    r"|(?:.*_)?(?:API|ACCESS|ACCOUNT|AUTH|DEPLOY|ENCRYPTION|LICENSE|MASTER|PRIVATE|SECRET|SIGNING"
    r"|SSH|STORAGE)_KEY|.+_(?:PASS|PAT|PWD)|(?:.*_)?SECRET_KEY_BASE|(?:COMPOSER|NPM|DOCKER)_AUTH"
)
# Names of values that a browser gets anyway.
_PUBLIC: Final = re.compile(r"(?:.*_)?(?:PUBLIC|PUBLISHABLE)(?:_.*)?|(?:VITE|REACT_APP|GATSBY)_.*")
# Between two words of a name such as accessToken.
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_TOKENS: Final = re.compile(
    r"gh[opsru]_\w{30,}|github_pat_\w{20,}|glpat-[\w.-]{20,}|npm_\w{30,}|xox[abeprs]-[\w-]{10,}"
    r"|sk_live_\w{16,}|pypi-A\w{20,}.*|dckr_pat_[\w-]{20,}"
    r"|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]*|-----BEGIN [A-Z ]*PRIVATE KEY-----.*",
    re.DOTALL,
)
_URL_LOGIN: Final = re.compile(r"[a-z][a-z0-9+.-]*://([^/\s:@]*):([^/\s@]+)@([^/\s:]+)")
_OWN_MACHINE: Final = frozenset(["localhost", "127.0.0.1", "0.0.0.0", "db", "host"])  # noqa: S104
# Values that builds get instead of a secret.
_PLACEHOLDER: Final = re.compile(
    r"|\d+|.{1,3}|(?:/[\w.-]+){2,}|\$.*|\*+|true|false|none|null|test|build|secret|password"
    r"|.*(?:change-?_?me|dummy|example|fake|insecure|not[-_]?(?:a[-_])?(?:needed|real|secret|used)"
    r"|placeholder|unused).*",
    re.IGNORECASE | re.DOTALL,
)


def _find(case: Case) -> Iterator[Found]:
    declared = _declared(case)
    entries = (
        *attestations.defaults(case.inputs, case.context),
        *attestations.attests(case.inputs, case.context),
    )
    in_provenance = any(map(_has_arguments, entries))
    for name in dict.fromkeys((*case.arguments, *declared)):
        step, default, in_history = declared.get(name, (None, "", False))
        value = case.arguments.get(name, default)
        if not _is_secret(name, value, case.inputs.secret_values):
            continue
        places = ["in the image's history"] if in_history else []
        places += ["in its provenance"] if in_provenance and name in case.arguments else []
        places += ["in the cache if a step writes it to a file"] if step and not in_history else []
        if places:
            yield Found(
                at=step,
                given=(f"{name}=", "build-args"),
                about=name,
                text=f"the build argument {name} looks like a secret, and its value is "
                f"{' and '.join(places)}. Use the input secrets instead, and read it with "
                f"RUN --mount=type=secret,id={name}.",
            )


def _declared(case: Case) -> Mapping[str, tuple[Instruction | None, str, bool]]:
    """Return each argument's ARG and default, and whether the ARG is in the image's history."""
    final = dockerfile.lineage(case.file, case.built) if case.built else ()
    found: dict[str, tuple[Instruction | None, str, bool]] = {}
    for stage in (*final, *case.stages):
        for step in stage.instructions:
            for name, default in dockerfile.declared(step):
                found.setdefault(name, (step, default, stage in final))
    return found


def _is_secret(name: str, value: str, known: Sequence[str]) -> bool:
    """Return whether a build argument looks like a secret, by its value or its name."""
    value = value.strip()
    if value in known or _TOKENS.fullmatch(value):
        return True
    if login := _URL_LOGIN.match(value):
        user, password, host = login.groups()
        own = host in _OWN_MACHINE or password == user
        return not own and not _PLACEHOLDER.fullmatch(password)
    name = _HUMP.sub("_", name).upper().replace("-", "_")
    if _PLACEHOLDER.fullmatch(value) or _PUBLIC.fullmatch(name):
        return False
    return bool(_SECRET_NAME.fullmatch(name))


def _has_arguments(entry: str) -> bool:
    """Return whether an attestation has the build arguments; buildx's default does not."""
    attributes = dict(csv_attributes.pairs(entry))
    is_provenance = attributes.get("type") == "provenance" and attributes.get("disabled") != "true"
    return is_provenance and attributes.get("mode", "max") == "max"


RULE: Final = Rule(name="secret-build-arg", severity="critical", find=_find)
