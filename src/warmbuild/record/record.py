"""A record: what a build was made of and what it did, as it lies beside a cache.

It is JSON, packed by gzip. A build's files are in it by directories, each with its mode and a short
digest, which only names causes: the digests of steps and of the image decide. Whoever may write the
cache may write it, so it is data that is bounded in size and depth, and of any content.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import zlib
from dataclasses import field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from warmbuild import untrusted_json
from warmbuild.frozen import frozen
from warmbuild.project import dockerfile
from warmbuild.record.gains import Gain
from warmbuild.record.recipe import Recipe, Step

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from warmbuild.project.entry import Entry
    from warmbuild.record.content import Content

FORMAT: Final = 1
# In bytes: what lies beside a cache, and its JSON.
MOST_PACKED: Final = 1024 * 1024
_MOST_JSON: Final = 8 * 1024 * 1024
# Of a step, and of a salt in bytes: every comparison takes time for each.
_MOST_PARTS: Final = 20_000
_MOST_SALT: Final = 64
# Directories: those that are folded here, and those that are read.
_MOST_FOLDS: Final = 50
_MOST_FOLDED: Final = 1_000
# Hexadecimal digits of a part's digest.
_PART: Final = 16
_KINDS: Final = {"file": "f", "directory": "d", "link": "l", "other": "o"}
# Bytes of a file's digest.
_MARK: Final = 8
# Files pack unequally well.
_LESS: Final = 0.97


@frozen
class Ran:
    """What became of a step."""

    cached: bool
    seconds: float = 0.0  # how long it last ran, in this build or in the one of an older record


@frozen
class Image:
    """The image that a build made."""

    digest: str = ""  # of what was pushed: an index, or a manifest
    repositories: tuple[str, ...] = ()  # where it was pushed to
    layers: tuple[str, ...] = ()  # digests of its layers, of the first platform


@frozen
class Record:
    """What a build was made of and what it did."""

    salt: bytes
    made: datetime
    recipe: Recipe
    ran: Mapping[tuple[str, int], Ran]  # by the stage and the position of a step
    files: Mapping[str, str]  # marks by path; that of a folded directory ends in a slash
    folded: tuple[str, ...] = ()  # directories of which only one digest is known
    cache: str = ""  # digest of the cache's manifest that it describes; empty if it has none
    key: str = ""  # of the whole image; empty if that was unknown
    image: Image = field(default_factory=Image)
    images: Mapping[str, str] = field(default_factory=dict)  # digests of base images, by reference
    mode: str = ""  # BuildKit's mode of the cache's export
    ignored: tuple[str, ...] = ()  # patterns of the .dockerignore
    stage: str = ""  # what was built, if not the last stage
    platforms: tuple[str, ...] = ()
    branch: str = ""
    commit: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    gains: Mapping[str, Gain] = field(default_factory=dict)  # by the key of a step with mounts


def packed(record: Record) -> bytes | None:
    """Return a record as it is stored; None if it is too large.

    If all files do not fit, directories are folded, as few files as suffice: of what is below them
    only a digest is kept, so that causes name the directory alone.
    """
    whole = record.files
    while True:
        text = _json(record)
        content = gzip.compress(text, compresslevel=6, mtime=0)
        share = min(MOST_PACKED / len(content), _MOST_JSON / len(text))
        if share >= 1:
            return content
        smaller = _folded(record, whole, int(len(record.files) * share * _LESS))
        if smaller is None:
            return None
        record = smaller


def unpacked(content: bytes) -> Record:
    """Read a record; raises ValueError, with the reason as a clause, if it is none."""
    if len(content) > MOST_PACKED:
        raise ValueError("it is too large")
    stream = zlib.decompressobj(wbits=31)
    try:
        text = stream.decompress(content, _MOST_JSON)
    except zlib.error as error:
        raise ValueError("it is not packed by gzip") from error
    if not stream.eof:
        raise ValueError("it is too large, or not whole")
    read = untrusted_json.parsed(text)
    if untrusted_json.number(read, "format") != FORMAT:
        raise ValueError("it was written by another version of warmbuild")
    return _record(read)


def marks(content: Content) -> dict[str, str]:
    """Return a short text for each file of a context: its kind, its mode and a digest."""
    return {path: _mark(entry) for path, entry in content.entries.items()}


def mark_below(files: Mapping[str, str], directory: str) -> str:
    """Return the mark of a folded directory, which ends in a slash."""
    below = (f"{path} {files[path]}" for path in sorted(files) if path.startswith(directory))
    return _short("\0".join(below))


def part(text: str) -> str:
    """Return a part's digest as a record has it."""
    return text.removeprefix("sha256:")[:_PART]


