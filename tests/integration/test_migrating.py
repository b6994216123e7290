"""What docs/migrating.md shows as After is run, on main and then on a new branch.

Only what is somebody's own is changed, and what the lab needs is added: see each `own`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import yaml

from tests import migrating
from tests.integration.clients import (
    BUILDER,
    GITHUB_URL,
    GITLAB_HOST,
    git,
    replaced,
    with_inputs,
)
from tests.integration.clients import repository as as_repository

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import docker

    from tests.integration.clients import Act, GitlabCiLocal
    from tests.integration.conftest import Arm64, Lab, Registry

BRANCH = "feature/socks"
SHA = "5f0c3a1e9b7d42d8a6c1f4e2b3d59780c6e1a2f4"
STEPS = "RUN cat /proc/sys/kernel/random/uuid > /once\nCOPY source.txt /\n"
DEPLOY = '#!/bin/sh\necho "deployed $1"\n'
COMPOSE_FILE = """services:
  web:
    image: ${REGISTRY}/shop-web:${TAG}
    build: .
  worker:
    image: ${REGISTRY}/shop-worker:${TAG}
    build:
      context: .
      dockerfile: worker.Dockerfile
  database:
    image: postgres:18
"""


# Prints the summary and an output of the step before; act empties the step summary after it.
SHOWN = """
      - run: cat summary.md; echo "hits <$HITS>"
        env:
          HITS: ${{ steps.build.outputs.cache-hits }}
