"""A log on a terminal, a quiet one, and one of JSON."""

from __future__ import annotations

import json
import re
import signal
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from tests.screen import Screen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.integration.conftest import Warmbuild

# rich takes the size from these before it asks a terminal.
TERMINAL = {"TERM": "xterm-256color", "COLUMNS": "300", "LINES": "24"}
# What rich takes for a terminal's commands if a step says it, and what it takes for markup.
HOSTILE = "[bold]x[/bold]"
SLOW = (
    "FROM busybox:1.37\n"
    f"RUN echo '{HOSTILE}'; printf 'a\\033[2Jb\\n'; sleep 2; echo later; sleep 1\n"
)
LOCAL: Mapping[str, str] = {}


def test_a_terminal_shows_what_runs_and_keeps_what_is_done(
    warmbuild: Warmbuild, repository: str, project: Callable[..., Path]
) -> None:
    run = warmbuild.start(
        project(SLOW), ci=LOCAL, extra=TERMINAL, on_terminal=True, image=repository, push="true"
    )
    ended = run.end()
    assert ended.code == 0, ended.log
    screen = Screen(width=300)
    screen.write(ended.log)
    assert screen.has_cursor
    lines = screen.text.splitlines()
    # The command of the build, what was done, and the result; nothing of the rows.
    done = [line for line in lines if line.startswith("[2/2] RUN ")]
    assert len(done) == 1
    assert HOSTILE in done[0]
    assert re.search(r" DONE [3-9]\.\ds$", done[0])
    assert any(line.startswith("exporting to image DONE ") for line in lines)
    at = next(n for n, line in enumerate(lines) if line.startswith("warmbuild: pushed "))
    assert all(line.startswith("  ") for line in lines[at + 1 :] if line)
    # While the step ran, its row had its time and its last line.
    assert re.search(r"\[2/2\] RUN echo .* {3}[1-9]\.\ds", ended.log)
    assert "  a␛[2Jb" in ended.log
    assert "  later" in ended.log
    assert "later" not in screen.text.replace("echo later", "")


def test_an_interrupted_build_leaves_a_terminal_clean(
    warmbuild: Warmbuild, repository: str, project: Callable[..., Path]
) -> None:
    place = project("FROM busybox:1.37\nRUN echo begun; sleep 60\n")
    run = warmbuild.start(
        place, ci=LOCAL, extra=TERMINAL, on_terminal=True, image=repository, push="true"
    )
    run.wait_for("  begun")
    run.process.send_signal(signal.SIGINT)
    ended = run.end()
    assert ended.code == 130, ended.log
    screen = Screen(width=300)
    screen.write(ended.log)
    assert screen.has_cursor
    *_, last = screen.text.splitlines()
    assert last.startswith("error: warmbuild was ")
    assert "  begun" not in screen.text


def test_a_log_of_json_is_json_alone(
    warmbuild: Warmbuild, repository: str, project: Callable[..., Path]
) -> None:
    place = project("FROM busybox:1.37\nRUN echo '::error::x'; echo said\nRUN false\n")
    ended = warmbuild.build(place, log_format="json", image=repository)
    assert ended.code == 4
    records = [json.loads(text) for _, text in ended.lines]
    times = [datetime.fromisoformat(record["time"]) for record in records]
    assert times == sorted(times)
    events = {record["event"] for record in records if "event" in record}
    assert {"begun", "output", "done", "failed", "result"} <= events
    output = [record["output"] for record in records if record.get("event") == "output"]
    assert output == ["| ::error::x", "said"]
    (done,) = (
        record for record in records if record.get("event") == "done" and "[2/3]" in record["name"]
    )
    assert done["group"] == "warmbuild: build"
    assert 0 <= done["seconds"] < 30
    *_, result, error = records
    assert result["result"]["steps"] == 2
    assert result["result"]["cached"] == 0
    assert "exit code: 1" in result["result"]["error"]
    assert error["level"] == "error"


def test_the_phases_are_the_whole_run(
    warmbuild: Warmbuild, repository: str, project: Callable[..., Path]
) -> None:
    """They end with the result, after which only the interpreter ends."""
    place = project("FROM busybox:1.37\nRUN sleep 5\nWORKDIR /srv\nRUN sleep 2\n")
    ended = warmbuild.succeed(place, log_format="json", image=repository)
    seconds, text = ended.lines[-1]
    result = json.loads(text)["result"]
    phases = result["phases"]
    assert sum(phases.values()) == pytest.approx(result["seconds"], abs=0.02)
    assert sum(phases.values()) == pytest.approx(seconds, rel=0.03)
    assert phases["steps"] == pytest.approx(7, abs=1)
    assert {"start", "boot", "steps", "export", "push", "cache export", "removal"} <= phases.keys()


def test_a_quiet_build_says_its_result(warmbuild: Warmbuild, repository: str, small: Path) -> None:
    ended = warmbuild.succeed(small, quiet="true", image=repository)
    first, *others = (text for _, text in ended.lines)
    assert first.startswith(f"warmbuild: pushed {repository}:")
    assert all(text.startswith("  ") for text in others)
