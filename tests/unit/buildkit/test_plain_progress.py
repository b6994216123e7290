from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from tests.printed import printed
from warmbuild.buildkit.plain_progress import Printer
from warmbuild.buildkit.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from warmbuild.buildkit.plain_progress import Said

PUSHING = "exporting to image: pushing layers 310.00MB / 1.20GB"
GIGABYTES = 3_000_000_000
NAMES = {
    "base": "[1/3] FROM busybox@sha256:1",
    "context": "[internal] load build context",
    "copy": "[2/3] COPY . .",
    "run": "[3/3] RUN make",
    "image": "exporting to image",
    "cache": "exporting cache to registry",
}


def time(seconds: float) -> str:
    return f"2026-11-21T05:00:{seconds:09.6f}Z"


def vertex(key: str, begun: float | None = None, ended: float | None = None, **more: object) -> str:
    times = {"started": begun, "completed": ended}
    shown = {name: time(at) for name, at in times.items() if at is not None}
    return json.dumps({"vertexes": [{"digest": key, "name": NAMES[key], **shown, **more}]})


def status(
    key: str, name: str, at: float, *, begun: float = 0, done: bool = False, **more: int
) -> str:
    item = {"vertex": key, "id": name, "timestamp": time(at), "started": time(begun), **more}
    return json.dumps({"statuses": [item | ({"completed": time(at)} if done else {})]})


def said(key: str, text: str, at: float = 1) -> str:
    data = base64.b64encode(text.encode()).decode()
    log = {"vertex": key, "stream": 1, "data": data, "timestamp": time(at)}
    return json.dumps({"logs": [log]})


def texts(lines: Iterable[Said]) -> list[str]:
    return [one.text for one in lines]


def shown(*lines: str, pause: float = 1.0) -> list[str]:
    return printed(Progress(), lines, pause=pause)


def test_a_cached_step_is_ended_once_though_it_is_fetched_afterwards() -> None:
    assert shown(
        vertex("run", 1, 1, cached=True),
        status("run", "sha256:a", 2, begun=2, current=2_500_000, total=3_000_000_000),
        status(
            "run", "sha256:a", 3, begun=2, current=3_000_000_000, total=3_000_000_000, done=True
        ),
        vertex("run", 2, 3, cached=True),
        status("run", "extracting sha256:a", 4, begun=3, done=True),
        vertex("run", 3, 4, cached=True),
    ) == [
        "#1 [3/3] RUN make",
        "#1 CACHED",
        "#1 sha256:a 2.50MB / 3.00GB",
        "#1 sha256:a 3.00GB / 3.00GB 1.0s done",
        "#1 extracting sha256:a 1.0s done",
    ]


def test_what_comes_just_after_the_end_comes_before_it() -> None:
    assert shown(
        vertex("run", 0, 2),
        said("run", "the last line\n", 2),
        status("run", "x", 2, done=True),
        pause=0.1,
    ) == ["#1 [3/3] RUN make", "#1 2.000 the last line", "#1 x 2.0s done", "#1 DONE 2.0s"]


def test_what_begins_again_at_once_has_not_ended() -> None:
    assert shown(vertex("run", 0, 2), vertex("run", 2, 5), pause=0.1) == [
        "#1 [3/3] RUN make",
        "#1 DONE 5.0s",
    ]


def test_what_comes_late_comes_after_the_end_which_is_not_said_again() -> None:
    assert shown(
        vertex("run", 0, 2), said("run", "late\n", 2), vertex("run", 3, 4), said("run", "x\n")
    ) == ["#1 [3/3] RUN make", "#1 DONE 2.0s", "#1 2.000 late", "#1 0.000 x"]


