"""act and gitlab-ci-local, which run GitHub's and GitLab's own files on the lab."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import docker

    from tests.integration.conftest import Lab

ROOT = Path(__file__).resolve().parents[2]
BUILDER = re.compile(r"\+ docker buildx create --name (\S+)")
OWN_STEP = re.compile(r"^( *)(- |  )(uses: (?:\./|warmbuild/warmbuild@).*)$", re.MULTILINE)
ON_MAIN = "main"
# What GitHub says of the repository in each event; act has nothing of its own.
REPOSITORY = {"full_name": "octo-org/shop", "default_branch": ON_MAIN, "private": False}
GITHUB_URL = f"https://github.com/{REPOSITORY['full_name']}"
GITLAB_HOST = "gitlab.example.com"
PATIENCE = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A client with a home of its own, and what it said; `directory` is the test's."""

    lab: Lab
    program: str
    directory: Path
    logs: list[str] = field(default_factory=list)

    def run(self, checkout: Path, *arguments: str, extra: Mapping[str, str]) -> str:
        """Run the client in a checkout; return its log."""
        home = self.directory / "client"
        home.mkdir(exist_ok=True)
        done = subprocess.run(  # noqa: S603 (the lab's own programs)
            [self.program, *arguments],
            cwd=checkout,
            env={
                "PATH": self.lab.env["PATH"],
                "DOCKER_HOST": self.lab.env["DOCKER_HOST"],
                "HOME": str(home),
                "XDG_CACHE_HOME": str(home / "cache"),
                **extra,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        self.logs.append(done.stdout)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def check(self, engine: docker.DockerClient) -> None:
        """Fail where a run has shown the password or has left its builder."""
        for log in self.logs:
            assert self.lab.password not in log
            assert BUILDER.findall(log)
            for name in BUILDER.findall(log):
                assert engine.containers.list(all=True, filters={"name": name}) == []


@dataclass(frozen=True, slots=True, kw_only=True)
class Act(Client):
    """act; jobs run in `image`, as the lab's user with the lab's password as their token."""

    image: str

    def push(self, checkout: Path, workflow: str, name: str, *options: str) -> str:
        """Run a workflow for a push of the branch that is checked out.

        `name` takes the place of the workflow's own, by which act names its containers. Steps of
        warmbuild are told that this is not act, where a run is a local one.
        """
        path, event = self.directory / "workflow.yml", self.directory / "event.json"
        workflow = replaced(workflow, {r"^name: \w+$": f"name: {name}"})
        path.write_text(OWN_STEP.sub(r"\1\2env: {ACT: 'false'}\n\1  \3", workflow))
        branch = git(checkout, "branch", "--show-current")
        event.write_text(json.dumps({"ref": f"refs/heads/{branch}", "repository": REPOSITORY}))
        return self.run(
            checkout,
            "push",
            f"--workflows={path}",
            f"--eventpath={event}",
            f"--platform=ubuntu-latest={self.image}",
            f"--container-daemon-socket={self.lab.env['DOCKER_HOST']}",
            f"--actor={self.lab.username}",
            "--secret=GITHUB_TOKEN",
            "--rm",
            "--pull=false",
            "--no-cache-server",
            *options,
            extra={"GITHUB_TOKEN": self.lab.password},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GitlabCiLocal(Client):
    """gitlab-ci-local on a runner that gives its jobs the engine's socket."""

    def pipeline(self, checkout: Path, variables: Mapping[str, str]) -> str:
        """Run the pipeline of the branch that is checked out, with the project's variables."""
        predefined = ",".join(name for name in variables if name.startswith("CI_"))
        # As in GitLab, a variable may name others.
        given = [f"{name}={text.replace('$', '$$')}" for name, text in variables.items()]
        return self.run(
            checkout,
            f"--ignore-predefined-vars={predefined}",
            "--pull-policy=if-not-present",
            f"--volume={self.lab.engine_socket}:/var/run/docker.sock",
            "--network=host",
            *(part for text in given for part in ("--variable", text)),
            extra=self._served(),
        )

    def _served(self) -> dict[str, str]:
        """Return what lets git find the component's project at the server, for it is here."""
        projects = self.directory / "served" / "warmbuild"
        bare = projects / "warmbuild.git"
        if not bare.exists():
            source = self.directory / "component"
            shutil.copytree(ROOT / "gitlab-component", source)
            repository(source, "")
            git(source, "tag", version())
            git(source, "clone", "--quiet", "--bare", ".", str(bare))
            git(bare, "config", "uploadpack.allowFilter", "true")
        return {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.file://{projects}/.insteadOf",
            "GIT_CONFIG_VALUE_0": f"https://{GITLAB_HOST}/warmbuild/",
        }


def replaced(text: str, own: Mapping[str, str]) -> str:
    """Put what is the lab's in the place of what is somebody's own; each has to be there."""
    for pattern, new in own.items():
        text, count = re.subn(pattern, new.replace("\\", r"\\"), text, flags=re.MULTILINE)
        assert count, pattern
    return text


def with_inputs(workflow: str, inputs: Mapping[str, str]) -> str:
    """Add inputs to a workflow's step that has some."""
    lines = []
    for input_name, text in inputs.items():
        lines.append(f"          {input_name.lower().replace('_', '-')}: |\n")
        lines += [f"            {line}\n" for line in text.splitlines()]
    return replaced(workflow, {r"^        with:\n": "        with:\n" + "".join(lines)})


def repository(directory: Path, remote: str) -> Path:
    """Make a directory a repository of git, on main, with all that is in it as a commit."""
    git(directory, "init", "--quiet", f"--initial-branch={ON_MAIN}")
    if remote:
        git(directory, "remote", "add", "origin", remote)
    commit(directory)
    return directory


def commit(directory: Path) -> None:
    git(directory, "add", "--all")
    who = ("-c", "user.name=A User", "-c", "user.email=user@example.com")
    git(directory, *who, "commit", "--quiet", "--message=Sell socks")


def git(directory: Path, *arguments: str) -> str:
    done = subprocess.run(  # noqa: S603
        ["git", *arguments],  # noqa: S607
        cwd=directory,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def version() -> str:
    """Return the version that documentation names."""
    found = re.search(r'__version__ = "(.+)"', (ROOT / "src/warmbuild/__init__.py").read_text())
    assert found
    return found[1]


def tracked_files(directory: Path) -> Path:
    """Copy what git knows of this checkout into a directory."""
    names = git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    for name in names:
        if (ROOT / name).is_file():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, directory / name)
    return directory
