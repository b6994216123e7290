"""What each driver can and cannot do, decided before anything is built."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.plans import planned
from warmbuild import ci
from warmbuild.build import failures
from warmbuild.build.outcomes import Outcome
from warmbuild.builder import emulation, engine
from warmbuild.buildkit import builder_commands
from warmbuild.buildkit.answers import Inspected, Running
from warmbuild.buildkit.progress import Failure
from warmbuild.cache import problems
from warmbuild.ci import gitlab
from warmbuild.drivers import DRIVERS, Driver
from warmbuild.errors import BuildError, EngineError, InputError
from warmbuild.inputs.table import BY_NAME
from warmbuild.log import Log
from warmbuild.report import outputs, plain_text
from warmbuild.run_context import RunContext

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from warmbuild.inputs.values import Inputs


PUSH = RunContext(ci="github", event="push", branch="main", default_branch="main")
BLIND = "the engine's own BuildKit without the containerd image store"
UNWRITTEN = (
    f"no cache is written: {BLIND} writes one into an image alone (cache-backend: inline); "
    "driver: docker-container writes any"
)
NODE = Running(
    name="b0",
    endpoint="unix:///b.sock",
    driver_opts=(),
    status="running",
    flags="",
    buildkit="v0.32.2",
    platforms=("linux/amd64", "linux/386"),
)


def test_the_drivers_are_those_of_the_input() -> None:
    assert tuple(DRIVERS) == BY_NAME["driver"].choices
    assert tuple(DRIVERS) == ("docker-container", "docker", "remote", "kubernetes")
    assert [driver.name for driver in DRIVERS.values()] == list(DRIVERS)


@pytest.mark.parametrize("driver", DRIVERS.values(), ids=DRIVERS)
def test_a_driver_has_one_kind_of_daemon(driver: Driver) -> None:
    assert [driver.starts_daemon, driver.is_engines_own, driver.connects].count(True) == 1
    assert (driver.endpoint == "required") is driver.connects
    assert bool(driver.description) is not driver.connects


@pytest.mark.parametrize("driver", DRIVERS.values(), ids=DRIVERS)
def test_a_driver_names_inputs_that_it_does_not_support(driver: Driver) -> None:
    assert set(driver.unsupported) <= set(BY_NAME)
    is_told = {"buildkitd-flags"}.isdisjoint(driver.unsupported)
    assert is_told is driver.starts_daemon


@pytest.mark.parametrize(
    ("name", "claims"),
    [
        (
            "docker-container",
            {"starts_daemon", "runs_on_engine", "has_container", "has_attestations"},
        ),
        ("docker", {"runs_on_engine", "is_engines_own", "needs_image_store"}),
        ("remote", {"connects", "takes_certificates", "has_attestations"}),
        ("kubernetes", {"starts_daemon", "has_attestations"}),
    ],
)
def test_what_a_driver_can(name: str, claims: set[str]) -> None:
    every = {
        *("starts_daemon", "runs_on_engine", "is_engines_own", "connects", "has_container"),
        *("takes_certificates", "needs_image_store", "has_attestations"),
    }
    assert {claim for claim in every if getattr(DRIVERS[name], claim)} == claims


@pytest.mark.parametrize(
    ("name", "endpoint"),
    [
        ("docker-container", "optional"),
        ("docker", "not supported"),
        ("remote", "required"),
        ("kubernetes", "not supported"),
    ],
)
def test_whether_a_driver_has_an_endpoint(name: str, endpoint: str) -> None:
    assert DRIVERS[name].endpoint == endpoint


def test_an_unknown_driver_is_the_one_problem(parsed: Callable[..., Inputs]) -> None:
    with pytest.raises(InputError) as raised:
        parsed(driver="dockre", endpoint="there", append="- buildkitd-flags: --debug")
    assert [problem.name for problem in raised.value.problems] == ["driver"]


@pytest.mark.parametrize(
    ("values", "read", "write", "lost"),
    [
        pytest.param({}, 1, "", [UNWRITTEN], id="a cache in the registry is read"),
        pytest.param({"cache_backend": "inline"}, 1, "ghcr.io/me/app:cache-main", [], id="inline"),
        pytest.param(
            {"cache_backend": "gha"},
            0,
            "",
            [f"no cache is read: {BLIND} reads none of the backend gha", UNWRITTEN],
            id="one that it can not even read",
        ),
        pytest.param({"cache": "read-only"}, 1, "", [], id="nothing to write"),
        pytest.param({"cache": "off"}, 0, "", [], id="off"),
        pytest.param({"cache_to": "type=gha"}, 0, "", [UNWRITTEN], id="an explicit one"),
        pytest.param({"cache_to": "type=inline"}, 0, "", [], id="an explicit one that is inline"),
        pytest.param({"cache_to": "r.io/x"}, 0, "", [UNWRITTEN], id="an explicit one of no type"),
    ],
)
def test_a_graph_driver_writes_a_cache_into_an_image_alone(
    parsed: Callable[..., Inputs], values: dict[str, str], read: int, write: str, lost: list[str]
) -> None:
    decided = planned(parsed(driver="docker", **values), PUSH, has_image_store=False)
    cache = decided.cache
    assert len(cache.read) == read
    assert str(cache.write.ref if cache.write else "") == write
    assert list(problems.losses(cache.problems)) == list(decided.warnings) == lost
    assert problems.write_error(cache.problems) == (UNWRITTEN if UNWRITTEN in lost else "")
    assert cache.destinations in ((), ("type=inline",))


def test_a_graph_driver_builds_for_one_platform(parsed: Callable[..., Inputs]) -> None:
    both = parsed(driver="docker", platforms="linux/amd64,linux/arm64")
    with pytest.raises(InputError, match="platforms: 2 are asked for, and the driver docker"):
        planned(both, PUSH, has_image_store=False)
    one = planned(parsed(driver="docker", platforms="linux/arm64"), PUSH, has_image_store=False)
    assert one.platforms == ("linux/arm64",)


@pytest.mark.parametrize(
    ("values", "text", "is_fresh"),
    [
        ({}, "a docker-container builder of this run", True),
        ({"driver": "kubernetes"}, "a kubernetes builder of this run", True),
        ({"name": "mine"}, "mine", False),
        ({"driver": "docker"}, "the engine's own", False),
        (
            {"driver": "remote", "endpoint": "tcp://a:1", "append": "- endpoint: tcp://b:1"},
            "tcp://a:1 and tcp://b:1",
            False,
        ),
    ],
)
def test_a_plan_names_its_builder(
    parsed: Callable[..., Inputs],
    values: dict[str, str],
    text: str,
    is_fresh: bool,  # noqa: FBT001
) -> None:
    decided = planned(parsed(**values), PUSH)
    assert f"builder     {text}" in plain_text.plan_text(decided).splitlines()
    assert decided.builder.is_fresh is is_fresh


def test_a_plan_says_what_the_engine_may_not_be_able_to(parsed: Callable[..., Inputs]) -> None:
    said = "the driver docker writes this cache where the engine has the containerd image store, "
    assert f"{said}and else none" in planned(parsed(driver="docker"), PUSH).notes
    inline = planned(parsed(driver="docker", cache_backend="inline"), PUSH)
    assert not [note for note in inline.notes if said in note]


def test_what_a_builder_is_comes_out() -> None:
    second = replace(NODE, name="b1", driver_opts=("a=b",), platforms=("linux/arm64",))
    outcome = replace(EMPTY, builder=Inspected(name="b", driver="remote", nodes=(NODE, second)))
    found = outputs.outputs(outcome)
    assert found["name"] == "b"
    assert found["driver"] == "remote"
    assert found["platforms"] == "linux/amd64,linux/386,linux/arm64"
    assert json.loads(found["nodes"]) == [
        {
            "name": "b0",
            "endpoint": "unix:///b.sock",
            "driver-opts": [],
            "status": "running",
            "buildkitd-flags": "",
            "buildkit": "v0.32.2",
            "platforms": "linux/amd64,linux/386",
        },
        {
            "name": "b1",
            "endpoint": "unix:///b.sock",
            "driver-opts": ["a=b"],
            "status": "running",
            "buildkitd-flags": "",
            "buildkit": "v0.32.2",
            "platforms": "linux/arm64",
        },
    ]
    assert "\n" not in found["nodes"]


def test_gitlab_gets_nodes_without_a_space(tmp_path: Path) -> None:
    gitlab.PROVIDER.publish({"CI_PROJECT_DIR": str(tmp_path)}, {"nodes": '["--debug --oci"]'}, "")
    text = (tmp_path / "warmbuild.env").read_text()
    assert text == 'WARMBUILD_NODES=["--debug\\u0020--oci"]\n'


EMPTY = Outcome(
    digest="",
    image_id="",
    metadata="",
    tags=(),
    steps=(),
    cache_read=(),
    cache_written="",
    cache_age=None,
    seconds=0.0,
    notes=(),
    warnings=(),
    problems=(),
)


def test_a_program_that_nobody_runs_is_told_how_it_could_be() -> None:
    failure = Failure(
        error="process did not complete successfully: exit code: 255",
        title="[2/2] RUN true",
        source="Dockerfile:2",
        tail=("exec /bin/sh: exec format error",),
    )
    error = failures.failure_error(failure)
    assert isinstance(error, BuildError)
    assert str(error).endswith(
        "\n  | exec /bin/sh: exec format error\n"
        "A program of another processor was started and is not emulated: qemu-platforms emulates "
        "it, and a node of its own (append) builds faster."
    )


class TestEmulation:
    @pytest.fixture(autouse=True)
    def _no_engine(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(engine, "connect", lambda *_arguments, **_options: None)

    def provide(self, asked: Inputs, driver: str = "docker-container") -> None:
        seen = Inspected(name="b", driver=driver, nodes=(NODE,))
        emulation.provide(planned(asked, PUSH).builder, seen, {}, Log(ci.named("local")))

    def test_what_a_node_serves_is_not_emulated(
        self, parsed: Callable[..., Inputs], capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.provide(parsed(qemu_platforms="386,amd64"))
        said = "no emulation is installed: the builder serves linux/386, linux/amd64\n"
        assert capsys.readouterr().out == said

    @pytest.mark.parametrize(
        ("driver", "values"),
        [
            ("remote", {"driver": "remote", "endpoint": "tcp://a:1"}),
            ("kubernetes", {"driver": "kubernetes"}),
            ("docker-container", {"endpoint": "there"}),
            ("docker-container", {"append": "- endpoint: there"}),
        ],
    )
    def test_nothing_is_installed_where_it_would_be_another_machine(
        self, parsed: Callable[..., Inputs], driver: str, values: dict[str, str]
    ) -> None:
        with pytest.raises(EngineError) as raised:
            self.provide(parsed(qemu_platforms="riscv64", **values), driver)
        assert str(raised.value) == (
            "no node of the builder serves linux/riscv64, and emulation is installed on the engine "
            f"of this run alone, where none of the driver {driver} need be; build for it on a node "
            "of its own (append), or leave it out of qemu-platforms."
        )

    @pytest.mark.parametrize(
        ("code", "output", "error"),
        [
            pytest.param(0, '{"supported":["linux/amd64","linux/riscv64"]}', "", id="done"),
            pytest.param(
                0,
                '{"supported":["linux/amd64"]}',
                "b.io/fmt:1 does not emulate linux/riscv64, but linux/amd64; build for it on a "
                "node of its own (append), or leave it out of qemu-platforms.",
                id="done for others",
            ),
            pytest.param(
                0,
                '{"supported":7}',
                "b.io/fmt:1 did not install emulation of linux/riscv64: it ended with exit code "
                "0, and an image such as tonistiigi/binfmt says what it supports. This one "
                'says:\n  | {"supported":7}',
                id="another answer",
            ),
            pytest.param(
                1,
                "EPERM",
                "b.io/fmt:1 did not install emulation of linux/riscv64: it ended with exit code "
                "1, and an image such as tonistiigi/binfmt says what it supports. This one "
                "says:\n  | EPERM",
                id="failed",
            ),
            pytest.param(
                0,
                "",
                "b.io/fmt:1 did not install emulation of linux/riscv64: it ended with exit code "
                "0, and an image such as tonistiigi/binfmt says what it supports. This one "
                "says:\n  | nothing",
                id="no answer",
            ),
        ],
    )
    def test_the_image_says_what_it_has_done(
        self,
        parsed: Callable[..., Inputs],
        monkeypatch: pytest.MonkeyPatch,
        code: int,
        output: str,
        error: str,
    ) -> None:
        commands: list[tuple[str, list[str]]] = []

        def run(_client: object, image: str, command: list[str]) -> tuple[int, str]:
            commands.append((image, command))
            return code, output

        monkeypatch.setattr(engine, "run_privileged", run)
        said = ""
        try:
            self.provide(parsed(qemu_platforms="riscv64", qemu_image="b.io/fmt:1"))
        except EngineError as raised:
            said = str(raised)
        assert said == error
        assert commands == [("b.io/fmt:1", ["--install", "linux/riscv64"])]


def test_the_arguments_that_ask_for_nodes() -> None:
    assert builder_commands.inspect("b", bootstrap=False) == ("inspect", "b")
    assert builder_commands.inspect("b", bootstrap=True) == ("inspect", "--bootstrap", "b")
