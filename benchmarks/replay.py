"""How many steps each strategy runs when the history of a repository is built, commit by commit.

`make bench-replay` runs it on the lab. It makes a git repository of 25 commits over four branches
and a fork from an example, and builds what CI would build after each push: from a fresh checkout,
which all strategies share, on a fresh builder, with a repository for each strategy. Only the ideal
uses one builder that is kept and forgets nothing. Exits with 1 if warmbuild runs more than 1.25
times the ideal's steps, or 1.1 times if it trusts merges.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import secrets
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import bare
import history
import jobs
import tally
from checkouts import Checkouts
from jobs import Job
from projects import PROJECTS
from tally import Built

from warmbuild import refs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from history import Event, Pipeline
    from projects import Project

# Steps that warmbuild may run at most, as a multiple of the ideal's.
MOST: Final = {"warmbuild": 1.25, "warmbuild, merges trusted": 1.1}
# The strategies without warmbuild, with the cache ref that each uses for a pipeline.
BY_HAND: Final[Mapping[str, Callable[[Pipeline], str]]] = {
    "no cache": lambda _: "",
    "one shared ref": lambda _: "shared",
    "a ref per branch, no fallback": lambda pipeline: refs.image_tag(pipeline.name),
}
# The strategies with warmbuild, with their inputs.
WARMBUILD: Final[Mapping[str, Mapping[str, str]]] = {
    "warmbuild": {},
    "warmbuild with history": {"cache-history": "3"},
    "warmbuild, merges trusted": {"cache-trust-merged": "true"},
}
STRATEGIES: Final = (*BY_HAND, *WARMBUILD, tally.IDEAL)


def main() -> int:
    """Replay, print the tables, and return whether warmbuild is close enough to the ideal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--example", action="append", choices=list(PROJECTS))
    parser.add_argument("--strategy", action="append", choices=STRATEGIES)
    parser.add_argument("--ci", choices=("github", "gitlab"), default="github")
    parser.add_argument("--commits", type=int, default=25, help="only the first so many")
    parser.add_argument("--input", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--json", type=Path, help="file that gets every build's steps and seconds")
    parser.add_argument("--logs", type=Path, help="directory that gets every build's log")
    arguments = parser.parse_args()
    # The builder that is kept has to be removed at the end, even after an error.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    for name in [name for name in os.environ if name.startswith(jobs.CI)]:
        del os.environ[name]
    if arguments.logs:
        arguments.logs.mkdir(parents=True, exist_ok=True)
    options = Options(
        ci=arguments.ci,
        strategies=tuple(arguments.strategy or STRATEGIES),
        events=history.first(history.HISTORY, arguments.commits),
        inputs=dict(item.split("=", 1) for item in arguments.input),
        logs=arguments.logs and arguments.logs.resolve(),
    )
    examples = arguments.example or ["flask", "go-server"]
    builds = [built for name in examples for built in replayed(PROJECTS[name], options)]
    print(tally.table(builds))
    if said := tally.foreseen(builds):
        print(f"\n{said}")
    for strategy in WARMBUILD:
        if more := list(tally.beyond(builds, strategy)):
            print(f"\nRun by {strategy}, not by the ideal:\n", *more, sep="\n")
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(built) for built in builds], indent=2))
    shares = {
        (strategy, name): tally.ratio(builds, name, strategy)
        for strategy in MOST
        for name in examples
    }
    return int(any(share and share > MOST[strategy] for (strategy, _), share in shares.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What to replay, and how; `inputs` are further inputs of warmbuild, `logs` is a directory."""

    ci: str
    strategies: tuple[str, ...]
    events: tuple[Event, ...]
    inputs: Mapping[str, str]
    logs: Path | None


def replayed(project: Project, options: Options) -> Iterator[Built]:
    """Build each of a project's pipelines, by each strategy in turn."""
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="warmbuild-replay-")))
        checkouts = Checkouts(root, project, options.ci)
        home = f"{bare.REGISTRY}/replay-{secrets.token_hex(4)}/{project.name}"
        states = {name: root / re.sub(r"\W+", "-", name) for name in options.strategies}
        for state in states.values():
            state.mkdir()
        lasting = ""
        if tally.IDEAL in states:
            keep_all = ("--buildkitd-flags", "--oci-worker-gc=false")
            builder = jobs.fresh_builder("replay", states[tally.IDEAL], *keep_all)
            lasting = stack.enter_context(builder)
        for number, event in enumerate(options.events, start=1):
            pipeline, checkout = checkouts.after(event)
            for strategy, state in states.items():
                job = Job(
                    env=environment(options.ci, pipeline, root / "event.json"),
                    checkout=checkout,
                    repository=f"{home}/{state.name}",
                    build_args=_build_args(project, pipeline),
                    state=state,
                    log=(options.logs or state) / f"{project.name}-{number}-{state.name}.log",
                )
                begun = time.perf_counter()
                ran, foreseen = _run(strategy, job, pipeline, options.inputs, lasting)
                built = Built(
                    example=project.name,
                    number=number,
                    title=str(pipeline),
                    strategy=strategy,
                    ran=ran,
                    seconds=time.perf_counter() - begun,
                    foreseen=dict(foreseen),
                )
                _say(built)
                yield built


def _run(
    strategy: str, job: Job, pipeline: Pipeline, inputs: Mapping[str, str], lasting: str
) -> tuple[Mapping[str, str], Counter[str]]:
    """Run a job by a strategy; return the steps that ran, by their position, and its forecasts.

    These are how many steps a plan was right of. A fork may read, and neither push nor write a
    cache.
    """
    foreseen = Counter[str]()
    if strategy in WARMBUILD:
        ran = jobs.warmbuild(job, {**WARMBUILD[strategy], **inputs}, foreseen=foreseen)
        return ran, foreseen
    image = "" if pipeline.fork else f"{job.repository}:{refs.image_tag(pipeline.name)}"
    if strategy == tally.IDEAL:
        return by_hand(job, lasting, image=image), foreseen
    with jobs.fresh_builder("replay", job.state) as builder:
        return by_hand(job, builder, ref=BY_HAND[strategy](pipeline), image=image), foreseen


def environment(ci: str, pipeline: Pipeline, event_path: Path) -> Mapping[str, str]:
    """Return the variables of the CI system; write GitHub's payload to `event_path`."""
    if ci == "gitlab":
        return history.gitlab(pipeline)
    event_path.write_text(json.dumps(history.github_payload(pipeline)), encoding="utf-8")
    return history.github(pipeline, str(event_path))


def _build_args(project: Project, pipeline: Pipeline) -> tuple[str, ...]:
    return (f"{project.commit_argument}={pipeline.commit}",) if project.commit_argument else ()


def _say(built: Built) -> None:
    """Print the result of a build to stderr, as progress."""
    what = f"{built.example} {built.number:>2} {built.title}"
    print(
        f"{what:<60} {built.strategy:<30} {len(built.ran)} in {built.seconds:.1f} s",
        file=sys.stderr,
        flush=True,
    )


def by_hand(job: Job, builder: str, *, ref: str = "", image: str = "") -> Mapping[str, str]:
    """Build by the bare command; without `image`, it neither pushes nor writes a cache."""
    cache = f"type=registry,ref={job.repository}:cache-{ref}"
    arguments = ["--cache-from", cache] if ref else []
    if image:
        arguments += ["--cache-to", f"{cache},{bare.ATTRIBUTES}"] if ref else []
        arguments += ["--tag", image, "--push"]
    # buildx itself reads some variables of a CI system.
    return jobs.build(replace(job, env={}), builder, *arguments)


if __name__ == "__main__":
    sys.exit(main())
