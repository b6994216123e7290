"""Unit tests decide nothing by starting a process or by asking the network."""

from __future__ import annotations

import socket
import subprocess
from typing import TYPE_CHECKING, NoReturn

import pytest

from tests.unit.checkouts import TRACKED, record

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _nothing_outside(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_options: object) -> NoReturn:
        pytest.fail("a unit test reached outside")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    if request.node.get_closest_marker("processes") is None:
        monkeypatch.setattr(subprocess, "Popen", refuse)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a work tree as git makes it where the umask is 0022; the run stands in it."""
    root = tmp_path / "project"
    (root / "dir" / "sub").mkdir(parents=True)
    for path, mode in TRACKED.items():
        (root / path).touch()
        (root / path).chmod(mode)
    for directory in (root / "dir", root / "dir" / "sub"):
        directory.chmod(0o755)
    (root / "link").symlink_to("run.sh")
    (root / ".git").mkdir()
    (root / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    record(root, "v2")
    monkeypatch.chdir(root)
    return root
