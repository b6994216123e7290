"""Files that outlive the container of a run: where they are, by which name, and whose they are."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild import files
from warmbuild.bake import paths as target_paths
from warmbuild.errors import InputError, InputProblem
from warmbuild.inputs import paths
from warmbuild.mounts import Mounts, is_of_kernel, points

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from warmbuild.bake.targets import Target
    from warmbuild.ci.provider import Provider
    from warmbuild.inputs.paths import Named
    from warmbuild.inputs.values import Inputs
    from warmbuild.log import Log

# Set in warmbuild's own image. Whoever installs warmbuild in another one keeps the container for
# the job's other steps.
_OF_IMAGE: Final = "WARMBUILD_CONTAINER"
_MOUNTS: Final = "/proc/self/mountinfo"
# The first process of a container, which ends with it.
_FIRST: Final = 1
_ROOT: Final = 0
# What a plan reads and writes itself. Everything else is for the tool that builds elsewhere.
_OF_PLAN: Final = frozenset(
    ("context", "file", "build-contexts", "bake-files", "compose-files", "output-file")
)
# Seconds by which the clock of a file system may be late.
_LATE: Final = 1.0


def of_run(provider: Provider, env: Mapping[str, str]) -> Mounts:
    """Return what this process shares with its job."""
    names = provider.shared(env)
    if not env.get(_OF_IMAGE):
        return Mounts(names=names)
    found = Mounts(names=names, points=points(files.read_text(_MOUNTS) or ""))
    # A job may run in the image from its first step on, without a mount for its checkout.
    is_of_run = os.getpid() == _FIRST or found.hold(os.path.realpath("."))
    return found if is_of_run else Mounts(names=names)


def inside(inputs: Inputs, mounts: Mounts, *, is_plan: bool) -> Inputs:
    """Return the inputs with their paths as this process knows them.

    Raises InputError for every path that the container does not share with the job.
    """

    def is_used(one: Named) -> bool:
        return not is_plan or one.name in _OF_PLAN

    found = paths.changed(inputs, lambda one: mounts.inside(one.path) if is_used(one) else one.path)
    _check(filter(is_used, paths.named(found)), mounts)
    return found


def targets_inside(found: Sequence[Target], name: str, mounts: Mounts) -> Sequence[Target]:
    """Return targets in the same way; `name` is the input that names their file."""
    if not mounts.names and mounts.points is None:
        return found
    found = [
        target_paths.changed(one, lambda named: mounts.inside(named.path), name) for one in found
    ]
    _check((named for one in found for named in target_paths.named(one, name)), mounts)
    return found


def _check(named: Iterable[Named], mounts: Mounts) -> None:
    problems = [problem for one in named for problem in _lost(one, mounts)]
    if problems:
        raise InputError(list(dict.fromkeys(problems)))


def _lost(one: Named, mounts: Mounts) -> Iterator[InputProblem]:
    real = os.path.realpath(one.path)
    if mounts.hold(real) or is_of_kernel(os.path.abspath(one.path)):  # noqa: PTH100 (of a text)
        return
    # An image that is made of warmbuild's may bring files. On GitHub, a path is the runner's.
    is_of_image = os.path.exists(real) and not mounts.names  # noqa: PTH110 (never raises)
    if is_of_image and not one.is_written:
        return
    what = "would be lost with" if one.is_written else "is not in"
    text = f"{one.path!r} {what} the container of warmbuild, which does not share it with the job; "
    yield InputProblem(name=one.name, text=f"{text}{_instead(real, mounts)}.")


def _instead(path: str, mounts: Mounts) -> str:
    """Return what to do about a path that is not shared."""
    if mounts.hold(os.path.realpath(".")):
        name = Path(path).name or "out"
        return f"use a path in the working directory, such as {name!r}"
    return 'mount the working directory, as with -v "$PWD:$PWD" -w "$PWD"'


@contextmanager
def handed_over(named: Iterable[Named], mounts: Mounts, log: Log) -> Iterator[None]:
    """Give what a run writes while the block runs to the owner of the working directory.

    In a container, root writes it, and the next steps of the job may run as another user.
    """
    since = time.time() - _LATE
    try:
        yield
    finally:
        if owner := _owner(mounts):
            for place in sorted({os.path.realpath(one.path) for one in named if one.is_written}):
                try:
                    for path in _made(place, since, mounts):
                        os.chown(path, *owner, follow_symlinks=False)
                except OSError as error:
                    log.warning(f"{place} belongs to root, and stays so: {error.strerror}")


def written(inputs: Inputs, targets: Iterable[Target | None]) -> Iterator[Named]:
    """Yield the paths that a run writes."""
    yield from (one for one in paths.named(inputs) if one.is_written)
    for target in filter(None, targets):
        yield from (one for one in target_paths.named(target, "") if one.is_written)


def _owner(mounts: Mounts) -> tuple[int, int] | None:
    """Return user and group of the working directory, if a container's root is to serve them."""
    if mounts.points is None or os.geteuid() != _ROOT:
        return None
    here = Path().stat()
    return (here.st_uid, here.st_gid) if here.st_uid != _ROOT else None


def _made(place: str, since: float, mounts: Mounts) -> Iterator[str]:
    """Yield what root has made at a path since a time, in seconds since 1970.

    The directories above are part of it, if they were made for the path.
    """

    def is_made(path: str) -> bool:
        found = os.lstat(path)
        return found.st_uid == _ROOT and found.st_ctime >= since

    yield from filter(is_made, files.tree(place))
    for directory in map(str, Path(place).parents):
        if directory in (mounts.points or ()) or not is_made(directory):
            return
        yield directory
