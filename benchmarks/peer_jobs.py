"""The jobs of `make bench-peers`: what each strategy's users run for a pipeline, step by step.

Each job builds the checkout and pushes the image under the branch's or the tag's name. What it
knows of earlier jobs is in the registry and in GitHub's cache service. Whatever a job creates, it
also removes, as a job does whose runner is not thrown away.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import bare
import jobs
import lanes
import older_builder
from strategies import ACTIONS_GHA, ACTIONS_REGISTRY, INLINE, NO_CACHE, ONE_REF, STAGES, TARBALL

from warmbuild import refs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sized

    from history import Pipeline
    from jobs import Job
    from lanes import Site

CACHE_ACTION: Final = Path(__file__).resolve().with_name("cache_action.py")
# Of an engine without a bridge; all other builders use the network of the host, too.
_DOCKER_BUILD: Final = ("docker", "build", "--network=host")
# docker/setup-buildx-action 4, src/context.ts: the flags of a builder for which none are given.
_FLAGS: Final = " ".join(
    f"--allow-insecure-entitlement {name}" for name in ("security.insecure", "network.host")
)
# What the action for a public repository attests; the URL is that of the workflow's run.
_PROVENANCE: Final = (
    "type=provenance,mode=max,builder-id=https://github.com/octo-org/shop/actions/runs/1/attempts/1"
)
_PULLED_TAG: Final = re.compile(r"^(?P<tag>\d+): Pulling from ", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A job of a strategy; `job.env` is what the CI system sets."""

    job: Job
    pipeline: Pipeline
    site: Site

    @property
    def tag(self) -> str:
        """The image's tag."""
        return refs.image_tag(self.pipeline.name)

    @property
    def image(self) -> str:
        """The image that is pushed."""
        return f"{self.job.repository}:{self.tag}"

    @property
    def ref(self) -> str:
        """The ref of git to which GitHub's cache belongs."""
        kind = "tags" if self.pipeline.tag else "heads"
        return f"refs/{kind}/{self.pipeline.name}"


def build(strategy: str, visit: Visit) -> Sized:
    """Run the job of a strategy; return the steps that ran."""
    return _JOBS[strategy](visit)


def _no_cache(visit: Visit) -> Sized:
    printed = visit.job.must(*_DOCKER_BUILD, "--progress=rawjson", "--tag", visit.image, ".")
    visit.job.must("docker", "push", visit.image)
    return jobs.steps_run(printed)


def _inline(visit: Visit) -> Sized:
    """Pull the last image of the branch, or else of main, and build with the cache in it."""
    argv = [*_DOCKER_BUILD, "--progress=rawjson", "--build-arg", "BUILDKIT_INLINE_CACHE=1"]
    for tag in dict.fromkeys((visit.tag, lanes.MAIN)):
        image = f"{visit.job.repository}:{tag}"
        if visit.job.run("docker", "pull", image)[0]:
            argv += ["--cache-from", image]
            break
    printed = visit.job.must(*argv, "--tag", visit.image, ".")
    visit.job.must("docker", "push", visit.image)
    return jobs.steps_run(printed)


def _stages(visit: Visit) -> Sized:
    """Do what whoan/docker-build-with-cache-action does with DOCKER_BUILDKIT=0.

    Only then it pushes stages. It has one repository for those of all branches.
    """
    stages = f"{visit.job.repository}-stages"
    _, pulled = visit.job.run("docker", "pull", "--all-tags", stages)
    numbers = sorted(int(found["tag"]) for found in _PULLED_TAG.finditer(pulled))
    caches = [f"--cache-from={stages}:{number}" for number in numbers]
    printed = visit.job.must(
        *_DOCKER_BUILD, *caches, "--tag", visit.image, ".", DOCKER_BUILDKIT="0"
    )
    visit.job.must("docker", "push", visit.image)
    built = [*older_builder.stage_images(printed.splitlines()), visit.image]
    for number, image in enumerate(built, start=1):
        visit.job.must("docker", "tag", image, f"{stages}:{number}")
        visit.job.must("docker", "push", f"{stages}:{number}")
    return older_builder.steps_run(printed.splitlines())