"""
BAKE_FILE = """target "docker-metadata-action" {
  tags = ["app:local"]
}
target "release" {
  inherits = ["docker-metadata-action"]
}
"""


@pytest.fixture
def checkout(project: Callable[..., Path]) -> Callable[[str, str], Path]:
    """Make a project a repository: its base image, and where it came from."""

    def make(base: str, remote: str) -> Path:
        place = project(f"FROM {base}\n{STEPS}", {"source.txt": "one", "deploy.sh": DEPLOY})
        (place / "deploy.sh").chmod(0o755)
        return as_repository(place, remote)

    return make


def deployed(log: str) -> str:
    """Return what deploy.sh was called with."""
    (found,) = re.findall(r"> deployed (\S+)|\| deployed (\S+)", log)
    return "".join(found)


def cached(log: str) -> str:
    """Return what the summary says of steps."""
    (found,) = re.findall(r"\d+ of \d+ steps run, \d+ cached", log)
    return str(found)


def test_one_step_on_github(
    act: Act,
    action: str,
    checkout: Callable[[str, str], Path],
    of_the_lab: Mapping[str, str],
    registry: Registry,
    repository: str,
    name: str,
) -> None:
    place = checkout("busybox:1.37", GITHUB_URL)
    own = {r"ghcr\.io/\$\{\{ github\.repository \}\}": repository}
    workflow = with_inputs(replaced(migrating.GITHUB_PLAIN, own), of_the_lab)
    summarized = with_inputs(workflow, {"SUMMARY_FILE": "summary.md"})
    cold = act.push(place, summarized + SHOWN, name, action)
    # In the log, and in the summary that the next step prints.
    for headline in (r"\| warmbuild: pushed [^`\n]*", r"\| ### warmbuild: pushed `[^\n]*"):
        assert re.search(rf"{headline}: 2 of 2 steps run, 0 cached, ", cold)
    assert "| hits <0>" in cold
    assert deployed(cold) == f"{repository}@{registry.digest(f'{repository}:main')}"
    assert registry.tags(repository) == ["cache-main", "latest", "main"]
    git(place, "switch", "--quiet", "--create", BRANCH)
    warm = act.push(place, workflow, name, action)
    assert "0 of 2 steps run, 2 cached" in warm
    assert deployed(warm) == f"{repository}@{registry.digest(f'{repository}:feature-socks')}"


def test_one_step_on_github_with_everything_as_it_was(
    act: Act,
    action: str,
    arm64: Arm64,
    checkout: Callable[[str, str], Path],
    lab: Lab,
    of_the_lab: Mapping[str, str],
    auth_registry: Registry,
    secured: str,
    name: str,
) -> None:
    place = checkout(arm64.image, GITHUB_URL)
    own = {
        r"ghcr\.io/\$\{\{ github\.repository \}\}": secured,
        r"registry: ghcr\.io": f"registry: {lab.auth_registry}",
    }
    workflow = with_inputs(replaced(migrating.GITHUB_CARRIED_OVER, own), of_the_lab)
    cold = act.push(place, workflow, name, action)
    assert "4 of 4 steps run, 0 cached" in cold
    assert deployed(cold) == f"{secured}@{auth_registry.digest(f'{secured}:main')}"
    commit = git(place, "rev-parse", "HEAD")
    tags = [tag for tag in auth_registry.tags(secured) if not tag.startswith("cache-")]
    assert tags == ["main", f"sha-{commit[:7]}"]
    labels = auth_registry.config(f"{secured}:main")["config"]["Labels"]
    assert labels["org.opencontainers.image.title"] == "Shop"
    assert labels["org.opencontainers.image.revision"] == commit
    git(place, "switch", "--quiet", "--create", BRANCH)
    warm = act.push(place, workflow, name, action)
    assert "0 of 4 steps run, 4 cached" in warm
    # But for the version among its labels it is main's image.
    assert deployed(warm) == f"{secured}@{auth_registry.digest(f'{secured}:feature-socks')}"


def test_a_bake_file_on_github(
    act: Act,
    action: str,
    checkout: Callable[[str, str], Path],
    lab: Lab,
    of_the_lab: Mapping[str, str],
    auth_registry: Registry,
    secured: str,
    name: str,
) -> None:
    place = checkout("busybox:1.37", GITHUB_URL)
    (place / "Dockerfile").write_text(f"FROM busybox:1.37\nARG CHANNEL\n{STEPS}RUN test $CHANNEL\n")
    (place / "docker-bake.hcl").write_text(BAKE_FILE)
    git(place, "add", "--all")
    git(place, "commit", "--quiet", "--message=bake")
    own = {
        r"ghcr\.io/\$\{\{ github\.repository \}\}": secured,
        r"registry: ghcr\.io": f"registry: {lab.auth_registry}",
    }
    workflow = with_inputs(replaced(migrating.BAKE_AFTER, own), of_the_lab)
    cold = act.push(place, workflow, name, action)
    assert "3 of 3 steps run, 0 cached" in cold
    assert deployed(cold) == f"{secured}@{auth_registry.digest(f'{secured}:main')}"
    assert auth_registry.tags(secured) == ["cache-release--main", "main"]
    labels = auth_registry.config(f"{secured}:main")["config"]["Labels"]
    assert labels["org.opencontainers.image.version"] == "main"
    git(place, "switch", "--quiet", "--create", BRANCH)
    warm = act.push(place, workflow, name, action)
    assert "0 of 3 steps run, 3 cached" in warm
    assert deployed(warm) == f"{secured}@{auth_registry.digest(f'{secured}:feature-socks')}"


def test_the_component_on_gitlab(
    gitlab_ci_local: GitlabCiLocal,
    image: str,
    checkout: Callable[[str, str], Path],
    lab: Lab,
    of_the_lab: Mapping[str, str],
    auth_registry: Registry,
    secured: str,
) -> None:
    """The component is of another project, which git clones by its tag."""
    place = checkout("busybox:1.37", f"https://{GITLAB_HOST}/team/app.git")
    own = {
        # The lab has no docker-in-docker, and the image is not published yet.
        r"^(?=\ndeploy:)": f"    inputs:\n      dind: false\n      warmbuild-image: {image}\n",
        r"alpine:\S+": "busybox:1.37",
    }
    (place / ".gitlab-ci.yml").write_text(replaced(migrating.GITLAB_AFTER, own))
    variables = {
        "CI_REGISTRY": lab.auth_registry,
        "CI_REGISTRY_IMAGE": secured,
        "CI_REGISTRY_USER": lab.username,
        "CI_REGISTRY_PASSWORD": lab.password,
        **{f"INPUT_{key}": text for key, text in of_the_lab.items()},
    }
    cold = gitlab_ci_local.pipeline(place, variables)
    assert cached(cold) == "2 of 2 steps run, 0 cached"
    assert deployed(cold) == f"{secured}@{auth_registry.digest(f'{secured}:main')}"
    assert auth_registry.tags(secured) == ["cache-main", "latest", "main"]
    git(place, "switch", "--quiet", "--create", BRANCH)
    warm = gitlab_ci_local.pipeline(place, variables)
    assert cached(warm) == "0 of 2 steps run, 2 cached"
    assert deployed(warm) == f"{secured}@{auth_registry.digest(f'{secured}:feature-socks')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """Runs a script as a CI system does, on a fresh machine each time."""

    lab: Lab
    engine: docker.DockerClient
    image: str
    inputs: Mapping[str, str]
    directory: Path

    def of_the_lab(self, snippet: str, own: Mapping[str, str]) -> str:
        given = " ".join(f"-e {name}" for name in self.inputs)
        of_all = {
            r"/var/run/docker\.sock:": f"{self.lab.engine_socket}:",
            r"ghcr\.io/warmbuild/warmbuild:\S+": self.image,
            r"docker run --rm": f"docker run --rm --network host {given}",
        }
        return replaced(snippet, {**own, **of_all})

    def run(self, script: str, project: Path, *shell: str, env: Mapping[str, str]) -> str:
        machine = self.directory / f"machine-{len(list(self.directory.glob('machine-*')))}"
        shutil.copytree(project, machine)
        done = subprocess.run(  # noqa: S603 (the page's own words)
            [*shell, script],
            cwd=machine,
            env={
                "PATH": self.lab.env["PATH"],
                "HOME": str(self.directory),
                "DOCKER_HOST": self.lab.env["DOCKER_HOST"],
                "INPUT_USERNAME": self.lab.username,
                "INPUT_PASSWORD": self.lab.password,
                **self.inputs,
                **env,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        assert self.lab.password not in done.stdout
        (builder,) = BUILDER.findall(done.stdout)
        assert self.engine.containers.list(all=True, filters={"name": builder}) == []
        return done.stdout


@pytest.fixture
def shell(
    lab: Lab,
    engine: docker.DockerClient,
    image: str,
    of_the_lab: Mapping[str, str],
    tmp_path: Path,
) -> Shell:
    inputs = {f"INPUT_{key}": text for key, text in of_the_lab.items()}
    return Shell(lab=lab, engine=engine, image=image, inputs=inputs, directory=tmp_path)


def test_the_script_on_circleci(
    shell: Shell, small: Path, auth_registry: Registry, secured: str
) -> None:
    own = {r"registry\.example\.com/team/app": secured}
    document = yaml.safe_load(shell.of_the_lab(migrating.CIRCLECI_AFTER, own))
    job = document["jobs"]["image"]
    (script,) = [step["run"] for step in job["steps"] if "run" in step]

    def build(branch: str, commit: str) -> str:
        env = {"CI": "true", "CIRCLECI": "true", "CIRCLE_BRANCH": branch, "CIRCLE_SHA1": commit}
        bash = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c")
        return cached(shell.run(script, small, *bash, env=job["environment"] | env))

    assert build("main", SHA) == "2 of 2 steps run, 0 cached"
    assert build(BRANCH, SHA[::-1]) == "0 of 2 steps run, 2 cached"
    tags = [tag for tag in auth_registry.tags(secured) if not tag.startswith("cache-feature-")]
    assert tags == sorted([SHA, SHA[::-1], "cache-main"])


def test_the_compose_script_on_jenkins(
    shell: Shell, project: Callable[..., Path], auth_registry: Registry, secured: str, lab: Lab
) -> None:
    own = {
        r"registry\.example\.com/team": secured,
        r"registry\.example\.com(?!/)": lab.auth_registry,
    }
    script = shell.of_the_lab(migrating.COMPOSE_AFTER, own)
    files = {
        "source.txt": "one",
        "worker.Dockerfile": f"FROM busybox:1.37\nWORKDIR /worker\n{STEPS}",
        "docker-compose.yml": COMPOSE_FILE,
    }
    place = project(f"FROM busybox:1.37\n{STEPS}", files)

    def build(branch: str, commit: str) -> str:
        env = {
            "JENKINS_URL": "https://jenkins.example.com/",
            "BRANCH_NAME": branch,
            "GIT_BRANCH": branch,
            "GIT_COMMIT": commit,
        }
        # Jenkins prints each command, filled in.
        return shell.run(script, place, "sh", "-xe", "-c", env=env)

    cold = build("main", SHA)
    assert cached(cold) == "5 of 5 steps run, 0 cached"
    for service in ("web", "worker"):
        image = f"{secured}/shop-{service}"
        auth_registry.check_image(f"{image}:{SHA}")
        auth_registry.check_cache(f"{image}:cache-{service}--main")
    warm = build(BRANCH, SHA[::-1])
    assert cached(warm) == "0 of 5 steps run, 5 cached", cold + warm
    for service in ("web", "worker"):
        image = f"{secured}/shop-{service}"
        assert auth_registry.layers(f"{image}:{SHA}") == auth_registry.layers(
            f"{image}:{SHA[::-1]}"
        )
