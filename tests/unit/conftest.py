"""Unit tests decide nothing by starting a process or by asking the network."""

from __future__ import annotations

import socket
import subprocess
from typing import NoReturn

import pytest


@pytest.fixture(autouse=True)
def _nothing_outside(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_options: object) -> NoReturn:
        pytest.fail("a unit test reached outside")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    if request.node.get_closest_marker("processes") is None:
        monkeypatch.setattr(subprocess, "Popen", refuse)
