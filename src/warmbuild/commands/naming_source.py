"""What names the image of a run: the event, or the HEAD of the checkout.

The meaning of `context` and of DOCKER_METADATA_PR_HEAD_SHA is docker/metadata-action's. Caches and
trust stay with the event.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild import lazy
from warmbuild.errors import InputError, InputProblem
from warmbuild.inputs import build_context

if TYPE_CHECKING:
    from warmbuild.inputs.values import Inputs
    from warmbuild.project import git_objects, git_refs
    from warmbuild.run_context import RunContext
else:
    # Only rules for tags and `reproducible` need the first, and only `context: git` the second.
    git_objects = lazy.module("warmbuild.project.git_objects")
    git_refs = lazy.module("warmbuild.project.git_refs")

_NO_HEAD: Final = "is git, and here is no checkout whose HEAD can be read; check out the sources."


def placed(inputs: Inputs) -> tuple[Inputs, str]:
    """Return the inputs with their build context, and what `context` says of names if it does.

    To name an image by HEAD is to build the checkout, so that the image is what its name says.
    """
    is_directory = not inputs.has_files and os.path.isdir(inputs.context)  # noqa: PTH112 (never raises)
    if inputs.context not in build_context.SOURCES or is_directory:
        return inputs, ""
    is_checkout = inputs.context == build_context.GIT
    return replace(inputs, context="." if is_checkout else ""), inputs.context


def named(inputs: Inputs, run: RunContext, source: str) -> RunContext:
    """Return the run with what names its image, of what `placed` has returned.

    Raises InputError if HEAD is asked for and cannot be read. Untrusted code chooses no names: its
    HEAD is not read.
    """
    found = replace(run, digits=inputs.short_sha_length)
    if source == build_context.GIT and run.trust.is_untrusted:
        note = f"the event names the image, and not the checkout: {run.trust.reason}"
        found = replace(found, naming_note=note)
    elif source == build_context.GIT:
        found = _checked_out(found)
    elif inputs.pr_head_sha and run.source_commit:
        found = replace(found, commit=run.source_commit)
    if inputs.tag_rules or inputs.reproducible:
        # git knows the time for every kind of event, and CI systems for some.
        committed = git_objects.committed(Path.cwd(), found.commit)
        found = replace(found, committed=committed or found.committed)
    return replace(run, named=found)


def _checked_out(run: RunContext) -> RunContext:
    ref, commit, others = git_refs.at(Path.cwd())
    if not commit:
        raise InputError([InputProblem(name="context", text=_NO_HEAD)])
    return run.checked_out(ref, commit, others)
