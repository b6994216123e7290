"""Where definitions are, and their paths as the current directory has them.

A definition's paths are relative to its source: a directory, as if bake ran there, or the root of a
git repository, except for outputs, secrets and what begins with `cwd://`.
"""

from __future__ import annotations

import posixpath
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from warmbuild import csv_attributes, untrusted_json
from warmbuild.bake import bake_file
from warmbuild.frozen import frozen
from warmbuild.inputs import build_context
from warmbuild.inputs.build_context import HERE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from warmbuild.bake.targets import Target
    from warmbuild.run_context import RunContext

# Names of definitions that are read if none is given, in buildx's order (bake, defaultFilenames).
USUAL: Final = (
    *("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"),
    *("docker-bake.json", "docker-bake.hcl"),
    *("docker-bake.override.json", "docker-bake.override.hcl"),
)
# Keys that list entries, with the attribute of an entry that is a path.
_PATHS: Final = {
    "cache-from": ("src",),
    "cache-to": ("dest",),
    "output": ("dest",),
    "secret": ("src", "source"),
}
_STANDARD_OUTPUT: Final = "-"
# Contexts beside the main one that are no paths.
_NAMED: Final = ("docker-image:", "target:")
_OCI_LAYOUT: Final = "oci-layout://"


@frozen
class Source:
    """Where definitions are: in a directory, or in a repository if there is a URL."""

    directory: str = ""  # Empty for the current one
    url: str = ""

    def path(self, name: str) -> str:
        """Return the path of a definition on this machine; empty if it is in a repository."""
        bare = name.removeprefix(HERE)
        if self.url:
            return bare if bare != name else ""
        return posixpath.join(self.directory, bare)

    def argument(self, name: str) -> str:
        """Return a definition as buildx takes it, run in the directory."""
        return name if self.url else name.removeprefix(HERE)


def of(text: str, run: RunContext) -> Source:
    """Return the source that the input names; by default the current directory."""
    place = build_context.filled_in(text, run) if text else "."
    if build_context.is_remote(place):
        return Source(url=place)
    return Source(directory="" if (directory := posixpath.normpath(place)) == "." else directory)


def rebased(target: Target, source: Source) -> Target:
    """Return a target whose paths are relative to the current directory, or URLs."""
    found = dict(target.definition)
    contexts = untrusted_json.child(found, "contexts")
    if source.url:
        # buildx has done this to the main context itself.
        within = {name: _in_repository(str(place), source.url) for name, place in contexts.items()}
        return replace(target, definition=found | ({"contexts": within} if within else {}))
    if not source.directory:
        return target

    def below(path: str) -> str:
        bare = path.removeprefix(HERE)
        return f"{path[: len(path) - len(bare)]}{posixpath.join(source.directory, bare)}"

    found["context"] = _context(untrusted_json.text(found, "context") or ".", below)
    if contexts:
        found["contexts"] = {name: _context(str(at), below) for name, at in contexts.items()}
    if (file := untrusted_json.text(found, "dockerfile")).startswith(HERE):
        found["dockerfile"] = below(file)
    for key, names in _PATHS.items():
        if key in found:
            entries = untrusted_json.items(found, key)
            found[key] = [_entry(entry, names, below) for entry in entries]
    if "ssh" in found:
        found["ssh"] = [_keys(entry, below) for entry in untrusted_json.items(found, "ssh")]
    return replace(target, definition=found)


def _in_repository(context: str, url: str) -> str:
    """Return a context beside the main one, which may be a directory of the repository."""
    if context.startswith((HERE, _OCI_LAYOUT, *_NAMED)) or build_context.is_remote(context):
        return context
    return build_context.within(url, context)


def _context(context: str, below: Callable[[str], str]) -> str:
    if context.startswith(_OCI_LAYOUT):
        return f"{_OCI_LAYOUT}{below(context.removeprefix(_OCI_LAYOUT))}"
    if context.startswith(_NAMED):
        return context
    is_remote = not context.startswith(HERE) and build_context.is_remote(context)
    return context if is_remote else below(context)


def _entry(entry: object, names: tuple[str, ...], below: Callable[[str], str]) -> object:
    """Return an entry as it was, an object or CSV, with its paths changed."""
    found: Mapping[str, str] = {
        name: below(value) if name in names and value != _STANDARD_OUTPUT else value
        for name, value in bake_file.attributes(entry).items()
    }
    if isinstance(entry, dict):
        return found
    return csv_attributes.joined(*(f"{name}={value}" for name, value in found.items()))


def _keys(entry: object, below: Callable[[str], str]) -> object:
    """Return an entry of `ssh`, ID=PATH,… or an object, with the paths of its keys changed."""
    if isinstance(entry, dict):
        keys = [below(str(path)) for path in untrusted_json.items(entry, "paths")]
        return entry | ({"paths": keys} if keys else {})
    name, equals, paths = str(entry).partition("=")
    return f"{name}{equals}{','.join(map(below, paths.split(',')))}" if equals else entry
