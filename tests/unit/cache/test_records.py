from __future__ import annotations

import base64
import hashlib
import json
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.foreign import check_linear, shapes
from warmbuild.cache import records
from warmbuild.cache.records import Record, Records

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# Caches that BuildKit wrote; tests/data/cache/README.md says what of.
DATA = Path(__file__).parents[2] / "data" / "cache"
BASE = "sha256:a49b8b54a3e4be2937028cfe0dc392f9dcdcc45de3cf3c3df96d93456bf36e9e"
OLD_BASE = (BASE, "sha256:206e6989bdfcfdd07f17231a1c9667b2deaefefeb93773f23f7a28162b3d0284")


def recorded(name: str) -> tuple[bytes, dict[str, object]]:
    """Return a configuration and the manifest that names it."""
    config = (DATA / f"buildkit-0.32.2-{name}.config.json").read_bytes()
    return config, json.loads((DATA / f"buildkit-0.32.2-{name}.manifest.json").read_bytes())


def chains(*all_of: Sequence[str]) -> frozenset[bytes]:
    """Return the results that have these layers."""
    return frozenset(map(records.chain, all_of))


def cache(name: str) -> Records:
    return records.parse(*recorded(name))


def image(name: str) -> Records:
    found = records.parse_inline(recorded(name)[0])
    assert found is not None
    return found


@pytest.mark.parametrize(
    "name", ["main", "branch", "main-rebuilt", "main-zstd", "on-old-base", "inline"]
)
def test_what_was_recorded_is_what_buildkit_wrote(name: str) -> None:
    config, manifest = recorded(name)
    described = manifest["config"]
    assert isinstance(described, dict)
    assert f"sha256:{hashlib.sha256(config).hexdigest()}" == described["digest"]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        pytest.param("main", "branch", False, id="a branch that read main"),
        pytest.param("main", "main-rebuilt", True, id="main built anew"),
        pytest.param("branch", "main-rebuilt", True, id="a branch of what main was before"),
        pytest.param("main", "main-zstd", False, id="the same layers, compressed otherwise"),
        pytest.param("main-zstd", "main-rebuilt", True, id="others, compressed otherwise"),
        pytest.param("main", "on-old-base", False, id="another Dockerfile"),
    ],
)
def test_real_caches_contradict_where_a_step_was_run_twice(
    one: str,
    other: str,
    expected: bool,  # noqa: FBT001
) -> None:
    assert records.contradict(cache(one), cache(other)) is expected
    assert records.contradict(cache(other), cache(one)) is expected


@pytest.mark.parametrize("name", ["main", "branch", "main-rebuilt", "main-zstd", "on-old-base"])
def test_no_real_cache_contradicts_itself(name: str) -> None:
    assert not records.contradict(cache(name), cache(name))


def test_an_image_with_its_cache_contradicts_one_that_was_built_apart() -> None:
    assert records.contradict(image("inline"), cache("main"))
    assert not records.contradict(image("inline"), image("inline"))


FIRST = datetime(2026, 11, 21, 9, 23, 49, 904157, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "oldest"),
    [
        pytest.param("main", FIRST, id="its first step's"),
        pytest.param("branch", FIRST, id="kept by who read it and wrote it again"),
        pytest.param("main-zstd", FIRST, id="kept when it is compressed anew"),
        pytest.param(
            "main-rebuilt", datetime(2026, 11, 21, 9, 23, 56, 957678, tzinfo=UTC), id="a new one"
        ),
        pytest.param(
            "on-old-base",
            datetime(2026, 11, 21, 9, 25, 7, 358967, tzinfo=UTC),
            id="not that of a base image of 2017",
        ),
    ],
)
def test_the_oldest_result_of_a_real_cache(name: str, oldest: datetime) -> None:
    assert cache(name).oldest == oldest


def test_the_oldest_result_of_an_image_with_its_cache() -> None:
    assert image("inline").oldest == datetime(2026, 11, 21, 9, 24, 2, 499521, tzinfo=UTC)


