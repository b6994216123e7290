from __future__ import annotations

import errno
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from typing import TYPE_CHECKING, NoReturn

import pytest

from warmbuild.builder import owner, private_directory
from warmbuild.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAME = "warmbuild-0a1b2c3d"
NOW = 2_000_000_000.0
ENDED = "its run has ended"


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "tmp"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


@pytest.fixture
def killed(temporary: Path) -> Path:
    """Return what a killed run has left, three days ago."""
    root = temporary / NAME
    (root / "docker").mkdir(mode=0o700, parents=True)
    root.chmod(0o700)
    (root / "docker" / "config.json").write_text("{}")
    (root / "definition.json").write_text("{}")
    (root / "lock").touch()
    os.utime(root, (NOW - 3 * 86_400, NOW - 3 * 86_400))
    return root


def removed() -> list[str]:
    """Remove what has no obstacle, and return the obstacles of the rest."""
    obstacles = []
    for found, remove in private_directory.left_behind(NOW):
        if found.obstacle:
            obstacles.append(found.obstacle)
        else:
            remove()
    return obstacles


def test_the_directory_of_a_run_is_locked_while_it_runs(temporary: Path) -> None:
    with private_directory.private({}, (), ()) as private:
        assert private.root.parent == temporary
        assert sorted(path.name for path in private.root.iterdir()) == ["buildx", "docker", "lock"]
        assert owner.is_of_this_kernel((private.root / "lock").read_text())
        assert removed() == ["its run has not ended"]
        assert private.root.exists()
    assert list(temporary.iterdir()) == []


KILLED = """
import os, signal
from warmbuild import process
from warmbuild.builder import private_directory
with private_directory.private({}, (), ()), process.started(["sleep", "2"], os.environ):
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.processes
def test_what_a_killed_run_has_started_keeps_its_directory(temporary: Path) -> None:
    """buildx goes on for some seconds, and writes into it."""
    env = {**os.environ, "TMPDIR": str(temporary)}
    subprocess.run([sys.executable, "-c", KILLED], env=env, check=False)  # noqa: S603 (Python)
    assert removed() == ["its run has not ended"]
    deadline = time.monotonic() + 20
    while removed():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert list(temporary.iterdir()) == []


def test_a_file_system_without_locks_is_no_obstacle_to_a_run(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_file: int, _how: int) -> NoReturn:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with private_directory.private({}, (), ()):
        assert removed() == ["it has no lock, so no run created it"]
    assert list(temporary.iterdir()) == []


def test_the_directory_of_a_killed_run_is_removed(temporary: Path, killed: Path) -> None:
    for found, remove in private_directory.left_behind(NOW):
        assert (found.name, found.obstacle) == (f"private directory {NAME}", "")
        assert found.age == timedelta(days=3)
        assert killed.exists()
        remove()
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (owner.own(), True),
        (owner.own().replace("boot=", "boot=0"), False),
        ("", False),
        ("\udcff" * 999, False),
    ],
)
def test_only_the_lock_of_a_run_of_this_kernel_is_certain(
    killed: Path, text: str, *, expected: bool
) -> None:
    """Another machine may not see who holds a lock on a shared file system."""
    (killed / "lock").write_bytes(text.encode(errors="surrogateescape"))
    assert [found.is_certain for found, _ in private_directory.left_behind(NOW)] == [expected]


def test_two_do_not_remove_the_same_directory(killed: Path) -> None:
    for found, _ in private_directory.left_behind(NOW):
        assert found.obstacle == ""
        assert removed() == ["its run has not ended"]
    assert removed() == []
    assert not killed.exists()


def test_what_cannot_be_removed_keeps_its_lock(
    killed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object, **_options: object) -> NoReturn:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(shutil, "rmtree", refuse)
    with pytest.raises(EngineError, match="Permission denied"):
        removed()
    assert (killed / "lock").exists()


def a_file(root: Path) -> None:
    shutil.rmtree(root)
    root.touch(mode=0o600)


def a_link_to_a_file(root: Path) -> None:
    a_file(root)
    root.rename(root.with_name("other"))
    root.symlink_to("other")


def no_lock(root: Path) -> None:
    (root / "lock").unlink()


def a_link_for_a_lock(root: Path) -> None:
    (root / "lock").unlink()
    (root / "lock").symlink_to("definition.json")


def readable(root: Path) -> None:
    root.chmod(0o750)


@pytest.mark.parametrize(
    ("change", "obstacle"),
    [
        (a_file, "it is not a directory"),
        (a_link_to_a_file, "it is not a directory"),
        (no_lock, "it has no lock, so no run created it"),
        (a_link_for_a_lock, "it has no lock, so no run created it"),
        (readable, "other users have access to it, so no run created it"),
    ],
)
def test_what_no_run_created_stays(
    killed: Path, change: Callable[[Path], None], obstacle: str
) -> None:
    change(killed)
    assert removed() == [obstacle]
    assert killed.is_symlink() or killed.exists()


def test_what_belongs_to_another_user_stays(killed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: killed.stat().st_uid + 1)
    assert removed() == ["it belongs to another user"]


def test_a_directory_that_is_exchanged_meanwhile_stays(
    killed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.stat

    def exchanged(path: str, **options: int | bool | None) -> os.stat_result:
        found = real(path, **options)  # type: ignore[arg-type]  # as it was called
        killed.rename(killed.with_name("elsewhere"))
        killed.mkdir(mode=0o700)
        (killed / "lock").touch()
        return found

    with monkeypatch.context() as patched:
        patched.setattr(os, "stat", exchanged)
        assert removed() == []
    assert (killed / "lock").exists()


def test_a_temporary_directory_may_be_gone(temporary: Path) -> None:
    temporary.rmdir()
    assert removed() == []


def test_the_working_directory_is_none_unless_it_is_named(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be the context of the build, and the logins would be in the image."""
    monkeypatch.chdir(temporary)
    with pytest.raises(EngineError, match="no temporary directory can be written"):
        private_directory.private({}, [], []).__enter__()
    assert list(temporary.iterdir()) == []
    with private_directory.private({"TMPDIR": "."}, [], []) as made:
        assert made.root.parent == temporary
