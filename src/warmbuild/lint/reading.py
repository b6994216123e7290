"""Reads the parts of a project that the lint rules look at."""

from __future__ import annotations

import os.path
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild import surrogates, untrusted_json, whole_numbers
from warmbuild.files import read_bytes, read_text
from warmbuild.inputs import build_context
from warmbuild.inputs.build_context import is_remote
from warmbuild.lint.case import OddModes, Sources
from warmbuild.project import dockerfile, git_directory, git_modes, ignore_file, linking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from warmbuild.buildkit.checks import Warned
    from warmbuild.plan.build_plan import BuildPlan

# Bytes of a file that people write. A larger one counts as missing: it is not linted.
_MOST: Final = 256 * 1024
# Characters of patterns times characters of paths, which take some seconds.
_MOST_WORK: Final = 50_000_000_000


def read(decided: BuildPlan, pipeline_file: str) -> Sources:
    """Read the files that exist; `pipeline_file` is relative to the repository's root, or "".

    If the context is this run's own commit by git, its checkout is read instead, except for .git
    and modes, which such a context does not have. A file that cannot be read counts as missing: the
    build reports it. A .dockerignore that cannot be read may exclude anything.
    """
    root = _root(Path.cwd())
    pipeline = read_text(root / pipeline_file, _MOST) if pipeline_file else None
    described = Sources(
        pipeline_file=pipeline_file if pipeline is not None else "", pipeline=pipeline or ""
    )
    places = places_of(decided)
    if places is None or not _is_directory(places[0]):
        return described
    context, file = places
    is_git = is_remote(decided.context)
    own = Path(f"{file}.dockerignore")
    ignored_by = own if _is_file(own) else context / ".dockerignore"
    ignore = read_text(ignored_by, _MOST)
    if ignore is None and os.path.lexists(ignored_by):
        # Nothing is certain of what else is in the context.
        ignore = "*"
    has_git = not is_git and _is_directory(context / ".git")
    inside = {".git": has_git, "Dockerfile": _is_below(file, context)}
    is_excluded = ignore_file.matcher(ignore_file.patterns(ignore or ""))
    text = read_text(file, _MOST) or ""
    sources = linking.sources(dockerfile.parse(text, {}), decided.stage)
    return replace(
        described,
        file=_shown(file, root),
        text=text,
        directories=directories(context, sources),
        contexts=contexts(decided),
        ignore_file=_shown(ignored_by, root),
        ignore=ignore,
        in_context=frozenset(name for name, is_inside in inside.items() if is_inside),
        odd_modes=None if is_git else _odd_modes(context, is_excluded, len(ignore or "")),
    )


def named(decided: BuildPlan, warned: Warned) -> str:
    """Return the file that a warning is about, or "" if its text differs from the warning's source.

    If the text differs, the warning's line is not the file's line.
    """
    places = places_of(decided)
    if places is None or not warned.source:
        return ""
    texts = (read_bytes(path) for path in (decided.linked_file, places[1]) if path)
    is_same = warned.source in texts
    return _shown(places[1], _root(Path.cwd())) if is_same else ""


def place(plans: Iterable[BuildPlan], source: str) -> tuple[str, int]:
    """Return the file and the line that buildx calls NAME:LINE, or "" and 0.

    Several builds may have files of that name; then it is not known which one is meant.
    """
    name, _, line = source.rpartition(":")
    found = {
        _shown(places[1], _root(Path.cwd()))
        for one in plans
        if (places := places_of(one))
        and Path(name).name in {Path(path).name for path in (one.linked_file, places[1]) if path}
    }
    number = whole_numbers.read(line)
    return (found.pop(), number) if len(found) == 1 and number else ("", 0)


def directories(context: Path, sources: Iterable[str]) -> Mapping[str, bool]:
    """Return which of the paths below a context exist, and whether they are directories."""
    places = {source: f"{context}/{source}" for source in sources if ".." not in source.split("/")}
    return {
        source: _is_directory(Path(place))
        for source, place in places.items()
        if os.path.exists(place)  # noqa: PTH110 (never raises)
    }


def contexts(decided: BuildPlan) -> frozenset[str]:
    """Return the names of the other build contexts."""
    names = [item.partition("=")[0] for item in decided.build_contexts]
    names += untrusted_json.child(decided.definition or {}, "contexts")
    return frozenset(name.lower() for name in names)


def _odd_modes(
    context: Path, is_excluded: Callable[[str], bool], pattern_length: int
) -> OddModes | None:
    """Return a tracked file of the context whose mode differs from git's."""
    odd = _not_excluded(context, is_excluded, _MOST_WORK // (pattern_length + 1))
    first = next(odd, None)
    if first is None:
        return None
    path, mode, stored = first
    return OddModes(path=surrogates.escaped(path), mode=mode, stored=stored, has_more=any(odd))


def _not_excluded(
    context: Path, is_excluded: Callable[[str], bool], most: int
) -> Iterator[tuple[str, int, int]]:
    """Yield the tracked files with another mode, until `most` characters of paths were matched."""
    for path, mode, stored in git_modes.tracked_files(context) or ():
        if mode != stored:
            most -= len(path)
            if most < 0:
                return
            if not is_excluded(path):
                yield path, mode, stored


def _root(directory: Path) -> Path:
    """Return the directory that paths in findings are relative to: the work tree's, if any."""
    tree = git_directory.find(_real(directory), read_text)
    return tree.root if tree else _real(directory)


def places_of(decided: BuildPlan) -> tuple[Path, Path] | None:
    """Return the paths of the context and the Dockerfile; None if they are not on this machine."""
    if not is_remote(decided.context):
        context = Path(decided.context)
        return context, _dockerfile(context, decided.file)
    if checkout := build_context.checkout(decided.context, decided.run):
        context = Path(checkout)
        return context, _dockerfile(context, str(context / decided.file) if decided.file else "")
    return None


def _dockerfile(context: Path, file: str) -> Path:
    if file:
        return Path(file)
    usual, lower = context / "Dockerfile", context / "dockerfile"
    return lower if _is_file(lower) and not _is_file(usual) else usual


def _shown(path: Path, root: Path) -> str:
    shown = _real(path).relative_to(root).as_posix() if _is_below(path, root) else str(path)
    return surrogates.escaped(shown)


def _is_below(path: Path, directory: Path) -> bool:
    return _real(path).is_relative_to(_real(directory))


def _real(path: Path) -> Path:
    """Return a path without links, as `resolve` does, which raises RuntimeError for a circle."""
    return Path(os.path.realpath(path))


# Unlike the methods of Path, these also take a path that is too long or may not be looked at.
def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113


def _is_directory(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112
