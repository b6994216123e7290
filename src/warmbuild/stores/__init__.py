"""Keeps the record of a build beside its cache, by the same login: bytes that nothing here reads.

A record is where its cache is, under a name that no cache has. It has at most `MOST_PACKED` bytes.
"""

from __future__ import annotations

import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from warmbuild import lazy, signals
from warmbuild.backends import Store
from warmbuild.errors import RegistryError
from warmbuild.stores.spot import MOST_PACKED, Spot

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from warmbuild.cache.cache_plan import CachePlan, Place
    from warmbuild.registry.client import Registry
    from warmbuild.stores import artifact, azblob, directory, gha, s3
else:
    # A run needs one of them.
    artifact = lazy.module("warmbuild.stores.artifact")
    azblob = lazy.module("warmbuild.stores.azblob")
    directory = lazy.module("warmbuild.stores.directory")
    gha = lazy.module("warmbuild.stores.gha")
    s3 = lazy.module("warmbuild.stores.s3")

__all__ = ["MOST_PACKED", "read", "write"]

# Seconds that a record may take.
_READ: Final = 5.0
_WRITE: Final = 15.0

_Result = TypeVar("_Result")


class _Keeper(Protocol):
    """What a module here offers; both raise RegistryError with the reason."""

    def read(self, spot: Spot) -> bytes | None: ...

    def write(self, spot: Spot, content: bytes) -> None: ...


_KEEPERS: Final[Mapping[Store, _Keeper]] = {
    Store.ARTIFACT: artifact,
    Store.DIRECTORY: directory,
    Store.GITHUB: gha,
    Store.S3: s3,
    Store.AZURE: azblob,
}


def read(
    cache: CachePlan, place: Place, env: Mapping[str, str], client: Callable[[str], Registry]
) -> bytes | None:
    """Return the record beside the cache at `place`, None if there is none.

    `client` returns the client of a registry. Raises RegistryError, within 5 seconds, if it cannot
    be read.
    """
    failed = f"the record beside {place} cannot be read"
    if cache.backend.store is None:
        return None
    keeper, spot = _KEEPERS[cache.backend.store], _spot(cache, place, env, client, _READ)
    found = _in_time(lambda: keeper.read(spot), spot, failed)
    if found is not None and len(found) > MOST_PACKED:
        raise RegistryError(f"{failed}: it is larger than 1 MiB")
    return found


def write(
    cache: CachePlan,
    place: Place,
    env: Mapping[str, str],
    client: Callable[[str], Registry],
    content: bytes,
) -> None:
    """Write the record beside the cache at `place`, or replace the one that is there.

    Raises RegistryError, within 15 seconds, if it cannot be written.
    """
    failed = f"the record beside {place} cannot be written"
    if cache.backend.store is None:
        raise RegistryError(f"{failed}: the backend {cache.backend.name} keeps no records")
    if len(content) > MOST_PACKED:
        raise RegistryError(f"{failed}: it is larger than 1 MiB")
    keeper, spot = _KEEPERS[cache.backend.store], _spot(cache, place, env, client, _WRITE)
    _in_time(lambda: keeper.write(spot, content), spot, failed)


def _spot(
    cache: CachePlan,
    place: Place,
    env: Mapping[str, str],
    client: Callable[[str], Registry],
    seconds: float,
) -> Spot:
    options = (option.partition("=") for option in cache.options)
    secrets = ((name, env.get(of, "")) for name, of in cache.backend.secrets.items())
    settings = {name: value for name, _, value in options}
    settings |= {name: value for name, value in secrets if value}
    end = time.monotonic() + seconds
    return Spot(place=place, settings=settings, env=env, client=client, end=end)


def _in_time(work: Callable[[], _Result], spot: Spot, failed: str) -> _Result:
    """Return what the work returns; raises RegistryError for every failure, `failed` in front.

    A thread that is left behind delays nothing.
    """
    found: Future[_Result] = Future()
    left = spot.end - time.monotonic()

    def run() -> None:
        try:
            found.set_result(work())
        except BaseException as error:  # noqa: BLE001 (raised again below)
            found.set_exception(error)

    signals.start_thread(run)
    try:
        return found.result(left)
    except RegistryError as error:
        raise RegistryError(f"{failed}: {error}") from error
    except TimeoutError as error:
        raise RegistryError(f"{failed} within {left:.0f} s") from error
    except (OSError, ValueError) as error:
        # Its text may have a secret in it, such as a key that is not UTF-8.
        raise RegistryError(f"{failed}: a setting cannot be used") from error