def test_a_base_image_is_no_result() -> None:
    made = [chain for record in cache("on-old-base").records for chain in record.results]
    assert not chains(OLD_BASE, (BASE,)) & set(made)
    # But results are made upon it.
    config, manifest = recorded("on-old-base")
    written = {chain for record in written_out(config, manifest) for chain in record}
    assert sum(chain[:2] == OLD_BASE for chain in written) == 4
    assert chains(*written) == set(made)


def test_the_oldest_of_several_caches() -> None:
    young = Records(records=(), oldest=datetime(2026, 2, 1, tzinfo=UTC))
    old = Records(records=(), oldest=datetime(2026, 1, 1, tzinfo=UTC))
    nobody_knows = Records(records=())
    assert records.oldest([young, nobody_knows, old]) == old.oldest
    assert records.oldest([nobody_knows]) is None
    assert records.oldest([]) is None


def written_out(config: bytes, manifest: Mapping[str, Any]) -> list[set[tuple[str, ...]]]:
    """Return the layers of the results of each record, from the lowest up, one walk for each."""
    text = json.loads(config)
    names = {
        layer["digest"]: layer["annotations"]["containerd.io/uncompressed"]
        for layer in manifest["layers"]
    }

    def chain(at: int) -> tuple[str, ...]:
        layer = text["layers"][at]
        below = chain(layer.get("parent", 0)) if layer.get("parent", 0) >= 0 else ()
        return (*below, names[layer["blob"]])

    return [
        {chain(result.get("layer", 0)) for result in record.get("layers", ())}
        for record in text["records"]
    ]


@pytest.mark.parametrize("name", ["main", "branch", "main-rebuilt", "main-zstd", "on-old-base"])
def test_a_chain_stands_for_the_layers_of_a_result(name: str) -> None:
    expected = written_out(*recorded(name))
    assert [record.results for record in cache(name).records] == [
        chains(*results) for results in expected
    ]
    everything = {chain for results in expected for chain in results}
    assert len(chains(*everything)) == len(everything) > 1


def config(layers: Sequence[object], found: Sequence[object]) -> bytes:
    return json.dumps({"layers": layers, "records": found}).encode()


def result(layer: int, created: str = "2026-01-01T00:00:00Z") -> dict[str, object]:
    return {"layer": layer, "createdAt": created}


def test_a_configuration_is_read() -> None:
    # What is zero is left out: a parent, a layer, a link.
    layers = [{"blob": "z0", "parent": -1}, {"blob": "z1"}, {"blob": "z2", "parent": 1}]
    manifest: Mapping[str, object] = {
        "layers": [
            {"digest": "z0", "annotations": {"containerd.io/uncompressed": "l0"}},
            {"digest": "z1", "annotations": {"containerd.io/uncompressed": "l1"}},
            {"digest": "z2"},
        ]
    }
    found = [
        {"digest": "source"},
        {"digest": "first", "layers": [{"createdAt": "2026-01-02T00:00:00Z"}], "inputs": [[{}]]},
        {
            "digest": "second",
            "layers": [result(2, "2026-01-01T00:00:00.123456789+01:00"), result(1)],
            "inputs": [[{"link": 1}, {"selector": "/a", "link": 0}], [{"link": 0}]],
        },
    ]
    assert records.parse(config(layers, found), manifest) == Records(
        records=(
            Record(digest="source"),
            Record(digest="first", inputs=((("", 0),),), results=chains(("l0",))),
            Record(
                digest="second",
                inputs=((("", 1), ("/a", 0)), (("", 0),)),
                results=chains(("l0", "l1", "z2"), ("l0", "l1")),
            ),
        ),
        oldest=datetime(2025, 12, 31, 23, 0, 0, 123456, tzinfo=UTC),
    )


