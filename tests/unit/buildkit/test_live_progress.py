from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from warmbuild.buildkit.live_progress import LiveProgress, Row
from warmbuild.buildkit.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Sequence


def time(seconds: float) -> str:
    return f"2026-11-21T05:00:{seconds:09.6f}Z"


def vertex(name: str, begun: float | None, ended: float | None = None, **more: object) -> str:
    times = {"started": begun, "completed": ended}
    shown = {key: time(at) for key, at in times.items() if at is not None}
    return json.dumps({"vertexes": [{"digest": name, "name": name, **shown, **more}]})


def status(of: str, name: str, *, done: bool = False, **more: int) -> str:
    item = {"vertex": of, "id": name, "started": time(0), **more}
    return json.dumps({"statuses": [item | ({"completed": time(9)} if done else {})]})


def said(of: str, text: str) -> str:
    data = base64.b64encode(text.encode()).decode()
    return json.dumps({"logs": [{"vertex": of, "stream": 1, "data": data, "timestamp": time(1)}]})


RUN = "[2/2] RUN make\nall"
BASE = "[1/2] FROM busybox"


class Shown:
    """What a terminal has above its rows, and what the rows are."""

    def __init__(self) -> None:
        self.live, self.progress, self.now = LiveProgress(), Progress(), 10.0
        self.lines: list[str] = []

    def take(self, *lines: str, pause: float = 1.0) -> Sequence[Row]:
        for line in lines:
            news = self.live.lines(self.progress.take(line), self.now)
            self.lines += [one.text for one in news]
            self.now += pause
            self.lines += [one.text for one in self.live.settle(self.now)]
        return self.live.rows(self.now, 16)


def test_what_runs_has_a_row_with_its_time_and_its_last_line() -> None:
    shown = Shown()
    assert shown.take(vertex(RUN, 0)) == [Row(text="[2/2] RUN make all", took="1.0s")]
    assert shown.take(said(RUN, "one\ntwo\n")) == [
        Row(text="[2/2] RUN make all", took="2.0s"),
        Row(text="two", is_part=True),
    ]
    assert shown.lines == []


def test_what_is_done_is_a_line() -> None:
    shown = Shown()
    rows = shown.take(
        vertex("[1/4] WORKDIR /a", None, cached=True),
        vertex(RUN, 0),
        said(RUN, "one\n"),
        vertex(RUN, 0, 2.5),
        vertex("[3/4] RUN false", 3, 4, error="exit code:\n1"),
    )
    assert shown.lines == [
        "[1/4] WORKDIR /a CACHED",
        "[2/2] RUN make all DONE 2.5s",
        "[3/4] RUN false ERROR: exit code: 1",
    ]
    assert list(rows) == []


def test_a_transfer_has_a_bar_with_bytes_and_rate() -> None:
    shown = Shown()
    rows = shown.take(
        vertex(BASE, 0),
        status(BASE, "sha256:a", current=0, total=60_000_000),
        status(BASE, "sha256:a", current=20_000_000, total=60_000_000),
    )
    bar = Row(
        text="sha256:a",
        is_part=True,
        took="20.00MB / 60.00MB 10.00MB/s",
        current=20_000_000,
        total=60_000_000,
    )
    assert rows == [Row(text=BASE, took="3.0s"), bar]
    # What has not moved for long has no rate.
    shown.now += 60
    assert [row.took for row in shown.live.rows(shown.now, 16)] == ["63.0s", "20.00MB / 60.00MB"]
    done = status(BASE, "sha256:a", current=60_000_000, total=60_000_000, done=True)
    assert len(shown.take(done)) == 1


def test_what_is_fetched_for_a_cached_step_has_rows_until_it_is_there() -> None:
    shown = Shown()
    rows = shown.take(vertex(RUN, 1, 1, cached=True), status(RUN, "sha256:a", current=1))
    assert [row.text for row in rows] == ["[2/2] RUN make all", "sha256:a"]
    assert list(shown.take(status(RUN, "sha256:a", current=2, done=True))) == []


def test_rows_that_find_no_room_are_counted() -> None:
    shown = Shown()
    shown.take(*(vertex(f"[{number}/9] RUN a", 0) for number in range(9)))
    assert [row.text for row in shown.live.rows(shown.now, 3)] == [
        "[0/9] RUN a",
        "[1/9] RUN a",
        "and 7 more",
    ]
    assert len(shown.live.rows(shown.now, 9)) == 9


def test_silence_is_nothing_to_speak_of_where_rows_show_what_runs() -> None:
    shown = Shown()
    shown.take(vertex(RUN, 0), pause=60.0)
    assert shown.lines == []


def test_what_buildx_says_itself_stays() -> None:
    shown = Shown()
    shown.take("ERROR: failed to solve", json.dumps({"warnings": [{"short": "b2g="}]}))
    assert shown.lines == ["ERROR: failed to solve", "WARNING: oh"]


def test_the_next_call_begins_with_no_rows() -> None:
    shown = Shown()
    shown.take(vertex(RUN, 0))
    shown.live.begin()
    assert list(shown.live.rows(shown.now, 16)) == []
    assert list(shown.live.close(shown.now)) == []


def test_an_export_has_what_the_builder_has_written() -> None:
    shown = Shown()
    assert not shown.live.counts(shown.now)
    shown.take(vertex("exporting to image", 0), status("exporting to image", "pushing layers"))
    assert not shown.live.counts(shown.now - 0.5)
    for written in (7_000_000, 17_000_000, 47_000_000):
        shown.now += 2
        assert shown.live.counts(shown.now)
        assert list(shown.live.settle(shown.now, written)) == []
        assert not shown.live.counts(shown.now + 1.9)
    assert [row.took for row in shown.live.rows(shown.now, 16)] == [
        "8.0s",
        "",
        "40.00MB 10.00MB/s",
    ]
    shown.take(
        vertex("exporting to image", 0, 9),
        status("exporting to image", "pushing layers", done=True),
    )
    assert list(shown.live.rows(shown.now, 16)) == []
    assert not shown.live.counts(shown.now + 60)


def test_a_builder_that_does_not_tell_is_asked_no_more_often() -> None:
    shown = Shown()
    shown.take(vertex("exporting to image", 0))
    shown.now += 2
    list(shown.live.settle(shown.now, None))
    assert not shown.live.counts(shown.now + 1.9)
    assert len(shown.live.rows(shown.now, 16)) == 1
