from __future__ import annotations

import gzip
import json
import os
import random
import string
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from warmbuild.project.entry import Entry
from warmbuild.record import record
from warmbuild.record.content import Content
from warmbuild.record.recipe import Recipe, Step
from warmbuild.record.record import MOST_PACKED, Image, Ran, Record, packed, unpacked

if TYPE_CHECKING:
    from collections.abc import Mapping

MADE = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
EMPTY = Record(salt=b"salt", made=MADE, recipe=Recipe(steps=(), image={}), ran={}, files={})
DIGEST = f"sha256:{'0123456789abcdef' * 4}"
WHOLE = Record(
    salt=b"0123456789abcdef",
    made=MADE,
    recipe=Recipe(
        steps=(
            Step(
                stage="build",
                position=2,
                line=7,
                title="COPY . .",
                parts={"instruction": "0123456789abcdef", "files": "fedcba9876543210"},
                takes=("", "a"),
                excludes=("*.md",),
                linked=True,
                unknown="nobody knows",
                own="1" * 64,
                key="2" * 64,
            ),
            Step(stage="", position=1, line=1, title="RUN \udcff", parts={}),
        ),
        image={"platforms": "0123456789abcdef"},
        unknown="nobody knows",
    ),
    ran={("build", 2): Ran(cached=True, seconds=1.234)},
    files={"a": "f644 x", "b/": "y", "dir/\udcff": "l0 z", "dir": "d755 ", "x/y/z/": "w"},
    folded=("b/", "x/y/z/"),
    cache=DIGEST,
    key="3" * 64,
    image=Image(digest=DIGEST, repositories=("a.test/b",), layers=(DIGEST,)),
    images={"docker.io/library/a:1": DIGEST},
    mode="max",
    ignored=("*.md", "!a"),
    stage="build",
    platforms=("linux/amd64",),
    branch="main",
    commit="c" * 40,
    versions={"warmbuild": "1"},
)


def test_a_record_is_read_as_it_was_written() -> None:
    content = packed(WHOLE)
    assert content
    assert unpacked(content) == WHOLE
    # The same record has the same bytes.
    assert packed(WHOLE) == content


TEXTS = st.text(max_size=10)
PAIRS = st.dictionaries(TEXTS, TEXTS, max_size=3)
NAMES = st.text(st.characters(exclude_characters="/"), min_size=1, max_size=5)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
NUMBERS = st.integers(min_value=0, max_value=10**9)
STEPS = st.builds(
    Step,
    stage=TEXTS,
    position=NUMBERS,
    line=NUMBERS,
    title=TEXTS,
    parts=st.dictionaries(TEXTS, st.text("0123456789abcdef", max_size=16), max_size=3),
    takes=st.lists(TEXTS, max_size=2).map(tuple),
    excludes=st.lists(TEXTS, max_size=2).map(tuple),
    linked=st.booleans(),
    unknown=TEXTS,
    own=TEXTS,
    key=TEXTS,
)
RECORDS = st.builds(
    Record,
    salt=st.binary(max_size=64),
    made=st.datetimes(timezones=st.just(UTC)).map(lambda made: made.replace(microsecond=0)),
    recipe=st.builds(
        Recipe,
        steps=st.lists(STEPS, max_size=3).map(tuple),
        image=st.dictionaries(TEXTS, st.text("0123456789abcdef", max_size=16), max_size=3),
        built=st.just(()),
        unknown=TEXTS,
    ),
    ran=st.just({}),
    files=st.dictionaries(PATHS, TEXTS, max_size=5),
    folded=st.just(()),
    cache=TEXTS,
    key=TEXTS,
    image=st.just(Image()),
    images=PAIRS,
    mode=TEXTS,
    ignored=st.lists(TEXTS, max_size=2).map(tuple),
    stage=TEXTS,
    platforms=st.lists(TEXTS, max_size=2).map(tuple),
    branch=TEXTS,
    commit=TEXTS,
    versions=PAIRS,
)


@given(RECORDS)
def test_any_record_is_read_as_it_was_written(one: Record) -> None:
    content = packed(one)
    assert content
    assert unpacked(content) == one


def test_long_digests_are_cut() -> None:
    steps = (replace(WHOLE.recipe.steps[0], parts={"base a": DIGEST, "x": "f" * 64}),)
    recipe = replace(WHOLE.recipe, steps=steps, image={"base a": DIGEST})
    content = packed(replace(WHOLE, recipe=recipe))
    assert content
    found = unpacked(content).recipe
    assert found.steps[0].parts == {"base a": "0123456789abcdef", "x": "f" * 16}
    assert found.image == {"base a": "0123456789abcdef"}


