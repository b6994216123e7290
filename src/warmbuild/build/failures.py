"""Explains a failed build, as the error that has the right exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warmbuild.errors import BuildError, EngineError, RegistryError, WarmbuildError

if TYPE_CHECKING:
    from warmbuild.buildkit.progress import Failure


def is_push(failure: Failure) -> bool:
    """Return whether the push failed."""
    return "exporting to" in failure.title and "push" in failure.error.lower()


def failure_error(failure: Failure) -> WarmbuildError:
    """Return an error that says what went wrong and what to do."""
    if "no space left on device" in failure.error.lower():
        return EngineError(
            f"the builder's disk is full: {failure.error}. Free space on the engine's machine "
            "(docker system prune), or give it a larger disk."
        )
    if is_push(failure):
        return RegistryError(
            f"the image is built and was not pushed: {failure.error}. Check that the registry can "
            "be reached and that the login may write to this repository (inputs registry, "
            "username, password)."
        )
    parts = ["the build failed"]
    parts += [f" at {failure.source}"] if failure.source else []
    parts += [f" in {failure.title}"] if failure.title else []
    parts += [f": {failure.error}", *(f"\n  | {line}" for line in failure.tail)]
    if "exec format error" in "\n".join((failure.error, *failure.tail)).lower():
        parts.append(
            "\nThe build ran a program of another processor without emulation: set qemu-platforms "
            "to emulate it, or build faster on a node with that processor (append)."
        )
    return BuildError("".join(parts))