def test_layers_may_be_named_by_an_index_too() -> None:
    manifest = {
        "manifests": [
            {"digest": "z", "annotations": {"containerd.io/uncompressed": "l"}},
            {"digest": "config"},
        ]
    }
    found = records.parse(
        config([{"blob": "z", "parent": -1}], [{"digest": "a", "layers": [result(0)]}]), manifest
    )
    assert found.records[0].results == chains(("l",))


def test_a_chain_names_each_of_its_layers() -> None:
    layers = [{"blob": name, "parent": -1} for name in ("l0", "l1", "l2")]
    chain = {"layers": [2, 0, 9, -1, "x", None], "createdAt": "2026-01-01T00:00:00Z"}
    found = records.parse(config(layers, [{"digest": "a", "chains": [chain]}]), {})
    assert found.records[0].results == chains(("l2", "l0"))
    assert found.oldest == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "created",
    [
        pytest.param("0001-01-01T00:00:00Z", id="Go's zero time"),
        pytest.param("2026-01-01T00:00:00", id="a time of no zone"),
        pytest.param("2026-01-01", id="a day"),
        pytest.param("yesterday", id="no time"),
        pytest.param("", id="nothing"),
    ],
)
def test_a_time_that_says_nothing_is_no_age(created: str) -> None:
    found = records.parse(
        config([], [{"digest": "a", "layers": [result(0, created), result(0)]}]), {}
    )
    assert found.oldest == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(b'{"records": 7, "layers": "x"}', Records(records=()), id="no lists"),
        pytest.param(b"{}", Records(records=()), id="nothing in it"),
        pytest.param(
            config([], [7, {"inputs": 7, "layers": [7], "chains": [{"layers": 7}]}]),
            Records(records=(Record(digest="", results=chains(())),)),
            id="other things than are wanted",
        ),
        pytest.param(
            config([], [{"digest": "a", "inputs": [7, [7, {"link": "x"}]]}]),
            Records(records=(Record(digest="a", inputs=((), (("", 0),))),)),
            id="inputs that are none",
        ),
        pytest.param(
            config([], [{"digest": "a", "layers": [{"layer": 5}, {"layer": -3}]}]),
            Records(records=(Record(digest="a", results=chains(())),)),
            id="layers that there are not",
        ),
        pytest.param(
            config(
                [{"blob": "a", "parent": 1}, {"blob": "b", "parent": 0}],
                [{"digest": "a", "layers": [{"layer": 0}]}],
            ),
            Records(records=(Record(digest="a", results=chains(("b", "a"))),)),
            id="layers that are each other's parents",
        ),
    ],
)
def test_a_broken_configuration_is_read_as_far_as_it_goes(given: bytes, expected: Records) -> None:
    assert records.parse(given, {"layers": 7, "manifests": [7, {"annotations": 7}]}) == expected


def packed(inside: object, diff_ids: object = None) -> bytes:
    """Return an image's config with something where a cache's records are."""
    return json.dumps({records.INLINE_KEY: inside, "rootfs": {"diff_ids": diff_ids}}).encode()


def in_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_the_layers_of_an_image_stand_upon_each_other() -> None:
    inside = json.dumps(
        [
            {"digest": "a", "layers": [result(1)]},
            {"digest": "b", "chains": [{"layers": [2], "createdAt": "0001-01-01T00:00:00Z"}]},
        ]
    )
    assert records.parse_inline(packed(in_base64(inside), ["l0", "l1", "l2"])) == Records(
        records=(
            Record(digest="a", results=chains(("l0", "l1"))),
            Record(digest="b", results=chains(("l2",))),
        ),
        oldest=datetime(2026, 1, 1, tzinfo=UTC),
    )


@pytest.mark.parametrize("given", [b"{}", packed(None), packed(7), packed({"a": 1})], ids=str)
def test_an_image_without_a_cache_has_none(given: bytes) -> None:
    assert records.parse_inline(given) is None


