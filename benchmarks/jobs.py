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
# A step begins, and has come from a cache or ended, in the log of a build.
_STEP: Final = re.compile(r"#(?P<number>\d+) \[(?P<place>[^]]*\d+/\d+)\] (?P<step>.*)")
_FATE: Final = re.compile(r"#(?P<number>\d+) (?P<fate>CACHED|DONE)\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A CI job; `state` is the strategy's own directory, and `log` receives the build's output."""

    env: Mapping[str, str]
    checkout: Path
    repository: str
    build_args: tuple[str, ...] = ()
    state: Path
    log: Path

    def run(self, *argv: str, **extra: str) -> tuple[bool, str]:
        """Run a command that may fail; return whether it did not, and what it printed."""
        env = {"BUILDX_CONFIG": str(self.state), **extra}
        done = bare.run(argv, env, self.checkout)
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"+ {' '.join(argv)}\n{done.stdout}")
        return not done.returncode, done.stdout

    def must(self, *argv: str, **extra: str) -> str:
        """Run a command, and exit if it fails; return what it printed."""
        done, printed = self.run(*argv, **extra)
        if not done:
            sys.exit(f"{' '.join(argv)}\n{printed}")
        return printed


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
    env = _environment(job, inputs, sources)
    forecast = [] if foreseen is None else _forecast(job, env)
    count = run_warmbuild(job, inputs, sources)
    cached, steps = _fates(job.log.read_text(encoding="utf-8").splitlines())
    if foreseen is not None:
        foreseen.update(counted_forecasts(forecast, cached))
    ran = {place: steps[place] for place, is_cached in cached.items() if not is_cached}
    if len(ran) != count:
        sys.exit(f"{job.log.read_text(encoding='utf-8')}\nThe log and the outputs differ in steps.")
    return ran


def _fates(lines: Sequence[str]) -> tuple[Mapping[str, bool], Mapping[str, str]]:
    """Return by position whether steps were cached, and what they are, FROM not counted."""
    cached: dict[str, bool] = {}
    steps: dict[str, str] = {}
    places: dict[str, str] = {}
    for line in lines:
        if (begun := _STEP.match(line)) and not begun["step"].startswith("FROM "):
            places[begun["number"]] = begun["place"]
            steps[begun["place"]] = begun["step"]
        elif (ended := _FATE.match(line)) and ended["number"] in places:
            # A second call, which writes the cache, finds everything cached.
            cached.setdefault(places[ended["number"]], ended["fate"] == "CACHED")
    return cached, steps


def run_warmbuild(job: Job, inputs: Mapping[str, str], sources: Path = SOURCES) -> int:
    """Build by the warmbuild of `sources`, with further inputs; return how many steps ran."""
    argv = [sys.executable, "-m", "warmbuild", "build"]
    done = bare.run(argv, _environment(job, inputs, sources), job.checkout)
    job.log.write_text(done.stdout, encoding="utf-8")
    if done.returncode:
        sys.exit(f"{done.stdout}\nexit code {done.returncode}")
    counted = json.loads(_outputs(job).read_text(encoding="utf-8"))
    return int(counted["cache-steps"]) - int(counted["cache-hits"])


def _environment(job: Job, inputs: Mapping[str, str], sources: Path) -> Mapping[str, str]:
    given = {
        "image": job.repository,
        "context": ".",
        "build-args": "\n".join(job.build_args),
        "driver-opts": f"{bare.IMAGE}\nnetwork=host",
        "buildkitd-config": bare.CONFIG,
        "output-file": str(_outputs(job)),
        "summary-file": str(_summary(job)),
        **inputs,
    }
    env = {variable(name): value for name, value in given.items() if value}
    return env | {**job.env, "PYTHONPATH": str(sources)}


def _outputs(job: Job) -> Path:
    return job.state / "outputs.json"


def _summary(job: Job) -> Path:
    return job.state / "summary.md"


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
    return steps_run(done.stdout)


def steps_run(stream: str) -> Mapping[str, str]:
    """Return the steps that ran, by their position, of a build with `--progress=rawjson`."""
    progress = Progress()
    for line in stream.splitlines():
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
