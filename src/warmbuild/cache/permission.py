"""May a run write a cache? One value with its reason, decided in one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from warmbuild.backends import Backend
    from warmbuild.inputs.values import Inputs
    from warmbuild.run_context import RunContext


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a decision about caches needs to know beside inputs and context."""

    variables: frozenset[str] | None
    """Environment variables that are set and not empty; None if they are not known."""
    pushes: bool
    """Whether the image, and an inline cache with it, is pushed."""
    has_image_store: bool
    """False if the engine's own BuildKit builds without the containerd image store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """Whether a run may write the cache of its branch."""

    branch: str
    """The branch; empty if nothing may be written."""
    reason: str
    is_problem: bool = False
    """Whether the refusal is one that a user would want to fix."""


NO_STORE = "the engine's own BuildKit without the containerd image store"


def may_write(inputs: Inputs, context: RunContext, facts: Facts, *, reads: bool) -> Permission:
    """Return the permission; `reads` says whether any cache is read.

    The first obstacle that holds is the reason.
    """
    backend, forced = inputs.cache_backend, inputs.cache in {"read-write", "write-only"}
    obstacles = (
        (inputs.cache == "read-only", "cache is read-only"),
        (context.untrusted, context.untrusted),
        (context.tag, "a tag has no cache of its own; its branch has"),
        (context.passing and not forced, context.passing),
        (not context.branch, "this run belongs to no branch"),
        (
            context.ci == "local" and not forced and not backend.local_run_may_write,
            "a local run leaves the shared cache alone; cache: read-write writes it",
        ),
        (
            reads and inputs.no_cache_filters and has_nodes_apart(inputs),
            "no-cache-filters, and nodes for a platform each",
        ),
        (
            backend.lies_in_image and not facts.pushes,
            "an inline cache is pushed with its image, which is not pushed",
        ),
    )
    problems = (
        (missing_variables(inputs, facts), lacks_variables(inputs, facts)),
        (not facts.has_image_store and not backend.lies_in_image, WITHOUT_STORE),
    )
    for holds, reason in obstacles:
        if holds:
            return Permission(branch="", reason=f"no cache is written: {reason}")
    for holds, reason in problems:
        if holds:
            return Permission(branch="", reason=reason, is_problem=True)
    return Permission(branch=context.branch, reason="this branch's own cache")


WITHOUT_STORE = (
    f"no cache is written: {NO_STORE} writes one into an image alone "
    "(cache-backend: inline); driver: docker-container writes any"
)


def has_nodes_apart(inputs: Inputs) -> bool:
    """Say whether each node of the builder exports a cache of its own.

    An inline cache lies in one image, targets of files are built in calls that are not taken
    apart, and a plan alone is carried out by another program.
    """
    is_alone = not (inputs.bake_files or inputs.compose_files or inputs.plan_only)
    is_apart = is_alone and not inputs.cache_backend.lies_in_image
    return bool(inputs.append) and len(set(inputs.platforms)) > 1 and is_apart


def missing_variables(inputs: Inputs, facts: Facts) -> tuple[str, ...]:
    """Return the variables that the backend does not work without and the environment lacks.

    A CI system sets them, so a user can do no more than choose another backend.
    """
    if facts.variables is None:
        return ()
    there = {*facts.variables, *(option.partition("=")[0] for option in inputs.cache_options)}
    backend: Backend = inputs.cache_backend
    return tuple(names[0] for names in backend.variables if there.isdisjoint(names))


def lacks_variables(inputs: Inputs, facts: Facts) -> str:
    """Return the sentence on a backend whose variables are missing."""
    missing = " and ".join(missing_variables(inputs, facts))
    return (
        f"no cache is read or written: the backend {inputs.cache_backend.name} needs {missing}, "
        "which GitHub Actions sets for actions, and not for `run` steps"
    )
