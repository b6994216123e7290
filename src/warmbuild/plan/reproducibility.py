"""Decides how a build gets the same digest each time, as the input `reproducible` asks.

BuildKit takes SOURCE_DATE_EPOCH as the time of everything in an image that is later. As a build
argument, it is part of the cache key of each `WORKDIR` (BuildKit v0.34.2), so a new commit would
run its steps again. As an attribute of an export it is part of none.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from warmbuild import backends, csv_attributes
from warmbuild.cache import problems
from warmbuild.image import attestations

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from warmbuild.cache.permission import Facts
    from warmbuild.inputs.values import Inputs
    from warmbuild.plan.build_plan import BuildPlan

_VARIABLE: Final = "SOURCE_DATE_EPOCH"
_TIME: Final = "source-date-epoch"
_LAYERS: Final = "rewrite-timestamp"
# Outputs that may have attestations, and with them an index.
_WITH_INDEX: Final = ("image", "registry", "oci")
_IMAGES: Final = (*_WITH_INDEX, "docker")
# Outputs of files, which all get the time. They have no layers.
_FILES: Final = ("local", "tar")
_NO_PROVENANCE: Final = (
    "there is no provenance by default: it holds times, and the digest would differ in each build"
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def applied(plan: BuildPlan, inputs: Inputs, facts: Facts) -> BuildPlan:
    """Return a plan whose exports write the same times in each build of a commit.

    buildx makes the variable SOURCE_DATE_EPOCH a build argument, and BuildKit hands that to every
    export, so the user's own wins.
    """
    if not inputs.reproducible:
        return plan
    kinds = attestations.kinds(plan.outputs)
    has_index = plan.push or bool(kinds & {*_WITH_INDEX})
    if not (plan.push or plan.load or kinds & {*_IMAGES, *_FILES}):
        note = "reproducible has no effect: nothing is exported"
        return replace(plan, notes=(*plan.notes, note))
    committed = plan.run.naming.committed
    time = (committed or _EPOCH).astimezone(UTC)
    shown = time.strftime("%Y-%m-%dT%H:%M:%SZ")
    is_given = _is_given(plan, facts)
    latest = (
        f"{_VARIABLE}, which is given"
        if is_given
        else f"the commit, {shown}"
        if committed
        else f"{shown}, because that of the commit is unknown"
    )
    return replace(
        plan,
        times=(*(() if is_given else ((_TIME, str(int(time.timestamp()))),)), (_LAYERS, "true")),
        notes=(
            *(*plan.notes, f"what the build makes has no time after {latest}"),
            *((_NO_PROVENANCE,) if has_index and attestations.leaves_out(inputs) else ()),
        ),
        problems=(*plan.problems, *problems.advice(_obstacles(plan))),
    )


def missing(output: Mapping[str, str], times: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    """Return those of the attributes `times` that an output takes and does not set."""
    kind = output.get("type", "")
    taken = (_TIME, _LAYERS) if kind in _IMAGES else (_TIME,) if kind in _FILES else ()
    return {name: value for name, value in times if name in taken and name not in output}


def timed(entry: str, times: Sequence[tuple[str, str]]) -> str:
    """Return an output as a flag takes it, with the attributes `times`."""
    found = dict(csv_attributes.pairs(entry))
    if times and "type" not in found:
        # buildx takes a bare directory, or a hyphen for a tar, and no attribute beside it.
        kind = "tar" if entry == "-" else "local"
        found = {"type": kind, "dest": entry}
        entry = csv_attributes.joined(f"type={kind}", f"dest={entry}")
    more = missing(found, times).items()
    return ",".join((entry, *(f"{name}={value}" for name, value in more)))


def _is_given(plan: BuildPlan, facts: Facts) -> bool:
    """Return whether there is an epoch of the user's own; BuildKit takes an empty one for none."""
    start = f"{_VARIABLE}="
    is_argument = any(one.startswith(start) and one != start for one in plan.build_args)
    return is_argument or _VARIABLE in (facts.variables or ())


def _obstacles(plan: BuildPlan) -> Iterator[str]:
    """Yield what gives an image another digest in each build all the same."""
    made = attestations.enabled(plan.attests)
    if kinds := ", ".join(dict.fromkeys(map(attestations.kind_of, made))):
        yield (
            "reproducible: the digest of the index differs in each build, because attestations "
            f"hold times ({kinds}); the digests of the images below it do not"
        )
    given = filter(None, map(backends.of_entry, plan.cache.destinations))
    written = [*given, *((plan.cache.backend,) if plan.cache.write else ())]
    if any(one.lies_in_image for one in written):
        yield (
            "reproducible: the digest of the image differs in each build, because the inline cache "
            "in it holds times; the digests of its layers do not. Use another cache-backend"
        )