def test_a_source_ends_when_a_step_needs_it() -> None:
    """BuildKit says of it that it is done once it is resolved, and downloads it afterwards."""
    assert shown(
        vertex("base", 0, 1),
        vertex("context", 1, 2),
        status("context", "transferring context:", 2, begun=1, current=1500, done=True),
        status("base", "sha256:b", 6, begun=2, done=True),
        vertex("copy", 6, inputs=["base", "context"]),
        vertex("copy", 6, 7),
    ) == [
        f"#1 {NAMES['base']}",
        f"#2 {NAMES['context']}",
        "#2 transferring context: 1.50kB 1.0s done",
        "#1 sha256:b 4.0s done",
        "#1 DONE 1.0s",
        "#2 DONE 1.0s",
        f"#3 {NAMES['copy']}",
        "#3 DONE 1.0s",
    ]


def test_a_source_of_a_cached_step_ends_with_it() -> None:
    assert shown(
        vertex("context", 0, 1), vertex("copy", 3, 3, cached=True, inputs=["context"])
    ) == [
        f"#1 {NAMES['context']}",
        f"#2 {NAMES['copy']}",
        "#1 DONE 1.0s",
        "#2 CACHED",
    ]


def test_an_export_ends_at_the_very_end() -> None:
    assert shown(
        vertex("image", 0, 1), vertex("image", 1, 3), status("image", "naming to a", 3, done=True)
    ) == [f"#1 {NAMES['image']}", "#1 naming to a 3.0s done", "#1 DONE 3.0s"]


def test_a_status_is_shown_when_it_begins_now_and_then_and_when_it_ends() -> None:
    def moves() -> Iterator[str]:
        yield vertex("run", 0)
        for second in range(14):
            yield status("run", "x", second, current=1000 * second)
        yield status("run", "x", 14, current=20_000, done=True)
        yield status("run", "x", 15, current=20_000, done=True)

    assert shown(*moves()) == [
        f"#1 {NAMES['run']}",
        "#1 x",
        "#1 x 5.00kB",
        "#1 x 10.00kB",
        "#1 x 20.00kB 14.0s done",
    ]


def test_a_status_that_ends_at_once_is_one_line() -> None:
    lines = (vertex("run", 0), status("run", "x", 1), status("run", "x", 2, begun=1, done=True))
    assert shown(*lines, pause=0.1) == [f"#1 {NAMES['run']}", "#1 x 1.0s done"]
    assert shown(*lines) == [f"#1 {NAMES['run']}", "#1 x", "#1 x 1.0s done"]


def test_silence_is_broken_by_what_is_waited_for() -> None:
    progress, printer = Progress(), Printer()
    printer.begin()
    lines = [
        *(vertex("run", 0), vertex("image", 0)),
        status("image", "pushing layers", 1, current=310_000_000, total=1_200_000_000),
    ]
    begun = [text for line in lines for text in printer.lines(progress.take(line), 100.0)]
    assert len(begun) == 2
    assert texts(printer.settle(101.0)) == ["#2 pushing layers 310.00MB / 1.20GB"]
    assert list(printer.settle(115.9)) == []
    assert texts(printer.settle(116.0)) == [
        f"still {NAMES['run']} for 16 s, {PUSHING} for 16 s",
    ]
    assert list(printer.settle(130.9)) == []
    assert len(list(printer.settle(131.0))) == 1


def test_a_heartbeat_of_a_push_says_what_was_written_meanwhile() -> None:
    progress, printer = Progress(), Printer()
    printer.begin()
    list(printer.lines(progress.take(vertex("image", 0)), 100.0))
    list(printer.lines(progress.take(status("image", "pushing layers", 1)), 101.0))
    list(printer.settle(102.0))
    assert not printer.counts(111.9)
    assert printer.counts(112.0)
    assert list(printer.settle(112.0, 7_000_000)) == []
    assert not printer.counts(116.9)
    assert printer.counts(117.0)
    what = "still exporting to image: pushing layers"
    assert texts(printer.settle(117.0, 47_000_000)) == [
        f"{what} for 17 s; 40.00MB written in the last 5 s, 8.00MB/s"
    ]
    assert texts(printer.settle(132.0, 62_000_000)) == [
        f"{what} for 32 s; 15.00MB written in the last 15 s, 1.00MB/s"
    ]
    # The builder cannot be entered any more, and has restarted after that.
    assert texts(printer.settle(147.0)) == [f"{what} for 47 s"]
    assert texts(printer.settle(162.0, 5)) == [f"{what} for 62 s"]


