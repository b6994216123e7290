"""Streams of BuildKit that nobody has thought of, for tests that try many."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Final

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Mapping

_DIGESTS: Final = st.sampled_from(["a", "b", "c", ""])
_HOSTILE: Final = (
    *("::error::x", "##[error]x", "##vso[task.setvariable variable=a]b", "##teamcity[x]"),
    *("--- x", "+++ x", "^^^ +++", "~~~ x", "a\r::stop-commands::x", "a\n##vso[x]", "\x1b[2J"),
    *("\x1b]8;;http://a\x07b", "[bold]x[/bold]", "[/]", "\u2028::error::", "\ud800", "\x00\x85"),
    *("[1/2] FROM busybox", "[2/2] RUN make", "[internal] load build context"),
    *("exporting to image", "exporting cache to registry", "importing cache manifest from a"),
)
TEXTS: Final = st.one_of(st.sampled_from(_HOSTILE), st.text(max_size=20))
_ANY: Final = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), TEXTS, st.lists(st.integers(), max_size=2)
)
_TIMES: Final = st.one_of(
    st.integers(0, 59).map(lambda second: f"2026-11-21T05:00:{second:02}Z"),
    st.sampled_from(["0001-01-01T00:00:00Z", "9999-12-31T23:59:59+00:00", "2026-11-21T05:00:00"]),
    _ANY,
)
_NUMBERS: Final = st.one_of(st.integers(-5, 10_000_000_000), _ANY)
_VERTEX: Final[Mapping[str, st.SearchStrategy[object]]] = {
    "name": TEXTS,
    "started": _TIMES,
    "completed": _TIMES,
    "cached": st.one_of(st.booleans(), _ANY),
    "error": st.one_of(TEXTS, st.just("context canceled"), _ANY),
    "inputs": st.one_of(st.lists(_DIGESTS, max_size=2), _ANY),
}
_STATUS: Final[Mapping[str, st.SearchStrategy[object]]] = {
    "timestamp": _TIMES,
    "started": _TIMES,
    "completed": _TIMES,
    "current": _NUMBERS,
    "total": _NUMBERS,
}
_LOG: Final[Mapping[str, st.SearchStrategy[object]]] = {
    "stream": _NUMBERS,
    "timestamp": _TIMES,
    "data": st.one_of(
        TEXTS.map(lambda text: base64.b64encode(text.encode(errors="replace")).decode()), _ANY
    ),
}
_IDS: Final = st.one_of(st.sampled_from(["x", "sha256:1", "transferring context:"]), TEXTS)
_MESSAGES: Final = st.fixed_dictionaries(
    {},
    optional={
        "vertexes": st.lists(
            st.fixed_dictionaries({"digest": _DIGESTS}, optional=dict(_VERTEX)), max_size=3
        ),
        "statuses": st.lists(
            st.fixed_dictionaries({"vertex": _DIGESTS, "id": _IDS}, optional=dict(_STATUS)),
            max_size=3,
        ),
        "logs": st.lists(
            st.fixed_dictionaries({"vertex": _DIGESTS}, optional=dict(_LOG)), max_size=3
        ),
        "warnings": st.lists(
            st.fixed_dictionaries({}, optional={"short": _ANY, "level": _ANY}), max_size=2
        ),
    },
)
LINES: Final = st.lists(st.one_of(_MESSAGES.map(json.dumps), TEXTS), max_size=12)
# Seconds between the lines.
PAUSES: Final = st.sampled_from([0.0, 0.1, 1.0, 20.0])
