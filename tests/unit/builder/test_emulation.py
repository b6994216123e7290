from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.builders import NODE
from tests.plans import planned
from tests.runs import PUSH
from warmbuild import ci
from warmbuild.builder import emulation, engine
from warmbuild.buildkit.answers import Inspected
from warmbuild.errors import EngineError
from warmbuild.log import Log

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.inputs.values import Inputs


@pytest.fixture(autouse=True)
def _no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "connect", lambda *_arguments, **_options: None)


def provide(asked: Inputs, driver: str = "docker-container") -> None:
    seen = Inspected(name="b", driver=driver, nodes=(NODE,))
    emulation.provide(planned(asked, PUSH).builder, seen, {}, Log(ci.named("local")))


def test_what_a_node_serves_is_not_emulated(
    parsed: Callable[..., Inputs], capsys: pytest.CaptureFixture[str]
) -> None:
    provide(parsed(qemu_platforms="386,amd64"))
    said = "emulation is not needed: the builder serves linux/386, linux/amd64\n"
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
def test_nothing_is_installed_for_another_machine(
    parsed: Callable[..., Inputs], driver: str, values: dict[str, str]
) -> None:
    with pytest.raises(EngineError) as raised:
        provide(parsed(qemu_platforms="riscv64", **values), driver)
    assert str(raised.value) == (
        "no node of the builder serves linux/riscv64, and emulation can be installed only on "
        f"this run's engine, but nodes of driver '{driver}' may run elsewhere; add a node for it "
        "(append), or remove it from qemu-platforms."
    )


@pytest.mark.parametrize(
    ("code", "output", "error"),
    [
        pytest.param(0, '{"supported":["linux/amd64","linux/riscv64"]}', "", id="done"),
        pytest.param(
            0,
            '{"supported":["linux/amd64"]}',
            "b.io/fmt:1 does not emulate linux/riscv64 (it emulates linux/amd64); add a node for "
            "it (append), or remove it from qemu-platforms.",
            id="done for others",
        ),
        pytest.param(
            0,
            '{"supported":7}',
            "b.io/fmt:1 failed at --install linux/riscv64: it ended with exit code 0. "
            "Use an image that prints what it supports, such as tonistiigi/binfmt. This one "
            'printed:\n  | {"supported":7}',
            id="another answer",
        ),
        pytest.param(
            1,
            "EPERM",
            "b.io/fmt:1 failed at --install linux/riscv64: it ended with exit code 1. "
            "Use an image that prints what it supports, such as tonistiigi/binfmt. This one "
            "printed:\n"
            "  | EPERM",
            id="failed",
        ),
        pytest.param(
            0,
            "",
            "b.io/fmt:1 failed at --install linux/riscv64: it ended with exit code 0. "
            "Use an image that prints what it supports, such as tonistiigi/binfmt. This one "
            "printed:\n"
            "  | nothing",
            id="no answer",
        ),
    ],
)
def test_the_image_says_what_it_has_done(
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
        provide(parsed(qemu_platforms="riscv64", qemu_image="b.io/fmt:1"))
    except EngineError as raised:
        said = str(raised)
    assert said == error
    assert commands == [("b.io/fmt:1", ["--install", "linux/riscv64"])]


def test_a_reset_installs_anew_what_is_emulated_already(
    parsed: Callable[..., Inputs],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    commands: list[list[str]] = []

    def run(_client: object, _image: str, command: list[str]) -> tuple[int, str]:
        commands.append(command)
        emulated = ',"linux/386"' if len(commands) == 2 else ""
        return 0, f'{{"supported":["linux/amd64"{emulated}]}}'

    monkeypatch.setattr(engine, "run_privileged", run)
    provide(parsed(qemu_platforms="386,amd64", qemu_image="b.io/fmt:1", reset="true"))
    assert commands == [["--uninstall", "qemu-*"], ["--install", "linux/386"]]
    assert capsys.readouterr().out == (
        "b.io/fmt:1 has uninstalled the emulators of the engine's kernel\n"
        "linux/386: emulated by b.io/fmt:1, because no node of the builder serves it\n"
    )


def test_a_reset_is_for_this_engine_alone(
    parsed: Callable[..., Inputs], capsys: pytest.CaptureFixture[str]
) -> None:
    provide(parsed(qemu_platforms="386", endpoint="there", reset="true"))
    said = "emulation is not needed: the builder serves linux/386\n"
    assert capsys.readouterr().out == said
