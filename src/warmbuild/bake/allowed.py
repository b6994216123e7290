"""What files of untrusted code may define: nothing that reads or writes what is the runner's.

What is kept is listed, so what buildx adds later is left out, with a warning.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from warmbuild import backends, csv_attributes, untrusted_json
from warmbuild.backends import BACKENDS
from warmbuild.bake import bake_file
from warmbuild.inputs.build_context import HERE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from warmbuild.bake.targets import Target

# Keys whose values are kept as they are. Paths and entitlements are checked by the caller.
_KEYS: Final = frozenset(
    {
        *("annotations", "args", "context", "contexts", "description", "dockerfile"),
        *("dockerfile-inline", "entitlements", "extra-hosts", "labels", "network", "no-cache"),
        *("no-cache-filter", "platforms", "pull", "resources", "shm-size", "tags", "target"),
        "ulimits",
    }
)
_COMPRESSION: Final = ("compression", "compression-level", "force-compression")


# Keys that list entries, with the attributes of an entry that are kept. None names a server, which
# buildx would send the token of GitHub's cache, or the keys of a bucket.
_ENTRIES: Final[Mapping[str, tuple[str, ...]]] = {
    "attest": ("type", "disabled", "mode", "generator", "version", "reproducible"),
    # Which backends may be read, their rows say.
    "cache-from": (
        "type",
        *dict.fromkeys(name for one in BACKENDS.values() for name in one.untrusted_may_name),
    ),
    # What untrusted code may write is decided for all caches in one place, not here.
    "cache-to": (
        *("type", "ref", "dest", "scope", "mode"),
        *("image-manifest", "oci-mediatypes", "ignore-error", *_COMPRESSION),
    ),
    "output": (
        *("type", "dest", "tar", "oci-mediatypes", "platform-split", "rewrite-timestamp"),
        *("source-date-epoch", *_COMPRESSION),
    ),
    "secret": ("id", "src"),
}
# Types of output that are files of the checkout. An image without a destination would be pushed, or
# go to the engine under any name.
_FILES: Final = frozenset({"local", "tar", "oci", "docker"})
_NOTHING: Final = "cacheonly"
_STANDARD_OUTPUT: Final = "-"
# URLs of contexts. BuildKit would be given the runner's SSH agent for ssh://.
_SCHEMES: Final = ("https", "http", "git")
# Contexts beside the main one that are no paths.
_NAMED: Final = ("docker-image://", "target:")
_OCI_LAYOUT: Final = "oci-layout://"
# In characters, of a path that Linux takes.
_LONGEST: Final = 4096


def confined(target: Target, why: str) -> Target:
    """Return a target of untrusted code without what it may not define; `why` is the reason."""
    kept: dict[str, object] = {}
    left_out: list[str] = []
    for key, value in target.definition.items():
        if key in _KEYS:
            kept[key] = value
        elif key in _ENTRIES:
            found = untrusted_json.items(target.definition, key)
            entries = [bake_file.attributes(entry) for entry in found]
            kept[key] = [one for entry in entries for one in _entry(key, entry)]
            left_out += [what for entry in entries for what in _left_out(key, entry, target, why)]
        else:
            left_out.append(f"{key} of the target {target.name} is ignored: {why}")
    return replace(target, definition=kept, left_out=tuple(dict.fromkeys(left_out)))


def _entry(key: str, attributes: Mapping[str, str]) -> list[Mapping[str, str]]:
    """Return an entry made anew of the attributes that are kept, in a list, or an empty list."""
    if not _is_kept(key, attributes):
        return []
    return [{name: attributes[name] for name in _ENTRIES[key] if name in attributes}]


def _is_kept(key: str, attributes: Mapping[str, str]) -> bool:
    kind = attributes.get("type", "")
    match key:
        case "secret":
            # Without a source, it is the variable of its name.
            return bool(attributes.get("src")) and "env" not in attributes and kind != "env"
        case "output":
            place = attributes.get("dest", "")
            return kind == _NOTHING or (kind in _FILES and place not in {"", _STANDARD_OUTPUT})
        case "cache-from":
            backend = backends.of_attributes(attributes)
            return backend is not None and bool(backend.untrusted_may_name)
        case _:
            return True


def _left_out(key: str, attributes: Mapping[str, str], target: Target, why: str) -> Iterator[str]:
    """Yield warnings of an entry that is left out, or of its attributes that are."""
    if _is_kept(key, attributes):
        for attribute in attributes:
            if attribute not in _ENTRIES[key]:
                yield f"{attribute} in {key} of the target {target.name} is ignored: {why}"
    elif key == "secret":
        yield f"the secret {attributes.get('id', '')} is not given: {why}"
    else:
        entry = csv_attributes.joined(*(f"{one}={value}" for one, value in attributes.items()))
        advice = "; set push, load or outputs" if key == "output" else ""
        yield f"{key} {entry} of the target {target.name} is ignored: {why}{advice}"


def paths(target: Target) -> Iterator[str]:
    """Return the files and directories of this machine that a target may read or write.

    A context is among them even if it looks like a URL, or like git over ssh: buildx takes it for a
    directory if there is one of this name, `https:/example.com` too.
    """
    found = target.definition
    place = untrusted_json.text(found, "context") or "."
    contexts = [place, *map(str, untrusted_json.child(found, "contexts").values())]
    for context in contexts:
        yield from directories(context)
    file = untrusted_json.text(found, "dockerfile") or "Dockerfile"
    bare = file.removeprefix(HERE)
    file = bare if bare != file else posixpath.join(place.removeprefix(HERE), file)
    yield from of_dockerfile(file)
    for name in _ENTRIES:
        for entry in untrusted_json.items(found, name):
            values = bake_file.attributes(entry)
            yield from (values[key] for key in ("src", "dest") if values.get(key))


def of_dockerfile(file: str) -> Iterator[str]:
    """Return a Dockerfile, and the policy that buildx looks for beside it."""
    yield from (file, f"{file}.rego")


def directories(context: str) -> Iterator[str]:
    """Return the directories that a context may be; behind that of an OCI layout is a tag."""
    bare = context.removeprefix(HERE)
    if bare.startswith(_OCI_LAYOUT):
        layout = bare.removeprefix(_OCI_LAYOUT)
        yield layout
        ends = re.finditer("[:@]", layout[:_LONGEST])
        yield from (layout[: found.start()] for found in ends)
    yield bare


def written(target: Target) -> Iterator[str]:
    """Return the files and directories that a target writes."""
    for name in ("output", "cache-to"):
        for entry in untrusted_json.items(target.definition, name):
            if place := bake_file.attributes(entry).get("dest"):
                yield place


def strange_contexts(target: Target) -> Iterator[str]:
    """Return the contexts of a target that are neither a path nor a URL that anybody may read."""
    found = target.definition
    if not _is_known(untrusted_json.text(found, "context")):
        yield untrusted_json.text(found, "context")
    for context in map(str, untrusted_json.child(found, "contexts").values()):
        if not context.startswith((*_NAMED, _OCI_LAYOUT)) and not _is_known(context):
            yield context


def _is_known(context: str) -> bool:
    """Return whether a context is a path, without a colon for buildx to misread, or a URL."""
    if ":" not in context.removeprefix(HERE):
        return True
    try:
        url = urlsplit(context)
    except ValueError:
        return False
    return url.scheme in _SCHEMES and bool(url.hostname) and not re.search(r"\s", context)
