"""The benchmark of peers: that each one's jobs are warm on the lab, and what is written down."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from strategies import NO_CACHE, PEERS

from tests.integration.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import GithubCache, Lab


pytestmark = pytest.mark.long


def measure(lab: Lab, results: Path, *options: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "benchmarks/peers.py", f"--results={results}", *options]
    return subprocess.run(  # noqa: S603 (this checkout's own program)
        argv,
        cwd=ROOT,
        env={**lab.env, "PYTHONPATH": "src:."},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


@pytest.mark.skipif(not shutil.which("dockerd"), reason="starts an engine of its own")
def test_each_peer_is_warm_and_whole_rounds_are_kept(
    lab: Lab, github_cache: GithubCache, tmp_path: Path
) -> None:
    del github_cache  # asked for, so that a lab without it says so
    results = tmp_path / "results.jsonl"
    done = measure(lab, results, "--project=tiny", "--fewer", "--builds=2")
    assert done.returncode == 0, done.stdout
    taken = [json.loads(line) for line in results.read_text().splitlines()]
    steps = {(sample["kind"], sample["strategy"]): sample["steps"] for sample in taken}
    assert steps == {
        **{("cold", name): 5 for name in PEERS.values()},
        **{("unchanged", name): 5 * (name == NO_CACHE) for name in PEERS.values()},
    }
    # Each cold job pushes the layer of the base image: no engine knows of an earlier push.
    assert all(sample["moved"] > 1_000_000 for sample in taken if sample["kind"] == "cold")
    assert all(sample["moved"] > 500 for sample in taken)
    assert "**tiny** (1 Gbit/s, 10 ms; rounds: 1)" in done.stdout

    again = measure(lab, results, "--project=tiny", "--fewer", "--builds=2")
    assert again.returncode == 2
    assert "go on with --resume" in again.stdout
    resumed = measure(lab, results, "--project=tiny", "--fewer", "--builds=2", "--resume")
    assert resumed.returncode == 0, resumed.stdout
    assert len(results.read_text().splitlines()) == len(taken)
