from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.fake_runner import FakeRunner
from warmbuild import ci, trust
from warmbuild.builder import boot
from warmbuild.commands import definitions, images
from warmbuild.commands.run import Run
from warmbuild.errors import EngineError, InputError
from warmbuild.inputs.values import Inputs, Secret
from warmbuild.log import Log
from warmbuild.mounts import Mounts
from warmbuild.run_context import RunContext

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from warmbuild.plan.build_plan import BuilderPlan

URL = "https://github.com/me/app.git#abc"
PUSH = RunContext(
    ci="github",
    event="push",
    branch="x",
    default_branch="main",
    trust=trust.TRUSTED,
    server="github.com",
    git_context=URL,
)
FORK = RunContext(ci="github", event="pull_request", trust=trust.FORK, git_context=URL)


class Machine:
    """Reads definitions with a buildx that prints one target, and keeps what it was told."""

    def __init__(self, place: Path, parsed: Callable[..., Inputs]) -> None:
        self.runner, self.parsed = FakeRunner(), parsed
        self.buildx = place / "buildx"
        self.buildx.touch(mode=0o755)
        self.env = {"PATH": str(place), "HOME": str(place)}
        self.booted: list[BuilderPlan] = []
        self.version = "0.38.2"

    def read(
        self, run: RunContext, inputs: Mapping[str, str], env: Mapping[str, str] | None = None
    ) -> Sequence[images.Image]:
        group = {"default": {"targets": ["web"]}}
        found = {"group": group, "target": {"web": {"context": "."}}}
        lines = json.dumps(found, indent=1).splitlines()
        self.runner.answer(str(self.buildx), "bake", "--print", lines=lines)
        version = f"github.com/docker/buildx v{self.version} 0a1b2c3"
        self.runner.answer(str(self.buildx), "version", lines=[version])
        given = self.parsed(**({"image": ""} | dict(inputs)))
        local = ci.named("local")
        command = Run(
            inputs=given,
            context=run,
            env=self.env | dict(env or {}),
            log=Log(local),
            provider=local,
            runner=self.runner,
            mounts=Mounts(),
        )
        return images.images(command, Mounts())

    @property
    def files(self) -> list[str]:
        """The files of the one command, but for the run's own."""
        argv = self.runner.commands[-1]
        named = [argv[at + 1] for at, part in enumerate(argv) if part == "--file"]
        return ["…" if "metadata-target" in name else name for name in named]


@pytest.fixture
def machine(
    parsed: Callable[..., Inputs], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Machine:
    monkeypatch.chdir(tmp_path)
    made = Machine(tmp_path, parsed)

    @contextmanager
    def booted(plan: BuilderPlan, *_arguments: object) -> Iterator[Any]:
        made.booted.append(plan)
        yield type("Made", (), {"boot": staticmethod(lambda _need: "up")})

    monkeypatch.setattr(boot, "booted", booted)
    return made


@pytest.mark.parametrize(
    ("files", "inputs", "expected"),
    [
        pytest.param(
            ["docker-bake.hcl", "compose.yml", "docker-compose.yaml", "other.hcl"],
            {"targets": "web"},
            ["compose.yml", "docker-compose.yaml", "docker-bake.hcl", "…"],
            id="usual names, in buildx's order",
        ),
        pytest.param(
            ["sub/docker-bake.override.hcl", "sub/docker-bake.hcl", "docker-bake.json"],
            {"source": "sub"},
            ["docker-bake.hcl", "docker-bake.override.hcl", "…"],
            id="in a directory",
        ),
        pytest.param(
            ["sub/b.hcl", "docker-bake.hcl"],
            {"source": "sub", "files": "cwd://b.hcl"},
            ["b.hcl", "…"],
            id="a name",
        ),
        pytest.param(
            ["a.yml", "b.hcl"],
            {"bake_files": "b.hcl", "compose_files": "a.yml"},
            ["a.yml", "b.hcl", "…"],
            id="compose files first",
        ),
        pytest.param(
            ["b.hcl", "meta.json", "c.hcl"],
            {"files": "b.hcl,cwd://meta.json,c.hcl"},
            ["b.hcl", "…", "meta.json", "c.hcl"],
            id="names that are handed on win",
        ),
    ],
)
def test_which_files_are_read(
    machine: Machine, tmp_path: Path, files: list[str], inputs: dict[str, str], expected: list[str]
) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        text = '{"target":{"docker-metadata-action":{}}}' if name == "meta.json" else "{}"
        (tmp_path / name).write_text(text)
    (found,) = machine.read(PUSH, inputs)
    assert machine.files == expected
    assert found.inputs.context == ("sub/." if "source" in inputs else ".")
    assert machine.booted == []


@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        ({"targets": "web"}, "bake-files: is missing, and '.' has none of compose.yaml, compose"),
        ({"source": "sub"}, "source: there is no directory 'sub' here."),
        ({"files": "b.hcl"}, "bake-files: there is no file 'b.hcl'."),
        ({"source": URL, "files": "cwd://b.hcl"}, "bake-files: there is no file 'b.hcl'."),
    ],
)
def test_files_that_are_not_there(machine: Machine, inputs: dict[str, str], text: str) -> None:
    with pytest.raises(InputError) as raised:
        machine.read(PUSH, inputs)
    assert text in str(raised.value)
    assert machine.runner.commands == []


