"""The container image, run as GitHub and GitLab run it."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.integration.conftest import builders, buildx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import docker
    from docker.models.containers import Container

    from tests.integration.conftest import Lab, Registry

ROOT = Path(__file__).resolve().parents[2]
GITHUB_TOKEN = "ghs_16C7e42F292c6912E7710c838347Ae178B4a"


@pytest.fixture
def start(engine: docker.DockerClient, image: str) -> Iterator[Callable[..., Container]]:
    """Start the image with an environment and with mounts, on this machine's network."""
    containers = []

    def run(env: Mapping[str, str], mounts: Mapping[Path | str, str], **options: Any) -> Container:  # noqa: ANN401 (docker's)
        volumes = {str(path): {"bind": place, "mode": "rw"} for path, place in mounts.items()}
        containers.append(
            engine.containers.run(
                image,
                detach=True,
                network_mode="host",
                environment=dict(env),
                volumes=volumes,
                **options,
            )
        )
        return containers[-1]

    yield run
    logs = "".join(container.logs().decode() for container in containers)
    for container in containers:
        container.remove(force=True, v=True)
    assert builders(engine, logs) == []


def test_as_github_runs_it(
    start: Callable[..., Container],
    lab: Lab,
    of_the_lab: Mapping[str, str],
    registry: Registry,
    repository: str,
    small: Path,
    github: Callable[..., dict[str, str]],
    tmp_path: Path,
) -> None:
    home, files, workflow = (tmp_path / name for name in ("home", "github", "workflow"))
    home.mkdir()
    workflow.mkdir()
    event = github("push", "github-push.json", "refs/heads/feature/x")
    (workflow / "event.json").write_text(Path(event["GITHUB_EVENT_PATH"]).read_text())
    inputs = {f"INPUT_{name.replace('_', '-')}": value for name, value in of_the_lab.items()}
    places = {
        "HOME": "/github/home",
        "GITHUB_WORKSPACE": "/github/workspace",
        "GITHUB_EVENT_PATH": "/github/workflow/event.json",
        "GITHUB_OUTPUT": "/github/file_commands/output",
        "GITHUB_STEP_SUMMARY": "/github/file_commands/summary.md",
    }
    mounts = {
        lab.engine_socket: "/var/run/docker.sock",
        small: "/github/workspace",
        home: "/github/home",
        files: "/github/file_commands",
        workflow: "/github/workflow",
    }
    given = {"INPUT_IMAGE": repository, "INPUT_CONTEXT": "."}
    code, log = end(
        start(
            event | places | action_inputs() | given | inputs,
            mounts,
            working_dir="/github/workspace",
            command=["build"],
        )
    )
    assert code == 0, log
    outputs = read_command_file(files / "output")
    assert outputs["digest"] == registry.digest(f"{repository}:feature-x")
    assert outputs["tags"] == f"{repository}:feature-x"
    assert outputs["cache-written"].startswith(f"{repository}:cache-feature-x-")
    registry.check_cache(outputs["cache-written"])
    assert json.loads(outputs["metadata"])["containerimage.digest"] == outputs["digest"]
    assert "2 of 2 steps run, 0 cached" in (files / "summary.md").read_text()
    assert "::group::warmbuild: build\n" in log
    assert "::endgroup::\n" in log
    assert f"::add-mask::{GITHUB_TOKEN}\n" in log
    # Nothing in the workspace, where the next step would find it in its context.
    assert sorted(path.name for path in small.iterdir()) == ["Dockerfile", "source.txt"]
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("is_seen", [False, True], ids=["a step on GitHub", "with a mount"])
def test_a_builder_that_stays(
    start: Callable[..., Container],
    lab: Lab,
    of_the_lab: Mapping[str, str],
    repository: str,
    small: Path,
    tmp_path: Path,
    *,
    is_seen: bool,
) -> None:
    """Later steps on the machine build with it, at once or after one command."""
    home, outputs = tmp_path / "home", tmp_path / "outputs"
    (home / "buildx").mkdir(parents=True)
    os.chown(home, 1234, 1234)
    outputs.mkdir()
    inputs = {
        **of_the_lab,
        "IMAGE": repository,
        "CONTEXT": ".",
        "CACHE": "off",
        "CLEANUP": "false",
        "OUTPUT_FILE": "/outputs/out.json",
    }
    code, log = end(
        start(
            {
                **{f"INPUT_{name}": value for name, value in inputs.items()},
                "GITHUB_ACTIONS": "true",
                "GITHUB_WORKSPACE": "/github/workspace",
                "RUNNER_WORKSPACE": "/home/runner/work/shop",
                "HOME": "/github/home",
                **({"BUILDX_CONFIG": "/theirs"} if is_seen else {}),
            },
            {
                lab.engine_socket: "/var/run/docker.sock",
                small: "/github/workspace",
                home: "/github/home",
                home / "buildx": "/theirs",
                outputs: "/outputs",
            },
            working_dir="/github/workspace",
        )
    )
    assert code == 0, log
    name = json.loads((outputs / "out.json").read_text())["name"]
    # The lab's engine does not listen at the place that the container knows it by.
    own = {**lab.env, "BUILDX_CONFIG": str(home / "buildx")}
    record = home / "buildx/instances" / name
    if is_seen:
        assert f"the builder {name} stays, and buildx knows it by /theirs/instances/{name}" in log
        record.write_text(
            record.read_text().replace("unix:///var/run/docker.sock", own["DOCKER_HOST"])
        )
    else:
        (command,) = re.findall(r"; run this first: docker buildx (create .*)", log)
        buildx(own, *command.split())
    said = buildx(own, "build", "--builder", name, "--progress", "plain", str(small))
    assert said.count("CACHED") == 2
    buildx(own, "rm", "--force", name)


