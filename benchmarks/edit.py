"""What an edit costs on a fresh builder, by strategy, against one builder that stays.

`make bench-edit` runs it on the lab and prints Markdown tables. The first build of each project,
by each strategy in a repository of its own, leaves a cache; each timed build then begins with a
fresh builder and this cache, and takes whole processes: create, build and remove, or warmbuild.
The order of the strategies changes from round to round, and what the last build left to be written
is written before the next begins. `large` is built commit by commit instead, and the cache is that
of the commit before. All traffic to registry and cache service goes through one link, which counts
it and may be slow. Results are appended to a file as they come, so an ended run counts, and
`--resume` goes on with the first round that the file does not have to its end.

Projects with cache mounts are also built by those who carry the mounts by hand, and what their
builds have to reach is printed at the end.
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
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import aims
import commits
import edited
import jobs
import lanes
import measuring
import mount_aims
import mount_jobs
import mounted
import rounds
import samples
import shaping
from jobs import Job
from lanes import Lane, Site
from measuring import Build
from rounds import Round
from samples import Sample
from strategies import BEFORE, CHOICES, IDEAL, MOUNTED, NO_CACHE, STRATEGIES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edited import Edited, Kind

# Beside the projects: unchanged builds against the bare commands.
_AIMS: Final = "aims"
_DEFAULT: Final = ("flask", _AIMS)
_PROJECTS: Final = {**edited.PROJECTS, **mounted.PROJECTS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What is measured; `references` is how many rounds build without a cache.

    `strategies` are those that can be measured, and `is_chosen` tells whether somebody named them.
    `taken` is what was measured before.
    """

    strategies: tuple[str, ...]
    is_chosen: bool
    kinds: tuple[str, ...]
    networks: tuple[str, ...]
    disks: tuple[str, ...]
    rounds: int
    references: int
    commits: int
    before: Path | None
    results: Path
    logs: Path | None
    taken: tuple[Sample, ...] = ()

    def of(self, project: Edited) -> tuple[str, ...]:
        """Return the strategies of a project: those of mounts need some."""
        possible = CHOICES if project.mounts else STRATEGIES
        usual = MOUNTED if project.mounts else STRATEGIES
        wanted = (possible if self.is_chosen else usual).values()
        return tuple(name for name in self.strategies if name in wanted)

    def kinds_of(self, project: Edited) -> tuple[Kind, ...]:
        """Return the kinds of builds of a project."""
        return tuple(kind for kind in project.kinds if not self.kinds or kind in self.kinds)

    def all_rounds(self, project: Edited) -> list[Round]:
        """Return the rounds of a project; only some of them build without a cache."""
        return [
            Round(
                project=project.name,
                network=network,
                condition=condition,
                number=number,
                strategies=tuple(name for name in self.of(project) if name != NO_CACHE),
                scenarios=self.kinds_of(project),
            )
            for network, _, condition in self.conditions()
            for number in range(1, self.rounds + 1)
        ]

    def conditions(self) -> Iterator[tuple[str, str, str]]:
        """Return each condition's network, disk and name."""
        for network, disk in itertools.product(self.networks, self.disks):
            yield network, disk, measuring.condition(network, disk)


