"""Files that a container shares with its job: by which names, whether a path is one, and whose."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild import files
from warmbuild.bake import target_paths
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
    ("context", "file", "build-contexts", "source", "bake-files", "compose-files", "output-file")
)
# Seconds by which the clock of a file system may be late.
_LATE: Final = 1.0


def of_run(provider: Provider, env: Mapping[str, str]) -> Mounts:
    """Return what this process shares with its job; what the job calls otherwise gets its names."""
    if named := provider.shared(env):
        # The container is this run's alone. A user who may not link has a path in it instead.
        with suppress(OSError):
            for name, place in named:
                _link(Path(name), place)
    if not env.get(_OF_IMAGE):
        return Mounts()
    found = Mounts(points=points(files.read_text(_MOUNTS) or ""), has_own_files=not named)
    # A job may run in the image from its first step on, without a mount for its checkout.
    is_of_run = os.getpid() == _FIRST or found.hold(os.path.realpath("."))
    return found if is_of_run else Mounts()


def _link(name: Path, place: str) -> None:
    """Make a directory of the job known by the name that the job has for it."""
    if not os.path.lexists(name) and Path(place).is_dir():
        name.parent.mkdir(parents=True, exist_ok=True)
        name.symlink_to(place)


def check(inputs: Inputs, mounts: Mounts, *, is_plan: bool) -> None:
    """Raise InputError for every path that the container does not share with the job.

    A plan has only the paths that it reads itself: the others are for a tool that builds elsewhere.
    """
    _check((one for one in paths.named(inputs) if not is_plan or one.name in _OF_PLAN), mounts)


def check_targets(found: Sequence[Target], name: str, mounts: Mounts) -> None:
    """Raise InputError for paths of targets; `name` is the input that names their file."""
    _check((named for one in found for named in target_paths.named(one, name)), mounts)


def _check(named: Iterable[Named], mounts: Mounts) -> None:
    problems = [problem for one in named for problem in _lost(one, mounts)]
    if problems:
        raise InputError(list(dict.fromkeys(problems)))


def _lost(one: Named, mounts: Mounts) -> Iterator[InputProblem]:
    real = os.path.realpath(one.path)
    if mounts.hold(real) or is_of_kernel(os.path.abspath(one.path)):  # noqa: PTH100 (of a text)
        return
    is_of_image = mounts.has_own_files and os.path.exists(real)  # noqa: PTH110 (never raises)
    if is_of_image and not one.is_written:
        return
    what = "would be lost with" if one.is_written else "of the job is not in"
    text = f"{one.path!r} {what} warmbuild's container, because no mount holds it; "
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
        if not os.path.lexists(path):
            return False
        found = os.lstat(path)
        return found.st_uid == _ROOT and found.st_ctime >= since

    yield from filter(is_made, files.tree(place))
    for directory in map(str, Path(place).parents):
        if directory in (mounts.points or ()) or not is_made(directory):
            return
        yield directory
