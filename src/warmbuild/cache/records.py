"""The records of a cache: which step has which results, and since when.

The format is `CacheConfig` of BuildKit's cache/remotecache/v1 (media type
application/vnd.buildkit.cacheconfig.v0), the same for a registry and a directory. An image's config
holds it without layers, under `moby.buildkit.cache.v0`.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from datetime import datetime
from functools import reduce
from typing import TYPE_CHECKING, Final

from warmbuild import lazy, untrusted_json
from warmbuild.frozen import frozen

if TYPE_CHECKING:
    import hashlib
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import timedelta
else:
    hashlib = lazy.module("hashlib")

CONFIG_TYPE: Final = "application/vnd.buildkit.cacheconfig.v0"
INLINE_KEY: Final = "moby.buildkit.cache.v0"
# Annotations of a layer, each with the member of an image's history that has the same.
_CREATED: Final = ("buildkit/createdat", "created")
_DESCRIPTION: Final = ("buildkit/description", "created_by")
# The annotation that holds a layer's digest before compression.
_UNCOMPRESSED: Final = "containerd.io/uncompressed"
# The format of a time that Go reads, RFC 3339.
_TIME: Final = re.compile(
    r"[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})"
)
# Stands for the layers of a result, from the lowest up: equal for the same layers. Written out, the
# chains of a configuration can take a thousand times its size.
Chain = bytes
_NO_LAYERS: Final[Chain] = b""
# The most alternatives and results that are compared to find a contradiction: half a second's work,
# and sixteen times what the largest cache that BuildKit reads needs if no two of its steps have the
# same digest.
_MOST_COMPARED: Final = 400_000


@frozen
class Record:
    """A key of the cache: what a step was run with, and its results."""

    digest: str
    inputs: tuple[tuple[tuple[str, int], ...], ...] = ()  # Alternatives: (selector, record's index)
    results: frozenset[Chain] = frozenset()


@frozen
class Records:
    """The records of one cache."""

    records: tuple[Record, ...]
    oldest: datetime | None = None  # When the oldest result was made


def parse(config: bytes, manifest: Mapping[str, object]) -> Records:
    """Read the configuration of a cache, and the digests of layers from its manifest.

    Raises ValueError for other content.
    """
    text = untrusted_json.parsed(config)
    diff_ids = _uncompressed(manifest)
    layers = []
    for layer in untrusted_json.children(text, "layers"):
        blob = untrusted_json.text(layer, "blob")
        # A missing parent is the first layer, for BuildKit leaves out what is zero.
        layers.append((diff_ids.get(blob, blob), untrusted_json.number(layer, "parent")))
    return _read(untrusted_json.children(text, "records"), layers)


def parse_inline(config: bytes) -> Records | None:
    """Read the records in an image's config; None if it holds no cache.

    Raises ValueError for other content.
    """
    image = untrusted_json.parsed(config)
    if not isinstance(image.get(INLINE_KEY), str):
        return None
    layers = [(name, at - 1) for at, name in enumerate(_diff_ids(image))]
    return _read(_packed(image), layers)


def detached(config: bytes, manifest: Mapping[str, object]) -> tuple[bytes, bytes]:
    """Return the inline cache of an image in the form of a cache in a registry.

    The form is a configuration, and a manifest with the layers. The annotations of the layers are
    those that BuildKit makes from the image's history (contentCacheImporter.importInlineCache,
    v0.34.2). Raises ValueError for other content, such as a time that BuildKit cannot read.
    """
    image = untrusted_json.parsed(config)
    layers = list(untrusted_json.children(manifest, "layers"))
    names = _diff_ids(image)
    made = [
        one
        for one in untrusted_json.children(image, "history")
        if one.get("empty_layer") is not True
    ]
    for step in made:
        _check_time(untrusted_json.text(step, _CREATED[1]))
    described = [
        {
            **layer,
            "annotations": {
                **untrusted_json.child(layer, "annotations"),
                **{
                    annotation: text
                    for annotation, member in (_CREATED, _DESCRIPTION)
                    if (text := untrusted_json.text(step, member))
                },
                _UNCOMPRESSED: name,
            },
        }
        for layer, name, step in zip(layers, names, made, strict=True)
    ]
    places = [{"blob": layer.get("digest"), "parent": at - 1} for at, layer in enumerate(layers)]
    cache = {"layers": places, "records": list(_packed(image))}
    return json.dumps(cache).encode(), json.dumps({"layers": described}).encode()


def contradict(these: Records, those: Records) -> bool:
    """Return whether two caches hold different results for the same step.

    BuildKit has no order among several caches (moby/buildkit#6418): if it finds two results of one
    key, it takes either, and loses what was built on the other. Caches that would take too long to
    compare count as contradictory.
    """
    return any(
        pair is None
        or (pair[0].results and pair[1].results and pair[0].results.isdisjoint(pair[1].results))
        for pair in _same_steps(these, those)
    )


def lose_steps(these: Records, those: Records) -> bool:
    """Return whether BuildKit may miss steps of two caches that two builds read at once.

    Builds share equal steps. BuildKit looks a shared step up in both caches, keeps one of the
    answers, and then has to find that step in the other cache by the inputs of the step. For any
    input but the first, it only does if each alternative leads there
    (`solver.cacheManager.getIDFromDeps`, v0.34.2), which the files of a COPY never do. So the later
    steps of the other cache are lost, unless the caches are equal. Caches that would take too long
    to compare may lose steps.
    """
    wide, others = (
        {one.digest for one in cache.records if len(one.inputs) > 1} for cache in (these, those)
    )
    return (
        not wide.isdisjoint(others)
        and any(pair is None or len(pair[0].inputs) > 1 for pair in _same_steps(these, those))
        and not (holds(these, those) and holds(those, these))
    )


def _same_steps(these: Records, those: Records) -> Iterator[tuple[Record, Record] | None]:
    """Yield the pairs of records of two caches that have the same key; None if it takes too long.

    They do if their digests are equal and each input has an alternative in common.
    """
    left = _MOST_COMPARED
    by_digest = _by_digest(those)
    same: dict[int, list[int]] = {}
    for at in _inputs_first(these.records):
        record = these.records[at]
        links = (link for alternatives in record.inputs for _, link in alternatives)
        left -= sum(len(same.get(link, ())) for link in links)
        if left < 0:
            yield None
            return
        ours = [_twins(alternatives, same) for alternatives in record.inputs]
        for other_at in by_digest.get(record.digest, ()):
            other = those.records[other_at]
            left -= 1 + sum(map(len, other.inputs)) + len(other.results)
            if left < 0:
                yield None
                return
            if _same_inputs(ours, other.inputs):
                same.setdefault(at, []).append(other_at)
                yield record, other


def holds(these: Records, those: Records) -> bool:
    """Return whether BuildKit finds in `these` alone all that it finds in both caches.

    It does if each of those records has a counterpart: of the same digest, with each of its
    alternatives, and with its results. A cache that would take too long to compare is not held.
    """
    left = _MOST_COMPARED
    by_digest = _by_digest(these)
    same: dict[int, list[int]] = {}
    for at in _inputs_first(those.records):
        record = those.records[at]
        links = (link for alternatives in record.inputs for _, link in alternatives)
        pairs = sum(1 + len(same.get(link, ())) for link in links) + len(record.results)
        for our_at in by_digest.get(record.digest, ()):
            ours = these.records[our_at]
            left -= 1 + pairs + sum(map(len, ours.inputs))
            if left < 0:
                return False
            if record.results <= ours.results and _has_inputs(ours.inputs, record.inputs, same):
                same.setdefault(at, []).append(our_at)
        if at not in same:
            return False
    return True


def loses_results(written: Records, read: Records) -> bool:
    """Return whether a step has no result in a cache that holds the results of all steps.

    A step that had none in the caches that were read does not count. Sources never have one.
    """
    known = {one.digest for one in _without_results(read)}
    return any(one.digest not in known for one in _without_results(written))


def _without_results(cache: Records) -> Iterator[Record]:
    return (one for one in cache.records if one.inputs and not one.results)


def joined(caches: Iterable[Records]) -> Records:
    """Return the records of several caches as those of one."""
    found: list[Record] = []
    caches = tuple(caches)
    for cache in caches:
        first = len(found)
        found += (
            Record(
                digest=record.digest,
                inputs=tuple(
                    tuple(
                        (selector, link + first)
                        for selector, link in alternatives
                        if 0 <= link < len(cache.records)
                    )
                    for alternatives in record.inputs
                ),
                results=record.results,
            )
            for record in cache.records
        )
    return Records(records=tuple(found), oldest=oldest(caches))


def oldest(caches: Iterable[Records]) -> datetime | None:
    """Return when the oldest result of several caches was made."""
    return min((cache.oldest for cache in caches if cache.oldest), default=None)


def age_text(age: timedelta) -> str:
    """Return an age in its largest unit: 3 days, 5 hours, 12 minutes."""
    seconds = max(0, int(age.total_seconds()))
    units = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))
    unit, length = next((one for one in units if seconds >= one[1]), units[-1])
    count = seconds // length
    return f"{count} {unit}{'' if count == 1 else 's'}"


def _twins(
    alternatives: Iterable[tuple[str, int]], same: Mapping[int, Sequence[int]]
) -> set[tuple[str, int]]:
    """Return the alternatives of an input as the other cache has them; `same` pairs records."""
    return {(selector, twin) for selector, link in alternatives for twin in same.get(link, ())}


def _same_inputs(
    ours: Sequence[set[tuple[str, int]]], theirs: Sequence[Sequence[tuple[str, int]]]
) -> bool:
    """Return whether each input of two records has an alternative in common."""
    return len(ours) == len(theirs) and not any(map(set.isdisjoint, ours, theirs))


def _has_inputs(
    ours: Sequence[Sequence[tuple[str, int]]],
    theirs: Sequence[Sequence[tuple[str, int]]],
    same: Mapping[int, Sequence[int]],
) -> bool:
    """Return whether a record has each alternative of another one; `same` pairs their records."""
    return len(ours) == len(theirs) and all(
        any((selector, twin) in mine for twin in same.get(link, ()))
        for mine, alternatives in zip(map(frozenset, ours), theirs, strict=True)
        for selector, link in alternatives
    )


def _by_digest(cache: Records) -> Mapping[str, Sequence[int]]:
    found: dict[str, list[int]] = {}
    for at, record in enumerate(cache.records):
        found.setdefault(record.digest, []).append(at)
    return found


def _inputs_first(records: Sequence[Record]) -> Iterator[int]:
    """Yield the indices of records so that each comes after its inputs.

    Each link is followed once, for a cache may have thousands.
    """
    ahead = set(range(len(records)))
    stack: list[tuple[int | None, Iterator[int]]] = [(None, iter(range(len(records))))]
    while stack:
        at, links = stack[-1]
        # A loop in a broken configuration ends where it began.
        link = next((link for link in links if link in ahead), None)
        if link is not None:
            ahead.remove(link)
            inputs = records[link].inputs
            stack.append((link, (one for alternatives in inputs for _, one in alternatives)))
            continue
        stack.pop()
        if at is not None:
            yield at


def _read(found: Iterable[Mapping[str, object]], layers: Sequence[tuple[str, int]]) -> Records:
    records: list[Record] = []
    times: list[datetime] = []
    names, chains = [name for name, _ in layers], _chains(layers)
    for record in found:
        results = list(_results(record, names, chains))
        times += [created for _, created in results if created]
        inputs = tuple(
            tuple(
                (untrusted_json.text(one, "selector"), untrusted_json.number(one, "link"))
                for one in untrusted_json.objects(alternatives)
            )
            for alternatives in untrusted_json.items(record, "inputs")
        )
        made = frozenset(chain for chain, _ in results)
        digest = untrusted_json.text(record, "digest")
        records.append(Record(digest=digest, inputs=inputs, results=made))
    return Records(records=tuple(records), oldest=min(times, default=None))


def _results(
    record: Mapping[str, object], names: Sequence[str], chains: Sequence[Chain]
) -> Iterator[tuple[Chain, datetime | None]]:
    for result in untrusted_json.children(record, "layers"):
        at = untrusted_json.number(result, "layer")
        yield chains[at] if 0 <= at < len(chains) else _NO_LAYERS, _time(result)
    for result in untrusted_json.children(record, "chains"):
        numbers = untrusted_json.numbers(result, "layers")
        yield chain(names[at] for at in numbers if 0 <= at < len(names)), _time(result)


def chain(layers: Iterable[str]) -> Chain:
    """Return what stands for these layers, from the lowest up."""
    return reduce(_upon, layers, _NO_LAYERS)


def _upon(below: Chain, layer: str) -> Chain:
    return hashlib.sha256(below + layer.encode(errors="surrogatepass")).digest()


def _chains(layers: Sequence[tuple[str, int]]) -> Sequence[Chain]:
    """Return the chain of each layer, which is made once, upon that of its parent."""
    found: dict[int, Chain] = {}
    for top in range(len(layers)):
        above: list[int] = []
        at = top
        while 0 <= at < len(layers) and at not in found:
            # A loop in a broken configuration ends where it began.
            found[at] = _NO_LAYERS
            above.append(at)
            at = layers[at][1]
        below = found.get(at, _NO_LAYERS)
        for one in reversed(above):
            below = found[one] = _upon(below, layers[one][0])
    return [found[at] for at in range(len(layers))]


def _check_time(text: str) -> None:
    """Raise ValueError for a time that BuildKit cannot read; Python reads more formats."""
    if text and not _TIME.fullmatch(text):
        raise ValueError(text)
    if text:
        datetime.fromisoformat(text)


def _diff_ids(image: Mapping[str, object]) -> Sequence[str]:
    names = untrusted_json.items(untrusted_json.child(image, "rootfs"), "diff_ids")
    return [str(name) for name in names]


def _packed(image: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    """Return the records in an image's config; raises ValueError for other content."""
    try:
        text = base64.b64decode(untrusted_json.text(image, INLINE_KEY), validate=True)
    except binascii.Error as error:
        raise ValueError("its inline cache is not base64") from error
    return untrusted_json.objects(untrusted_json.anything(text))


def _uncompressed(manifest: Mapping[str, object]) -> Mapping[str, str]:
    """Return the digests of layers before compression, which may differ between two exports."""
    found: dict[str, str] = {}
    for name in ("layers", "manifests"):
        for part in untrusted_json.children(manifest, name):
            annotations = untrusted_json.child(part, "annotations")
            if diff_id := untrusted_json.text(annotations, _UNCOMPRESSED):
                found[untrusted_json.text(part, "digest")] = diff_id
    return found


def _time(item: Mapping[str, object]) -> datetime | None:
    try:
        time = datetime.fromisoformat(untrusted_json.text(item, "createdAt"))
    except ValueError:
        return None
    # Go writes its zero time for an unknown time, and every other time with its zone.
    return time if time.year > 1 and time.tzinfo else None
