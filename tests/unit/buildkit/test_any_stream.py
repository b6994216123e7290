"""Whatever BuildKit and those who name its steps send: it is printed, and nobody obeys it."""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from contextlib import redirect_stdout
from datetime import datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given

from tests.streams import LINES, PAUSES
from warmbuild import ci, surrogates
from warmbuild.buildkit.live_progress import LiveProgress
from warmbuild.buildkit.plain_progress import Event, Printer
from warmbuild.buildkit.progress import Progress
from warmbuild.log import Log

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from warmbuild.buildkit.plain_progress import Said

# What a line does in some CI system, at its beginning or anywhere in it.
OBEYED = re.compile(r"\s*(?:::|(?:---|\+\+\+|~~~|\^\^\^)(?:\s|$))|.*##\w{0,40}\[")
LEVELS = {"debug", "info", "warning", "error"}


def printed(view: Printer | LiveProgress, lines: Sequence[str], pause: float) -> Iterator[Said]:
    progress, now = Progress(), 100.0
    view.begin()
    for line in lines:
        yield from view.lines(progress.take(line, now), now)
        if isinstance(view, LiveProgress):
            assert len(view.rows(now, 4)) <= 4
        now += pause
        yield from view.settle(now)
    yield from view.close(now)


def logged(said: Sequence[Said], *, is_json: bool, name: str = "github") -> list[str]:
    with redirect_stdout(io.StringIO()) as stream:
        log = Log(ci.named(name), is_json=is_json)
        for one in said:
            log.line(one.text, one.fields)
    return stream.getvalue().split("\n")[:-1]


@given(lines=LINES, pause=PAUSES)
@pytest.mark.parametrize("is_verbose", [False, True])
def test_a_vertex_begins_and_ends_once_at_most(
    lines: list[str], pause: float, *, is_verbose: bool
) -> None:
    said = list(printed(Printer(is_verbose=is_verbose), lines, pause))
    begun = Counter(one.number for one in said if one.event is Event.BEGUN)
    ended = Counter(one.number for one in said if one.event and one.event.is_end)
    assert {*begun.values(), *ended.values()} <= {1}
    assert ended.keys() <= begun.keys()
    assert all("\n" not in one.text and "\r" not in one.text for one in said if one.event)


@given(lines=LINES, pause=PAUSES)
def test_no_line_is_a_command(lines: list[str], pause: float) -> None:
    said = [*printed(Printer(), lines, pause), *printed(LiveProgress(), lines, pause)]
    for line in logged(said, is_json=False):
        assert not OBEYED.match(line)
        assert "\r" not in line


@given(lines=LINES, pause=PAUSES)
def test_json_has_an_object_on_each_line_and_no_command(lines: list[str], pause: float) -> None:
    said = list(printed(Printer(), lines, pause))
    found = logged(said, is_json=True)
    assert len(found) == len(said)
    for line in found:
        assert line.isascii()
        assert not OBEYED.match(line)
        record = json.loads(line, parse_constant=pytest.fail)
        assert record["level"] in LEVELS
        assert isinstance(record["text"], str)
        assert datetime.fromisoformat(record["time"]).utcoffset() is not None
        # Half a character is no text for most readers.
        assert surrogates.escaped(record["text"]) == record["text"]
