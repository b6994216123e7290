from __future__ import annotations

import mount_aims
from samples import Sample
from strategies import IDEAL, ONE_REF, WITHOUT_MOUNTS

PROJECTS = ("go-mounts", "node-mounts")
OURS = "warmbuild"


def built(
    project: str, kind: str, strategy: str, seconds: float, carried: int = 0, number: int = 1
) -> Sample:
    return Sample(
        project=project,
        kind=kind,
        condition="unshaped",
        strategy=strategy,
        number=number,
        seconds=seconds,
        steps=1,
        moved=0,
        carried=carried,
    )


def test_each_aim_is_met_or_missed_by_medians() -> None:
    taken = [
        built("go-mounts", "first, once", OURS, 90.0, number=0),
        *(built("go-mounts", "edit", OURS, seconds) for seconds in (7.0, 8.0, 30.0)),
        built("go-mounts", "edit", WITHOUT_MOUNTS, 7.0),
        built("go-mounts", "edit", IDEAL, 2.0),
        built("node-mounts", "first", ONE_REF, 60.0),
        built("node-mounts", "dependency change", ONE_REF, 50.0),
        built("node-mounts", "dependency change", OURS, 26.0),
        built("node-mounts", "dependency change", WITHOUT_MOUNTS, 40.0),
        built("node-mounts", "dependency change", IDEAL, 10.0),
        built("node-mounts", "unchanged", OURS, 1.0, carried=20),
        built("node-mounts", "unchanged", OURS, 1.0),
        built("flask", "edit", OURS, 9.0),
        built("flask", "edit", WITHOUT_MOUNTS, 1.0),
    ]
    assert mount_aims.text(taken, PROJECTS).splitlines() == [
        "**Aims of cache mounts** (unshaped)",
        "",
        (
            "- An edit of go-mounts takes at most 4 times what the builder that stays takes: met"
            " (8.00 s by 2.00 s, 4.00)"
        ),
        (
            "- A dependency change of node-mounts keeps 60 % of what the builder that stays gains"
            " over a fresh one without mounts: met (26.0 s between 50.0 s and 10.0 s, 60 %; by"
            " the first build, 60.0 s, 68 %)"
        ),
        "- An unchanged build moves no byte of a mount: missed (20 bytes at most, of 2 builds)",
        (
            "- No build takes more than 5 % longer than without its mounts: missed (1 of 2 kinds"
            " do, at most 1.14 times)"
        ),
        "  - go-mounts, edit: 8.00 s by 7.00 s, 1.14 times",
    ]


def test_an_aim_without_its_builds_is_not_measured() -> None:
    taken = [built("go-mounts", "edit", OURS, 8.0), built("node-mounts", "first", OURS, 8.0)]
    found = mount_aims.text(taken, PROJECTS).splitlines()[2:]
    assert [line.rpartition(": ")[2] for line in found] == ["not measured"] * 4
    assert not mount_aims.text(taken, ("pip-mounts",))


def test_if_the_builder_that_stays_gains_nothing_there_is_no_share() -> None:
    taken = [
        built("node-mounts", "dependency change", strategy, seconds)
        for strategy, seconds in ((ONE_REF, 9.0), (OURS, 10.0), (IDEAL, 9.0))
    ]
    assert "(10.0 s between 9.0 s and 9.0 s, nothing to gain)" in mount_aims.text(taken, PROJECTS)
