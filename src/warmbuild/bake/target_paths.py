"""The paths that a target names: each can be looked at, or replaced by another one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from warmbuild import csv_attributes, untrusted_json
from warmbuild.bake import bake_file
from warmbuild.inputs import paths
from warmbuild.inputs.build_context import HERE
from warmbuild.inputs.paths import Named

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.bake.targets import Target

    # Returns what replaces a path.
    Change = Callable[[Named], str]

# Keys that list entries with paths in their attributes.
_ENTRIES: Final = ("cache-from", "cache-to", "output", "secret")


def named(target: Target, name: str) -> tuple[Named, ...]:
    """Return the paths that a target names, except those that are relative to its context.

    `name` is the input that names the file.
    """
    found: list[Named] = []

    def look(one: Named) -> str:
        found.append(replace(one, name=name))
        return one.path

    changed(target, look)
    return tuple(found)


def changed(target: Target, change: Change) -> Target:
    """Return a target with each of these paths replaced by what `change` makes of it."""
    found = dict(target.definition)
    file = untrusted_json.text(found, "dockerfile")
    if file.startswith((HERE, "/")):
        found["dockerfile"] = _place(file, change)
    if "context" in found:
        found["context"] = _place(untrusted_json.text(found, "context"), change)
    if contexts := untrusted_json.child(found, "contexts"):
        found["contexts"] = {key: _place(str(one), change) for key, one in contexts.items()}
    for key in found.keys() & {*_ENTRIES}:
        found[key] = [_entry(entry, change) for entry in untrusted_json.items(found, key)]
    if "ssh" in found:
        found["ssh"] = [_agent(agent, change) for agent in untrusted_json.items(found, "ssh")]
    return replace(target, definition=found)


def _place(context: str, change: Change) -> str:
    """Return a context or a Dockerfile; the path is what it ends with."""
    for one in paths.of_context("", context.removeprefix(HERE)):
        return context.removesuffix(one.path) + change(one)
    return context


def _entry(entry: object, change: Change) -> object:
    """Return an entry as it was, an object or the text of its attributes."""
    found = dict(bake_file.attributes(entry))
    for attribute, value in found.items():
        for one in paths.of_entry("", {attribute: value}):
            found[attribute] = change(one)
    if isinstance(entry, dict):
        return found
    return csv_attributes.joined(*(f"{attribute}={value}" for attribute, value in found.items()))


def _agent(agent: object, change: Change) -> object:
    """Return an agent of SSH as it was, an object or ID=PATH,PATH."""

    def key(path: str) -> str:
        return change(Named(name="", path=path))

    if isinstance(agent, dict):
        keys = [key(str(path)) for path in untrusted_json.items(agent, "paths")]
        return {**agent, **({"paths": keys} if keys else {})}
    name, equals, _ = str(agent).partition("=")
    return f"{name}={','.join(map(key, paths.keys(str(agent))))}" if equals else agent