def test_a_repository_is_read_by_a_builder_like_the_runs(machine: Machine) -> None:
    inputs = {"source": URL, "files": "b.hcl", "targets": "web", "driver_opts": "network=host"}
    inputs |= {"github_token": "t0ken", "lazy": "true", "qemu_platforms": "arm64"}
    machine.read(PUSH, inputs)
    (plan,) = machine.booted
    assert "network=host" in plan.driver_opts
    assert (plan.state, plan.lazy, plan.emulated) == ("disk", False, ())
    argv, env = machine.runner.commands[-1], machine.runner.environments[-1]
    assert argv[-3:] == ("--", URL, "web")
    assert machine.files == ["b.hcl", "…"]
    assert env["BUILDX_BUILDER"] == "up"
    assert env["BUILDX_BAKE_GIT_AUTH_TOKEN"] == "t0ken"


def test_an_old_buildx_would_build_the_checkout(machine: Machine) -> None:
    machine.version = "0.32.0"
    with pytest.raises(EngineError, match=r"0\.32\.0 is too old for a source that is a repository"):
        machine.read(PUSH, {"source": URL})
    assert [argv[1] for argv in machine.runner.commands] == ["version"]


def test_a_fork_reads_a_repository_with_nothing(machine: Machine) -> None:
    env = {"BUILDX_BAKE_GIT_AUTH_TOKEN": "t0ken", "AWS_SECRET_ACCESS_KEY": "x"}
    env |= {"DOCKER_HOST": "tcp://docker:2375"}
    inputs = {"github_token": "t0ken", "source": URL, "files": "b.hcl", "vars": "A=1"}
    (found,) = machine.read(FORK, inputs, env)
    given = machine.runner.environments[-1]
    assert set(given) == {
        *("PATH", "HOME", "DOCKER_CONFIG", "BUILDX_CONFIG", "BUILDX_BUILDER", "DOCKER_HOST", "A"),
    }
    assert found.inputs.secrets == ()


@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        ({"source": URL}, "source: is a repository, and needs bake-files that are all .hcl or"),
        ({"source": URL, "files": "b.hcl,compose.yml"}, "that are all .hcl or .json: the code"),
        ({"source": URL, "compose_files": "a.yml"}, "that are all .hcl or .json: the code comes"),
        ({"source": "git@github.com:me/app.git", "files": "b.hcl"}, "source: is read over SSH"),
        ({"source": "ssh://github.com/me/app.git", "files": "b.hcl"}, "source: is read over SSH"),
    ],
)
def test_what_a_fork_may_not_have_fetched(
    machine: Machine, inputs: dict[str, str], text: str
) -> None:
    with pytest.raises(InputError) as raised:
        machine.read(FORK, inputs)
    assert text in str(raised.value)
    assert machine.booted == []


OTHER = "https://git.example.com/me/app.git"


@pytest.mark.parametrize(
    ("run", "url", "variable", "expected"),
    [
        pytest.param(PUSH, URL, "", ("github.com", "t0ken"), id="its own repository"),
        pytest.param(
            PUSH, "https://github.com/a/b.git", "", ("github.com", "t0ken"), id="its own server"
        ),
        pytest.param(PUSH, "http://github.com/a/b.git", "", None, id="its server, in clear text"),
        pytest.param(PUSH, OTHER, "", None, id="another server"),
        pytest.param(PUSH, OTHER, "own", ("git.example.com", "own"), id="a token of the user's"),
        pytest.param(PUSH, URL, "own", ("github.com", "own"), id="which wins"),
        pytest.param(PUSH, "git@github.com:me/app.git", "own", None, id="SSH"),
        pytest.param(PUSH, "", "own", None, id="the checkout"),
        pytest.param(FORK, URL, "own", None, id="untrusted code"),
    ],
)
def test_who_gets_the_token(
    parsed: Callable[..., Inputs],
    run: RunContext,
    url: str,
    variable: str,
    expected: tuple[str, str] | None,
) -> None:
    inputs = parsed(source=url, github_token="t0ken", bake_files="b.hcl")
    found = definitions.token(inputs, run, {"BUILDX_BAKE_GIT_AUTH_TOKEN": variable})
    host, value = expected or ("", "")
    assert found == (Secret(id=f"GIT_AUTH_TOKEN.{host}", value=value) if expected else None)


def test_a_secret_of_the_users_own_wins(machine: Machine) -> None:
    given = {"source": URL, "files": "b.hcl", "github_token": "t0ken"}
    (found,) = machine.read(PUSH, given)
    assert found.inputs.secrets == (Secret(id="GIT_AUTH_TOKEN.github.com", value="t0ken"),)
    (found,) = machine.read(PUSH, given | {"secrets": "GIT_AUTH_TOKEN.github.com=mine"})
    assert found.inputs.secrets == (Secret(id="GIT_AUTH_TOKEN.github.com", value="mine"),)
