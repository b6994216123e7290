"""The paths that inputs name: each can be looked at, or replaced by another one."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from warmbuild import csv_attributes
from warmbuild.frozen import frozen
from warmbuild.inputs.build_context import is_remote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from warmbuild.inputs.values import Inputs

    # Each returns what replaces a path.
    Change: TypeAlias = Callable[["Named"], str]
    Rename: TypeAlias = Callable[[str], str]

# Prefix of a build context that is a directory in the layout of OCI.
OCI_LAYOUT: Final = "oci-layout://"
# Where an export goes that is no file.
STANDARD_OUTPUT: Final = "-"
# Attributes of an entry that are paths.
_READ: Final = ("src", "source")
_WRITTEN: Final = "dest"
_EXPRESSION: Final = "{{"


@frozen
class Named:
    """A path, and who names it."""

    name: str  # The input
    path: str  # Not empty; a directory of an OCI layout may end with a tag or a digest
    is_written: bool = False  # Whether a run leaves something there


def changed(inputs: Inputs, change: Change) -> Inputs:
    """Return the inputs with each path replaced by what `change` makes of it."""

    def read(name: str, path: str) -> str:
        return change(Named(name=name, path=path)) if path else path

    def written(name: str, path: str) -> str:
        return change(Named(name=name, path=path, is_written=True)) if path else path

    def of_context(name: str, context: str) -> str:
        return in_context(context, partial(read, name))

    def of_pair(item: str, rename: Rename) -> str:
        key, equals, value = item.partition("=")
        return f"{key}={rename(value)}" if equals else item

    def of_keys(keys: str) -> str:
        return ",".join(read("ssh", key) for key in keys.split(","))

    def of_entries(name: str, entries: Iterable[str]) -> tuple[str, ...]:
        both = (partial(read, name), partial(written, name))
        return tuple(in_entry(entry, *both, is_output=name == "outputs") for entry in entries)

    return replace(
        inputs,
        context=of_context("context", inputs.context),
        file=inputs.file if is_remote(inputs.context) else read("file", inputs.file),
        build_contexts=tuple(
            of_pair(item, partial(of_context, "build-contexts")) for item in inputs.build_contexts
        ),
        secrets=tuple(
            replace(secret, path=read("secret-files", secret.path)) for secret in inputs.secrets
        ),
        passed=replace(
            inputs.passed, ssh=tuple(of_pair(item, of_keys) for item in inputs.passed.ssh)
        ),
        outputs=of_entries("outputs", inputs.outputs),
        bake_files=tuple(read("bake-files", path) for path in inputs.bake_files),
        compose_files=tuple(read("compose-files", path) for path in inputs.compose_files),
        buildkitd_config=read("buildkitd-config", inputs.buildkitd_config),
        cache_dir=written("cache-dir", inputs.cache_dir),
        cache_from=of_entries("cache-from", inputs.cache_from),
        cache_to=of_entries("cache-to", inputs.cache_to),
        output_file=written("output-file", inputs.output_file),
        summary_file=written("summary-file", inputs.summary_file),
    )


def named(inputs: Inputs) -> tuple[Named, ...]:
    """Return the paths that inputs name."""
    found: list[Named] = []

    def look(one: Named) -> str:
        found.append(one)
        return one.path

    changed(inputs, look)
    return tuple(found)


def in_entry(entry: str, read: Rename, written: Rename, *, is_output: bool) -> str:
    """Return an output or a cache with its paths replaced: those that are read, and written.

    As in buildx, an output without an attribute is a directory.
    """
    if is_output and "=" not in entry:
        return in_attribute("dest", entry, read, written)
    fields = csv_attributes.fields(entry)
    parts = [field.partition("=") for field in fields]
    new = [
        f"{name}{equals}{in_attribute(name.lower(), value, read, written)}"
        for name, equals, value in parts
    ]
    return entry if new == list(fields) else csv_attributes.joined(*new)


def in_attribute(name: str, value: str, read: Rename, written: Rename) -> str:
    """Return the value of an attribute of an entry, replaced if it is a path."""
    if value in {"", STANDARD_OUTPUT}:
        return value
    if name in _READ:
        return read(value)
    return written(value) if name == _WRITTEN else value


def in_context(context: str, read: Rename) -> str:
    """Return a build context with its directory, if it is one, replaced."""
    if context.startswith(OCI_LAYOUT):
        return OCI_LAYOUT + read(context.removeprefix(OCI_LAYOUT))
    return read(context) if _is_local(context) else context


def _is_local(context: str) -> bool:
    """Return whether a build context is a directory of this machine, named by its path."""
    is_named = context.startswith("target:") or _EXPRESSION in context
    return bool(context) and not (is_named or is_remote(context))
