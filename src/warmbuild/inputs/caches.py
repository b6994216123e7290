"""Reads where the cache is kept: its backend, options and repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warmbuild import lazy
from warmbuild.backends import BACKENDS, COMPRESSION
from warmbuild.inputs import image_names
from warmbuild.inputs.checks import nearest
from warmbuild.inputs.reading import TRUE
from warmbuild.inputs.table import BY_NAME
from warmbuild.project import cache_mount

if TYPE_CHECKING:
    from collections.abc import Sequence

    from warmbuild import vendors
    from warmbuild.backends import Backend
    from warmbuild.inputs.reading import Reader
    from warmbuild.refs import Reference
else:
    vendors = lazy.module("warmbuild.vendors")


def backend(reader: Reader) -> tuple[Backend, tuple[str, ...]]:
    """Return the backend and its options, which are not checked if it is unknown."""
    name, options = reader.choice("cache-backend"), reader.items("cache-options")
    if reader.text("lazy") in TRUE and reader.text("compression"):
        reader.bad("compression", "conflicts with lazy, which sets it; set only one of them.")
    found = BACKENDS.get(name)
    if found is None:
        return BACKENDS["registry"], options
    _check_options(reader, found, options)
    # The backend is not used if the caches are explicit, or if there is none.
    if not (reader.text("cache-from") or reader.text("cache-to") or reader.text("cache") == "off"):
        _check_backend(reader, found, options)
    return found, options


def _check_options(reader: Reader, backend: Backend, options: Sequence[str]) -> None:
    for number, item in enumerate(options, start=1):
        key, _, value = item.partition("=")
        if not value:
            text = f"item {number} is not of the form name=value."
        elif key in backend.secrets:
            text = f"{key} is secret, and this input is not; set {backend.secrets[key]} in the "
            text += "environment instead."
        elif key not in backend.known:
            text = f"{key!r} cannot be set for backend '{backend.name}'."
            text += nearest(key, backend.known)
        elif key in COMPRESSION and (setting := _sets_compression(reader)):
            text = f"{key} conflicts with {setting}, which sets it; set only one of them."
        else:
            continue
        reader.bad("cache-options", text)


def _sets_compression(reader: Reader) -> str:
    """Return the input that says how layers are compressed, or an empty text."""
    return "lazy" if reader.text("lazy") in TRUE else reader.text("compression") and "compression"


def _check_backend(reader: Reader, backend: Backend, options: Sequence[str]) -> None:
    """Find inputs that conflict with a backend."""
    not_supported = f"is not supported by backend '{backend.name}'"
    given = {item.partition("=")[0] for item in options}
    for option in backend.required:
        if option not in given:
            reader.bad("cache-options", f"backend '{backend.name}' needs {option}=….")
    if reader.text("cache-dir") and not backend.is_directory:
        reader.bad("cache-dir", f"{not_supported}; use cache-backend: local.")
    if backend.is_directory and not reader.text("cache-dir"):
        reader.bad("cache-dir", f"is missing: backend '{backend.name}' needs a directory.")
    if reader.text("cache-stages") and not backend.lies_in_image:
        text = "which caches all stages anyway; cache-stages is for cache-backend: inline."
        reader.bad("cache-stages", f"{not_supported}, {text}")
    if reader.text("cache-history") != BY_NAME["cache-history"].default and not backend.retagged:
        reader.bad("cache-history", f"{not_supported}, which keeps one generation only.")
    if reader.text("lazy") in TRUE and not backend.lazy:
        reader.bad("lazy", f"{not_supported}, whose layers BuildKit reads as a whole.")
    if reader.text("cache-max-age") and not backend.asked:
        reader.bad("cache-max-age", f"{not_supported}, which does not tell the age of a cache.")


def mounts(reader: Reader) -> tuple[str, ...]:
    """Return the IDs of the cache mounts to keep, or the one word that stands for all or none."""
    found = reader.items("cache-mounts") or (cache_mount.OFF,)
    for word in (cache_mount.AUTO, cache_mount.OFF):
        if word in found and len(found) > 1:
            reader.bad("cache-mounts", f"has {word} beside IDs; use one word, or IDs alone.")
    return found


def repository(reader: Reader) -> Reference | None:
    """Return the repository of the cache, if it is not the image's own."""
    value = reader.text("cache-repository")
    if not value:
        return None
    reference = image_names.repository(reader, "cache-repository", value)
    if reference and (why_not := vendors.misfit(reference)):
        reader.bad("cache-repository", f"{why_not}.")
    return reference