@pytest.mark.parametrize("inside", ["null", "{}", "[]", "[7]"])
def test_an_image_may_have_an_empty_cache(inside: str) -> None:
    assert records.parse_inline(packed(in_base64(inside))) == Records(records=())


@pytest.mark.parametrize(
    ("given", "why"),
    [
        pytest.param(b"[]", "it is no JSON object", id="no image's config"),
        pytest.param(b"{", "Expecting", id="half of one"),
        pytest.param(packed("a"), "its inline cache is not base64", id="no base64"),
        pytest.param(packed("é"), "ASCII", id="no ASCII"),
        pytest.param(packed(in_base64("{")), "Expecting", id="no JSON inside"),
        pytest.param(packed(in_base64("[" * 100_000)), "too deeply", id="nested without end"),
    ],
)
def test_an_inline_cache_that_cannot_be_read_is_an_error(given: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        records.parse_inline(given)


ROOT = Record(digest="root")
OTHER_ROOT = Record(digest="other root")


def step(
    digest: str, *inputs: Sequence[int] | Sequence[int | tuple[str, int]], made: str = ""
) -> Record:
    """Return a record of one result, or none; an input's alternatives are links."""
    return Record(
        digest=digest,
        inputs=tuple(
            tuple(link if isinstance(link, tuple) else ("", link) for link in alternatives)
            for alternatives in inputs
        ),
        results=chains((made,)) if made else frozenset(),
    )


@pytest.mark.parametrize(
    ("these", "those", "expected"),
    [
        pytest.param(
            [ROOT, step("run", [0], made="x")],
            [ROOT, step("run", [0], made="y")],
            True,
            id="two results of one step",
        ),
        pytest.param(
            [ROOT, step("run", [0], made="x")],
            [ROOT, step("run", [0], made="x")],
            False,
            id="one result of one step",
        ),
        pytest.param(
            [ROOT, step("run", [0], made="x")],
            [ROOT, step("run", [0])],
            False,
            id="a result that only one has",
        ),
        pytest.param(
            [ROOT, step("run", [0], made="x")],
            [OTHER_ROOT, step("run", [0], made="y")],
            False,
            id="the same command upon another base",
        ),
        pytest.param(
            [ROOT, step("run", [0], made="x")],
            [ROOT, step("run", [0], [0], made="y")],
            False,
            id="a step with one input more",
        ),
        pytest.param(
            [ROOT, step("copy", [("/a", 0)], made="x")],
            [ROOT, step("copy", [("/b", 0)], made="y")],
            False,
            id="other files of the same source",
        ),
        pytest.param(
            [ROOT, OTHER_ROOT, step("run", [0, 1], made="x")],
            [OTHER_ROOT, step("run", [0], made="y")],
            True,
            id="one alternative in common",
        ),
        pytest.param(
            [ROOT, OTHER_ROOT, step("copy", [0], [1], made="x")],
            [ROOT, OTHER_ROOT, step("copy", [0], [0], made="y")],
            False,
            id="one input of two in common",
        ),
        pytest.param(
            [step("run", [1], made="x"), ROOT],
            [ROOT, step("run", [0], made="y")],
            True,
            id="an input that stands behind its step",
        ),
        pytest.param(
            [ROOT, step("run", [0]), step("copy", [1], made="x")],
            [step("copy", [2], made="y"), ROOT, step("run", [1])],
            True,
            id="two results far from the base",
        ),
        pytest.param(
            [ROOT, Record(digest="run", inputs=((("", 0),),), results=chains(("x",), ("y",)))],
            [ROOT, step("run", [0], made="y")],
            False,
            id="several results, one in common",
        ),
        pytest.param(
            [ROOT, step("run", [0], made="x"), step("run", [0], made="y")],
            [ROOT, step("run", [0], made="x")],
            True,
            id="two records of one key in a cache",
        ),
        pytest.param(
            [step("run", [7, -1], made="x")],
            [step("run", [7, -1], made="y")],
            False,
            id="links to nowhere",
        ),
        pytest.param(
            [step("run", [1], made="x"), step("run", [0])],
            [step("run", [1], made="y"), step("run", [0])],
            False,
            id="a loop",
        ),
        pytest.param([], [ROOT], False, id="nothing"),
    ],
)
def test_caches_contradict(
    these: list[Record],
    those: list[Record],
    expected: bool,  # noqa: FBT001
) -> None:
    one, other = Records(records=tuple(these)), Records(records=tuple(those))
    assert records.contradict(one, other) is expected
    assert records.contradict(other, one) is expected


@pytest.mark.parametrize(
    ("written", "read", "expected"),
    [
        pytest.param([ROOT, step("run", [0], made="x")], [], False, id="every step has a result"),
        pytest.param([ROOT, step("run", [0])], [], True, id="a step has none"),
        pytest.param([ROOT], [], False, id="a source needs none"),
        pytest.param(
            [ROOT, step("run", [0])], [ROOT, step("run", [0])], False, id="it had none before"
        ),
        pytest.param(
            [ROOT, step("run", [0])], [ROOT, step("run", [0], made="x")], True, id="it had one"
        ),
    ],
)
def test_an_export_loses_the_result_of_a_step(
    written: list[Record],
    read: list[Record],
    expected: bool,  # noqa: FBT001
) -> None:
    these, those = Records(records=tuple(written)), Records(records=tuple(read))
    assert records.loses_results(these, those) is expected


def test_a_cache_may_be_as_deep_and_as_wide_as_buildkit_reads() -> None:
    deep = [*(step(str(at), [at + 1]) for at in range(5000)), ROOT]
    wide = step("last", [(str(at), at) for at in range(5000)], made="x")
    other = step("last", [(str(at), at) for at in range(4999, 5001)], made="y")
    assert records.contradict(Records(records=(*deep, wide)), Records(records=(*deep, other)))


def _alternatives(before: int) -> st.SearchStrategy[tuple[tuple[str, int], ...]]:
    link = st.tuples(st.sampled_from(("", "/a")), st.integers(0, before - 1))
    return st.lists(link, min_size=1, max_size=3).map(tuple)


@st.composite
def shapes_of_caches(draw: st.DrawFn) -> list[Record]:
    """Return records whose inputs come before them, without results and in any order."""
    found = [
        Record(
            digest=draw(st.sampled_from("abc")),
            inputs=tuple(draw(st.lists(_alternatives(at), max_size=3))) if at else (),
        )
        for at in range(draw(st.integers(0, 8)))
    ]
    order = draw(st.permutations(range(len(found))))
    place = {old: new for new, old in enumerate(order)}
    return [
        Record(
            digest=found[old].digest,
            inputs=tuple(
                tuple((selector, place[link]) for selector, link in alternatives)
                for alternatives in found[old].inputs
            ),
        )
        for old in order
    ]


def run(shape: list[Record], builder: str) -> Records:
    """Return what a builder caches, whose every step has a result of its own, or none."""
    return Records(
        records=tuple(
            Record(
                digest=record.digest,
                inputs=record.inputs,
                results=chains((f"{builder} {record.digest}",)) if record.inputs else frozenset(),
            )
            for record in shape
        )
    )


@given(shapes_of_caches(), shapes_of_caches())
def test_contradiction_goes_both_ways(one: list[Record], other: list[Record]) -> None:
    these, those = run(one, "x"), run(other, "y")
    assert records.contradict(these, those) == records.contradict(those, these)


@given(shapes_of_caches(), shapes_of_caches())
def test_what_one_builder_made_never_contradicts_itself(
    one: list[Record], other: list[Record]
) -> None:
    these, those = run(one, "x"), run(other, "x")
    assert not records.contradict(these, these)
    assert not records.contradict(these, those)


@given(shapes_of_caches())
def test_what_two_builders_made_contradicts_where_a_step_has_inputs(shape: list[Record]) -> None:
    has_steps = any(record.inputs for record in shape)
    assert records.contradict(run(shape, "x"), run(shape, "y")) is has_steps


def compared_one_by_one(these: Records, those: Records) -> bool:
    """Return whether caches contradict, each record of one against each of the other."""
    pairs: set[tuple[int, int]] = set()

    def are_same(at: int, other_at: int) -> bool:
        record, other = these.records[at], those.records[other_at]
        return (
            record.digest == other.digest
            and len(record.inputs) == len(other.inputs)
            and all(
                any(
                    one == another and (link, other_link) in pairs
                    for one, link in ours
                    for another, other_link in theirs
                )
                for ours, theirs in zip(record.inputs, other.inputs, strict=True)
            )
        )

    everything = list(product(range(len(these.records)), range(len(those.records))))
    while found := {pair for pair in everything if pair not in pairs and are_same(*pair)}:
        pairs |= found
    return any(
        these.records[at].results
        and those.records[other_at].results
        and not these.records[at].results & those.records[other_at].results
        for at, other_at in pairs
    )


@given(shapes_of_caches(), shapes_of_caches())
def test_caches_contradict_as_if_all_their_records_were_compared(
    one: list[Record], other: list[Record]
) -> None:
    these, those = run(one, "x"), run(other, "y")
    assert records.contradict(these, those) is compared_one_by_one(these, those)


@settings(max_examples=40)
@given(shapes_of_caches(), shapes_of_caches(), shapes_of_caches())
def test_several_caches_contradict_as_one(
    one: list[Record], other: list[Record], third: list[Record]
) -> None:
    these, those = [run(one, "x"), run(other, "y")], [run(third, "z"), run(one, "z")]
    apart = any(records.contradict(*pair) for pair in product(these, those))
    assert records.contradict(records.joined(these), records.joined(those)) is apart


@pytest.mark.parametrize(
    ("these", "those", "expected"),
    [
        pytest.param("branch", "main", False, id="a branch and what it was made from"),
        pytest.param("main", "main-rebuilt", False, id="main, and main built anew"),
        pytest.param("main", "main-zstd", True, id="the same layers, compressed otherwise"),
        pytest.param("main-zstd", "main", True, id="and the other way round"),
        pytest.param("main", "on-old-base", False, id="another Dockerfile"),
    ],
)
def test_which_real_cache_holds_another(
    these: str,
    those: str,
    expected: bool,  # noqa: FBT001
) -> None:
    assert records.holds(cache(these), cache(those)) is expected
    both = records.joined([cache(these), cache(those)])
    assert records.holds(both, cache(these))
    assert records.holds(both, cache(those))
    assert records.holds(cache(these), both) is expected


@pytest.mark.parametrize(
    ("these", "those", "expected"),
    [
        pytest.param([ROOT, step("run", [0], made="x")], [ROOT], True, id="a part of it"),
        pytest.param([ROOT], [ROOT, step("run", [0], made="x")], False, id="a step more"),
        pytest.param([ROOT, step("run", [0], made="x")], [], True, id="nothing"),
        pytest.param(
            [ROOT, step("run", [0])],
            [ROOT, step("run", [0], made="x")],
            False,
            id="a result that only the other has",
        ),
        pytest.param(
            [ROOT, step("run", [0], made="x")],
            [ROOT, step("run", [0])],
            True,
            id="a result that the other lacks",
        ),
        pytest.param(
            [ROOT, step("run", [0], made="x")],
            [ROOT, step("run", [0], made="y")],
            False,
            id="another result",
        ),
        pytest.param(
            [ROOT, step("copy", [("/a", 0)], made="x")],
            [ROOT, step("copy", [("/b", 0)], made="x")],
            False,
            id="other files",
        ),
        pytest.param(
            [ROOT, OTHER_ROOT, step("copy", [0], made="x")],
            [ROOT, OTHER_ROOT, step("copy", [0, 1], made="x")],
            False,
            id="another way to find the step",
        ),
        pytest.param(
            [ROOT, OTHER_ROOT, step("copy", [0, 1], made="x")],
            [OTHER_ROOT, step("copy", [0], made="x")],
            True,
            id="one of two ways to find it",
        ),
        pytest.param(
            [ROOT, step("run", [0], made="x")],
            [ROOT, step("run", [0], [0], made="x")],
            False,
            id="one input more",
        ),
        pytest.param(
            [ROOT, step("copy", [0], made="x"), step("copy", [1], made="y")],
            [ROOT, step("copy", [0], made="x"), step("copy", [0], made="y")],
            False,
            id="the same step further down",
        ),
        pytest.param(
            [ROOT, step("run", [0], made="x")],
            [step("run", [1], made="x"), ROOT],
            True,
            id="in another order",
        ),
        pytest.param(
            [step("run", [0], made="x")], [step("run", [0], made="x")], False, id="a loop"
        ),
        pytest.param(
            [ROOT, step("run", [5], made="x")],
            [ROOT, step("run", [5], made="x")],
            False,
            id="a link to nowhere",
        ),
    ],
)
def test_which_cache_holds_another(
    these: list[Record],
    those: list[Record],
    expected: bool,  # noqa: FBT001
) -> None:
    assert records.holds(Records(records=tuple(these)), Records(records=tuple(those))) is expected


COPIED = step("copy", [0], [0], made="x")


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        pytest.param([ROOT, COPIED], [ROOT, COPIED], False, id="the same"),
        pytest.param([ROOT, COPIED], [ROOT], False, id="a step of one alone"),
        pytest.param(
            [ROOT, COPIED], [ROOT, COPIED, step("run", [1], made="y")], True, id="a step upon it"
        ),
        pytest.param(
            [ROOT, COPIED],
            [ROOT, COPIED, step("run", [0], made="y")],
            True,
            id="a step beside it, which may be upon it in the build",
        ),
        pytest.param(
            [ROOT, COPIED], [OTHER_ROOT, COPIED, step("run", [1])], False, id="another base"
        ),
        pytest.param(
            [ROOT, step("run", [0], made="x"), step("a", [1], [0], made="y")],
            [ROOT, step("run", [0], made="x"), step("b", [1], [0], made="y")],
            False,
            id="a step of one input, and other steps upon it",
        ),
    ],
)
def test_steps_are_lost_upon_a_shared_step_of_several_inputs(
    one: list[Record],
    other: list[Record],
    expected: bool,  # noqa: FBT001
) -> None:
    these, those = Records(records=tuple(one)), Records(records=tuple(other))
    assert records.lose_steps(these, those) is expected
    assert records.lose_steps(those, these) is expected