def _mark(entry: Entry) -> str:
    kind, mode, content = entry
    return f"{_KINDS[kind]}{mode:o} {_short(content) if content else ''}"


def _short(content: bytes | str) -> str:
    data = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
    return base64.b64encode(hashlib.blake2b(data, digest_size=_MARK).digest())[:-1].decode()


def _folded(record: Record, whole: Mapping[str, str], most: int) -> Record | None:
    """Return a record with at most this many marks; None if folding does not suffice.

    `whole` are the marks of all files, for a directory's is that of files and not of directories
    that are folded in it.
    """
    files, folded = dict(record.files), record.folded
    while len(files) > most:
        counts = [(count, name) for name, count in _counts(files).items()]
        excess = len(files) - most
        largest, name = max(counts, default=(0, ""))
        if (largest - 1) * (_MOST_FOLDS - len(folded)) < excess:
            return None
        _, name = min((one for one in counts if one[0] > excess), default=(largest, name))
        files = {path: mark for path, mark in files.items() if not path.startswith(name)}
        files[name] = mark_below(whole, name)
        folded = (*(one for one in folded if not one.startswith(name)), name)
    return replace(record, files=files, folded=folded)


def _counts(files: Mapping[str, str]) -> Mapping[str, int]:
    """Return how many marks are below each directory, whose name ends in a slash."""
    counts: dict[str, int] = {}
    for path in files:
        end = path.removesuffix("/").rfind("/")
        while end >= 0:
            name = path[: end + 1]
            counts[name] = counts.get(name, 0) + 1
            end = path.rfind("/", 0, end)
    return counts


def _json(record: Record) -> bytes:
    directories: dict[str, dict[str, str]] = {}
    for path, mark in record.files.items():
        parent, slash, name = path.removesuffix("/").rpartition("/")
        name += "/" if path.endswith("/") else ""
        directories.setdefault(parent + slash, {})[name] = mark
    written = {
        "format": FORMAT,
        "salt": record.salt.hex(),
        "made": record.made.isoformat(timespec="seconds"),
        "key": record.key,
        "cache": record.cache,
        "mode": record.mode,
        "ignored": record.ignored,
        "stage": record.stage,
        "platforms": record.platforms,
        "branch": record.branch,
        "commit": record.commit,
        "versions": dict(record.versions),
        "images": dict(record.images),
        "image": {
            "digest": record.image.digest,
            "repositories": record.image.repositories,
            "layers": record.image.layers,
            "parts": _cut(record.recipe.image),
        },
        "unknown": record.recipe.unknown,
        "steps": [_written(step, record.ran) for step in record.recipe.steps],
        "mounts": {
            key: {"milliseconds": round(gain.bare * 1000), "losses": gain.losses}
            for key, gain in record.gains.items()
        },
        "files": directories,
    }
    # Names that are not UTF-8 become escapes of lone surrogates.
    return json.dumps(written, separators=(",", ":")).encode()


def _written(step: Step, ran: Mapping[tuple[str, int], Ran]) -> Mapping[str, object]:
    done = ran.get((step.stage, step.position))
    return {
        "stage": step.stage,
        "position": step.position,
        "line": step.line,
        "title": step.title,
        "own": step.own,
        "key": step.key,
        "unknown": step.unknown,
        "parts": _cut(step.parts),
        "takes": step.takes,
        "excludes": step.excludes,
        **({"linked": True} if step.linked else {}),
        **({"cached": done.cached, "milliseconds": round(done.seconds * 1000)} if done else {}),
    }


