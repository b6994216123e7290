"""Keeps untrusted code in its checkout: files and links lead to nothing else of the machine.

Paths are looked at once, before anything is built. Only the job itself could change them later.
"""

from __future__ import annotations

import os
import posixpath
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild import lazy
from warmbuild.errors import InputError, InputProblem
from warmbuild.files import read_text
from warmbuild.inputs import paths
from warmbuild.trust import Right

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from warmbuild.bake import allowed, compose_paths
    from warmbuild.bake.targets import Target
    from warmbuild.inputs.values import Inputs
    from warmbuild.trust import Trust
else:
    # Trusted code needs none of these.
    allowed = lazy.module("warmbuild.bake.allowed")
    compose_paths = lazy.module("warmbuild.bake.compose_paths")

_GIT: Final = ".git"
_KUBECONFIG: Final = "KUBECONFIG"
# In bytes, of a compose file; those of people have some thousands.
_LARGEST: Final = 256 * 1024
# Bake definitions by their names; buildx takes every other file for a compose file first.
_BAKE: Final = (".hcl", ".json")
# Inputs of which buildx reads more than they name, or what looks like no path.
_OF_BUILDX: Final = frozenset(("context", "file", "build-contexts"))


def check_inputs(inputs: Inputs, env: Mapping[str, str], trust: Trust) -> None:
    """Raise InputError where a link of the checkout takes the place of what an input names.

    So it does where the job takes the way to a cluster from the checkout.
    """
    if untrusted := trust.refuses(Right.LEAVE_CHECKOUT):
        _raise((*_links(_of_inputs(inputs), untrusted), *_of_kubeconfig(inputs, env, untrusted)))


def check_files(given: Sequence[tuple[str, str]], trust: Trust, base: str = "") -> None:
    """Raise InputError if bake and compose files have buildx read what lies elsewhere.

    `given` are their paths, each with the name of its input, and `base` is the directory that what
    they name is relative to.
    """
    if untrusted := trust.refuses(Right.LEAVE_CHECKOUT):
        _raise(_links(given, untrusted))
        for name, path in given:
            if not is_bake(path):
                _raise(_of_compose_file(name, path, base, untrusted))


def is_bake(path: str) -> bool:
    """Return whether buildx takes a file for a bake definition, and not for a compose file."""
    return path.lower().endswith(_BAKE)


def confined(found: Sequence[Target], name: str, trust: Trust) -> Sequence[Target]:
    """Return the targets of files, those of untrusted code without what they may not define.

    Raises InputError for paths outside of the checkout; `name` is the input of the files.
    """
    untrusted = trust.refuses(Right.LEAVE_CHECKOUT) or trust.refuses(Right.READ_ENVIRONMENT)
    if not untrusted:
        return found
    found = [allowed.confined(target, untrusted) for target in found]
    _raise(
        InputProblem(name=name, text=f"the target {target.name} {what}, and {untrusted}.")
        for target in found
        for what in _wrong(target)
    )
    return found


def _wrong(target: Target) -> Iterator[str]:
    for path in dict.fromkeys(allowed.paths(target)):
        if not _is_below(path, Path.cwd()):
            yield f"uses {path!r}, which lies outside of this directory"
    for context in allowed.strange_contexts(target):
        yield f"uses {context!r}, which is neither a path nor a URL (https, http or git)"
    for path in filter(partial(_is_below, directory=Path.cwd()), allowed.written(target)):
        if os.path.lexists(Path(path) / _GIT) or _GIT in _real(path).parts:
            yield f"writes to {path!r}, which holds a git repository"


def _of_inputs(inputs: Inputs) -> Iterator[tuple[str, str]]:
    """Return the paths that inputs name; what is no path leads nowhere."""
    yield "context", inputs.context
    if _is_below(inputs.context, _root()):
        file = inputs.file or posixpath.join(inputs.context, "Dockerfile")
        yield from (("file", path) for path in allowed.of_dockerfile(file))
    for item in inputs.build_contexts:
        places = allowed.directories(item.partition("=")[2])
        yield from (("build-contexts", place) for place in places)
    yield from ((one.name, one.path) for one in paths.named(inputs) if one.name not in _OF_BUILDX)


def _links(given: Iterable[tuple[str, str]], untrusted: str) -> Iterator[InputProblem]:
    """Return the problems of paths that look as if they were in the checkout, and are not."""
    root = _root()
    for name, path in given:
        looks = Path(os.path.normpath(Path.cwd() / path))
        if looks.is_relative_to(root) and not _is_below(path, root):
            text = f"{path!r} leads out of this directory by a link, and {untrusted}."
            yield InputProblem(name=name, text=text)


def _of_kubeconfig(
    inputs: Inputs, env: Mapping[str, str], untrusted: str
) -> Iterator[InputProblem]:
    """Yield that the kubeconfig lies in the checkout: it may name a program, which buildx runs."""
    path, root = env.get(_KUBECONFIG, ""), _root()
    looks = Path(os.path.normpath(Path.cwd() / path))
    if inputs.driver.in_cluster and path and (looks.is_relative_to(root) or _is_below(path, root)):
        text = f"names {path!r} in the checkout, and {untrusted}. Write it to a directory outside."
        yield InputProblem(name=_KUBECONFIG, text=text)


def _root() -> Path:
    """Return the root of the checkout; without git it is the current directory."""
    here = Path.cwd()
    return next((place for place in (here, *here.parents) if (place / _GIT).exists()), here)


def _of_compose_file(name: str, path: str, base: str, untrusted: str) -> Iterator[InputProblem]:
    """Return the problems of a compose file, and of those that it includes and extends.

    What a file names is relative to its directory, and for those of the inputs to `base`.
    """
    waiting, seen = [(path, base)], set[tuple[Path, Path]]()
    while waiting:
        path, base = waiting.pop()
        if (step := (_real(path), _real(base))) in seen:
            continue
        seen.add(step)
        named = [compose_paths.Named(path=".env", is_compose=False)]
        try:
            text = read_text(path, _LARGEST)
            if text is None:
                raise ValueError(f"is not a regular file of up to {_LARGEST // 1024} kB")  # noqa: TRY301 (as if it was malformed)
            named += compose_paths.named(text)
        except ValueError as error:
            text = f"{path} {error}, so that its paths cannot be checked, and {untrusted}."
            yield InputProblem(name=name, text=text)
        for one in named:
            file = posixpath.join(base, one.path)
            if not _is_below(file, Path.cwd()):
                text = f"{path} reads {file!r}, which lies outside of this directory, and "
                yield InputProblem(name=name, text=f"{text}{untrusted}.")
            elif one.is_compose and os.path.lexists(file):
                waiting.append((file, posixpath.dirname(file)))


def _is_below(path: str, directory: Path) -> bool:
    """Return whether a path leads to a directory or below it, with every link followed."""
    try:
        return Path(path).resolve().is_relative_to(directory.resolve())
    except (OSError, RuntimeError, ValueError):  # A link to itself, or no path at all
        return False


def _real(path: str | Path) -> Path:
    """Return a path without links; unlike `resolve`, it takes a link to itself for a file."""
    return Path(os.path.realpath(path))


def _raise(problems: Iterable[InputProblem]) -> None:
    if found := list(problems):
        raise InputError(found)
