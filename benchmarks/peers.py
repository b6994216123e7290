"""What CI waits for, by what teams do today for a warm build: eight strategies, eight builds.

`make bench-peers` runs it on the lab, as root, and prints Markdown tables. A round is the life of a
repository (`history.LIFE`), built by each strategy in turn; registry and cache service are empty at
its beginning. Each build is a CI job of its own: an engine without images, a fresh builder, and the
time of all its processes. The order of the strategies changes from build to build. All traffic to
registries and cache service goes through one link, which counts it and may be slow.

Each build is a line of a file as soon as it is done, and `--resume` goes on with the first round
that the file does not have to its end.
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
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import engines
import jobs
import measuring
import peer_jobs
import replay
import rounds
import samples
import shaping
from checkouts import Checkouts
from history import LIFE
from jobs import Job
from measuring import Build
from peer_jobs import Visit
from projects import PROJECTS
from rounds import Round
from strategies import PEERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engines import Engine
    from lanes import Site
    from samples import Sample

_EXAMPLES: Final = ("flask", "node-ci", "go-server")


def main() -> int:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--project", action="append", choices=list(PROJECTS))
    parser.add_argument("--strategy", action="append", choices=list(PEERS))
    parser.add_argument("--network", action="append", choices=list(measuring.NETWORKS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--builds", type=int, default=len(LIFE), help="only the first of each")
    parser.add_argument("--fewer", action="store_true", help="one project and network, one round")
    parser.add_argument("--results", type=Path, default=Path("bench-peers.jsonl"))
    parser.add_argument("--resume", action="store_true", help="keep the whole rounds of --results")
    parser.add_argument("--logs", type=Path, help="directory that gets every job's log")
    parser.add_argument("--table", action="store_true", help="print what --results has, and end")
    arguments = parser.parse_args()
    taken: list[Sample] = []
    if arguments.results.exists():
        taken = samples.read(arguments.results.read_text(encoding="utf-8").splitlines())
    if arguments.table:
        print(samples.matrices(taken))
        return 0
    if taken and not arguments.resume:
        parser.error(f"{arguments.results} has results: go on with --resume, or name another file")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    for name in [name for name in os.environ if name.startswith(jobs.CI)]:
        del os.environ[name]
    if arguments.logs:
        arguments.logs.mkdir(parents=True, exist_ok=True)
    logs = arguments.logs and arguments.logs.resolve()
    wanted = _rounds(arguments)
    left = rounds.left(wanted, taken)
    taken = rounds.kept(left, taken)
    arguments.results.write_text("".join(f"{samples.line(one)}\n" for one in taken))
    try:
        with arguments.results.open("a", encoding="utf-8") as file:
            for sample in _measured(left, taken, logs) if left else ():
                taken.append(sample)
                print(samples.line(sample), file=file, flush=True)
    finally:
        print(samples.matrices(taken))
    return int(bool(rounds.left(wanted, taken)))


def _rounds(arguments: argparse.Namespace) -> list[Round]:
    """Return all rounds: the slow network first, the first round of each project before others."""
    projects = arguments.project or _EXAMPLES
    networks = arguments.network or sorted(measuring.NETWORKS, reverse=True)
    numbers = range(1, arguments.rounds + 1)
    if arguments.fewer:
        projects, networks, numbers = projects[:1], networks[:1], numbers[:1]
    words = arguments.strategy or PEERS
    return [
        Round(
            project=project,
            network=network,
            condition=measuring.NETWORK_NAMES[network],
            number=number,
            strategies=tuple(name for word, name in PEERS.items() if word in words),
            scenarios=tuple(LIFE)[: arguments.builds],
        )
        for network, number, project in itertools.product(networks, numbers, projects)
    ]


def _measured(
    left: Sequence[Round], taken: Sequence[Sample], logs: Path | None
) -> Iterator[Sample]:
    for network in dict.fromkeys(one.network for one in left):
        moved = shaping.speed(measuring.NETWORKS[network])
        measuring.say(f"the link alone moves {moved / 1e6:.0f} MB/s ({network})")
    with contextlib.ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="warmbuild-bench-")))
        site = stack.enter_context(measuring.here(root))
        engine = stack.enter_context(engines.own_engine(root, site.hub))
        for number, one in enumerate(left):
            rest = left[number:]
            minutes = rounds.seconds(rest, taken) / 60
            measuring.say(f"rounds left: {len(rest)}, which take about {minutes:.0f} minutes")
            place = root / str(number)
            place.mkdir()
            with (
                engines.with_own_cache(site, place / "service") as own_site,
                measuring.under(site.link, one.network, measuring.DISKS[0]),
            ):
                yield from _played(one, own_site, engine, place, logs)


def _played(
    one: Round, site: Site, engine: Engine, place: Path, logs: Path | None
) -> Iterator[Sample]:
    """Build all scenarios of a round; a strategy that fails once is left out from then on."""
    project = PROJECTS[one.project]
    checkouts = Checkouts(place, project, "github")
    home = f"{site.registry}/peers-{secrets.token_hex(4)}/{project.name}"
    words = {name: word for word, name in PEERS.items() if name in one.strategies}
    for turn, scenario in enumerate(one.scenarios):
        pipeline, checkout = checkouts.after(LIFE[scenario])
        env = replay.environment("github", pipeline, place / "event.json")
        for strategy in samples.order([*words], one.number + turn):
            word = words[strategy]
            log = re.sub(r"[^\w.]+", "-", f"{one.project}-{one.network}-{one.number}-{turn}-{word}")
            with tempfile.TemporaryDirectory(dir=place) as state:
                job = Job(
                    env=env,
                    checkout=checkout,
                    repository=f"{home}/{word}",
                    state=Path(state),
                    log=(logs or place) / f"{log}.log",
                )
                engine.forget()
                what = Build(
                    project=one.project,
                    kind=scenario,
                    condition=one.condition,
                    strategy=strategy,
                    number=one.number,
                )
                visit = Visit(job=job, pipeline=pipeline, site=site)
                run = partial(peer_jobs.build, strategy, visit)
                if sample := measuring.timed(what, site.link, run):
                    yield sample
                else:
                    del words[strategy]


if __name__ == "__main__":
    sys.exit(main())