def test_what_is_written_is_counted_for_exports_alone() -> None:
    progress, printer = Progress(), Printer()
    printer.begin()
    list(printer.lines(progress.take(vertex("run", 0)), 0.0))
    assert not printer.counts(60.0)


@pytest.mark.parametrize("ending", [vertex("run", 0, 1), vertex("run", 0, error="exit code: 1")])
def test_nothing_is_waited_for_once_everything_has_ended(ending: str) -> None:
    progress, printer = Progress(), Printer()
    printer.begin()
    assert list(printer.lines(progress.take(ending), 0.0))
    list(printer.settle(1.0))
    assert list(printer.settle(60.0)) == []


def test_a_heartbeat_names_no_more_than_three() -> None:
    progress, printer = Progress(), Printer()
    printer.begin()
    steps = [{"digest": str(n), "name": f"[{n}/5] RUN a", "started": time(0)} for n in range(5)]
    list(printer.lines(progress.take(json.dumps({"vertexes": steps})), 0.0))
    assert texts(printer.settle(15.0)) == [
        "still [0/5] RUN a for 15 s, [1/5] RUN a for 15 s, [2/5] RUN a for 15 s, and 2 more"
    ]


class TestTheNextCall:
    """An export of a cache is a call of its own, in which everything is built again, and cached."""

    BUILD = (
        vertex("context", 0, 1),
        vertex("copy", 1, 2, inputs=["context"]),
        vertex("run", 2, 5),
        vertex("image", 5, 6),
    )
    CACHED = (
        vertex("context", 10, 10.2),
        vertex("copy", cached=True, inputs=["context"]),
        vertex("run", cached=True),
    )

    def next(self, *lines: str, pause: float = 0.1) -> list[str]:
        printer = Printer()
        assert len(printed(Progress(), self.BUILD, printer)) == 8
        return printed(Progress(), lines, printer, pause=pause)

    def test_prints_what_is_new(self) -> None:
        assert self.next(
            *self.CACHED,
            vertex("cache", 11, 12),
            status("cache", "writing layer sha256:a", 12, begun=11, done=True),
        ) == [
            "#5 exporting cache to registry",
            "#5 writing layer sha256:a 1.0s done",
            "#5 DONE 1.0s",
        ]

    def test_prints_a_step_that_runs_again(self) -> None:
        assert self.next(*self.CACHED[:2], vertex("run", 10, 13)) == [
            f"#5 {NAMES['run']}",
            "#5 DONE 3.0s",
        ]

    def test_prints_a_step_that_says_something(self) -> None:
        assert self.next(vertex("run", 10), said("run", "hello\n", 11), vertex("run", 10, 13)) == [
            f"#5 {NAMES['run']}",
            "#5 1.000 hello",
            "#5 DONE 3.0s",
        ]

    def test_prints_what_takes_long(self) -> None:
        assert self.next(vertex("context", 10), vertex("context", 10, 13), pause=1.5) == [
            f"#5 {NAMES['context']}",
            "#5 DONE 3.0s",
        ]

    def test_prints_what_fails(self) -> None:
        assert self.next(vertex("run", 10, 11, error="no\nspace")) == [
            f"#5 {NAMES['run']}",
            "#5 ERROR: no space",
        ]

    def test_prints_everything_if_it_is_verbose(self) -> None:
        printer = Printer(is_verbose=True)
        printed(Progress(), self.BUILD, printer)
        assert len(printed(Progress(), self.CACHED, printer)) == 6


def test_a_verbose_printer_holds_nothing_back() -> None:
    lines = (vertex("base", 0, 1), status("base", "x", 1), status("base", "x", 2, done=True))
    assert printed(Progress(), lines, Printer(is_verbose=True), pause=0.01) == [
        f"#1 {NAMES['base']}",
        "#1 DONE 1.0s",
        "#1 x",
        "#1 x 2.0s done",
    ]
