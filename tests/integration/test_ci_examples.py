"""The pipelines of examples/ci, run as their systems do, on a fresh machine for each build.

A system's shell runs the very script that is in the file, with the variables that it would set.
Only what is somebody's own is changed: the registry, the mirror, the image of warmbuild, the
engine's socket.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.pipelines import DOCKER_RUN, IMAGE, PIPELINES, Pipeline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import docker

    from tests.integration.conftest import Lab, Registry

BY_PATH = {pipeline.path: pipeline for pipeline in PIPELINES}
SHA = "5f0c3a1e9b7d42d8a6c1f4e2b3d59780c6e1a2f4"
BUILDER = re.compile(r"^\+ docker buildx create --name (\S+)", re.MULTILINE)
BASH = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c")
SH = ("sh", "-e", "-c")
# Jenkins prints each command, filled in.
SH_PRINTING = ("sh", "-xe", "-c")


def on_circleci(branch: str) -> dict[str, str]:
    return {"CI": "true", "CIRCLECI": "true", "CIRCLE_BRANCH": branch, "CIRCLE_SHA1": SHA}


def on_bamboo(branch: str) -> dict[str, str]:
    return {
        "bamboo_buildKey": "SHOP-IMAGE-BUILD",
        "bamboo_planRepository_branchName": branch,
        "bamboo_planRepository_revision": SHA,
    }


def on_jenkins(branch: str) -> dict[str, str]:
    return {
        "JENKINS_URL": "https://jenkins.example.com/",
        "BRANCH_NAME": branch,
        "GIT_BRANCH": branch,
        "GIT_COMMIT": SHA,
    }


def on_azure(branch: str) -> dict[str, str]:
    return {
        "TF_BUILD": "True",
        "BUILD_REASON": "IndividualCI",
        "BUILD_SOURCEBRANCH": f"refs/heads/{branch}",
        "BUILD_SOURCEVERSION": SHA,
        "BUILD_SOURCEVERSIONMESSAGE": 'Sell socks\n\nand "hats", it\'s $HOME',
        "BUILD_REPOSITORY_NAME": "harbour/shop",
    }


def on_buildkite(branch: str) -> dict[str, str]:
    return {
        "BUILDKITE": "true",
        "BUILDKITE_BRANCH": branch,
        "BUILDKITE_COMMIT": SHA,
        "BUILDKITE_MESSAGE": "Sell socks\n\nand hats",
        "BUILDKITE_REPO": "git@github.com:harbour/shop.git",
        "BUILDKITE_PIPELINE_DEFAULT_BRANCH": "main",
        "BUILDKITE_PULL_REQUEST": "false",
        "BUILDKITE_SOURCE": "webhook",
    }


def on_bitbucket(branch: str) -> dict[str, str]:
    return {
        "CI": "true",
        "BITBUCKET_BUILD_NUMBER": "311",
        "BITBUCKET_BRANCH": branch,
        "BITBUCKET_COMMIT": SHA,
        "BITBUCKET_PIPELINES_VARIABLES_PATH": "/agent/variables",
    }


def on_woodpecker(branch: str) -> dict[str, str]:
    return {
        "CI": "woodpecker",
        "CI_PIPELINE_EVENT": "push",
        "CI_COMMIT_BRANCH": branch,
        "CI_COMMIT_REF": f"refs/heads/{branch}",
        "CI_COMMIT_SHA": SHA,
        "CI_REPO_DEFAULT_BRANCH": "main",
    }


def on_drone(branch: str) -> dict[str, str]:
    return {
        "CI": "true",
        "DRONE": "true",
        "DRONE_BUILD_EVENT": "push",
        "DRONE_BRANCH": branch,
        "DRONE_COMMIT_REF": f"refs/heads/{branch}",
        "DRONE_COMMIT_SHA": SHA,
        "DRONE_REPO_BRANCH": "main",
    }


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine that a job gets: a home, a checkout, and nothing of any job before."""

    directory: Path

    @property
    def home(self) -> Path:
        return self.directory / "home"

    @property
    def checkout(self) -> Path:
        return self.directory / "checkout"

    @property
    def bash_env(self) -> Path:
        return self.directory / "bash_env"


