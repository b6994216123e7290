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

_SECRET_ENDS: Final = frozenset(
    [
        "APIKEY",
        "AUTHTOKEN",
        "CREDENTIAL",
        "CREDENTIALS",
        "PASSPHRASE",
        "PASSWD",
        "PASSWORD",
        "SECRET",
        "SECRETS",
        "TOKEN",
    ]
)
# Secrets where a word stands before them; alone they are something else.
_SECRET_PAIRS: Final = re.compile(
    r"(?:.*_)?(?:API|ACCESS|ACCOUNT|AUTH|DEPLOY|ENCRYPTION|LICENSE|MASTER|PRIVATE|SECRET|SIGNING"
    r"|SSH|STORAGE)_KEY|.+_(?:PASS|PAT|PWD)|(?:.*_)?SECRET_KEY_BASE|(?:COMPOSER|NPM|DOCKER)_AUTH"
)
# Words and beginnings of what a browser gets to see anyway.
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
# What builds are given in a secret's place.
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
        places += ["in the cache where a step writes it"] if step and not in_history else []
        if places:
            yield Found(
                at=step,
                given=(f"{name}=", "build-args"),
                about=name,
                text=f"the build argument {name} looks like a secret, and its value is "
                f"{' and '.join(places)}. Give it by the input secrets, and read it with "
                f"RUN --mount=type=secret,id={name}.",
            )


def _declared(case: Case) -> Mapping[str, tuple[Instruction | None, str, bool]]:
    """Return each argument's ARG and default, and whether it is a step of the image's history."""
    final = case.lineage(case.built) if case.built else ()
    found: dict[str, tuple[Instruction | None, str, bool]] = {}
    for stage in (*final, *case.stages):
        for step in stage.instructions:
            for name, default in dockerfile.declared(step) if step.word == "ARG" else ():
                found.setdefault(name, (step, default, stage in final))
    return found


def _is_secret(name: str, value: str, known: Sequence[str]) -> bool:
    """Say whether a build argument's name, or better its value, is a secret's."""
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
    return name.rpartition("_")[2] in _SECRET_ENDS or bool(_SECRET_PAIRS.fullmatch(name))


def _has_arguments(entry: str) -> bool:
    """Say whether an attestation has the build arguments; buildx's own provenance has not."""
    attributes = dict(csv_attributes.pairs(entry))
    is_provenance = attributes.get("type") == "provenance" and attributes.get("disabled") != "true"
    return is_provenance and attributes.get("mode", "max") == "max"


RULE: Final = Rule(name="secret-build-arg", severity="critical", find=_find)
