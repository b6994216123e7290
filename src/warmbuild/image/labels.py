"""What an image says of itself: labels and annotations by OCI's names, and all of it as JSON.

The eight keys are those of docker/metadata-action, and so are the expressions that others may hold.
What is not known is left out, and `created` is when the commit was made and not when the build ran,
so that the same commit makes the same image.
"""

from __future__ import annotations

import re
from datetime import UTC
from typing import TYPE_CHECKING, Final

from warmbuild.image import tags
from warmbuild.inputs import expressions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from warmbuild.run_context import RunContext

PREFIX: Final = "org.opencontainers.image."
_LEVEL: Final = re.compile(r"(?:manifest|index)(?:-descriptor)?(?:\[[^\]]*\])?(?:,[^:=]*)?:")


def labelled(run: RunContext, version: str, given: Iterable[str]) -> tuple[str, ...]:
    """Return what is known of the image as labels, sorted; those that were given win."""
    return _written(_known(run, version) | dict(map(pair, _filled(run, given))))


def annotated(run: RunContext, version: str, given: Iterable[str]) -> tuple[str, ...]:
    """Return the same as annotations of the manifest, with those that were given."""
    given = _filled(run, given)
    own = {pair(_LEVEL.sub("", annotation))[0] for annotation in given}
    known = {key: value for key, value in _known(run, version).items() if key not in own}
    return (*(f"manifest:{text}" for text in _written(known)), *given)


def _filled(run: RunContext, given: Iterable[str]) -> tuple[str, ...]:
    values = tags.expression_values(run, run.begun)
    return tuple(expressions.filled(text, values) for text in given)


def _known(run: RunContext, version: str) -> dict[str, str]:
    project = run.project
    created = run.committed.astimezone(UTC).isoformat(timespec="seconds") if run.committed else ""
    found = {
        "title": project.title,
        "description": project.description,
        "url": project.url,
        "source": project.source,
        "version": version,
        "created": created.replace("+00:00", "Z"),
        "revision": run.commit,
        "licenses": project.licenses,
    }
    return {f"{PREFIX}{name}": value for name, value in found.items() if value}


def pair(text: str) -> tuple[str, str]:
    """Split `key=value`."""
    key, _, value = text.partition("=")
    return key, value


def _written(pairs: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(f"{key}={value}" for key, value in sorted(pairs.items()))
