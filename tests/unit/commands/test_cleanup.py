from __future__ import annotations

import os
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, NoReturn

import pytest

from tests.plans import planned
from warmbuild import ci
from warmbuild.builder import engine, engine_calls, leftovers
from warmbuild.builder.engine_calls import Volume
from warmbuild.commands import cleanup
from warmbuild.errors import EngineError
from warmbuild.log import Log
from warmbuild.run_context import RunContext

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from warmbuild.builder.leftovers import Candidate
    from warmbuild.inputs.values import Inputs
    from warmbuild.plan.build_plan import BuilderPlan

DAY = timedelta(days=1)
REMOTE = {"driver": "remote", "endpoint": "tcp://b.example.com:1234"}


def volume(builder: str, age: timedelta) -> Volume:
    name = leftovers.volume(builder)
    return Volume(name=name, labels={}, created=datetime.now(UTC) - age)


@pytest.fixture
def log() -> Log:
    return Log(ci.named("local"))


@pytest.fixture
def plan(parsed: Callable[..., Inputs]) -> Callable[..., BuilderPlan]:
    return lambda **inputs: planned(parsed(**inputs), RunContext(ci="local")).builder


@pytest.fixture
def gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have a private directory and two builders that are two days old; return what goes."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(cleanup, "_LEISURE", 0.0)
    root = tmp_path / "warmbuild-0a1b2c3d"
    root.mkdir(mode=0o700)
    (root / "lock").touch()
    old = (datetime.now(UTC) - 2 * DAY).timestamp()
    os.utime(root, (old, old))
    removed: list[str] = []

    def left_behind(client: str, now: datetime) -> Iterator[Candidate]:
        assert (client, now.tzinfo) == ("client", UTC)
        for name, connections in (("warmbuild-00000001", 0), ("warmbuild-00000002", 2)):
            yield leftovers.builder(name, 2 * DAY, connections), partial(removed.append, name)

    monkeypatch.setattr(
        engine_calls, "volumes", lambda _at: [volume("warmbuild-00000001", 2 * DAY)]
    )
    monkeypatch.setattr(engine, "connect", lambda _env, *, wait: "" if wait else "client")
    monkeypatch.setattr(engine, "left_behind", left_behind)
    return removed


def there_is_none(*_arguments: object, **_options: object) -> NoReturn:
    raise EngineError("there is no engine")


def test_what_goes_and_what_stays_is_said(
    gone: list[str], log: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cleanup.cleanup({}, log, older_than=DAY, dry_run=False)
    assert capsys.readouterr().out.splitlines() == [
        (
            "private directory warmbuild-0a1b2c3d is removed: it is 2 days old, and its run has "
            "ended"
        ),
        (
            "builder warmbuild-00000001 is removed: it is 2 days old, and no client is connected "
            "to it"
        ),
        "builder warmbuild-00000002 stays: 2 clients are connected to it",
    ]
    assert gone == ["warmbuild-00000001"]
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_removes_nothing(
    gone: list[str], log: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cleanup.cleanup({}, log, older_than=DAY, dry_run=True)
    said = capsys.readouterr().out
    assert said.count(" would be removed: it is 2 days old, and ") == 2
    assert "is removed" not in said
    assert gone == []
    assert (tmp_path / "warmbuild-0a1b2c3d").exists()


@pytest.mark.usefixtures("gone")
def test_without_an_engine_the_directories_are_removed(
    log: Log,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(engine, "connect", there_is_none)
    cleanup.cleanup({}, log, older_than=DAY, dry_run=False)
    said = capsys.readouterr().out.splitlines()
    assert said[1:] == ["warning: builders of killed runs are not looked for: there is no engine"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("gone")
def test_a_machine_may_be_clean(
    log: Log,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    monkeypatch.setattr(engine, "left_behind", lambda *_arguments: iter(()))
    cleanup.cleanup({}, log, older_than=DAY, dry_run=False)
    assert capsys.readouterr().out == "no run has left anything behind\n"


def test_a_removal_that_fails_is_said() -> None:
    found = leftovers.builder("warmbuild-00000001", DAY, 0)
    lines = cleanup._collected([(found, there_is_none)] * 2, DAY, dry_run=False)  # noqa: SLF001 (its lines)
    assert [*lines] == [
        (True, "builder warmbuild-00000001 cannot be removed: there is no engine")
    ] * 2


def test_a_build_says_only_what_it_removes_beside_it(
    gone: list[str],
    log: Log,
    plan: Callable[..., BuilderPlan],
    capsys: pytest.CaptureFixture[str],
) -> None:
    with cleanup.beside(plan(), {}, log):
        deadline = time.monotonic() + 10
        while not gone and time.monotonic() < deadline:
            time.sleep(0.01)
    said = capsys.readouterr().out.splitlines()
    assert [line.partition(" is removed")[0] for line in said] == [
        "private directory warmbuild-0a1b2c3d",
        "builder warmbuild-00000001",
    ]
    assert gone == ["warmbuild-00000001"]


def test_a_short_build_asks_no_engine(
    gone: list[str],
    log: Log,
    tmp_path: Path,
    plan: Callable[..., BuilderPlan],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cleanup, "_LEISURE", 60.0)
    monkeypatch.setattr(cleanup, "_PATIENCE", 10.0)
    with cleanup.beside(plan(), {}, log):
        pass
    assert gone == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("inputs", [REMOTE, {"endpoint": "tcp://elsewhere:1"}])
def test_a_build_elsewhere_asks_no_engine(
    gone: list[str],
    log: Log,
    tmp_path: Path,
    plan: Callable[..., BuilderPlan],
    inputs: dict[str, str],
) -> None:
    with cleanup.beside(plan(**inputs), {}, log):
        pass
    assert gone == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "volumes",
    [
        [],
        [volume("warmbuild-00000001", DAY / 2)],
        [volume("mine", 2 * DAY)],
    ],
    ids=["none", "a young one", "somebody's own"],
)
def test_an_engine_without_old_builders_is_asked_no_more(
    gone: list[str],
    log: Log,
    plan: Callable[..., BuilderPlan],
    monkeypatch: pytest.MonkeyPatch,
    volumes: list[Volume],
) -> None:
    asked = threading.Event()

    def answer(_at: object) -> list[Volume]:
        asked.set()
        return volumes

    monkeypatch.setattr(engine_calls, "volumes", answer)
    with cleanup.beside(plan(), {}, log):
        assert asked.wait(10)
    assert gone == []


@pytest.mark.usefixtures("gone")
def test_a_build_does_not_fail_for_what_others_left(
    log: Log,
    plan: Callable[..., BuilderPlan],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = threading.Event()

    def fail(*_arguments: object, **_options: object) -> NoReturn:
        asked.set()
        raise EngineError("there is no engine")

    monkeypatch.setattr(engine, "connect", fail)
    with cleanup.beside(plan(), {}, log):
        assert asked.wait(10)
    assert "warning" not in capsys.readouterr().out


def test_a_build_does_not_wait_for_a_removal(
    gone: list[str],
    log: Log,
    plan: Callable[..., BuilderPlan],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked, ended = threading.Event(), threading.Event()

    def connect(*_arguments: object, **_options: object) -> str:
        asked.set()
        ended.wait(10)
        return "client"

    monkeypatch.setattr(engine, "connect", connect)
    with cleanup.beside(plan(), {}, log):
        assert asked.wait(10)
    assert "builder" not in capsys.readouterr().out
    assert gone == []
    ended.set()
