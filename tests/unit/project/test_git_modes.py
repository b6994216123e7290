from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from tests.unit.checkouts import TRACKED
from warmbuild.project import git_modes
from warmbuild.project.git_modes import Normalized

if TYPE_CHECKING:
    import pytest

EXPECTED = {**TRACKED, "dir": 0o755, "dir/sub": 0o755}


def modes(root: Path) -> dict[str, int]:
    return {path: (root / path).stat().st_mode & 0o7777 for path in (*TRACKED, "dir", "dir/sub")}


def test_everything_that_git_tracks(project: Path) -> None:
    before = {}
    for path in (*TRACKED, "dir", "dir/sub", "."):
        place = project / path
        place.chmod(place.stat().st_mode | 0o066)
        os.utime(place, ns=(1, 1_500_000_000_123_456_789))
        before[path] = place.stat().st_mtime_ns
    root_mode = project.stat().st_mode
    (project / "new.txt").touch()
    (project / "new.txt").chmod(0o666)
    # The new file changed the directory that it lies in, and nothing else may.
    os.utime(project, ns=(1, before["."]))
    assert git_modes.normalize_modes(Path()) == Normalized(files=4, directories=2)
    assert modes(project) == EXPECTED
    assert {path: (project / path).stat().st_mtime_ns for path in before} == before
    assert (project / "new.txt").stat().st_mode & 0o777 == 0o666
    assert project.stat().st_mode == root_mode
    assert git_modes.normalize_modes(Path()) == Normalized()


def test_a_part_of_the_repository_alone(project: Path) -> None:
    (project / "README.md").chmod(0o666)
    (project / "dir" / "sub" / "z.py").chmod(0o600)
    (project / "dir" / "sub").chmod(0o700)
    assert git_modes.normalize_modes(Path("dir")) == Normalized(files=1, directories=1)
    assert modes(project) == {**EXPECTED, "README.md": 0o666}


def test_a_directorys_group_stays(project: Path) -> None:
    (project / "dir").chmod(0o2775)
    assert git_modes.normalize_modes(Path()) == Normalized(directories=1)
    assert modes(project) == {**EXPECTED, "dir": 0o2755}


def test_no_link_is_followed(project: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    shutil.move(project / "dir" / "sub", outside)
    (project / "dir" / "sub").symlink_to(outside)
    (outside / "z.py").chmod(0o600)
    (project / "README.md").unlink()
    (project / "README.md").symlink_to(outside / "z.py")
    assert git_modes.normalize_modes(Path()) == Normalized()
    assert (outside / "z.py").stat().st_mode & 0o777 == 0o600


def test_what_cannot_be_set_is_counted(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: Path, _mode: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    (project / "README.md").chmod(0o666)
    (project / "dir").chmod(0o777)
    (project / "dir" / "sub" / "z.py").chmod(0o666)
    monkeypatch.setattr(Path, "chmod", refuse)
    assert git_modes.normalize_modes(Path()) == Normalized(failed=3)


def test_a_place_that_git_knows_nothing_of(tmp_path: Path) -> None:
    assert git_modes.normalize_modes(tmp_path) is None
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").touch()
    assert git_modes.normalize_modes(tmp_path) is None


COMMIT = "860c1904a1ce19322e91ac35af1ab07466440c37"


def test_the_objects_of_a_commits_files(project: Path) -> None:
    paths = [project / "run.sh", Path("dir/sub/z.py"), Path("dir/new"), Path("../README.md")]
    assert git_modes.objects(project, COMMIT, paths) is None
    (project / ".git" / "HEAD").write_text(f"{COMMIT}\n")
    assert git_modes.objects(project / "dir", COMMIT, paths) == {
        project / "run.sh": bytes.fromhex("61780798228d17af2d34fce4cfbdf35556832472"),
        Path("dir/sub/z.py"): bytes.fromhex("4bcfe98e640c8284511312660fb8709b0afa888e"),
    }
    (project / ".git" / "index").write_bytes(b"DIRC")
    assert git_modes.objects(project, COMMIT, paths) is None
    (project / ".git" / "index").unlink()
    assert git_modes.objects(project, COMMIT, paths) is None


def test_the_hash_of_a_file() -> None:
    sha1 = bytes.fromhex("78981922613b2afb6025042ff6bd878ac1994e85")
    sha256 = bytes.fromhex("f8625e43f9e04f24291f77cdbe4c71b3c2a3b0003f60419b3ed06a058d766c8b")
    assert git_modes.is_object(b"a\n", sha1)
    assert git_modes.is_object(b"a\n", sha256)
    assert not git_modes.is_object(b"b\n", sha1)
