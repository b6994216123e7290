"""Where definitions are, and their paths as the current directory has them.

A definition's paths are relative to its source: a directory, as if bake ran there, or the root of a
git repository, except for outputs, secrets and what begins with `cwd://`.
"""

from __future__ import annotations

import posixpath
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from warmbuild import untrusted_json
from warmbuild.bake import target_paths
from warmbuild.frozen import frozen
from warmbuild.inputs import build_context
from warmbuild.inputs.build_context import HERE

if TYPE_CHECKING:
    from warmbuild.bake.targets import Target
    from warmbuild.inputs.paths import Named
    from warmbuild.run_context import RunContext

# Names of definitions that are read if none is given, in buildx's order (bake, defaultFilenames).
USUAL: Final = (
    *("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"),
    *("docker-bake.json", "docker-bake.hcl"),
    *("docker-bake.override.json", "docker-bake.override.hcl"),
)
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

    def below(one: Named) -> str:
        return posixpath.join(source.directory, one.path)

    # Without a context of its own, a target has the directory.
    context = untrusted_json.text(found, "context") or "."
    return target_paths.changed(replace(target, definition=found | {"context": context}), below)


def _in_repository(context: str, url: str) -> str:
    """Return a context beside the main one, which may be a directory of the repository."""
    if context.startswith((HERE, _OCI_LAYOUT, *_NAMED)) or build_context.is_remote(context):
        return context
    return build_context.within(url, context)
