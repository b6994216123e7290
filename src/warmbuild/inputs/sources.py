"""Checks what is built: contexts, and files that define several images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from warmbuild.inputs import build_context

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warmbuild.backends import Backend
    from warmbuild.inputs.reading import Reader
    from warmbuild.inputs.values import Passed

_SET_PER_TARGET: Final = "the file sets it for each target"
# Inputs of a single image, with what replaces them for several.
_OF_ONE_IMAGE: Final[Mapping[str, str]] = {
    "context": _SET_PER_TARGET,
    "file": _SET_PER_TARGET,
    "target": "use targets to choose among those of the file",
    "cache-from": f"{_SET_PER_TARGET}, or use set: TARGET.cache-from=…",
    "cache-to": f"{_SET_PER_TARGET}, or use set: TARGET.cache-to=…",
    "cache-stages": "a target has only its own stages",
    "call": "it works on one image at a time",
}


def check(reader: Reader, backend: Backend, passed: Passed) -> None:
    """Find inputs that conflict with bake and compose files, or with buildx bake."""
    for name in ("context", "build-contexts"):
        for expression in build_context.unknown(reader.text(name)):
            text = f"{expression!r} is not supported; use {{{{defaultContext}}}}."
            reader.bad(name, text)
    unknown_to_bake = [row.name for row, _ in passed.given() if not row.bake_key]
    if backend.passed:
        text = f"cannot be set with cache backend '{backend.name}', which needs buildx bake; "
        for name in unknown_to_bake:
            reader.bad(name, f"{text}bake does not support it.")
    if has_files(reader):
        # The files' paths are relative to the current directory, so "." changes nothing.
        found = {
            name: why for name, why in _OF_ONE_IMAGE.items() if reader.text(name) not in {"", "."}
        }
        found |= dict.fromkeys(unknown_to_bake, "buildx bake does not support it")
        for name, why in found.items():
            reader.bad(name, f"conflicts with bake-files and compose-files: {why}.")
        return
    for name in ("targets", "set", "vars"):
        if reader.text(name):
            reader.bad(name, "needs bake-files or compose-files.")


def has_files(reader: Reader) -> bool:
    """Return whether bake or compose files define what is built."""
    return bool(reader.text("bake-files") or reader.text("compose-files"))
