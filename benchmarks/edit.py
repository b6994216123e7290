"""What an edit costs on a fresh builder, by strategy, against one builder that stays.

`make bench-edit` runs it on the lab and prints Markdown tables. The first build of each project,
by each strategy in a repository of its own, leaves a cache; each timed build then begins with a
fresh builder and this cache, and takes whole processes: create, build and remove, or warmbuild.
The order of the strategies changes from round to round, and what the last build left to be written
is written before the next begins. `large` is built commit by commit instead, and the cache is that
of the commit before. All traffic to registry and cache service goes through one link, which counts
it and may be slow. Results are appended to a file as they come, so an ended run counts.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import re
import secrets
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import aims
import commits
import jobs
import lanes
import measuring
import samples
import shaping
from edited import PROJECTS
from jobs import Job
from lanes import Lane, Site
from measuring import Build
from samples import Sample
from strategies import BEFORE, IDEAL, NO_CACHE, STRATEGIES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edited import Edited, Kind

# Beside the projects: unchanged builds against the bare commands.
_AIMS: Final = "aims"
_DEFAULT: Final = ("flask", _AIMS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What is measured; `references` is how many rounds build without a cache."""

    strategies: tuple[str, ...]
    kinds: tuple[str, ...]
    networks: tuple[str, ...]
    disks: tuple[str, ...]
    rounds: int
    references: int
    commits: int
    before: Path | None
    results: Path
    logs: Path | None

    def conditions(self) -> Iterator[tuple[str, str, str]]:
        """Return each condition's network, disk and name."""
        for network, disk in itertools.product(self.networks, self.disks):
            yield network, disk, measuring.condition(network, disk)


def main() -> int:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--project", action="append", choices=[*PROJECTS, _AIMS])
    parser.add_argument("--strategy", action="append", choices=list(STRATEGIES))
    parser.add_argument("--kind", action="append", help="only builds of this kind")
    parser.add_argument("--network", action="append", choices=list(measuring.NETWORKS))
    parser.add_argument("--disk", action="append", choices=measuring.DISKS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--references", type=int, default=2, help="rounds without a cache")
    parser.add_argument("--commits", type=int, default=20, help="only the first of `large`")
    parser.add_argument("--before", type=Path, help="the `src` of an older warmbuild")
    parser.add_argument("--results", type=Path, default=Path("bench-edit.jsonl"))
    parser.add_argument("--logs", type=Path, help="directory that gets every build's log")
    parser.add_argument("--table", action="store_true", help="print what --results has, and end")
    arguments = parser.parse_args()
    if arguments.table:
        print(samples.table(samples.read(arguments.results.read_text().splitlines())))
        return 0
    # The builder that stays has to be removed at the end, even after an error.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    for name in [name for name in os.environ if name.startswith(jobs.CI)]:
        del os.environ[name]
    if arguments.logs:
        arguments.logs.mkdir(parents=True, exist_ok=True)
    options = Options(
        strategies=_available(arguments.strategy or list(STRATEGIES), arguments.before),
        kinds=tuple(arguments.kind or ()),
        networks=tuple(arguments.network or measuring.NETWORKS),
        disks=tuple(arguments.disk or measuring.DISKS[:1]),
        rounds=arguments.rounds,
        references=arguments.references,
        commits=arguments.commits,
        before=arguments.before and arguments.before.resolve(),
        results=arguments.results.resolve(),
        logs=arguments.logs and arguments.logs.resolve(),
    )
    for name in options.networks:
        moved = shaping.speed(measuring.NETWORKS[name])
        measuring.say(f"the link alone moves {moved / 1e6:.0f} MB/s ({name})")
    taken: list[Sample] = []
    try:
        with options.results.open("a", encoding="utf-8") as file:
            for sample in _measured(arguments.project or _DEFAULT, options):
                taken.append(sample)
                print(samples.line(sample), file=file, flush=True)
    finally:
        print(samples.table(taken))
    return 0


def _available(words: Sequence[str], before: Path | None) -> tuple[str, ...]:
    """Return the strategies that can be measured; say which not."""
    kept = [name for word, name in STRATEGIES.items() if word in words]
    if BEFORE in kept and not before:
        kept.remove(BEFORE)
    for name in tuple(kept):
        if missing := lanes.missing_inputs(name):
            measuring.say(f"no {name!r}: this warmbuild has no input {', '.join(missing)}")
            kept.remove(name)
    return tuple(kept)


def _measured(projects: Sequence[str], options: Options) -> Iterator[Sample]:
    with contextlib.ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="warmbuild-bench-")))
        site = stack.enter_context(measuring.here(root, options.before))
        for name in projects:
            place = root / name
            place.mkdir()
            if name == _AIMS:
                network, disk, condition = next(options.conditions())
                with measuring.under(site.link, network, disk):
                    yield from aims.measured(site, place, options.rounds, condition)
                continue
            project = PROJECTS[name]
            measure = _replayed if "commits" in project.kinds else _repeated
            yield from measure(Run(project=project, options=options, site=site, root=place))


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A project that is measured; `root` is a directory for it alone."""

    project: Edited
    options: Options
    site: Site
    root: Path

    @property
    def checkout(self) -> Path:
        """The project's files, which all strategies share."""
        return self.root / "checkout"

    @contextlib.contextmanager
    def lanes(self) -> Iterator[list[Lane]]:
        """Have a lane with an empty repository for each strategy."""
        home = f"{self.site.registry}/bench-{secrets.token_hex(4)}/{self.project.name}"
        with contextlib.ExitStack() as stack:
            found = []
            for strategy in self.options.strategies:
                word = re.sub(r"\W+", "-", strategy)
                state = self.root / word
                state.mkdir(exist_ok=True)
                lane = Lane(strategy=strategy, repository=f"{home}/{word}", state=state)
                if strategy == IDEAL:
                    keep_all = ("--buildkitd-flags", "--oci-worker-gc=false")
                    config = self.site.config
                    builder = jobs.fresh_builder("bench", state, *keep_all, config=config)
                    lane.builder = stack.enter_context(builder)
                found.append(lane)
            yield found

    def timed(self, lane: Lane, kind: str, condition: str, number: int) -> Sample | None:
        """Build once; None if it failed, which the log says."""
        fresh = f"-{secrets.token_hex(4)}" if kind == "first" else ""
        if lane.builder:
            lane.repository += fresh  # where its next builds find what it has pushed
            fresh = ""
        branch = lanes.MAIN
        if kind not in {_SEED, "first"} and "commits" not in self.project.kinds:
            branch = lanes.branch_of(lane, time.time_ns())
        name = f"{self.project.name}-{kind}-{condition}-{number}-{lane.state.name}.log"
        job = Job(
            env=aims.on_branch(lanes.MAIN),
            checkout=self.checkout,
            repository=f"{lane.repository}{fresh}",
            state=lane.state,
            log=(self.options.logs or lane.state) / re.sub(r"[^\w.]+", "-", name),
        )
        build = partial(lanes.build, lane, job, self.site, branch)
        what = Build(
            project=self.project.name,
            kind=kind,
            condition=condition,
            strategy=lane.strategy,
            number=number,
        )
        return measuring.timed(what, self.site.link, build)


