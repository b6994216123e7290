"""The paths that inputs name."""

from __future__ import annotations

import posixpath
from itertools import chain
from typing import TYPE_CHECKING, Final

from warmbuild import csv_attributes
from warmbuild.frozen import frozen
from warmbuild.inputs.build_context import HERE, is_remote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from warmbuild.inputs.values import Inputs

# Prefix of a build context that is a directory in the layout of OCI.
_OCI_LAYOUT: Final = "oci-layout://"
# Where an export goes that is no file.
_STANDARD_OUTPUT: Final = "-"
# Attributes of an entry that are paths.
_READ: Final = ("src", "source")
_WRITTEN: Final = "dest"
_EXPRESSION: Final = "{{"


@frozen
class Named:
    """A path, and who names it."""

    name: str  # The input
    path: str  # A directory of an OCI layout may end with a tag or a digest
    is_written: bool = False  # Whether a run leaves something there


def named(inputs: Inputs) -> Iterator[Named]:
    """Yield the paths that inputs name."""
    yield from of_context("context", inputs.context)
    if not is_remote(inputs.context):
        yield from _read("file", [inputs.file])
    for item in inputs.build_contexts:
        yield from of_context("build-contexts", item.partition("=")[2])
    yield from _read("secret-files", (secret.path for secret in inputs.secrets))
    yield from _read("ssh", chain.from_iterable(map(keys, inputs.passed.ssh)))
    for output in inputs.outputs:
        # As in buildx, an output without an attribute is a directory.
        pairs = csv_attributes.pairs(output) if "=" in output else [(_WRITTEN, output)]
        yield from of_entry("outputs", dict(pairs))
    for name, caches in (("cache-from", inputs.cache_from), ("cache-to", inputs.cache_to)):
        for cache in caches:
            yield from of_entry(name, dict(csv_attributes.pairs(cache)))
    yield from of_context("source", inputs.source)
    for name, found in (("bake-files", inputs.bake_files), ("compose-files", inputs.compose_files)):
        yield from _read(name, (_of_source(inputs.source, path) for path in found))
    yield from _read("buildkitd-config", [inputs.buildkitd_config])
    for name, path in (("cache-dir", inputs.cache_dir), *inputs.written_files):
        if path:
            yield Named(name=name, path=path, is_written=True)


def _of_source(source: str, path: str) -> str:
    """Return the path of a definition on this machine; empty if it is in a repository."""
    bare = path.removeprefix(HERE)
    if is_remote(source) or _EXPRESSION in source:
        return bare if bare != path else ""
    return posixpath.join(source, bare)


def of_entry(name: str, attributes: Mapping[str, str]) -> Iterator[Named]:
    """Yield the paths of an output, a cache or a secret, by its attributes."""
    for attribute, path in attributes.items():
        if path not in {"", _STANDARD_OUTPUT} and attribute in {*_READ, _WRITTEN}:
            yield Named(name=name, path=path, is_written=attribute == _WRITTEN)


def of_context(name: str, context: str) -> Iterator[Named]:
    """Yield the directory of a build context, if it is one of this machine."""
    is_elsewhere = is_remote(context) or context.startswith("target:") or _EXPRESSION in context
    if context.startswith(_OCI_LAYOUT):
        yield Named(name=name, path=context.removeprefix(_OCI_LAYOUT))
    elif context and not is_elsewhere:
        yield Named(name=name, path=context)


def keys(agent: str) -> list[str]:
    """Return the paths of the keys of an SSH agent, ID=PATH,PATH."""
    return agent.partition("=")[2].split(",")


def _read(name: str, found: Iterable[str]) -> Iterator[Named]:
    yield from (Named(name=name, path=path) for path in found if path)