@given(shapes_of_caches(), shapes_of_caches())
def test_caches_that_are_joined_hold_each_of_them(one: list[Record], other: list[Record]) -> None:
    these, those = run(one, "x"), run(other, "y")
    both = records.joined([these, those])
    assert records.holds(both, these) is records.holds(these, these)
    assert records.holds(both, those) is records.holds(those, those)


def test_links_of_joined_caches_stay_in_their_cache() -> None:
    one = Records(records=(ROOT, step("a", [0, 1, -1, 7])), oldest=FIRST)
    joined = records.joined([one, one, Records(records=())])
    assert [record.inputs for record in joined.records] == [
        (),
        ((("", 0), ("", 1)),),
        (),
        ((("", 2), ("", 3)),),
    ]
    assert joined.oldest == FIRST


@pytest.mark.parametrize(
    "found",
    [
        pytest.param([Record(digest="a")] * 1000, id="one record for ever"),
        pytest.param([*[ROOT] * 500, *[step("a", [0] * 500)] * 2], id="one link for ever"),
        pytest.param([*[ROOT] * 500, *[step("a", range(500))] * 2], id="all of it"),
        pytest.param([*[ROOT] * 500, *[step("a", *[range(500)] * 2)] * 2], id="all of it, twice"),
    ],
)
def test_caches_that_take_too_long_to_compare_contradict(found: list[Record]) -> None:
    cache = Records(records=tuple(found))
    is_of_several = len(cache.records[-1].inputs) > 1
    for compare, expected in (
        (records.contradict, True),
        (records.holds, False),
        (records.lose_steps, is_of_several),
    ):
        begun = time.process_time()
        assert compare(cache, cache) is expected
        assert time.process_time() - begun < 5


