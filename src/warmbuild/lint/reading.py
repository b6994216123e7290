"""Reads what the lint rules look at from a project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from warmbuild.files import read_text
from warmbuild.inputs import build_context
from warmbuild.inputs.build_context import is_remote
from warmbuild.lint.sources import OddModes, Sources
from warmbuild.project import git_directory, git_modes, ignore_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.buildkit.checks import Warned
    from warmbuild.plan.build_plan import BuildPlan


def read(decided: BuildPlan, pipeline_file: str) -> Sources:
    """Read what there is; `pipeline_file` is relative to the repository's root, or empty.

    Of a git context that is this run's own the checkout is read, if there is one, but for what that
    context has not: .git, and modes other than git's. A file that cannot be read is as good as
    none: the build will say so.
    """
    root = _root(Path.cwd())
    pipeline = read_text(root / pipeline_file) if pipeline_file else None
    if pipeline is None:
        pipeline_file = ""
    places = _places(decided)
    if places is None or not places[0].is_dir():
        return Sources(pipeline_file=pipeline_file, pipeline=pipeline or "")
    context, file = places
    is_git = is_remote(decided.context)
    own = file.with_name(f"{file.name}.dockerignore")
    ignored_by = own if own.is_file() else context / ".dockerignore"
    ignore = read_text(ignored_by)
    inside = {
        ".git": not is_git and (context / ".git").is_dir(),
        "Dockerfile": _is_below(file, context),
    }
    is_out = ignore_file.matcher(ignore_file.patterns(ignore or ""))
    return Sources(
        file=_shown(file, root),
        text=read_text(file) or "",
        ignore_file=_shown(ignored_by, root),
        ignore=ignore,
        in_context=frozenset(name for name, lies_there in inside.items() if lies_there),
        odd_modes=None if is_git else _odd_modes(context, is_out),
        pipeline_file=pipeline_file,
        pipeline=pipeline or "",
    )


def named(decided: BuildPlan, warned: Warned) -> str:
    """Return the file here that a warning is about, "" where there is none of the same text.

    Only then is its line the right one.
    """
    places = _places(decided) if warned.source else None
    try:
        is_same = places is not None and places[1].read_bytes() == warned.source
    except OSError:
        return ""
    return _shown(places[1], _root(Path.cwd())) if places and is_same else ""


def _odd_modes(context: Path, is_out: Callable[[str], bool]) -> OddModes | None:
    """Return a tracked file of the context whose mode is not git's, and whether there are more."""
    odd = (
        (path, mode, stored)
        for path, mode, stored in git_modes.tracked_files(context) or ()
        if mode != stored and not is_out(path)
    )
    first = next(odd, None)
    if first is None:
        return None
    path, mode, stored = first
    return OddModes(path=path, mode=mode, stored=stored, has_more=next(odd, None) is not None)


def _root(directory: Path) -> Path:
    """Return what findings name files from: the work tree's root, or the directory itself."""
    tree = git_directory.find(directory.resolve(), read_text)
    return tree.root if tree else directory.resolve()


def _places(decided: BuildPlan) -> tuple[Path, Path] | None:
    """Return the context and the Dockerfile as they should lie here, None for those of others."""
    if not is_remote(decided.context):
        context = Path(decided.context)
        return context, _dockerfile(context, decided.file)
    checkout = build_context.checkout(decided.context, decided.run)
    if not checkout:
        return None
    context = Path(checkout)
    return context, _dockerfile(context, str(context / decided.file) if decided.file else "")


def _dockerfile(context: Path, file: str) -> Path:
    if file:
        return Path(file)
    usual, other = context / "Dockerfile", context / "dockerfile"
    return other if other.is_file() and not usual.is_file() else usual


def _shown(path: Path, root: Path) -> str:
    return path.resolve().relative_to(root).as_posix() if _is_below(path, root) else str(path)


def _is_below(path: Path, directory: Path) -> bool:
    return path.resolve().is_relative_to(directory.resolve())