# The one first build that leaves the cache of all timed ones.
_SEED: Final = "first, once"


def _repeated(run: Run) -> Iterator[Sample]:
    """Build each kind in each round, always with the cache of the first build."""
    project, options = run.project, run.options
    kinds: list[Kind] = [
        kind for kind in project.kinds if not options.kinds or kind in options.kinds
    ]
    with run.lanes() as all_lanes:
        project.lay_out(run.checkout)
        for lane in tuple(all_lanes):
            if lane.strategy == NO_CACHE:
                continue
            if sample := run.timed(lane, _SEED, measuring.condition("fast", "idle"), 0):
                yield sample
                lanes.save(lane)
            else:
                all_lanes.remove(lane)  # without its cache, nothing that follows is comparable
        number = 0
        for network, disk, condition in options.conditions():
            with measuring.under(run.site.link, network, disk):
                for round_, kind in itertools.product(range(options.rounds), kinds):
                    number += 1
                    project.lay_out(run.checkout)
                    project.change(run.checkout, kind, number)
                    for lane in samples.order(all_lanes, round_):
                        # Without a cache, all kinds are the same.
                        needless = kind != kinds[-1] or round_ >= options.references
                        if lane.strategy == NO_CACHE and needless:
                            continue
                        if kind == "first":
                            lanes.forget(lane)
                        else:
                            lanes.restore(lane)
                        if sample := run.timed(lane, kind, condition, round_ + 1):
                            yield sample


def _replayed(run: Run) -> Iterator[Sample]:
    """Build commit by commit, always with the cache of the commit before."""
    project, options = run.project, run.options
    for network, disk, condition in options.conditions():
        with run.lanes() as all_lanes:
            project.lay_out(run.checkout)
            for lane in tuple(all_lanes):
                if lane.strategy == NO_CACHE:
                    continue
                if sample := run.timed(lane, _SEED, measuring.condition("fast", "idle"), 0):
                    yield sample
                else:
                    all_lanes.remove(lane)
            with measuring.under(run.site.link, network, disk):
                for number, commit in commits.first(options.commits):
                    project.commit(run.checkout, commit.touched, number)
                    for lane in samples.order(all_lanes, number):
                        if lane.strategy == NO_CACHE and number > options.references:
                            continue
                        if sample := run.timed(lane, commit.label, condition, number):
                            yield sample


if __name__ == "__main__":
    sys.exit(main())
