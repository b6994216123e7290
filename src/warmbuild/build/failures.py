"""What a failed build means to a user, in the class that has the right exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warmbuild.errors import BuildError, EngineError, RegistryError, WarmbuildError

if TYPE_CHECKING:
    from warmbuild.buildkit.progress import Failure


def is_push(failure: Failure) -> bool:
    """Say whether it was the push that failed."""
    return "exporting to" in failure.title and "push" in failure.error.lower()


def failure_error(failure: Failure) -> WarmbuildError:
    """Say what went wrong and what to do, in the class that has the right exit code."""
    text = failure.error.lower()
    if "no space left on device" in text:
        return EngineError(
            f"the builder's disk is full: {failure.error}. Free space on the engine's machine "
            "(docker system prune), or give it a larger disk."
        )
    if "exec format error" in "\n".join((text, *failure.tail)).lower():
        return BuildError(
            f"{_failed(failure)}\nA program of another processor was started and is not emulated: "
            "qemu-platforms emulates it, and a node of its own (append) builds faster."
        )
    if is_push(failure):
        return RegistryError(
            f"the image is built and was not pushed: {failure.error}. Check that the registry is "
            "there and that the login may write to this repository (inputs registry, username, "
            "password)."
        )
    return BuildError(_failed(failure))


def _failed(failure: Failure) -> str:
    parts = [f"the build failed{f' at {failure.source}' if failure.source else ''}"]
    parts += [f" in {failure.title}"] if failure.title else []
    parts.append(f": {failure.error}")
    parts += [f"\n  | {line}" for line in failure.tail]
    return "".join(parts)
