"""What an image says of itself: labels and annotations by OCI's names, and all of it as JSON.

The eight keys are those of docker/metadata-action, and so are the expressions that others may hold.
What is not known is left out, and `created` is when the commit was made and not when the build ran,
so that the same commit makes the same image.
"""

from __future__ import annotations

import json
import re
from datetime import UTC
from typing import TYPE_CHECKING, Final

from warmbuild import tagrules, templates

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from warmbuild.context import RunContext
    from warmbuild.plan import BuildPlan

PREFIX: Final = "org.opencontainers.image."
# What docker/metadata-action calls its target in a bake definition.
TARGET: Final = "docker-metadata-action"
_LEVEL: Final = re.compile(r"(?:manifest|index)(?:-descriptor)?(?:\[[^\]]*\])?(?:,[^:=]*)?:")


def labelled(run: RunContext, version: str, given: Iterable[str]) -> tuple[str, ...]:
    """Return what is known of the image as labels, sorted; those that were given win."""
    return _written(_known(run, version) | dict(map(_pair, _filled(run, given))))


def annotated(run: RunContext, version: str, given: Iterable[str]) -> tuple[str, ...]:
    """Return the same as annotations of the manifest, with those that were given."""
    given = _filled(run, given)
    own = {_pair(_LEVEL.sub("", annotation))[0] for annotation in given}
    known = {key: value for key, value in _known(run, version).items() if key not in own}
    return (*(f"manifest:{text}" for text in _written(known)), *given)


def _filled(run: RunContext, given: Iterable[str]) -> tuple[str, ...]:
    values = tagrules.expressions(run, run.begun)
    return tuple(templates.filled(text, values) for text in given)


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


def _pair(text: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    return key, value


def _written(pairs: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(f"{key}={value}" for key, value in sorted(pairs.items()))


def as_json(plan: BuildPlan) -> str:
    """Return tags, labels and annotations as docker/metadata-action's output `json` has them."""
    found = {
        "tags": list(plan.tags),
        "tag-names": list(names(plan)),
        "labels": dict(map(_pair, plan.labels)),
        "annotations": list(plan.annotations),
    }
    return json.dumps(found, separators=(",", ":"))


def outputs(plan: BuildPlan) -> Mapping[str, str]:
    """Return the outputs of docker/metadata-action; lists have an item a line, as there."""
    return {
        "version": plan.version,
        "tag-names": "\n".join(names(plan)),
        "labels": "\n".join(plan.labels),
        "annotations": "\n".join(plan.annotations),
        "json": as_json(plan),
    }


def names(plan: BuildPlan) -> tuple[str, ...]:
    """Return the names of the tags, each once."""
    return tuple(dict.fromkeys(tag.rpartition(":")[2] for tag in plan.tags))


def definitions(plan: BuildPlan) -> Mapping[str, Mapping[str, object]]:
    """Return what a target inherits in bake, by output: tags, labels and annotations."""
    images = dict.fromkeys(tag.rpartition(":")[0] for tag in plan.tags)
    args = {"DOCKER_META_IMAGES": ",".join(images), "DOCKER_META_VERSION": plan.version}
    return {
        "bake-file-tags": {"tags": list(plan.tags), "args": args},
        "bake-file-labels": {"labels": dict(map(_pair, plan.labels))},
        "bake-file-annotations": {"annotations": list(plan.annotations)},
    }