@dataclass(slots=True, kw_only=True)
class Fleet:
    """Runs a pipeline's job, each time on a new machine; remembers the logs."""

    lab: Lab
    image: str
    inputs: Mapping[str, str]
    repository: str
    project: Path
    directory: Path
    logs: list[str] = field(default_factory=list)

    def machine(self) -> Machine:
        found = Machine(self.directory / f"machine-{len(list(self.directory.glob('machine-*')))}")
        shutil.copytree(self.project, found.checkout)
        found.home.mkdir()
        found.bash_env.touch()
        return found

    def run(
        self,
        pipeline: Pipeline,
        machine: Machine,
        shell: tuple[str, ...],
        env: Mapping[str, str],
    ) -> dict[str, str]:
        """Run the job's script and return the outputs as the job's next step would read them."""
        own = {
            "INPUT_USERNAME": self.lab.username,
            "INPUT_PASSWORD": self.lab.password,
            "bamboo_registry_username": self.lab.username,
            "bamboo_registry_password": self.lab.password,
        }
        done = subprocess.run(  # noqa: S603 (the example's own words)
            [*shell, self.of_the_lab(pipeline)],
            cwd=machine.checkout,
            env={
                "PATH": f"{machine.directory}/bin{os.pathsep}{self.lab.env['PATH']}",
                "DOCKER_HOST": self.lab.env["DOCKER_HOST"],
                "HOME": str(machine.home),
                "BASH_ENV": str(machine.bash_env),
                **{f"INPUT_{name}": value for name, value in self.inputs.items()},
                **own,
                **{name: self.localised(text) for name, text in pipeline.job.environment.items()},
                **env,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self.logs.append(done.stdout)
        assert done.returncode == 0, done.stdout
        return self.outputs(machine)

    def of_the_lab(self, pipeline: Pipeline) -> str:
        """Return a pipeline's script with what is somebody's own changed, and nothing else."""
        script = self.localised(pipeline.job.script)
        script = script.replace("/var/run/docker.sock:/", f"{self.lab.engine_socket}:/")
        if pipeline.job.in_image:
            mounts = f'-v {self.lab.engine_socket}:/var/run/docker.sock -v "$PWD:$PWD" -w "$PWD"'
            mounts += f' -v "$PWD/..:/agent" {self.passed_on(pipeline)}'
            command = f"docker run --rm {mounts} --entrypoint sh {self.image} -ec"
            quoted = script.replace("'", "'\\''")
            script = f"{command} '{quoted}'"
        needs = [name for name in self.inputs if f"INPUT_{name}" not in script]
        given = " ".join(f"-e INPUT_{name}" for name in needs)
        return script.replace(DOCKER_RUN, f"{DOCKER_RUN} --network host {given}", 1)

    def passed_on(self, pipeline: Pipeline) -> str:
        """Return the options for a system that itself gives all its variables to a container."""
        names = [*SYSTEMS[pipeline.path][0]("main"), *pipeline.job.environment]
        return " ".join(f"-e {name}" for name in (*names, "INPUT_USERNAME", "INPUT_PASSWORD"))

    def localised(self, text: str) -> str:
        text = IMAGE.sub(self.image, text)
        text = re.sub(r"registry\.(example\.com|internal:5000)/team/app", self.repository, text)
        text = text.replace("registry.internal:5000", self.lab.auth_registry)
        return text.replace("hub.internal:5000", self.lab.env["WARMBUILD_LAB_HUB"])

    def outputs(self, machine: Machine) -> dict[str, str]:
        """Read the variables that a later step has, wherever the system keeps them."""
        files = (
            machine.bash_env,
            machine.checkout / "warmbuild.env",
            machine.directory / "variables",
        )
        lines = [line for file in files if file.exists() for line in file.read_text().splitlines()]
        lines += re.findall(
            r"^##vso\[task\.setvariable variable=(?P<name>\w+;isOutput=true\].*)$",
            self.logs[-1],
            re.MULTILINE,
        )
        pairs = (line.removeprefix("export ").replace(";isOutput=true]", "=", 1) for line in lines)
        return {name: value for name, _, value in (pair.partition("=") for pair in pairs)}


@pytest.fixture
def fleet(
    lab: Lab,
    engine: docker.DockerClient,
    image: str,
    of_the_lab: dict[str, str],
    secured: str,
    small: Path,
    tmp_path: Path,
) -> Iterator[Fleet]:
    runs = Fleet(
        lab=lab,
        image=image,
        inputs=of_the_lab,
        repository=secured,
        project=small,
        directory=tmp_path,
    )
    yield runs
    for log in runs.logs:
        # What masks a secret has it, and no reader of a log sees that.
        assert lab.password not in re.sub(
            r"^##vso\[task\.setsecret\].*$", "", log, flags=re.MULTILINE
        )
        (name,) = BUILDER.findall(log)
        assert engine.containers.list(all=True, filters={"name": name}) == []


def logged_in(fleet: Fleet, machine: Machine) -> dict[str, str]:
    """Do what Azure's task Docker@2 does: a configuration with the login, somewhere."""
    place = machine.directory / "login"
    place.mkdir()
    auths = {fleet.lab.auth_registry: {"auth": fleet.lab.basic}}
    (place / "config.json").write_text(json.dumps({"auths": auths}))
    return {
        "DOCKER_CONFIG": str(place),
        "INPUT_USERNAME": "",
        "INPUT_PASSWORD": "",
        "SYSTEM_DEFAULTWORKINGDIRECTORY": str(machine.checkout),
    }


def with_agent(_: Fleet, machine: Machine) -> dict[str, str]:
    """Put an agent's command on the PATH that notes how it was called."""
    program = machine.directory / "bin" / "buildkite-agent"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >> {machine.directory}/agent.log\n')
    program.chmod(0o755)
    return {}


def nothing(_fleet: Fleet, _machine: Machine) -> dict[str, str]:
    return {}


# For each: its variables on a branch, the shell that it runs a script in, what else it prepares.
SYSTEMS: Mapping[
    str,
    tuple[
        Callable[[str], dict[str, str]],
        tuple[str, ...],
        Callable[[Fleet, Machine], dict[str, str]],
    ],
] = {
    "circleci/config.yml": (on_circleci, BASH, nothing),
    "bamboo/bamboo.yml": (on_bamboo, SH, nothing),
    "jenkins/Jenkinsfile": (on_jenkins, SH_PRINTING, nothing),
    "azure/azure-pipelines.yml": (on_azure, BASH, logged_in),
    "buildkite/pipeline.yml": (on_buildkite, BASH, with_agent),
    "bitbucket/bitbucket-pipelines.yml": (on_bitbucket, SH, nothing),
    "woodpecker/woodpecker.yaml": (on_woodpecker, SH, nothing),
    "drone/drone.yml": (on_drone, SH, nothing),
}


@pytest.mark.parametrize("path", SYSTEMS)
def test_a_new_branch_on_a_new_machine_is_warm(
    path: str, fleet: Fleet, auth_registry: Registry
) -> None:
    variables, shell, prepared = SYSTEMS[path]
    pipeline = BY_PATH[path]
    machines = [fleet.machine(), fleet.machine()]
    cold, warm = (
        fleet.run(pipeline, machine, shell, {**variables(branch), **prepared(fleet, machine)})
        for branch, machine in zip(("main", "feature/socks"), machines, strict=True)
    )
    assert (cold["WARMBUILD_CACHE_HITS"], cold["WARMBUILD_CACHE_STEPS"]) == ("0", "2")
    assert (warm["WARMBUILD_CACHE_HITS"], warm["WARMBUILD_CACHE_STEPS"]) == ("2", "2")
    assert cold["WARMBUILD_CACHE_WRITTEN"] == f"{fleet.repository}:cache-main"
    assert cold["WARMBUILD_DIGEST"] == auth_registry.digest(f"{fleet.repository}:main")
    assert warm["WARMBUILD_DIGEST"] == auth_registry.digest(f"{fleet.repository}:feature-socks")
    auth_registry.check_cache(f"{fleet.repository}:cache-main")
    if path.startswith("azure"):
        summary = machines[0].checkout / "warmbuild-summary.md"
        assert f"##vso[task.uploadsummary]{summary}\n" in fleet.logs[0]
        assert "2 of 2 steps run, 0 cached" in summary.read_text()
    if path.startswith("buildkite"):
        # Nothing folds the result.
        last = re.findall(r"^(?:---|\+\+\+) .*", fleet.logs[0], re.MULTILINE)[-1]
        assert last == "+++ warmbuild: result"
        called = (machines[0].directory / "agent.log").read_text()
        assert f"meta-data set image-digest {cold['WARMBUILD_DIGEST']}\n" in called


FORKS: Mapping[str, Mapping[str, str]] = {
    "circleci/config.yml": {"CIRCLE_BRANCH": "pull/43", "CIRCLE_PR_USERNAME": "stranger"},
    "jenkins/Jenkinsfile": {
        "BRANCH_NAME": "PR-43",
        "CHANGE_ID": "43",
        "CHANGE_BRANCH": "main",
        "CHANGE_TARGET": "main",
        "CHANGE_FORK": "stranger",
    },
    "bamboo/bamboo.yml": {
        "bamboo_repository_pr_key": "43",
        "bamboo_repository_pr_sourceBranch": "main",
        "bamboo_repository_pr_targetBranch": "main",
    },
}


@pytest.mark.parametrize("path", FORKS)
def test_a_strangers_pull_request_is_warm_and_leaves_nothing(
    path: str, fleet: Fleet, auth_registry: Registry
) -> None:
    """Though the job has the login, as where a project hands its secrets to forks."""
    variables, shell, _ = SYSTEMS[path]
    fleet.run(BY_PATH[path], fleet.machine(), shell, variables("main"))
    before = {tag: auth_registry.digest(tag) for tag in tags(auth_registry, fleet.repository)}
    (fleet.project / "source.txt").write_text("a stranger's")
    env = {**variables("main"), **FORKS[path]}
    outputs = fleet.run(BY_PATH[path], fleet.machine(), shell, env)
    assert (outputs["WARMBUILD_CACHE_HITS"], outputs["WARMBUILD_CACHE_STEPS"]) == ("1", "2")
    assert outputs["WARMBUILD_CACHE_WRITTEN"] == ""
    assert before == {
        tag: auth_registry.digest(tag) for tag in tags(auth_registry, fleet.repository)
    }


def tags(registry: Registry, repository: str) -> list[str]:
    """Return the full references that there are of a repository."""
    return [f"{repository}:{tag}" for tag in registry.tags(repository)]


@dataclass(slots=True)
class Saved:
    """CircleCI's store of caches: a key is written once, and the newest with a prefix is found."""

    directory: Path
    keys: list[str] = field(default_factory=list)

    def restore(self, prefixes: list[str], place: Path) -> str:
        for prefix in prefixes:
            for number in reversed(range(len(self.keys))):
                if self.keys[number].startswith(prefix):
                    shutil.copytree(self.directory / str(number), place)
                    return self.keys[number]
        return ""

    def save(self, key: str, place: Path) -> None:
        if key not in self.keys:
            shutil.copytree(place, self.directory / str(len(self.keys)))
            self.keys.append(key)


def test_circleci_saves_and_restores_a_cache_that_is_renewed(
    fleet: Fleet, auth_registry: Registry, tmp_path: Path
) -> None:
    pipeline = BY_PATH["circleci/save-cache.yml"]
    steps = yaml.safe_load(pipeline.text)["jobs"]["image"]["steps"]
    (restored,) = [step["restore_cache"] for step in steps if "restore_cache" in step]
    (saved,) = [step["save_cache"] for step in steps if "save_cache" in step]
    store = Saved(tmp_path / "saved")

    def build(branch: str, commit: str) -> tuple[str, str]:
        machine = fleet.machine()

        def filled(text: str) -> str:
            return text.replace("{{ .Branch }}", branch).replace("{{ .Revision }}", commit)

        (place,) = saved["paths"]
        directory = machine.home / place.removeprefix("~/")
        found = store.restore([filled(key) for key in restored["keys"]], directory)
        outputs = fleet.run(pipeline, machine, BASH, on_circleci(branch))
        store.save(filled(saved["key"]), directory)
        return found, f"{outputs['WARMBUILD_CACHE_HITS']}/{outputs['WARMBUILD_CACHE_STEPS']}"

    assert build("main", "c1") == ("", "0/2")
    (fleet.project / "source.txt").write_text("two")
    assert build("main", "c2") == ("warmbuild-v1-main..c1", "1/2")
    assert build("feature/socks", "c3") == ("warmbuild-v1-main..c2", "2/2")
    assert build("feature/socks-and-hats", "c4") == ("warmbuild-v1-main..c2", "2/2")
    assert build("feature/socks", "c5") == ("warmbuild-v1-feature/socks..c3", "2/2")
    # The cache is in CircleCI's store alone.
    assert [tag for tag in auth_registry.tags(fleet.repository) if "cache" in tag] == []
