"""The rule cache-mount: a cache mount that nothing keeps when the builder is removed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from warmbuild.lint.case import Case, Found, Rule
from warmbuild.project import dockerfile
from warmbuild.project.cache_mount import OFF

if TYPE_CHECKING:
    from collections.abc import Iterator

    from warmbuild.inputs.values import Inputs


def _find(case: Case) -> Iterator[Found]:
    why = _why(case.inputs)
    if not why:
        return
    runs = [
        step
        for step in case.steps
        if any(mount.get("type") == "cache" for mount in dockerfile.mounts(step))
    ]
    if runs:
        lines = [str(step.line) for step in runs[1:]]
        also = f" (also on line {', '.join(lines)})" if lines else ""
        yield Found(
            at=runs[0],
            about="cache mount",
            text=f"this cache mount starts empty in every run{also}: {why}, and warmbuild removes "
            "the builder after the run. To keep it, use cache-backend: registry or local, or name "
            "a permanent builder in the input builder.",
        )


def _why(inputs: Inputs) -> str:
    """Return why nothing keeps cache mounts, as a clause; empty if that is so by choice or not."""
    if inputs.builder or inputs.cache_mounts == (OFF,):
        return ""
    if inputs.cache_from or inputs.cache_to:
        return "nothing is kept beside the caches of cache-from and cache-to"
    if inputs.cache_backend.keeps_mounts:
        return "cache is off" if inputs.cache == "off" else ""
    return f"the backend {inputs.cache_backend.name} keeps none"


RULE: Final = Rule(name="cache-mount", severity="info", find=_find)