def test_it_keeps_cache_mounts(
    start: Callable[..., Container],
    lab: Lab,
    of_the_lab: Mapping[str, str],
    repository: str,
    project: Callable[..., Path],
) -> None:
    """It has the programs that restore and save them."""
    place = project(
        "FROM busybox:1.37\nCOPY source.txt /\n"
        "RUN --mount=type=cache,id=box,target=/m cat /m/last; cp /source.txt /m/last || true\n",
        {"source.txt": "one"},
    )
    inputs = {
        **of_the_lab,
        "IMAGE": repository,
        "CONTEXT": ".",
        "PUSH": "true",
        "CACHE": "read-write",
        "CACHE_MOUNTS": "box",
        "BRANCH": "main",
        "DEFAULT_BRANCH": "main",
    }
    env = {f"INPUT_{name}": value for name, value in inputs.items()}
    volumes = {lab.engine_socket: "/var/run/docker.sock", place: "/workspace"}
    logs = []
    for text in ("two\n", "three\n"):
        (place / "source.txt").write_text(text)
        code, log = end(start(env, volumes, working_dir="/workspace"))
        assert code == 0, log
        logs.append(log)
    assert re.search(r"^cache mount box: \d+ kB saved, in ", logs[0], re.MULTILINE), logs[0]
    assert re.search(r"^cache mounts: 1 restored, ", logs[1], re.MULTILINE), logs[1]
    assert re.search(r"^#\d+ [\d.]+ two$", logs[1], re.MULTILINE), logs[1]


def test_as_gitlab_runs_it(
    start: Callable[..., Container],
    lab: Lab,
    of_the_lab: Mapping[str, str],
    auth_registry: Registry,
    secured: str,
    small: Path,
) -> None:
    project = "/builds/octo-org/shop"
    job = {
        "CI": "true",
        "GITLAB_CI": "true",
        "CI_PIPELINE_SOURCE": "push",
        "CI_COMMIT_BRANCH": "main",
        "CI_COMMIT_REF_NAME": "main",
        "CI_COMMIT_SHA": "5f0c3a1e9b7d42d8a6c1f4e2b3d59780c6e1a2f4",
        "CI_DEFAULT_BRANCH": "main",
        "CI_PROJECT_DIR": project,
        # The project's own registry, which needs no input at all.
        "CI_REGISTRY": lab.auth_registry,
        "CI_REGISTRY_IMAGE": secured,
        "CI_REGISTRY_USER": lab.username,
        "CI_REGISTRY_PASSWORD": lab.password,
    }
    inputs = {
        "IMAGE": "",
        "PUSH": "",
        "CACHE_MODE": "max",
        "SUMMARY_FILE": "warmbuild-summary.md",
        "REPORT_FILE": "report.html",
        **of_the_lab,
    }
    code, log = end(
        start(
            job | {f"INPUT_{name}": value for name, value in inputs.items()},
            {lab.engine_socket: "/var/run/docker.sock", small: project},
            working_dir=project,
            entrypoint=[""],
            command=["sh", "-c", "python -m warmbuild build"],
        )
    )
    assert code == 0, log
    assert lab.password not in log
    report = (small / "warmbuild.env").read_text()
    outputs = dict(line.split("=", 1) for line in report.splitlines())
    assert outputs["WARMBUILD_DIGEST"] == auth_registry.digest(f"{secured}:main")
    assert outputs["WARMBUILD_TAGS"] == f"{secured}:main,{secured}:latest"
    assert outputs["WARMBUILD_CACHE_WRITTEN"] == f"{secured}:cache-main"
    auth_registry.check_cache(f"{secured}:cache-main")
    assert "2 of 2 steps run" in (small / "warmbuild-summary.md").read_text()
    assert "2 of 2 steps run" in (small / "report.html").read_text()