MEMBERS = ("layers", "records", "blob", "parent", "digest", "layer", "createdAt", "inputs", "link")
OTHERS = ("selector", "chains", "annotations", "containerd.io/uncompressed", "rootfs", "diff_ids")


@given(shapes([*MEMBERS, *OTHERS]), shapes([*MEMBERS, *OTHERS]))
def test_every_shape_of_a_configuration_is_read(found: Any, manifest: Any) -> None:  # noqa: ANN401
    text = json.dumps({"layers": found, "records": found}).encode()
    read = records.parse(text, {"layers": manifest, "manifests": found})
    assert records.contradict(read, read) in {True, False}
    assert records.holds(read, read) in {True, False}
    assert records.age_text(FIRST - (records.oldest([read, read]) or FIRST))
    packed_records = in_base64(json.dumps(found))
    records.parse_inline(packed(packed_records, manifest))


@given(st.binary() | st.text('{}[]:,"0', max_size=40).map(str.encode))
def test_every_text_is_a_configuration_or_an_error(text: bytes) -> None:
    for read in (partial(records.parse, text, {}), partial(records.parse_inline, text)):
        with suppress(ValueError):
            read()


def deep(count: int) -> bytes:
    """Return layers upon each other, each with its result."""
    layers = [{"blob": str(at), "parent": at - 1} for at in range(count)]
    steps = [
        {"digest": "s", "layers": [{"layer": at}], "inputs": [[{"link": at - 1}]]}
        for at in range(count)
    ]
    return config(layers, steps)


