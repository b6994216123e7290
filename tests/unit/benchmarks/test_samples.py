from __future__ import annotations

import json
from dataclasses import replace

import pytest
import samples
from samples import Sample
from strategies import BARE, CHOICES, IDEAL, MOUNTED, NO_CACHE, ONE_REF, STRATEGIES

ONE = Sample(
    project="flask",
    kind="edit",
    condition="unshaped, disk idle",
    strategy="warmbuild",
    number=1,
    seconds=2.0,
    steps=1,
    moved=3_000_000,
)


def taken(strategy: str, *seconds: float, kind: str = "edit") -> list[Sample]:
    return [
        replace(ONE, strategy=strategy, kind=kind, number=number, seconds=value)
        for number, value in enumerate(seconds, start=1)
    ]


def test_a_sample_is_read_back_as_it_was_written() -> None:
    assert samples.read([samples.line(ONE), "\n"]) == [ONE]


def test_the_order_changes_from_round_to_round() -> None:
    assert [samples.order("abc", number) for number in range(4)] == [
        ["a", "b", "c"],
        ["a", "c", "b"],
        ["c", "a", "b"],
        ["c", "b", "a"],
    ]
    assert samples.order([], 1) == []


@pytest.mark.parametrize(
    ("values", "expected"),
    [([3.0], 3.0), ([1.0, 2.0, 5.0], 5.0), ([float(n) for n in range(20)], 18.0)],
    ids=["of one", "of few it is the greatest", "of twenty the nineteenth"],
)
def test_the_95th_percentile(values: list[float], expected: float) -> None:
    assert samples.percentile(values, 0.95) == expected


def test_a_group_has_its_rows_in_one_order_and_by_the_ideal() -> None:
    all_taken = [*taken(IDEAL, 0.4, 0.5, 0.6), *taken("warmbuild", 1.0, 2.0, 9.0)]
    all_taken += taken(NO_CACHE, 6.0, 8.0)
    (group,) = samples.groups(all_taken)
    assert [
        (row.strategy, row.builds, row.median, row.p95, row.ratio, row.slower) for row in group.rows
    ] == [
        (NO_CACHE, 2, 7.0, 8.0, 14.0, 1),
        ("warmbuild", 3, 2.0, 9.0, 4.0, 1),
        (IDEAL, 3, 0.5, 0.6, 1.0, 0),
    ]


def test_builds_without_a_cache_are_the_reference_of_every_kind() -> None:
    all_taken = [*taken(ONE_REF, 1.0, 9.0, kind="unchanged"), *taken(NO_CACHE, 8.0)]
    group, _ = samples.groups(all_taken)
    assert (group.kind, group.rows[0].slower) == ("unchanged", 1)


def test_nothing_is_by_the_ideal_or_slower_if_those_were_not_measured() -> None:
    (group,) = samples.groups(taken("warmbuild", 1.0))
    assert (group.rows[0].ratio, group.rows[0].slower) == (None, None)


def test_commits_are_compared_by_what_they_touch_and_as_a_whole() -> None:
    all_taken = taken(IDEAL, 1.0, kind="code commit")
    all_taken += taken(IDEAL, 5.0, 6.0, kind="dependency commit")
    found = {
        group.kind: (group.rows[0].builds, group.rows[0].total)
        for group in samples.groups(all_taken)
    }
    assert found == {
        "code commit": (1, 1.0),
        "all commits": (3, 12.0),
        "dependency commit": (2, 11.0),
    }


def test_the_table() -> None:
    all_taken = [*taken(BARE, 1.0), *taken("warmbuild", 1.15, 1.15)]
    assert samples.table(all_taken) == (
        "**flask, edit** (unshaped, disk idle)\n"
        "\n"
        "|  | median s | p95 s | by bare commands | steps run | MB moved | slower than no cache |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
        "| warmbuild | 1.15 | 1.15 | 1.15 | 1 | 3.0 |  |\n"
        "| bare commands | 1.00 | 1.00 | 1.00 | 1 | 3.0 |  |"
    )


def test_the_table_of_all_commits_has_totals() -> None:
    shown = samples.table(taken(IDEAL, 2.0, 3.0, kind="code commit"))
    assert "| slower than no cache | builds | total s |\n" in shown
    assert shown.endswith("| one builder that stays | 2.50 | 3.00 | 1.00 | 1 | 3.0 |  | 2 | 5 |")


def test_each_strategy_has_a_word_of_its_own() -> None:
    assert list(STRATEGIES) == [
        "none",
        "gha",
        "ref",
        "before",
        "disk",
        "default",
        "lazy",
        "link",
        "all",
        "ideal",
    ]
    assert STRATEGIES["all"] == "warmbuild, lazy and link"
    assert list(MOUNTED.values()) == [
        "one registry ref",
        "mounts in an image, by hand",
        "cache-dance, by hand",
        "warmbuild, without mounts",
        "warmbuild",
        "one builder that stays",
    ]
    assert CHOICES == {**CHOICES, **STRATEGIES, **MOUNTED}


def test_the_table_has_the_megabytes_of_mounts_if_some_were_carried() -> None:
    (one,) = taken("warmbuild", 2.0)
    shown = samples.table([replace(one, carried=1_500_000), *taken(NO_CACHE, 8.0)])
    assert shown.splitlines()[2:] == [
        (
            "|  | median s | p95 s | by one builder that stays | steps run | MB moved | of mounts"
            " | slower than no cache |"
        ),
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| no cache | 8.00 | 8.00 |  | 1 | 3.0 | 0.0 |  |",
        "| warmbuild | 2.00 | 2.00 |  | 1 | 3.0 | 1.5 | 0 of 1 |",
    ]


def test_samples_from_before_there_were_mounts_are_read() -> None:
    fields = json.loads(samples.line(ONE))
    del fields["carried"]
    assert samples.read([json.dumps(fields)]) == [ONE]


def test_a_matrix_has_medians_steps_and_megabytes_of_each_kind() -> None:
    all_taken = [*taken("warmbuild", 3.0, 4.0, kind="cold"), *taken(NO_CACHE, 9.0, kind="cold")]
    all_taken += taken("warmbuild", 1.0, 1.2, kind="unchanged")
    assert samples.matrices(all_taken).splitlines() == [
        "**flask** (unshaped, disk idle; rounds: 1 to 2)",
        "",
        "|  | cold | unchanged | all, s |",
        "| --- | ---: | ---: | ---: |",
        "| no cache | 9.0 / 1 / 3 |  |  |",
        "| warmbuild | 3.5 / 1 / 3 | 1.1 / 1 / 3 | 5 |",
    ]
