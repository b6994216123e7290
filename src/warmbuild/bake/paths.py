"""The paths that a target names: each can be looked at, or replaced by another one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from warmbuild import untrusted_json
from warmbuild.inputs import paths
from warmbuild.inputs.paths import Named

if TYPE_CHECKING:
    from warmbuild.bake.targets import Target
    from warmbuild.inputs.paths import Change, Rename

# Prefix of a path below the working directory and not below the context.
_HERE: Final = "cwd://"
# Keys that list entries with paths in their attributes.
_ENTRIES: Final = ("cache-from", "cache-to", "output", "secret")


def changed(target: Target, change: Change, name: str) -> Target:
    """Return a target with each path replaced by what `change` makes of it.

    `name` is the input that names the file. A path that is relative to the context stays as it is.
    """

    def read(path: str) -> str:
        return change(Named(name=name, path=path)) if path else path

    def written(path: str) -> str:
        return change(Named(name=name, path=path, is_written=True))

    found = target.definition
    new: dict[str, object] = {}
    if context := untrusted_json.text(found, "context"):
        new["context"] = _place(context, read)
    file = untrusted_json.text(found, "dockerfile")
    if file.startswith((_HERE, "/")):
        new["dockerfile"] = _place(file, read)
    if contexts := untrusted_json.child(found, "contexts"):
        new["contexts"] = {key: _place(str(one), read) for key, one in contexts.items()}
    for key in _ENTRIES:
        if entries := untrusted_json.items(found, key):
            new[key] = [_entry(one, read, written, is_output=key == "output") for one in entries]
    if agents := untrusted_json.items(found, "ssh"):
        new["ssh"] = [_agent(one, read) for one in agents]
    return replace(target, definition={**found, **new})


def named(target: Target, name: str) -> tuple[Named, ...]:
    """Return the paths that a target names; `name` is the input that names its file."""
    found: list[Named] = []

    def look(one: Named) -> str:
        found.append(one)
        return one.path

    changed(target, look, name)
    return tuple(found)


def _place(context: str, read: Rename) -> str:
    bare = context.removeprefix(_HERE)
    return context[: len(context) - len(bare)] + paths.in_context(bare, read)


def _entry(entry: object, read: Rename, written: Rename, *, is_output: bool) -> object:
    """Return an entry, an object or the text of its attributes, with its paths replaced."""
    if isinstance(entry, dict):
        return {key: paths.in_attribute(key, str(one), read, written) for key, one in entry.items()}
    return paths.in_entry(str(entry), read, written, is_output=is_output)


def _agent(agent: object, read: Rename) -> object:
    """Return an agent, an object or ID=PATH,PATH, with the paths of its keys replaced."""
    if isinstance(agent, dict):
        keys = untrusted_json.items(agent, "paths")
        return {**agent, "paths": [read(str(one)) for one in keys]} if keys else agent
    key, equals, found = str(agent).partition("=")
    return f"{key}={','.join(map(read, found.split(',')))}" if equals else agent