def _tarball(visit: Visit) -> Sized:
    """Keep a `type=local` cache by actions/cache, with the keys that Docker's documentation has."""
    old, new = visit.job.state / "cache", visit.job.state / "cache-new"
    name = re.sub(r"[^\w-]+", "-", visit.job.repository.partition("/")[2])
    begins = [f"{name}-{branch}-" for branch in dict.fromkeys((visit.tag, lanes.MAIN))]
    key = f"{begins[0]}{visit.pipeline.commit}"
    action = (sys.executable, str(CACHE_ACTION))
    env = lanes.github_cache(visit.site, visit.ref)
    hit = visit.job.must(*action, "restore", str(old), key, *begins, **env).strip()
    flags = ["--cache-from", f"type=local,src={old}"] if hit else []
    flags += ["--cache-to", f"type=local,dest={new},mode=max"]
    ran = _by_hand(visit, *flags)
    shutil.rmtree(old, ignore_errors=True)
    new.rename(old)
    if hit != key:
        visit.job.must(*action, "save", str(old), key, **env)
    return ran


def _one_ref(visit: Visit) -> Sized:
    cache = f"type=registry,ref={visit.job.repository}:buildcache"
    return _by_hand(visit, "--cache-from", cache, "--cache-to", f"{cache},{bare.ATTRIBUTES}")


def _by_hand(visit: Visit, *flags: str) -> Sized:
    job = replace(visit.job, env={})
    with jobs.fresh_builder("bench", job.state, config=visit.site.config) as builder:
        return jobs.build(job, builder, *flags, "--tag", visit.image, "--push")


def _actions_gha(visit: Visit) -> Sized:
    cache = f"type=gha,version=1,scope={visit.job.repository.partition('/')[2]}"
    return _actions(visit, cache, lanes.github_cache(visit.site, visit.ref))


def _actions_registry(visit: Visit) -> Sized:
    return _actions(visit, f"type=registry,ref={visit.job.repository}:buildcache", {})


def _actions(visit: Visit, cache: str, env: Mapping[str, str]) -> Sized:
    """Run what docker/setup-buildx-action 4 and docker/build-push-action 7 run, post steps too.

    Their own JavaScript, the download of buildx, and the upload of the build's record to GitHub
    are left out.
    """
    must = visit.job.must
    name = f"builder-{secrets.token_hex(4)}"
    metadata = visit.job.state / "metadata.json"
    _say_versions(visit)
    must("docker", "context", "inspect", "--format", "{{.Name}}")
    must("docker", "context", "inspect", "--format=json", "default")
    visit.job.run("docker", "buildx", "inspect", name)
    argv = ["docker", "buildx", "create", "--name", name, "--driver", "docker-container"]
    argv += ["--driver-opt", bare.IMAGE, "--driver-opt", "network=host"]
    argv += ["--buildkitd-flags", _FLAGS, "--use", "--config", visit.site.config]
    must(*argv)
    must("docker", "buildx", "inspect", "--bootstrap", "--builder", name)
    must("docker", "buildx", "inspect", name)
    _say_versions(visit)
    must("docker", "buildx", "inspect")
    must("docker", "buildx", "inspect")  # for the version of BuildKit
    argv = ["docker", "buildx", "build", "--cache-from", cache, "--cache-to", f"{cache},mode=max"]
    argv += ["--iidfile", str(visit.job.state / "iid"), "--attest", _PROVENANCE]
    argv += ["--tag", visit.image, "--metadata-file", str(metadata), "--push", "."]
    env = {**env, "BUILDX_METADATA_WARNINGS": "true", "BUILDKIT_PROGRESS": "rawjson"}
    ran = jobs.steps_run(must(*argv, **env))
    ref = str(json.loads(metadata.read_text(encoding="utf-8"))["buildx.build.ref"])
    history = ("docker", "buildx", "history")
    record = ("--builder", name, "--output", str(visit.job.state / "record.dockerbuild"))
    must(*history, "inspect", "--format", "json", "--builder", name, ref.rpartition("/")[2])
    must(*history, "export", *record, ref.rpartition("/")[2], "--finalize")
    must("docker", "buildx", "inspect", name)
    must("docker", "buildx", "rm", name)
    return ran


def _say_versions(visit: Visit) -> None:
    for argv in (("version",), ("info",), ("buildx", "version")):
        visit.job.must("docker", *argv)


def _warmbuild(visit: Visit) -> Sized:
    return range(jobs.run_warmbuild(visit.job, {"buildkitd-config": visit.site.config}))


_JOBS: Final[Mapping[str, Callable[[Visit], Sized]]] = {
    NO_CACHE: _no_cache,
    INLINE: _inline,
    STAGES: _stages,
    TARBALL: _tarball,
    ONE_REF: _one_ref,
    ACTIONS_GHA: _actions_gha,
    ACTIONS_REGISTRY: _actions_registry,
    "warmbuild": _warmbuild,
}
