"""What an image says of itself, as labels and annotations under OCI's names.

The eight keys are docker/metadata-action's, and so are the expressions that given values may hold.
Unknown values are left out. `created` is when the commit was made, not when the build ran, so that
the same commit makes the same image.
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

_PREFIX: Final = "org.opencontainers.image."
_OF_COMMIT: Final = frozenset(f"{_PREFIX}{name}" for name in ("created", "revision", "version"))
_LEVEL: Final = re.compile(r"(?:manifest|index)(?:-descriptor)?(?:\[[^\]]*\])?(?:,[^:=]*)?:")


def labelled(run: RunContext, version: str, given: Iterable[str]) -> tuple[str, ...]:
    """Return the labels of an image, sorted; given ones win over known ones."""
    return _written(_known(run, version) | dict(map(pair, _filled(run, given))))


def annotated(
    run: RunContext, version: str, given: Iterable[str], levels: Iterable[str]
) -> tuple[str, ...]:
    """Return the same as annotations of these levels, followed by given ones of other levels."""
    given = _filled(run, given)
    leveled = tuple(annotation for annotation in given if _LEVEL.match(annotation))
    own = {pair(_LEVEL.sub("", annotation))[0] for annotation in leveled}
    known = {key: value for key, value in _known(run, version).items() if key not in own}
    written = _written(known | dict(pair(one) for one in given if one not in leveled))
    return (*(f"{level}:{text}" for level in levels for text in written), *leveled)


def pair(text: str) -> tuple[str, str]:
    """Split `key=value`."""
    key, _, value = text.partition("=")
    return key, value


def lasting(given: Iterable[str]) -> tuple[str, ...]:
    """Return labels or annotations without those that change with each commit."""
    return tuple(text for text in given if pair(_LEVEL.sub("", text))[0] not in _OF_COMMIT)


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
    return {f"{_PREFIX}{name}": value for name, value in found.items() if value}


def _written(pairs: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(f"{key}={value}" for key, value in sorted(pairs.items()))
