from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from contextlib import redirect_stdout
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings

from tests.screen import Screen
from tests.streams import LINES
from warmbuild import ci
from warmbuild.build.display import Display
from warmbuild.build.terminal import Terminal
from warmbuild.buildkit.progress import Progress
from warmbuild.log import Log

if TYPE_CHECKING:
    from collections.abc import Callable

HOSTILE = "[2/2] RUN [bold red]x[/bold red] [/] :smile: \x1b[2J\x1b]0;title\x07\x1b[31mred hunter2"


class Stream(io.StringIO):
    """What a terminal is given."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "24"}.items():
        monkeypatch.setenv(name, value)
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)


def vertex(name: str, **more: object) -> str:
    begun = {"started": "2026-11-21T05:00:00Z"}
    return json.dumps({"vertexes": [{"digest": "a", "name": name, **begun, **more}]})


TRANSFER = json.dumps({"statuses": [{"vertex": "a", "id": "sha256:a", "current": 30, "total": 60}]})


def shown(
    *lines: str,
    meanwhile: Callable[[Terminal, Log], object] = lambda *_: None,
    is_colored: bool = True,
) -> tuple[Screen, Screen]:
    """Return a terminal while a build runs, and once it has ended."""
    during, after = Screen(), Screen()
    with redirect_stdout(Stream()) as stream:
        log = Log(ci.named("local"))
        log.hide(["hunter2"])
        view, progress = Terminal(log, is_colored=is_colored), Progress()
        view.begin()
        for line in lines:
            for one in view.lines(progress.take(line), time.monotonic()):
                log.line(one.text)
        list(view.settle(time.monotonic()))
        meanwhile(view, log)
        during.write(stream.getvalue())
        for one in view.close(time.monotonic()):
            log.line(one.text)
        log.line("the last line")
        after.write(stream.getvalue())
    return during, after


def test_rows_are_below_the_log_and_gone_at_the_end() -> None:
    during, after = shown(
        vertex("[1/2] FROM busybox"),
        TRANSFER,
        meanwhile=lambda _, log: log.line("beside it " + "x" * 150),
    )
    beside, more, row, part = during.text.splitlines()
    assert (beside + more).rstrip() == "beside it " + "x" * 150
    assert row.startswith("[1/2] FROM busybox ")
    assert row.endswith("0.0s")
    assert part.startswith("  sha256:a ")
    assert part.count("━") >= 18
    assert part.endswith("30B / 60B")
    assert not during.has_cursor
    assert after.text.rstrip("\n").splitlines() == [beside, more, "the last line"]
    assert after.has_cursor


def test_names_of_steps_are_mere_text() -> None:
    _, after = shown(vertex(HOSTILE), vertex(HOSTILE, completed="2026-11-21T05:00:01Z"))
    name = "[2/2] RUN [bold red]x[/bold red] [/] :smile: ␛[2J␛]0;title␇red ***"
    assert after.text == f"{name} DONE 1.0s\nthe last line\n"
    during, _ = shown(vertex(HOSTILE))
    assert during.text.startswith(name)
    assert during.colors == {"31"}


def test_without_colors_there_are_none() -> None:
    assert shown(vertex("[1/2] FROM a"), TRANSFER)[0].colors
    assert not shown(vertex("[1/2] FROM a"), TRANSFER, is_colored=False)[0].colors


def test_a_narrow_terminal_has_room_for_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    rows = shown(vertex("[1/2] FROM a" + "x" * 80), TRANSFER)[0].text.splitlines()
    assert [len(row) for row in rows] == [40, 40]
    assert "━" not in rows[1]


def test_many_rows_leave_room_for_the_log() -> None:
    begun = {"started": "2026-11-21T05:00:00Z"}
    many = [{"digest": str(n), "name": f"[{n}/99] RUN a", **begun} for n in range(99)]
    rows = shown(json.dumps({"vertexes": many}))[0].text.splitlines()
    assert len(rows) == 16
    assert rows[-1].strip() == "and 84 more"


@settings(max_examples=30)
@given(lines=LINES)
def test_a_terminal_obeys_no_stream(lines: list[str]) -> None:
    _, after = shown(*lines)
    assert after.has_cursor
    # Rows that were removed leave empty lines below the cursor.
    assert after.text.rstrip("\n").endswith("the last line")


def interrupted(view: Terminal, log: Log) -> None:
    with Display(view, log).call() as take:
        take(Progress().take(vertex("[1/2] FROM busybox")))
        time.sleep(0.5)
        raise KeyboardInterrupt


def test_a_call_ends_well_if_it_is_interrupted() -> None:
    screen = Screen()
    with redirect_stdout(Stream()) as stream:
        log = Log(ci.named("local"))
        with pytest.raises(KeyboardInterrupt):
            interrupted(Terminal(log, is_colored=True), log)
        screen.write(stream.getvalue())
    assert "FROM busybox" in stream.getvalue()
    assert screen.has_cursor
    assert screen.text.strip() == ""


@pytest.mark.processes
def test_packages_that_the_image_lacks_are_not_needed() -> None:
    """What rich has for Markdown and source code is not installed there."""
    script = f"""
import sys
sys.modules |= dict.fromkeys(("pygments", "markdown_it", "mdurl"))
from warmbuild import ci
from warmbuild.build.terminal import Terminal
from warmbuild.buildkit.progress import Progress
from warmbuild.log import Log
view, progress = Terminal(Log(ci.named("local")), is_colored=True), Progress()
view.begin()
for line in {[vertex("[1/2] FROM a"), TRANSFER]!r}:
    list(view.lines(progress.take(line), 1.0))
list(view.settle(2.0))
list(view.close(3.0))
"""
    done = subprocess.run(  # noqa: S603 (a list of arguments, no shell)
        [sys.executable, "-c", script],
        env={"PYTHONPATH": ":".join(sys.path), "TTY_COMPATIBLE": "1", "TERM": "xterm"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "FROM a" in done.stdout
