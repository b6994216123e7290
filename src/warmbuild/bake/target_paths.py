"""The paths that a target names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from warmbuild import untrusted_json
from warmbuild.bake import bake_file
from warmbuild.inputs import paths
from warmbuild.inputs.build_context import HERE
from warmbuild.inputs.paths import Named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from warmbuild.bake.targets import Target

# Keys that list entries with paths in their attributes.
_ENTRIES: Final = ("cache-from", "cache-to", "output", "secret")


def named(target: Target, name: str) -> Iterator[Named]:
    """Yield the paths that a target names, but for those that are relative to its context.

    `name` is the input that names the file.
    """
    found = target.definition
    file = untrusted_json.text(found, "dockerfile")
    contexts = [untrusted_json.text(found, "context")]
    contexts += map(str, untrusted_json.child(found, "contexts").values())
    contexts += [file] if file.startswith((HERE, "/")) else []
    for context in contexts:
        yield from paths.of_context(name, context.removeprefix(HERE))
    for key in _ENTRIES:
        for entry in untrusted_json.items(found, key):
            yield from paths.of_entry(name, bake_file.attributes(entry))
    for agent in untrusted_json.items(found, "ssh"):
        yield from (Named(name=name, path=path) for path in _keys(agent) if path)


def _keys(agent: object) -> list[str]:
    if isinstance(agent, dict):
        return [str(path) for path in untrusted_json.items(agent, "paths")]
    return paths.keys(str(agent))
