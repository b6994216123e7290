"""The benchmark of edits: what it counts and writes down on the lab."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from strategies import DANCE, IDEAL, IN_AN_IMAGE, MOUNTED

from tests.integration.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import GithubCache, Lab


pytestmark = pytest.mark.long


def measure(lab: Lab, *options: str) -> str:
    argv = [sys.executable, "benchmarks/edit.py", "--rounds=1", *options]
    done = subprocess.run(  # noqa: S603 (this checkout's own program)
        argv,
        cwd=ROOT,
        env={**lab.env, "PYTHONPATH": "src"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_each_strategy_is_warm_and_its_bytes_are_counted(
    lab: Lab, github_cache: GithubCache, tmp_path: Path
) -> None:
    del github_cache  # asked for, so that a lab without it says so
    results = tmp_path / "results.jsonl"
    strategies = ("none", "gha", "ref", "default", "ideal")
    words = [f"--strategy={word}" for word in strategies]
    shown = measure(lab, "--project=tiny", *words, "--network=slow", f"--results={results}")
    samples = [json.loads(line) for line in results.read_text().splitlines()]
    steps = {(sample["kind"], sample["strategy"]): sample["steps"] for sample in samples}
    names = ("type=gha,mode=max", "one registry ref", "warmbuild", "one builder that stays")
    assert steps == {
        **{("first, once", name): 5 for name in names},
        **{("unchanged", name): 0 for name in names},
        **{("edit", name): 1 for name in names},
        ("edit", "no cache"): 5,
    }
    moved = {(sample["kind"], sample["strategy"]): sample["moved"] for sample in samples}
    # A fresh builder fetches the base image's layer, and one that stays has it.
    for name in names[:3]:
        assert moved["edit", name] > 500_000
        assert moved["unchanged", name] > 0
    assert moved["edit", names[3]] < 100_000
    assert "**tiny, edit** (1 Gbit/s, 10 ms, disk idle)" in shown


def test_mounts_are_carried_in_each_way_and_whole_rounds_are_kept(
    lab: Lab, github_cache: GithubCache, tmp_path: Path
) -> None:
    del github_cache  # asked for, so that a lab without it says so
    results = tmp_path / "results.jsonl"
    options = ("--project=tiny-mounts", "--network=fast", "--resume", f"--results={results}")
    shown = measure(lab, *options)
    lines = results.read_text().splitlines()
    samples = [json.loads(line) for line in lines]
    assert {(one["kind"], one["strategy"]): one["steps"] for one in samples} == {
        **{("first, once", name): 2 for name in MOUNTED.values() if name != IDEAL},
        **{("first", name): 2 for name in MOUNTED.values()},
        **{("unchanged", name): 0 for name in MOUNTED.values()},
        **{("edit", name): 2 for name in MOUNTED.values()},
    }
    # The content of the mount cannot be packed, and making it takes 3 s.
    content = 1_000_000
    for kind, whose in (
        ("first", {IN_AN_IMAGE, DANCE, "warmbuild"}),
        ("unchanged", {IN_AN_IMAGE, DANCE}),
        ("edit", {IN_AN_IMAGE, DANCE, "warmbuild"}),
    ):
        carried = {one["strategy"]: one["carried"] for one in samples if one["kind"] == kind}
        assert {name for name, size in carried.items() if size >= content} == whose
        assert {name for name, size in carried.items() if size == 0} == {*carried} - whose
    took = {one["strategy"]: one["seconds"] for one in samples if one["kind"] == "edit"}
    assert {name for name, seconds in took.items() if seconds < 3} <= {
        *(IN_AN_IMAGE, DANCE, "warmbuild", IDEAL)
    }
    assert (
        "- An unchanged build moves no byte of a mount: met (0 bytes at most, of 1 builds)" in shown
    )

    again = measure(lab, *options)
    assert results.read_text().splitlines() == lines
    assert "**tiny-mounts, edit** (unshaped, disk idle)" in again
    results.write_text("".join(f"{line}\n" for line in lines[:-1]))
    measure(lab, *options)
    resumed = [json.loads(line) for line in results.read_text().splitlines()]
    assert len([one for one in resumed if one["number"]]) == len(
        [one for one in samples if one["number"]]
    )
