"""The rule cache-mount: a cache mount in a builder that is removed at the end of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from warmbuild.lint.case import Case, Found, Rule
from warmbuild.project import dockerfile

if TYPE_CHECKING:
    from collections.abc import Iterator


def _find(case: Case) -> Iterator[Found]:
    if case.inputs.builder:
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
            text=f"this cache mount starts empty in every run{also}: no cache backend exports "
            "cache mounts, and warmbuild removes the builder after the run. To keep it, name a "
            "permanent builder in the input builder.",
        )


RULE: Final = Rule(name="cache-mount", severity="info", find=_find)
