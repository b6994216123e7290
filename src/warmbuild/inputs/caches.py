"""Reads where the cache is kept: backend, options, repository; and what goes with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warmbuild import lazy
from warmbuild.backends import BACKENDS
from warmbuild.inputs import image_names
from warmbuild.inputs.nearest import nearest
from warmbuild.inputs.table import BY_NAME

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
    found = BACKENDS.get(name)
    if found is None:
        return BACKENDS["registry"], options
    _check_options(reader, found, options)
    _check_backend(reader, found, options)
    return found, options


def _check_options(reader: Reader, backend: Backend, options: Sequence[str]) -> None:
    for number, item in enumerate(options, start=1):
        key, equals, value = item.partition("=")
        if not equals or not value:
            reader.bad("cache-options", f"item {number} is not of the form name=value.")
        elif key in backend.secrets:
            reader.bad(
                "cache-options",
                f"{key} is secret, and arguments are not; set {backend.secrets[key]} in the "
                "environment instead.",
            )
        elif key not in backend.known:
            reader.bad(
                "cache-options",
                f"{key!r} is no attribute that can be set for {backend.name}."
                f"{nearest(key, backend.known)}",
            )


def _check_backend(reader: Reader, backend: Backend, options: Sequence[str]) -> None:
    """Find what does not go with a backend; explicit caches need none of it."""
    is_explicit = reader.text("cache-from") or reader.text("cache-to")
    if is_explicit or reader.text("cache") == "off":
        return
    given = {item.partition("=")[0] for item in options}
    for option in backend.required:
        if option not in given:
            reader.bad("cache-options", f"{backend.name} needs {option}=….")
    if bool(reader.text("cache-dir")) != backend.is_directory:
        reader.bad(
            "cache-dir",
            f"is missing: the backend {backend.name} needs a directory."
            if backend.is_directory
            else f"is of no use to the backend {backend.name}; cache-backend: local has it.",
        )
    if reader.text("cache-stages") and not backend.lies_in_image:
        reader.bad(
            "cache-stages",
            f"is of no use to the backend {backend.name}, which has all stages already; "
            "cache-backend: inline has it.",
        )
    if reader.text("cache-history") != BY_NAME["cache-history"].default and not backend.retagged:
        reader.bad("cache-history", f"the backend {backend.name} keeps one generation only.")
    if reader.text("cache-max-age") and not backend.asked:
        reader.bad(
            "cache-max-age",
            f"the age of a cache of the backend {backend.name} cannot be read.",
        )


def repository(reader: Reader) -> Reference | None:
    """Return the repository of the cache, if it is not the image's own."""
    value = reader.text("cache-repository")
    if not value:
        return None
    reference = image_names.repository(reader, "cache-repository", value)
    if reference and (why_not := vendors.misfit(reference)):
        reader.bad("cache-repository", f"{why_not}.")
    return reference