def test_with_no_socket_in_it(
    start: Callable[..., Container], repository: str, small: Path
) -> None:
    container = start({"INPUT_IMAGE": repository}, {small: "/workspace"}, working_dir="/workspace")
    code, log = end(container)
    assert code == 3
    assert "error: there is no Docker engine at unix:///var/run/docker.sock" in log
    assert "Traceback" not in log


def test_stopped_as_a_job_is_cancelled(
    start: Callable[..., Container],
    lab: Lab,
    of_the_lab: Mapping[str, str],
    repository: str,
    project: Callable[..., Path],
) -> None:
    """As PID 1 of its container, where SIGTERM does nothing unless it is handled."""
    inputs = {"IMAGE": repository, **of_the_lab}
    container = start(
        {f"INPUT_{name}": value for name, value in inputs.items()},
        {
            lab.engine_socket: "/var/run/docker.sock",
            project("FROM busybox:1.37\nRUN echo has begun; sleep 60\n"): "/workspace",
        },
        working_dir="/workspace",
    )
    for line in container.logs(stream=True, follow=True):
        if b" has begun" in line:
            container.stop(timeout=10)
    code, log = end(container)
    assert code == 143
    assert "error: warmbuild was terminated; everything it had created is removed" in log


def end(container: Container) -> tuple[int, str]:
    """Wait for the end of a container; return exit code and log."""
    code = int(container.wait()["StatusCode"])
    return code, container.logs().decode()


def action_inputs() -> dict[str, str]:
    """Return every input of action.yml as the runner sets it, given or not."""
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    values = {
        f"INPUT_{name.upper()}": str(entry.get("default", ""))
        for name, entry in action["inputs"].items()
    }
    assert values["INPUT_GITHUB-TOKEN"] == "${{ github.token }}"
    return values | {"INPUT_GITHUB-TOKEN": GITHUB_TOKEN}


def read_command_file(path: Path) -> dict[str, str]:
    """Read `name<<delimiter`, value, delimiter, as the runner does."""
    lines = iter(path.read_text().splitlines())
    values = {}
    for line in lines:
        name, _, delimiter = line.partition("<<")
        value = []
        while (text := next(lines)) != delimiter:
            value.append(text)
        values[name] = "\n".join(value)
    return values


def test_as_the_readme_says_it_anywhere_else(
    image: str,
    engine: docker.DockerClient,
    lab: Lab,
    of_the_lab: Mapping[str, str],
    auth_registry: Registry,
    secured: str,
    small: Path,
) -> None:
    readme = (ROOT / "README.md").read_text()
    (snippet,) = re.findall(r"```sh\n(docker run .*?)```", readme, re.DOTALL)
    # Only what is somebody's own is changed, and what the lab needs is added.
    own = {
        r"registry\.example\.com/team/app": secured,
        r"INPUT_USERNAME=ci\b": f"INPUT_USERNAME={lab.username}",
        r"/var/run/docker\.sock:": f"{lab.engine_socket}:",
        r"ghcr\.io/warmbuild/warmbuild:\S+": image,
        r"docker run --rm": "docker run --rm --network host "
        + " ".join(f"-e INPUT_{name}" for name in of_the_lab),
    }
    for pattern, text in own.items():
        snippet, count = re.subn(pattern, text, snippet)
        assert count == 1, pattern
    given = {f"INPUT_{name}": value for name, value in of_the_lab.items()}
    given |= {"INPUT_PASSWORD": lab.password, "BRANCH": "release-2"}
    done = subprocess.run(  # noqa: S603 (README's own words)
        ["bash", "-c", snippet],  # noqa: S607
        cwd=small,
        env={
            **os.environ,
            **lab.env,
            **given,
            "INPUT_PASSWORD": lab.password,
            "BRANCH": "release-2",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert auth_registry.tags(secured) == ["cache-release-2", "release-2"]
    assert lab.password not in done.stdout
    assert builders(engine, done.stdout) == []
