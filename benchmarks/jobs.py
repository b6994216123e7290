"""Builds as CI jobs run them: by warmbuild or by the bare commands, and the steps that ran."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import bare
from foreseen import counted_forecasts

from warmbuild.buildkit.progress import Progress
from warmbuild.inputs.table import variable

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Mapping, Sequence

SOURCES: Final = Path(__file__).resolve().parents[1] / "src"
# Prefixes of the variables of a CI system in which a benchmark itself may run.
CI: Final = ("CI", "GITHUB_", "GITLAB_", "INPUT_", "RUNNER_")
_STEP_ROW: Final = re.compile(r"^\| (?P<place>.*\d+/\d+) \| `(?P<step>.*)` \| (?P<took>.*) \|$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A CI job; `state` is the strategy's own directory, and `log` receives the build's output."""

    env: Mapping[str, str]
    checkout: Path
    repository: str
    build_args: tuple[str, ...] = ()
    state: Path
    log: Path


def warmbuild(
    job: Job,
    inputs: Mapping[str, str],
    sources: Path = SOURCES,
    foreseen: Counter[str] | None = None,
) -> Mapping[str, str]:
    """Build by the warmbuild of `sources`, with further inputs; return the steps that ran.

    The steps are by their position. If forecasts are `foreseen`, a plan is asked for one before
    the build, and how many steps it was right of is added.
    """
    outputs, summary = job.state / "outputs.json", job.state / "summary.md"
    given = {
        "image": job.repository,
        "context": ".",
        "build-args": "\n".join(job.build_args),
        "driver-opts": f"{bare.IMAGE}\nnetwork=host",
        "buildkitd-config": bare.CONFIG,
        "output-file": str(outputs),
        "summary-file": str(summary),
        **inputs,
    }
    env = {variable(name): value for name, value in given.items() if value}
    env |= {**job.env, "PYTHONPATH": str(sources)}
    forecast = [] if foreseen is None else _forecast(job, env)
    argv = [sys.executable, "-m", "warmbuild", "build"]
    done = bare.run(argv, env, job.checkout)
    job.log.write_text(done.stdout, encoding="utf-8")
    if done.returncode:
        sys.exit(f"{done.stdout}\nexit code {done.returncode}")
    rows = [_STEP_ROW.match(line) for line in summary.read_text(encoding="utf-8").splitlines()]
    ran = {row["place"]: row["step"] for row in rows if row and row["took"] != "cached"}
    if foreseen is not None:
        cached = {row["place"]: row["took"] == "cached" for row in rows if row}
        foreseen.update(counted_forecasts(forecast, cached))
    counted = json.loads(outputs.read_text(encoding="utf-8"))
    if len(ran) != int(counted["cache-steps"]) - int(counted["cache-hits"]):
        sys.exit(f"{done.stdout}\nThe summary and the outputs count other steps.")
    return ran


def _forecast(job: Job, env: Mapping[str, str]) -> Sequence[Mapping[str, object]]:
    """Return what a plan says of each step."""
    argv = [sys.executable, "-m", "warmbuild", "plan", "--probe", "--format=json"]
    done = subprocess.run(  # noqa: S603 (a list of arguments, no shell)
        argv,
        cwd=job.checkout,
        env=os.environ | {**env, "INPUT_OUTPUT_FILE": ""},
        check=True,
        capture_output=True,
        text=True,
    )
    found: Sequence[Mapping[str, object]] = json.loads(done.stdout).get("forecast", [])
    return found


def buildx(job: Job, *arguments: str) -> Mapping[str, str]:
    """Run `buildx build` or `buildx bake` by hand; return the steps that ran, by their position.

    A push that fails because the same blobs are uploaded twice at once is done again, and what
    ran, ran the first time.
    """
    argv = ["buildx", *arguments]
    env = {"BUILDX_CONFIG": str(job.state), **job.env}
    done = bare.run(argv, env, job.checkout)
    job.log.write_text(done.stdout, encoding="utf-8")
    if done.returncode:
        bare.must(argv, env, job.checkout)
    progress = Progress()
    for line in done.stdout.splitlines():
        progress.take(line)
    return {
        f"{step.prefix} {step.position}".strip(): step.instruction
        for step in progress.steps()
        if not step.cached
    }


def build(job: Job, builder: str, *arguments: str) -> Mapping[str, str]:
    """Build the checkout by hand; return the steps that ran, by their position."""
    given = [part for value in job.build_args for part in ("--build-arg", value)]
    return buildx(job, "build", "--builder", builder, "--progress=rawjson", *given, *arguments, ".")


@contextmanager
def fresh_builder(prefix: str, state: Path, *flags: str, config: str = "") -> Iterator[str]:
    """Have a builder of its own, which is removed at the end."""
    name = f"{prefix}-{secrets.token_hex(4)}"
    bare.create(name, state, *flags, config=config or bare.CONFIG)
    try:
        yield name
    finally:
        bare.remove(name, state)