def _cut(parts: Mapping[str, str]) -> Mapping[str, str]:
    return {name: part(text) for name, text in parts.items()}


def _record(read: Mapping[str, object]) -> Record:
    steps = list(untrusted_json.children(read, "steps"))
    if len(steps) > dockerfile.MOST_INSTRUCTIONS:
        raise ValueError("it has too many steps")
    image = untrusted_json.child(read, "image")
    files = dict(_files(untrusted_json.child(read, "files")))
    folded = tuple(path for path in files if path.endswith("/"))
    if len(folded) > _MOST_FOLDED:
        raise ValueError("it has too many folded directories")
    try:
        salt = bytes.fromhex(untrusted_json.text(read, "salt"))
        made = datetime.fromisoformat(untrusted_json.text(read, "made"))
        made = made.astimezone(UTC) if made.tzinfo else made.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError("it has no salt, or no time") from error
    if len(salt) > _MOST_SALT:
        raise ValueError("its salt is too long")
    return Record(
        salt=salt,
        made=made,
        key=untrusted_json.text(read, "key"),
        cache=untrusted_json.text(read, "cache"),
        mode=untrusted_json.text(read, "mode"),
        ignored=_texts(read, "ignored"),
        stage=untrusted_json.text(read, "stage"),
        platforms=_texts(read, "platforms"),
        branch=untrusted_json.text(read, "branch"),
        commit=untrusted_json.text(read, "commit"),
        versions=_pairs(read, "versions"),
        images=_pairs(read, "images"),
        image=Image(
            digest=untrusted_json.text(image, "digest"),
            repositories=_texts(image, "repositories"),
            layers=_texts(image, "layers"),
        ),
        recipe=Recipe(
            steps=tuple(map(_step, steps)),
            image=_pairs(image, "parts"),
            unknown=untrusted_json.text(read, "unknown"),
        ),
        ran={
            (untrusted_json.text(one, "stage"), untrusted_json.number(one, "position")): Ran(
                cached=bool(one["cached"]),
                seconds=max(untrusted_json.number(one, "milliseconds"), 0) / 1000,
            )
            for one in steps
            if "cached" in one
        },
        files=files,
        folded=folded,
        gains=dict(_gains(untrusted_json.child(read, "mounts"))),
    )


def _gains(read: Mapping[str, object]) -> Iterator[tuple[str, Gain]]:
    if len(read) > dockerfile.MOST_INSTRUCTIONS:
        raise ValueError("it has too many steps with cache mounts")
    for key in read:
        found = untrusted_json.child(read, key)
        milliseconds = max(untrusted_json.number(found, "milliseconds"), 0)
        losses = max(untrusted_json.number(found, "losses"), 0)
        yield key, Gain(bare=milliseconds / 1000, losses=losses)


def _step(read: Mapping[str, object]) -> Step:
    parts = _pairs(read, "parts")
    if len(parts) > _MOST_PARTS:
        raise ValueError("a step has too many parts")
    return Step(
        stage=untrusted_json.text(read, "stage"),
        position=untrusted_json.number(read, "position"),
        line=untrusted_json.number(read, "line"),
        title=untrusted_json.text(read, "title"),
        own=untrusted_json.text(read, "own"),
        key=untrusted_json.text(read, "key"),
        unknown=untrusted_json.text(read, "unknown"),
        parts=parts,
        takes=_texts(read, "takes"),
        excludes=_texts(read, "excludes"),
        linked=read.get("linked") is True,
    )


def _files(read: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for directory in read:
        for name, mark in _pairs(read, directory).items():
            yield directory + name, mark


def _pairs(read: Mapping[str, object], name: str) -> dict[str, str]:
    found = untrusted_json.child(read, name)
    return {key: value for key, value in found.items() if isinstance(value, str)}


def _texts(read: Mapping[str, object], name: str) -> tuple[str, ...]:
    return tuple(one for one in untrusted_json.items(read, name) if isinstance(one, str))
