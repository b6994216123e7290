"""What BuildKit wrote down about a cache: which step has which result, and since when.

The format is `CacheConfig` of BuildKit's cache/remotecache/v1 (media type
application/vnd.buildkit.cacheconfig.v0), the same for a registry and a directory, and without its
layers in an image's config under `moby.buildkit.cache.v0`.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from warmbuild import untrusted_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

CONFIG_TYPE: Final = "application/vnd.buildkit.cacheconfig.v0"
INLINE_KEY: Final = "moby.buildkit.cache.v0"
# The manifest's annotation that has a layer's digest before it was compressed.
_UNCOMPRESSED: Final = "containerd.io/uncompressed"
# The layers that a result is made of, from the lowest up.
Chain = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A key of the cache: what a step was run with, and what came of it.

    `inputs` holds for each input its alternatives, as (selector, index of a record).
    """

    digest: str
    inputs: tuple[tuple[tuple[str, int], ...], ...] = ()
    results: frozenset[Chain] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """The records of one cache; `oldest` is when its oldest result was made."""

    records: tuple[Record, ...]
    oldest: datetime | None = None


def parse(config: bytes, manifest: Mapping[str, object]) -> Records:
    """Read the configuration of a cache and the manifest that names its layers.

    Raises ValueError where it is none.
    """
    text = untrusted_json.parsed(config)
    diff_ids = _uncompressed(manifest)
    layers = [
        # A missing parent is the first layer, for BuildKit leaves out what is zero.
        (
            diff_ids.get(blob := untrusted_json.text(layer, "blob"), blob),
            untrusted_json.number(layer, "parent"),
        )
        for layer in untrusted_json.children(text, "layers")
    ]
    return _read(untrusted_json.children(text, "records"), layers)


def parse_inline(config: bytes) -> Records | None:
    """Read the records in an image's config; None where there are none.

    Raises ValueError where it is no image's config.
    """
    image = untrusted_json.parsed(config)
    packed = image.get(INLINE_KEY)
    if not isinstance(packed, str):
        return None
    try:
        records = untrusted_json.anything(base64.b64decode(packed, validate=True))
    except binascii.Error as error:
        raise ValueError("its inline cache is not base64") from error
    diff_ids = untrusted_json.child(image, "rootfs").get("diff_ids")
    names = diff_ids if isinstance(diff_ids, list) else []
    return _read(
        untrusted_json.objects(records), [(str(name), at - 1) for at, name in enumerate(names)]
    )


def contradict(these: Records, those: Records) -> bool:
    """Say whether two caches hold different results for the same step.

    BuildKit has no order among several caches (moby/buildkit#6418): where it finds two results of
    one key it takes either, and what was built upon the other is lost. Two records are the same
    key where their digests are, and where for each input some of its alternatives are.
    """
    by_digest: dict[str, list[int]] = {}
    for at, record in enumerate(those.records):
        by_digest.setdefault(record.digest, []).append(at)
    same: dict[int, list[int]] = {}
    for at in _inputs_first(these.records):
        record = these.records[at]
        for other_at in by_digest.get(record.digest, ()):
            other = those.records[other_at]
            if not _same_inputs(record, other, same):
                continue
            same.setdefault(at, []).append(other_at)
            if record.results and other.results and not record.results & other.results:
                return True
    return False


def oldest(caches: Iterable[Records]) -> datetime | None:
    """Return when the oldest result of several caches was made."""
    return min((cache.oldest for cache in caches if cache.oldest), default=None)


def _same_inputs(record: Record, other: Record, same: Mapping[int, Sequence[int]]) -> bool:
    """Say whether two records have the same inputs, given which of their inputs are the same."""
    return len(record.inputs) == len(other.inputs) and not any(
        set(theirs).isdisjoint(
            (selector, twin) for selector, link in ours for twin in same.get(link, ())
        )
        for ours, theirs in zip(record.inputs, other.inputs, strict=True)
    )


def _inputs_first(records: Sequence[Record]) -> Iterator[int]:
    """Return the indices of records so that each comes after its inputs.

    Each link is looked at once, for a cache may have thousands.
    """
    ahead = set(range(len(records)))
    stack: list[tuple[int | None, Iterator[int]]] = [(None, iter(range(len(records))))]
    while stack:
        at, links = stack[-1]
        # A loop in a broken configuration ends where it began.
        link = next((link for link in links if link in ahead), None)
        if link is not None:
            ahead.remove(link)
            stack.append((link, _links(records[link])))
            continue
        stack.pop()
        if at is not None:
            yield at


def _links(record: Record) -> Iterator[int]:
    return (link for alternatives in record.inputs for _, link in alternatives)


def _read(records: Iterable[Mapping[str, object]], layers: Sequence[tuple[str, int]]) -> Records:
    found: list[Record] = []
    times: list[datetime] = []
    for record in records:
        results = list(_results(record, layers))
        times += [created for _, created in results if created]
        inputs = record.get("inputs")
        found.append(
            Record(
                digest=untrusted_json.text(record, "digest"),
                inputs=tuple(
                    tuple(
                        (untrusted_json.text(one, "selector"), untrusted_json.number(one, "link"))
                        for one in untrusted_json.objects(each)
                    )
                    for each in (inputs if isinstance(inputs, list) else ())
                ),
                results=frozenset(chain for chain, _ in results),
            )
        )
    return Records(records=tuple(found), oldest=min(times, default=None))


def _results(
    record: Mapping[str, object], layers: Sequence[tuple[str, int]]
) -> Iterator[tuple[Chain, datetime | None]]:
    for result in untrusted_json.children(record, "layers"):
        yield tuple(_chain(untrusted_json.number(result, "layer"), layers)), _time(result)
    for result in untrusted_json.children(record, "chains"):
        indices = result.get("layers")
        numbers = [
            at for at in (indices if isinstance(indices, list) else ()) if isinstance(at, int)
        ]
        yield tuple(layers[at][0] for at in numbers if 0 <= at < len(layers)), _time(result)


def _chain(top: int, layers: Sequence[tuple[str, int]]) -> Chain:
    chain: list[str] = []
    # A loop in a broken configuration ends after as many steps as there are layers.
    while 0 <= top < len(layers) and len(chain) < len(layers):
        blob, top = layers[top]
        chain.append(blob)
    return tuple(reversed(chain))


def _uncompressed(manifest: Mapping[str, object]) -> Mapping[str, str]:
    """Return the digests of layers before compression, which may differ between two exports."""
    parts = [
        *untrusted_json.children(manifest, "layers"),
        *untrusted_json.children(manifest, "manifests"),
    ]
    pairs = (
        (
            untrusted_json.text(part, "digest"),
            untrusted_json.text(untrusted_json.child(part, "annotations"), _UNCOMPRESSED),
        )
        for part in parts
    )
    return {digest: diff_id for digest, diff_id in pairs if diff_id}


def _time(item: Mapping[str, object]) -> datetime | None:
    try:
        time = datetime.fromisoformat(untrusted_json.text(item, "createdAt"))
    except ValueError:
        return None
    # Go writes its zero time where nobody knows, and every other one with its zone.
    return time if time.year > 1 and time.tzinfo else None