def written(**changed: object) -> bytes:
    content = packed(WHOLE)
    assert content
    return gzip.compress(json.dumps(json.loads(gzip.decompress(content)) | changed).encode())


def of_steps(*steps: Mapping[str, object]) -> bytes:
    return written(steps=list(steps))


DEEP = "[" * 5_000 + "]" * 5_000
HOSTILE: Mapping[str, bytes] = {
    "nothing": b"",
    "no gzip": b"{}",
    "not whole": written()[:-9],
    "another start": b"\x1f\x8b" + b"\0" * 30,
    "no json": gzip.compress(b"{"),
    "no object": gzip.compress(b"[]"),
    "no text": gzip.compress(b"\xff\xfe"),
    "deep": gzip.compress(DEEP.encode()),
    "deep inside": gzip.compress(f'{{"format": 1, "steps": {DEEP}}}'.encode()),
    "a long number": gzip.compress(f'{{"format": {"1" * 10_000}}}'.encode()),
    "a bomb": gzip.compress(b"[" + b" " * 200_000_000 + b"]", compresslevel=9),
    "too large": os.urandom(MOST_PACKED + 1),
    "an older version": written(format=0),
    "a newer version": written(format=2),
    "infinite version": gzip.compress(b'{"format": 1e999}'),
    "no number": gzip.compress(b'{"format": NaN}'),
    "a text for the version": written(format="1"),
    "an odd salt": written(salt="0"),
    "a long salt": written(salt="00" * 100),
    "no time": written(made=""),
    "no time at all": written(made=7),
    "a time that is too early": written(made="0001-01-01T00:00:00+23:59"),
    "a time that is too late": written(made="9999-12-31T23:59:59-23:59"),
    "too many steps": of_steps(*[{}] * 2_001),
    "too many parts": of_steps({"parts": {str(number): "" for number in range(20_001)}}),
    "too many folded directories": written(
        files={"": {f"{number}/": "" for number in range(1_001)}}
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_record(name: str) -> None:
    begun = time.monotonic()
    with pytest.raises(ValueError, match=r"."):
        unpacked(HOSTILE[name])
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (gzip.compress(b'{"format": 1, "salt": "", "made": "2026-01-01"}'), {}),
        (written(files=7, steps=8, image=[], images="x", platforms={}), {"files": {}}),
        (of_steps({"position": 1e999}), {}),
        (of_steps({"position": 10**30, "line": -5, "parts": {"a": 7, "b": "c"}}), {}),
        (of_steps({"cached": "yes", "milliseconds": -7}), {"ran": {("", 0): Ran(cached=True)}}),
        (of_steps({"cached": 0, "milliseconds": 1e999}), {"ran": {("", 0): Ran(cached=False)}}),
        (of_steps({"cached": True, "milliseconds": 2**62}), {}),
        (written(files={"../": {"\x1b[0m": "f777 ", "b": 7}}), {"files": {"../\x1b[0m": "f777 "}}),
        (written(branch={"a": 1}, commit=None), {"branch": "", "commit": ""}),
        (written(made="2026-01-01T02:00:00+02:00"), {"made": datetime(2026, 1, 1, tzinfo=UTC)}),
    ],
    # What gzip packs has a time in it.
    ids=range(10),
)
def test_a_record_of_any_shape(content: bytes, expected: Mapping[str, object]) -> None:
    found = unpacked(content)
    assert {name: getattr(found, name) for name in expected} == expected
    again = packed(found)
    assert again
    assert unpacked(again) == found


def test_a_time_is_that_of_greenwich() -> None:
    east = MADE.astimezone(timezone(timedelta(hours=5)))
    content = packed(replace(EMPTY, made=east))
    assert content
    assert unpacked(content).made.tzinfo is UTC
    assert unpacked(content).made == MADE


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=20,
)
MEMBERS = ["salt", "made", "steps", "files", "image", "images", "platforms", "versions", "unknown"]


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from(MEMBERS), VALUES))
def test_members_of_any_kind(changed: dict[str, object]) -> None:
    try:
        found = unpacked(written(**changed))
    except ValueError:
        return
    assert packed(found)


@given(st.binary(max_size=200))
def test_any_bytes(content: bytes) -> None:
    for tried in (content, gzip.compress(content)):
        with pytest.raises(ValueError, match=r"."):
            unpacked(tried)


