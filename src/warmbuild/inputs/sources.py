"""Reads what is built: contexts, and files that define several images with what they exclude."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from warmbuild.inputs import build_context

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warmbuild.backends import Backend
    from warmbuild.inputs.reading import Reader
    from warmbuild.inputs.values import Passed

_VARIABLE: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=.*", re.DOTALL)
# What of the environment is buildx's own, and no variable of a file.
_NO_VARIABLE: Final = re.compile(
    r"PATH|HOME|TMPDIR|LD_.*|(?:DOCKER|BUILDX|BUILDKIT)_(?:CONFIG|HOST|CONTEXT|BUILDER|TLS.*|CERT.*)"
)
# What is of one image, and said in the file if there are several.
_OF_ONE_IMAGE: Final[Mapping[str, str]] = {
    "context": "the file says it for each target",
    "file": "the file says it for each target",
    "target": "the input targets chooses among the file's",
    "cache-from": "the file says it for a target, or set: TARGET.cache-from=…",
    "cache-to": "the file says it for a target, or set: TARGET.cache-to=…",
    "cache-stages": "a target has no other stages than its own",
    "call": "it is asked of one image at a time",
}


def check(reader: Reader, backend: Backend, passed: Passed) -> None:
    """Find what does not go with files that tell what is built, with bake, or without them."""
    unknown_to_bake = [row.name for row, _ in passed.given() if not row.bake_key]
    if backend.passed:
        for name in unknown_to_bake:
            reader.bad(
                name,
                f"cannot be set with the cache backend {backend.name}: buildx bake, which it "
                "takes, has no such thing.",
            )
    if has_files(reader):
        # Files are read here, so that this directory is no context but theirs.
        found = {
            name: why for name, why in _OF_ONE_IMAGE.items() if reader.text(name) not in {"", "."}
        }
        found |= dict.fromkeys(unknown_to_bake, "buildx bake has no such thing")
        for name, why in found.items():
            reader.bad(name, f"does not go with bake-files or compose-files; {why}.")
        return
    for name in ("targets", "set", "vars"):
        if reader.text(name):
            reader.bad(name, "is of no use without bake-files or compose-files.")


def has_files(reader: Reader) -> bool:
    """Say whether files tell what is built."""
    return bool(reader.text("bake-files") or reader.text("compose-files"))


def context(reader: Reader) -> str:
    """Return the build context."""
    value = reader.text("context")
    _check_template(reader, "context", value)
    return value


def build_contexts(reader: Reader) -> tuple[str, ...]:
    """Return the further contexts."""
    items = reader.items("build-contexts")
    for item in items:
        _check_template(reader, "build-contexts", item)
    return items


def _check_template(reader: Reader, name: str, value: str) -> None:
    """Check a context, in which there is one expression to be filled in."""
    if unknown := build_context.unknown(value):
        reader.bad(name, f"{unknown!r} is no expression; there is {{{{defaultContext}}}} alone.")


def variables(reader: Reader) -> tuple[str, ...]:
    """Return values of the variables of such files."""
    items = reader.items("vars")
    for number, item in enumerate(items, start=1):
        found = _VARIABLE.fullmatch(item)
        if not found:
            reader.bad("vars", f"item {number} is not of the form NAME=value.")
        elif _NO_VARIABLE.fullmatch(found[1]):
            reader.bad("vars", f"{found[1]} is no variable of a file, but of buildx's own.")
    return items
