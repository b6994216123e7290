"""What the jobs share: warmbuild as a step in an action's place, and a builder for all of them."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.conftest import DATA, buildx
from tests.integration.git_server import committed
from tests.integration.peers import pushed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import docker

    from tests.integration.conftest import Ended, Lab, Warmbuild
    from tests.integration.git_server import GitServer


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Runs warmbuild as a step of a job on GitHub; `ci` is what GitHub sets there."""

    warmbuild: Warmbuild
    ci: Mapping[str, str]
    builder: str

    def __call__(self, project: Path, **inputs: str) -> Ended:
        """Run a step that has to be green."""
        ended = self._end(project, **inputs)
        assert ended.code == 0, ended.log
        return ended

    def fail(self, project: Path, **inputs: str) -> Ended:
        """Run a step that has to be red, and that has to say why."""
        ended = self._end(project, **inputs)
        assert ended.code, ended.log
        assert "::error " in ended.log
        return ended

    def where(self, **variables: str) -> Step:
        """Return the step with these variables in its environment."""
        return replace(self, ci={**self.ci, **variables})

    def at(self, commit: str) -> Step:
        """Return the step of another commit."""
        return self.where(GITHUB_SHA=commit)

    def of_commit(self, project: Path, server: GitServer) -> Step:
        """Return the step of a commit of all that is in a project, which a server has."""
        return self.where(GITHUB_SERVER_URL=server.url).at(committed(project))

    @property
    def summary(self) -> str:
        """What the steps have written into the job's summary."""
        return Path(self.ci["GITHUB_STEP_SUMMARY"]).read_text()

    @property
    def variables(self) -> str:
        """What the steps have written into the environment of later ones."""
        return Path(self.ci["GITHUB_ENV"]).read_text()

    def _end(self, project: Path, **inputs: str) -> Ended:
        given = {"context": "", "builder": self.builder} | inputs
        return self.warmbuild.build(project, ci=self.ci, extra=None, **given)


@pytest.fixture(scope="session")
def shared(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Make the builder of the jobs that need none of their own; return its name."""
    name = f"peers-{secrets.token_hex(4)}"
    env = {**lab.env, "BUILDX_CONFIG": str(tmp_path_factory.mktemp("buildx"))}
    options = [part for opt in lab.driver_opts.splitlines() for part in ("--driver-opt", opt)]
    create = ["create", "--name", name, "--driver=docker-container", "--bootstrap", *options]
    buildx(env, *create, "--buildkitd-config", lab.buildkitd_config)
    yield name
    buildx(env, "rm", "--force", name)


@pytest.fixture
def uses(warmbuild: Warmbuild, github: Callable[..., dict[str, str]], shared: str) -> Step:
    """Return the step of a push to the branch main."""
    warmbuild.kept.add(shared)
    ci = github("push", "github-push.json", "refs/heads/main")
    return Step(warmbuild=warmbuild, ci=ci, builder=shared)


@pytest.fixture
def on(warmbuild: Warmbuild, tmp_path: Path) -> Callable[[str], Step]:
    """Return a step of an event that GitHub's runner was seen to run; it needs no builder."""

    def step(event: str) -> Step:
        lines = (DATA / "github" / f"{event}.env").read_text().splitlines()
        ci = dict(line.split("=", 1) for line in lines)
        own = {
            "GITHUB_EVENT_PATH": DATA / "github" / f"{event}.json",
            "GITHUB_ENV": tmp_path / "env",
            "GITHUB_OUTPUT": tmp_path / "output",
            "GITHUB_STEP_SUMMARY": tmp_path / "summary.md",
            "GITHUB_WORKSPACE": tmp_path,
            "HOME": warmbuild.home,
            "RUNNER_TEMP": tmp_path,
        }
        for name in ("env", "output", "summary.md"):
            (tmp_path / name).touch()
        ci |= {name: str(path) for name, path in own.items()}
        return Step(warmbuild=warmbuild, ci=ci, builder="")

    return step


@pytest.fixture
def loaded(engine: docker.DockerClient, name: str) -> Iterator[str]:
    """Return a name for an image that a step may load into the engine, and remove it."""
    yield name
    for image in engine.images.list():
        for tag in image.tags:
            if f"{name}:" in tag:
                engine.images.remove(tag, force=True)


@pytest.fixture
def scanner(uses: Step, repository: str, tmp_path: Path) -> str:
    """Push an image that says of every file system that it was scanned, as BuildKit asks it."""
    said = {
        "_type": "https://in-toto.io/Statement/v0.1",
        "predicateType": pushed.SPDX,
        "predicate": {"spdxVersion": "SPDX-2.3", "name": "scanned"},
    }
    place = tmp_path / "scanner"
    place.mkdir()
    (place / "said.json").write_text(json.dumps(said))
    (place / "Dockerfile").write_text(
        "FROM busybox:1.37\nCOPY said.json /\n"
        'CMD ["sh", "-c", "cp /said.json $BUILDKIT_SCAN_DESTINATION/sbom.spdx.json"]\n'
    )
    ref = f"{repository}/scanner:1"
    uses(place, context=".", tags=ref, provenance="false", cache="off", push="true")
    return ref
