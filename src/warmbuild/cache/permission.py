"""May a run read caches, and write its branch's own? Each answer carries its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from warmbuild.frozen import frozen
from warmbuild.record.cause import Kind
from warmbuild.trust import Right

if TYPE_CHECKING:
    from warmbuild.image.tags import Tags
    from warmbuild.inputs.values import Inputs
    from warmbuild.run_context import RunContext

OWN: Final = "this branch's own cache"
COMMON_DEFAULTS: Final = ("main", "master")
NO_STORE: Final = "the engine's own BuildKit without the containerd image store"
NO_EXPORT: Final = (
    f"no cache is written: {NO_STORE} exports inline caches only; "
    "set cache-backend: inline or driver: docker-container"
)


@frozen
class Facts:
    """What decisions need to know beside inputs and context."""

    applied: Tags  # Names that the tag rules made; they are applied once for all images
    variables: frozenset[str] | None  # Environment variables that are not empty; None if unknown
    has_image_store: bool = True  # False if the engine lacks the containerd one, and it is needed


@frozen
class Permission:
    """Whether a run may read or write caches."""

    is_granted: bool
    reason: str = ""
    is_problem: bool = False  # Whether a user would want to fix the refusal
    kind: Kind = Kind.NOT_READ  # What a refusal to read is to a step that runs


def may_read(inputs: Inputs, facts: Facts) -> Permission:
    """Return whether a run may read caches; the first obstacle that holds is the reason."""
    obstacles = (
        (inputs.cache == "write-only", "cache is write-only", Kind.NOT_READ),
        (inputs.refresh, "refresh is on", Kind.REFRESH),
        (inputs.no_cache, "no-cache is on", Kind.NO_CACHE),
    )
    for holds, reason, kind in obstacles:
        if holds:
            return Permission(is_granted=False, reason=f"no cache is read: {reason}", kind=kind)
    backend = inputs.cache_backend
    problem = _missing_variables(inputs, facts)
    if not problem and not facts.has_image_store and not backend.read_by_graph_driver:
        problem = f"no cache is read: {NO_STORE} does not support the backend {backend.name}"
    return Permission(is_granted=not problem, reason=problem, is_problem=bool(problem))


def may_write(
    inputs: Inputs, context: RunContext, facts: Facts, *, reads: bool, pushes: bool
) -> Permission:
    """Return whether a run may write its branch's cache; the first obstacle that holds is why not.

    `reads` tells whether the run reads caches, `pushes` whether it pushes the image, and an inline
    cache with it.
    """
    backend, is_forced = inputs.cache_backend, inputs.cache in {"read-write", "write-only"}
    untrusted = context.trust.refuses(Right.WRITE_CACHES)
    obstacles = (
        (inputs.cache == "read-only", "cache is read-only"),
        (untrusted, untrusted),
        (context.tag, "a git tag has no cache of its own; its branch has"),
        (context.passing and not is_forced, context.passing),
        (not context.branch, "this run belongs to no branch"),
        (
            context.is_pull_request and context.branch in _read_by_others(inputs, context),
            f"a pull request also builds its target branch, and all read {context.branch}'s cache",
        ),
        (
            context.trust.refuses(Right.WRITE_BY_DEFAULT)
            and not is_forced
            and not backend.local_run_may_write,
            "local runs do not write the shared cache unless cache is read-write",
        ),
        (
            reads and inputs.no_cache_filters and has_nodes_apart(inputs),
            "no-cache-filters is given, and each node of the builder would export its own cache",
        ),
        (
            backend.lies_in_image and not pushes,
            "an inline cache is pushed with its image, which is not pushed",
        ),
    )
    for holds, reason in obstacles:
        if holds:
            return Permission(is_granted=False, reason=f"no cache is written: {reason}")
    problem = _missing_variables(inputs, facts)
    if not problem and not facts.has_image_store and not backend.lies_in_image:
        problem = NO_EXPORT
    return Permission(is_granted=not problem, reason=problem or OWN, is_problem=bool(problem))


def _read_by_others(inputs: Inputs, context: RunContext) -> set[str]:
    """Return the branches whose caches flow to all others."""
    default = (context.default_branch,) if context.default_branch else COMMON_DEFAULTS
    return {*inputs.cache_fallback, *default}


def has_nodes_apart(inputs: Inputs) -> bool:
    """Return whether each node of the builder exports a cache of its own.

    An inline cache lies in one image, targets of files share their calls, and another program
    carries out a plan alone.
    """
    is_shared = inputs.has_files or inputs.plan_only
    is_apart = not is_shared and not inputs.cache_backend.lies_in_image
    return bool(inputs.append) and len(set(inputs.platforms)) > 1 and is_apart


def _missing_variables(inputs: Inputs, facts: Facts) -> str:
    """Return which variables the backend lacks, as a sentence; empty if it lacks none."""
    if facts.variables is None:
        return ""
    backend = inputs.cache_backend
    given = {*facts.variables, *(option.partition("=")[0] for option in inputs.cache_options)}
    missing = [names[0] for names in backend.variables if given.isdisjoint(names)]
    if not missing:
        return ""
    return (
        f"no cache is read or written: the backend {backend.name} needs {' and '.join(missing)}, "
        "which GitHub Actions sets for actions but not for `run` steps; use the action, or choose "
        "another cache-backend"
    )