@given(st.integers(min_value=0, max_value=2_000), st.integers(min_value=0, max_value=255))
def test_a_byte_that_differs(at: int, byte: int) -> None:
    content = bytearray(written())
    content[at % len(content)] = byte
    try:
        unpacked(bytes(content))
    except ValueError:
        return


def files(*, directories: int, in_each: int, below: str = "") -> dict[str, str]:
    """Return marks of files whose names and contents are random."""
    drawn = random.Random(7)  # noqa: S311 (the same in each run)
    letters = string.ascii_lowercase + string.digits

    def word() -> str:
        return "".join(drawn.choices(letters, k=12))

    return {
        f"{below}{directory}/{word()}": f"f644 {word()[:11]}"
        for directory in [word() for _ in range(directories)]
        for _ in range(in_each)
    }


def test_fifty_thousand_files_fit() -> None:
    many = files(directories=50, in_each=1_000)
    begun = time.monotonic()
    content = packed(replace(EMPTY, files=many))
    took = time.monotonic() - begun
    assert content
    assert unpacked(content).files == many
    assert took < 5


def test_as_little_as_suffices_goes_of_more() -> None:
    many = files(directories=70, in_each=1_000)
    content = packed(replace(EMPTY, files=many))
    assert content
    assert 0.9 * MOST_PACKED < len(content) <= MOST_PACKED
    found = unpacked(content)
    gone = {path for path in many if path.startswith(found.folded)}
    kept = {path: mark for path, mark in found.files.items() if path not in found.folded}
    assert kept == {path: mark for path, mark in many.items() if path not in gone}
    assert all(found.files[one] == record.mark_below(many, one) for one in found.folded)


def test_the_smallest_directory_that_suffices_is_folded() -> None:
    many = {
        **files(directories=40, in_each=1_200, below="src/"),
        **files(directories=3_000, in_each=5, below="vendor/"),
    }
    content = packed(replace(EMPTY, files=many))
    assert content
    found = unpacked(content)
    assert found.folded == ("vendor/",)
    assert sum(path.startswith("src/") for path in found.files) == 48_000
    changed = dict(many)
    changed[next(path for path in many if path.startswith("vendor/"))] = "f755 x"
    assert record.mark_below(changed, "vendor/") != found.files["vendor/"]


def test_a_folded_directory_has_the_mark_of_its_files(monkeypatch: pytest.MonkeyPatch) -> None:
    many = files(directories=5, in_each=9, below="a/b/") | files(directories=9, in_each=9)
    seen: set[tuple[str, ...]] = set()
    for most in range(3_000, 400, -100):
        monkeypatch.setattr(record, "MOST_PACKED", most)
        content = packed(replace(EMPTY, files=many))
        if content is None:
            break
        found = unpacked(content)
        assert all(found.files[one] == record.mark_below(many, one) for one in found.folded)
        seen.add(found.folded)
    assert len(seen) > 5


def test_a_record_that_cannot_be_folded() -> None:
    many = {
        path.replace("/", "-"): mark for path, mark in files(directories=100, in_each=1_000).items()
    }
    assert packed(replace(EMPTY, files=many)) is None
    assert packed(replace(EMPTY, files=files(directories=50_000, in_each=2))) is None
    steps = tuple(
        Step(stage="", position=at, line=at, title=os.urandom(600).hex(), parts={})
        for at in range(2_000)
    )
    large = replace(EMPTY, recipe=Recipe(steps=steps, image={}), files={"a/b": "f644 x"})
    assert packed(large) is None


def test_paths_that_pack_well_are_bounded_too() -> None:
    long = "/".join(["a" * 200] * 10)
    many = {f"{long}/{number}/x": "f644 x" for number in range(8_000)}
    content = packed(replace(EMPTY, files=many))
    assert content
    assert unpacked(content).folded


def test_marks() -> None:
    entries = {
        "a": Entry("file", 0o644, b"name 5"),
        "b": Entry("file", 0o755, b"name 5"),
        "dir": Entry("directory", 0o755, b""),
        "link": Entry("link", 0, b"target"),
        "pipe": Entry("other", 0o644, b"10000 0"),
    }
    found = record.marks(Content(entries))
    assert {path: mark.split(" ")[0] for path, mark in found.items()} == {
        "a": "f644",
        "b": "f755",
        "dir": "d755",
        "link": "l0",
        "pipe": "o644",
    }
    assert found["dir"] == "d755 "
    assert found["a"][4:] == found["b"][4:]
    assert len(found["a"]) == len("f644 ") + 11