def circular(count: int) -> bytes:
    """Return layers in a circle, each with its result."""
    layers = [{"blob": str(at), "parent": (at + 1) % count} for at in range(count)]
    return config(layers, [{"digest": "s", "layers": [{"layer": at} for at in range(count)]}])


def listed(count: int) -> bytes:
    """Return a long list of layers."""
    return config([{"blob": "a"}], [{"digest": "s", "chains": [{"layers": [0] * count}]}])


@pytest.mark.parametrize("shape", [deep, circular, listed])
def test_a_configuration_is_read_in_linear_time(shape: Callable[[int], bytes]) -> None:
    check_linear(lambda text: records.parse(text, {}), shape, 300)


@pytest.mark.parametrize("shape", [deep, circular, listed])
def test_caches_are_compared_in_linear_time(shape: Callable[[int], bytes]) -> None:
    def compared(found: Records) -> bool:
        same = records.joined([found])
        return records.contradict(found, same) or records.holds(found, same)

    check_linear(compared, lambda count: records.parse(shape(count), {}), 300)


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (timedelta(seconds=-5), "0 seconds"),
        (timedelta(), "0 seconds"),
        (timedelta(seconds=1), "1 second"),
        (timedelta(seconds=59.9), "59 seconds"),
        (timedelta(seconds=60), "1 minute"),
        (timedelta(minutes=59, seconds=59), "59 minutes"),
        (timedelta(minutes=60), "1 hour"),
        (timedelta(hours=23, minutes=59), "23 hours"),
        (timedelta(days=1), "1 day"),
        (timedelta(days=400, hours=23), "400 days"),
    ],
)
def test_an_age_is_written_in_its_largest_unit(age: timedelta, expected: str) -> None:
    assert records.age_text(age) == expected
