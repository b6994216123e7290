"""The jobs of `make bench-edit` that carry cache mounts by hand, in two ways.

Both build on a fresh builder, with one ref of the registry for the cache of layers. What differs is
where the mounts are between two jobs: in an image of the registry, or in a file of GitHub's cache
service, as with https://github.com/reproducible-containers/buildkit-cache-dance (463dbf0203c6).
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import jobs
import lanes
import mount_dockerfiles
from strategies import DANCE, IN_AN_IMAGE, ONE_REF

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from jobs import Job
    from lanes import Lane, Site

_CACHE_ACTION: Final = Path(__file__).resolve().with_name("cache_action.py")
# Of the image that holds mounts; it begins like those of caches, which come back for each build.
_TAG: Final = f"{lanes.CACHE_TAG}mounts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A job on a builder of its own, by a strategy; `branch` is that of GitHub's cache."""

    lane: Lane
    job: Job
    site: Site
    branch: str
    builder: str

    @property
    def by_hand(self) -> Job:
        """The job, with a log of its own for the commands that carry mounts."""
        return replace(self.job, log=self.job.log.with_suffix(".mounts.log"))

    def helper(self, dockerfile: str, context: Path, *flags: str) -> tuple[str, ...]:
        """Write a Dockerfile of the job's own; return the command that builds it."""
        path = self.job.state / f"Dockerfile-{secrets.token_hex(4)}"
        path.write_text(dockerfile, encoding="utf-8")
        argv = ("buildx", "build", "--builder", self.builder, "--progress=plain")
        return (*argv, f"--file={path}", "--provenance=false", *flags, str(context))

    def build(self) -> Mapping[str, str]:
        """Build the checkout with the cache of layers; return the steps that ran."""
        flags = lanes.cache_flags(ONE_REF, self.job.repository)
        tag = f"{self.job.repository}:{lanes.MAIN}"
        return jobs.build(self.job, self.builder, *flags, "--tag", tag, "--push")


def build(lane: Lane, job: Job, site: Site, branch: str) -> Mapping[str, str]:
    """Build a job, and carry its mounts; return the steps that ran, by their position.

    `lane.carried` gets the bytes that this moved.
    """
    job = replace(job, env={})
    with jobs.fresh_builder("bench", job.state, config=site.config) as builder:
        visit = Visit(lane=lane, job=job, site=site, branch=branch, builder=builder)
        begun = site.link.moved()
        before, after = JOBS[lane.strategy]
        before(visit)
        lane.carried = site.link.moved() - begun
        ran = visit.build()
        begun = site.link.moved()
        after(visit)
        lane.carried += site.link.moved() - begun
    return ran


def _from_image(visit: Visit) -> None:
    """Fill all mounts, if there is an image yet."""
    image = f"{visit.job.repository}:{_TAG}"
    visit.by_hand.run(
        *visit.helper(mount_dockerfiles.filling(image, visit.lane.mounts), _empty(visit))
    )


def _to_image(visit: Visit) -> None:
    """Push an image of all mounts, whether or not they have changed."""
    image = f"{visit.job.repository}:{_TAG}"
    context = _empty(visit)
    visit.by_hand.must(
        *visit.helper(
            mount_dockerfiles.keeping(visit.lane.mounts), context, f"--tag={image}", "--push"
        )
    )


def _empty(visit: Visit) -> Path:
    directory = visit.job.state / "empty"
    directory.mkdir(exist_ok=True)
    return directory


def _inject(visit: Visit) -> None:
    """Restore a directory by actions/cache, with the key of cache-dance's README, and inject it.

    A hit of the key is noted for the end of the job, as the README's example does.
    """
    directory = visit.job.state / "dance"
    shutil.rmtree(directory, ignore_errors=True)
    env = lanes.github_cache(visit.site, f"refs/heads/{visit.branch}")
    action = (sys.executable, str(_CACHE_ACTION), "restore", str(directory), _key(visit))
    visit.lane.is_hit = bool(visit.by_hand.must(*action, **env).strip())
    for source, mount in _sources(visit):
        _stamp(source)
        visit.by_hand.must(*visit.helper(mount_dockerfiles.injecting(mount), source))
        shutil.rmtree(source)


def _extract(visit: Visit) -> None:
    """Extract all mounts to a directory, and save it by actions/cache, unless its key was hit."""
    if visit.lane.is_hit:
        return
    scratch = visit.job.state / "scratch"
    name = f"dance-{secrets.token_hex(4)}"
    for source, mount in _sources(visit):
        _stamp(scratch)
        visit.by_hand.must(
            *visit.helper(
                mount_dockerfiles.extracting(mount), scratch, f"--tag={name}:extract", "--load"
            )
        )
        visit.by_hand.must("docker", "create", "-ti", "--name", name, f"{name}:extract")
        _copy(f"{name}:/var/dance-cache", scratch)
        visit.by_hand.must("docker", "rm", "--force", name)
        (scratch / "dance-cache").rename(source)
    # A runner is thrown away; the lab's engine is not.
    visit.by_hand.must("docker", "image", "rm", "--force", f"{name}:extract")
    shutil.rmtree(scratch)
    env = lanes.github_cache(visit.site, f"refs/heads/{visit.branch}")
    directory = visit.job.state / "dance"
    visit.by_hand.must(
        sys.executable, str(_CACHE_ACTION), "save", str(directory), _key(visit), **env
    )


def _key(visit: Visit) -> str:
    """Return `cache-${{ hashFiles('Dockerfile') }}`, of this repository alone."""
    content = (visit.job.checkout / "Dockerfile").read_bytes()
    name = visit.job.repository.partition("/")[2].replace("/", "-")
    return f"{name}-cache-{hashlib.sha256(content).hexdigest()}"


def _sources(visit: Visit) -> Iterator[tuple[Path, str]]:
    """Yield each mount with the directory that it has outside."""
    for number, mount in enumerate(visit.lane.mounts):
        yield visit.job.state / "dance" / str(number), mount


def _stamp(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    stamp = datetime.now(UTC).isoformat()
    (directory / "buildstamp").write_text(stamp, encoding="utf-8")


def _copy(what: str, to: Path) -> None:
    """Unpack a directory of a container."""
    packing = subprocess.Popen(  # noqa: S603 (a list of arguments, no shell)
        ["docker", "cp", "-L", what, "-"],  # noqa: S607 (the lab's)
        stdout=subprocess.PIPE,
    )
    with packing:
        argv = ["tar", "-H", "posix", "-x", "-C", str(to)]
        subprocess.run(argv, stdin=packing.stdout, check=True)  # noqa: S603
    if packing.returncode:
        sys.exit(f"docker cp {what} ended with {packing.returncode}")


# What a job does before and after the build.
JOBS: Final[Mapping[str, tuple[Callable[[Visit], None], Callable[[Visit], None]]]] = {
    IN_AN_IMAGE: (_from_image, _to_image),
    DANCE: (_inject, _extract),
}