def main() -> int:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--project", action="append", choices=[*_PROJECTS, _AIMS])
    parser.add_argument("--strategy", action="append", choices=list(CHOICES))
    parser.add_argument("--kind", action="append", help="only builds of this kind")
    parser.add_argument("--network", action="append", choices=list(measuring.NETWORKS))
    parser.add_argument("--disk", action="append", choices=measuring.DISKS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--references", type=int, default=2, help="rounds without a cache")
    parser.add_argument("--commits", type=int, default=20, help="only the first of `large`")
    parser.add_argument("--before", type=Path, help="the `src` of an older warmbuild")
    parser.add_argument("--results", type=Path, default=Path("bench-edit.jsonl"))
    parser.add_argument("--resume", action="store_true", help="keep the whole rounds of --results")
    parser.add_argument("--logs", type=Path, help="directory that gets every build's log")
    parser.add_argument("--table", action="store_true", help="print what --results has, and end")
    arguments = parser.parse_args()
    if arguments.table:
        print(_shown(samples.read(arguments.results.read_text().splitlines())))
        return 0
    # The builder that stays has to be removed at the end, even after an error.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    for name in [name for name in os.environ if name.startswith(jobs.CI)]:
        del os.environ[name]
    if arguments.logs:
        arguments.logs.mkdir(parents=True, exist_ok=True)
    projects = arguments.project or _DEFAULT
    options = _options(arguments)
    taken = _kept(projects, options) if arguments.resume else []
    options = replace(options, taken=tuple(taken))
    for name in options.networks:
        moved = shaping.speed(measuring.NETWORKS[name])
        measuring.say(f"the link alone moves {moved / 1e6:.0f} MB/s ({name})")
    try:
        with options.results.open("a", encoding="utf-8") as file:
            for sample in _measured(projects, options):
                taken.append(sample)
                print(samples.line(sample), file=file, flush=True)
    finally:
        print(_shown(taken))
    return 0


def _options(arguments: argparse.Namespace) -> Options:
    return Options(
        strategies=_available(arguments.strategy or list(CHOICES), arguments.before),
        is_chosen=bool(arguments.strategy),
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


def _shown(taken: Sequence[Sample]) -> str:
    reached = mount_aims.text(taken, [name for name, one in _PROJECTS.items() if one.mounts])
    return "\n\n".join(part for part in (samples.table(taken), reached) if part)


def _kept(names: Sequence[str], options: Options) -> list[Sample]:
    """Return the earlier samples without rounds that begin anew, which leave the file, too."""
    if not options.results.exists():
        return []
    taken = samples.read(options.results.read_text(encoding="utf-8").splitlines())
    projects = [_PROJECTS[name] for name in names if name != _AIMS]
    wanted = [one for project in projects for one in options.all_rounds(project)]
    taken = rounds.kept(rounds.left(wanted, taken), taken)
    text = "".join(f"{samples.line(one)}\n" for one in taken)
    options.results.write_text(text, encoding="utf-8")
    return taken


def _available(words: Sequence[str], before: Path | None) -> tuple[str, ...]:
    """Return the strategies that can be measured; say which not."""
    kept = [name for word, name in CHOICES.items() if word in words]
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
            project = _PROJECTS[name]
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
            for strategy in self.options.of(self.project):
                word = re.sub(r"\W+", "-", strategy)
                state = self.root / word
                state.mkdir(exist_ok=True)
                lane = Lane(
                    strategy=strategy,
                    repository=f"{home}/{word}",
                    state=state,
                    mounts=self.project.mounts,
                )
                if strategy == IDEAL:
                    keep_all = ("--bootstrap", "--buildkitd-flags", "--oci-worker-gc=false")
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
        by = mount_jobs.build if lane.strategy in mount_jobs.JOBS else lanes.build
        build = partial(by, lane, job, self.site, branch)
        what = Build(
            project=self.project.name,
            kind=kind,
            condition=condition,
            strategy=lane.strategy,
            number=number,
        )
        if not lane.mounts:
            return measuring.timed(what, self.site.link, build)
        lane.carried = 0
        with lanes.mounts_counted(lane, job.repository):
            sample = measuring.timed(what, self.site.link, build)
        return sample and replace(sample, carried=lane.carried)


# The one first build that leaves the cache of all timed ones.
_SEED: Final = "first, once"


def _repeated(run: Run) -> Iterator[Sample]:
    """Build each kind in each round, always with the cache of the first build."""
    project, options = run.project, run.options
    kinds = options.kinds_of(project)
    left = rounds.left(options.all_rounds(project), options.taken)
    if not left:
        return
    with run.lanes() as all_lanes:
        project.lay_out(run.checkout)
        for lane in tuple(all_lanes):
            # The builder that stays forgets this before its first build of a round.
            if lane.strategy == NO_CACHE or (lane.builder and "first" in kinds):
                continue
            if sample := run.timed(lane, _SEED, measuring.condition("fast", "idle"), 0):
                yield sample
                lanes.save(lane)
            else:
                all_lanes.remove(lane)  # without its cache, nothing that follows is comparable
        number = 0
        for network, disk, condition in options.conditions():
            with measuring.under(run.site.link, network, disk):
                for one in [one for one in left if one.condition == condition]:
                    for kind in kinds:
                        number += 1
                        project.lay_out(run.checkout)
                        project.change(run.checkout, kind, number)
                        yield from _each(run, all_lanes, kind, one)


def _each(run: Run, all_lanes: Sequence[Lane], kind: Kind, of: Round) -> Iterator[Sample]:
    """Build a kind in a round by each strategy."""
    for lane in samples.order(all_lanes, of.number - 1):
        # Without a cache, all kinds are the same.
        needless = kind != of.scenarios[-1] or of.number > run.options.references
        if lane.strategy == NO_CACHE and needless:
            continue
        if kind == "first":
            lanes.forget(lane)
        else:
            lanes.restore(lane)
        if sample := run.timed(lane, kind, of.condition, of.number):
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
