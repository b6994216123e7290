from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from warmbuild.builder import owner

pytestmark = pytest.mark.processes


def test_what_this_process_writes_is_of_a_process_that_lives() -> None:
    mine = owner.own()
    assert mine.startswith(f"user={os.geteuid()} pid={os.getpid()} begun=")
    assert len(mine) < owner.LONGEST
    assert not owner.is_dead(mine)
    assert owner.is_alive(mine)
    assert owner.is_of_this_kernel(mine)


@pytest.mark.parametrize("reaped", [True, False], ids=["gone", "a zombie"])
def test_a_process_that_has_ended_is_dead(*, reaped: bool) -> None:
    code = "from warmbuild.builder import owner; print(owner.own())"
    with subprocess.Popen(  # noqa: S603 (Python)
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout
        text = child.stdout.read().strip()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        if reaped:
            child.wait()
        assert owner.is_dead(text)
        assert not owner.is_alive(text)


def _with(**changes: str) -> str:
    words = dict(word.split("=", 1) for word in owner.own().split())
    return " ".join(f"{name}={value}" for name, value in (words | changes).items())


@pytest.mark.parametrize(
    ("text", "is_dead", "is_of_this_kernel"),
    [
        pytest.param(_with(begun="1"), True, True, id="another with its number"),
        pytest.param(_with(pid="4194305"), True, True, id="no such process"),
        pytest.param(_with(pid="4194305", pids="1"), False, True, id="of another namespace"),
        pytest.param(
            _with(pid="4194305", boot="00000000-0000-0000-0000-000000000000"),
            False,
            False,
            id="of another boot or machine",
        ),
        pytest.param("", False, False, id="nothing"),
        pytest.param(_with(pid="../../etc"), False, False, id="a path"),
        pytest.param(_with(pid="1" * 11), False, False, id="a long number"),
        pytest.param(_with(user="x\n"), False, False, id="another form"),
    ],
)
def test_only_the_same_kernel_and_namespace_can_say(
    text: str, *, is_dead: bool, is_of_this_kernel: bool
) -> None:
    assert owner.is_dead(text) is is_dead
    assert owner.is_of_this_kernel(text) is is_of_this_kernel


def test_a_system_without_proc_knows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = owner.own()

    def missing(*_: object, **__: object) -> os.stat_result:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "stat", missing)
    assert owner.own() == ""
    assert not owner.is_dead(mine)
    assert not owner.is_of_this_kernel(mine)


def test_a_kernel_that_does_not_tell_its_boot_knows_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(owner, "_KERNEL", "/proc/none")
    assert owner.own() == ""
