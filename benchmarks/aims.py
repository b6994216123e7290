"""Unchanged builds on a fresh builder: warmbuild against the bare commands with the same caches."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

import bare
import jobs
import measuring
import samples
from edited import PROJECTS
from jobs import Job
from lanes import MAIN
from measuring import Build
from strategies import BARE, BARE_BOTH, BEFORE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from lanes import Site
    from samples import Sample

_BRANCH: Final = "feature"
_COMPOSE: Final = "docker-compose.yml"
_SERVICES: Final = ("web", "slim")
_FLASK: Final = PROJECTS["flask"]


def on_branch(branch: str) -> Mapping[str, str]:
    """Return what GitLab sets for a push, the shortest of what CI systems set."""
    return {
        "GITLAB_CI": "true",
        "CI_PIPELINE_SOURCE": "push",
        "CI_COMMIT_BRANCH": branch,
        "CI_DEFAULT_BRANCH": MAIN,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """A kind of build that is compared, by strategy; `branches` are built before, in this order."""

    kind: str
    branches: tuple[str, ...]
    sides: Mapping[str, Callable[[Job, Site, str], Mapping[str, str]]]


def measured(site: Site, root: Path, rounds: int, condition: str) -> Iterator[Sample]:
    """Build each aim's branches, then the last of them in each round without a change."""
    for aim in _aims(site.before):
        home = f"{site.registry}/bench-{secrets.token_hex(4)}"
        jobs_of: dict[str, Job] = {}
        for strategy in aim.sides:
            word = "-".join(strategy.split()).replace(",", "").replace("'", "")
            state = root / word
            state.mkdir(exist_ok=True)
            jobs_of[strategy] = Job(
                env={},
                checkout=root / "checkout",
                repository=f"{home}/{word}",
                state=state,
                log=state / "build.log",
            )
        _FLASK.lay_out(root / "checkout")
        for number, branch in enumerate(aim.branches):
            if number:
                _FLASK.change(root / "checkout", "edit", number)
            for strategy, build in aim.sides.items():
                measuring.say(f"{aim.kind}: the first build of {branch}, by {strategy}")
                build(jobs_of[strategy], site, branch)
        for round_ in range(rounds):
            for strategy in samples.order(list(aim.sides), round_):
                what = Build(
                    project=_FLASK.name,
                    kind=aim.kind,
                    condition=condition,
                    strategy=strategy,
                    number=round_ + 1,
                )
                build = partial(aim.sides[strategy], jobs_of[strategy], site, aim.branches[-1])
                if sample := measuring.timed(what, site.link, build):
                    yield sample


def _aims(before: Path | None) -> tuple[Aim, ...]:
    ours = {"warmbuild": partial(_warmbuild, jobs.SOURCES)}
    services = {"warmbuild": partial(_warmbuild_of_services, jobs.SOURCES)}
    if before:
        ours[BEFORE] = partial(_warmbuild, before)
        services[BEFORE] = partial(_warmbuild_of_services, before)
    return (
        Aim(kind="unchanged, on main", branches=(MAIN,), sides={BARE: _bare, **ours}),
        Aim(
            kind="unchanged, on a branch with its own cache",
            branches=(MAIN, _BRANCH),
            sides={BARE: _bare, BARE_BOTH: partial(_bare, more=(MAIN,)), **ours},
        ),
        Aim(
            kind="unchanged, two services of a compose file",
            branches=(MAIN,),
            sides={BARE: _bare_bake, **services},
        ),
    )


def _warmbuild(sources: Path, job: Job, site: Site, branch: str) -> Mapping[str, str]:
    job = replace(job, env=on_branch(branch))
    return jobs.warmbuild(job, {"buildkitd-config": site.config}, sources)


def _warmbuild_of_services(sources: Path, job: Job, site: Site, branch: str) -> Mapping[str, str]:
    inputs = {
        "image": "",
        "context": "",
        "compose-files": _COMPOSE,
        "vars": f"REGISTRY={job.repository}\nTAG={branch}",
        "buildkitd-config": site.config,
    }
    return jobs.warmbuild(replace(job, env=on_branch(branch)), inputs, sources)


def _bare(job: Job, site: Site, branch: str, more: tuple[str, ...] = ()) -> Mapping[str, str]:
    """Build with the branch's own cache and `more`."""
    flags = ["--tag", f"{job.repository}:{branch}", "--push"]
    for ref in dict.fromkeys((branch, *more)):
        flags += ["--cache-from", _cache(job.repository, ref)]
    flags += ["--cache-to", f"{_cache(job.repository, branch)},{bare.ATTRIBUTES}"]
    with jobs.fresh_builder("bench", job.state, config=site.config) as builder:
        return jobs.build(job, builder, *flags)


def _bare_bake(job: Job, site: Site, branch: str) -> Mapping[str, str]:
    """Build the services in one call."""
    arguments = ["--file", _COMPOSE, "--push", "--progress=rawjson"]
    for service in _SERVICES:
        cache = _cache(f"{job.repository}/flask-{service}", branch)
        arguments += ["--set", f"{service}.cache-from={cache}"]
        arguments += ["--set", f"{service}.cache-to={cache},{bare.ATTRIBUTES}"]
    job = replace(job, env={"REGISTRY": job.repository, "TAG": branch})
    with jobs.fresh_builder("bench", job.state, config=site.config) as builder:
        return jobs.buildx(job, "bake", "--builder", builder, *arguments)


def _cache(repository: str, ref: str) -> str:
    return f"type=registry,ref={repository}:cache-{ref}"
