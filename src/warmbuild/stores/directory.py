"""Records of the backend local: a file beside the cache's directory.

`cache.directory.swap` replaces that directory, and removes the record with the cache.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from warmbuild import files, refs
from warmbuild.errors import RegistryError
from warmbuild.stores.spot import MOST_PACKED

if TYPE_CHECKING:
    from warmbuild.stores.spot import Spot


def read(spot: Spot) -> bytes | None:
    """Return the record, None if there is none; raises RegistryError if it cannot be read."""
    path = _path(spot)
    try:
        with files.opened(path) as file:
            return file.read(MOST_PACKED + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RegistryError(f"{path}: {error.strerror}") from error


def write(spot: Spot, content: bytes) -> None:
    """Write the record whole or not at all; raises RegistryError if that fails."""
    path = _path(spot)
    try:
        files.write_bytes(path, content)
    except OSError as error:
        raise RegistryError(f"{path}: {error.strerror}") from error


def _path(spot: Spot) -> Path:
    place = Path(str(spot.place))
    return place.with_name(refs.record_tag(place.name))
