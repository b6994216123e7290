"""Reads the parts of a project that the lint rules look at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from warmbuild.files import read_text
from warmbuild.inputs import build_context
from warmbuild.inputs.build_context import is_remote
from warmbuild.lint.case import OddModes, Sources
from warmbuild.project import git_directory, git_modes, ignore_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.buildkit.checks import Warned
    from warmbuild.plan.build_plan import BuildPlan


def read(decided: BuildPlan, pipeline_file: str) -> Sources:
    """Read the files that exist; `pipeline_file` is relative to the repository's root, or "".

    If the context is this run's own commit by git, its checkout is read instead, except for .git
    and modes, which such a context does not have. A file that cannot be read counts as missing: the
    build reports it.
    """
    root = _root(Path.cwd())
    pipeline = read_text(root / pipeline_file) if pipeline_file else None
    described = Sources(
        pipeline_file=pipeline_file if pipeline is not None else "", pipeline=pipeline or ""
    )
    places = _places(decided)
    if places is None or not places[0].is_dir():
        return described
    context, file = places
    is_git = is_remote(decided.context)
    own = file.with_name(f"{file.name}.dockerignore")
    ignored_by = own if own.is_file() else context / ".dockerignore"
    ignore = read_text(ignored_by)
    has_git = not is_git and (context / ".git").is_dir()
    inside = {".git": has_git, "Dockerfile": _is_below(file, context)}
    is_excluded = ignore_file.matcher(ignore_file.patterns(ignore or ""))
    return replace(
        described,
        file=_shown(file, root),
        text=read_text(file) or "",
        ignore_file=_shown(ignored_by, root),
        ignore=ignore,
        in_context=frozenset(name for name, is_inside in inside.items() if is_inside),
        odd_modes=None if is_git else _odd_modes(context, is_excluded),
    )


def named(decided: BuildPlan, warned: Warned) -> str:
    """Return the file that a warning is about, or "" if its text differs from the warning's source.

    If the text differs, the warning's line is not the file's line.
    """
    places = _places(decided)
    if places is None or not warned.source:
        return ""
    try:
        is_same = places[1].read_bytes() == warned.source
    except OSError:
        return ""
    return _shown(places[1], _root(Path.cwd())) if is_same else ""


def _odd_modes(context: Path, is_excluded: Callable[[str], bool]) -> OddModes | None:
    """Return a tracked file of the context whose mode differs from git's."""
    odd = (
        (path, mode, stored)
        for path, mode, stored in git_modes.tracked_files(context) or ()
        if mode != stored and not is_excluded(path)
    )
    first = next(odd, None)
    if first is None:
        return None
    path, mode, stored = first
    return OddModes(path=path, mode=mode, stored=stored, has_more=any(odd))


def _root(directory: Path) -> Path:
    """Return the directory that paths in findings are relative to: the work tree's, if any."""
    tree = git_directory.find(directory.resolve(), read_text)
    return tree.root if tree else directory.resolve()


def _places(decided: BuildPlan) -> tuple[Path, Path] | None:
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
    return lower if lower.is_file() and not usual.is_file() else usual


def _shown(path: Path, root: Path) -> str:
    return path.resolve().relative_to(root).as_posix() if _is_below(path, root) else str(path)


def _is_below(path: Path, directory: Path) -> bool:
    return path.resolve().is_relative_to(directory.resolve())
