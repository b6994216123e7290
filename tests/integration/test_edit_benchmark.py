"""The benchmark of edits: what it counts and writes down on the lab."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.integration.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import GithubCache, Lab


pytestmark = pytest.mark.long


def measure(lab: Lab, *options: str) -> str:
    argv = [sys.executable, "benchmarks/edit.py", "--project=tiny", "--rounds=1", *options]
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
    shown = measure(lab, *words, "--network=slow", f"--results={results}")
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
