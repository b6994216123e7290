"""What a context holds, beside what git says of it."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import stat
import subprocess
import sys
import time
from contextlib import chdir
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from warmbuild import files
from warmbuild.project import context_files, ignore_file
from warmbuild.project.entry import Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

pytestmark = pytest.mark.processes
# Without the user's configuration.
ENVIRONMENT = {
    **{f"GIT_{who}_NAME": "x" for who in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{who}_EMAIL": "x@x.test" for who in ("AUTHOR", "COMMITTER")},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "PATH": os.environ["PATH"],
}


def git(place: Path, *arguments: str) -> str:
    done = subprocess.run(  # noqa: S603 (each argument is written out in a test)
        ["git", "-c", "protocol.file.allow=always", *arguments],  # noqa: S607 (the one of the tests)
        cwd=place,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout.strip()


def write(place: Path, **texts: str) -> None:
    for name, text in texts.items():
        path = place / name.replace("__", "/").replace("_txt", ".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def settle(place: Path) -> None:
    """Let git see that no file changed as it wrote the index, as a checkout a moment ago has it."""
    for path in place.rglob("*"):
        if path.is_file() and ".git" not in path.parts:
            os.utime(path, ns=(10**18, 10**18))
    git(place, "update-index", "--refresh")


def found(place: Path, ignored: str = "", *, but: str = ".git") -> Mapping[str, Entry]:
    patterns = ignore_file.patterns(f"{but}\n{ignored}")
    has_exceptions = any(pattern.startswith("!") for pattern in patterns)
    is_excluded = ignore_file.matcher(patterns)
    return context_files.entries(place, is_excluded, has_exceptions=has_exceptions)


def blob(text: str, algorithm: str = "sha1") -> bytes:
    """Return the name of git's object, and the size."""
    data = text.encode()
    named = hashlib.new(algorithm, b"blob %d\0%b" % (len(data), data), usedforsecurity=False)
    return b"%b %d" % (named.digest(), len(data))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the files that are read."""
    read: list[str] = []
    real = files.opened

    def noted(path: str) -> object:
        read.append(Path(path).name)
        return real(path)

    monkeypatch.setattr(context_files, "opened", noted)
    return read


@pytest.fixture(params=["sha1", "sha256"])
def tree(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a work tree with a commit."""
    place = tmp_path / "tree"
    place.mkdir()
    git(place, "init", "--quiet", f"--object-format={request.param}")
    write(place, a_txt="a", b_txt="b", dir__c_txt="c", dir__sub__d_txt="d")
    (place / "dir/link").symlink_to("c.txt")
    (place / "b.txt").chmod(0o755)
    git(place, "add", ".")
    git(place, "commit", "--quiet", "--message=x")
    settle(place)
    return place


def algorithm(tree: Path) -> str:
    return git(tree, "rev-parse", "--show-object-format")


def test_nothing_is_read_of_what_git_knows(tree: Path, opened: list[str]) -> None:
    of = algorithm(tree)
    entries = found(tree)
    assert opened == []
    assert entries["a.txt"] == Entry("file", 0o644, blob("a", of))
    assert entries["b.txt"] == Entry("file", 0o755, blob("b", of))
    assert entries["dir"] == Entry("directory", 0o755, b"")
    assert entries["dir/link"] == Entry("link", 0, blob("c.txt", of).split(b" ")[0])
    assert sorted(entries) == [
        "a.txt",
        "b.txt",
        "dir",
        "dir/c.txt",
        "dir/link",
        "dir/sub",
        "dir/sub/d.txt",
    ]


def test_the_same_is_known_without_git(tree: Path) -> None:
    if algorithm(tree) == "sha1":
        copy = shutil.copytree(tree, tree.with_name("copy"), symlinks=True)
        shutil.rmtree(copy / ".git")
        assert found(copy) == found(tree)


CHANGES: Mapping[str, Callable[[Path], object]] = {
    "the content": lambda path: path.write_text("other"),
    "the content, with the same size": lambda path: path.write_text("z"),
    "the times": lambda path: os.utime(path, ns=(1, 1)),
    "the mode": lambda path: path.chmod(0o600),
    "another file in its place": lambda path: shutil.copy2(path.with_name("b.txt"), path),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_file_that_is_not_as_git_left_it_is_read(
    tree: Path, opened: list[str], name: str
) -> None:
    path = tree / "a.txt"
    CHANGES[name](path)
    entries = found(tree)
    assert opened == ["a.txt"]
    mode = stat.S_IMODE(path.stat().st_mode)
    assert entries["a.txt"] == Entry("file", mode, blob(path.read_text(), algorithm(tree)))


def test_the_same_size_and_times_do_not_hide_a_change(tree: Path) -> None:
    path = tree / "a.txt"
    before = path.stat()
    path.write_text("z")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert found(tree)["a.txt"].digest == blob("z", algorithm(tree))


def test_a_file_that_changed_as_the_index_was_written(tree: Path, opened: list[str]) -> None:
    index = tree / ".git/index"
    written = (tree / "a.txt").stat().st_mtime_ns
    os.utime(index, ns=(written, written))
    assert found(tree)["a.txt"].digest == blob("a", algorithm(tree))
    assert sorted(opened) == ["a.txt", "b.txt", "c.txt", "d.txt"]


def test_what_git_does_not_track(tree: Path, opened: list[str]) -> None:
    write(tree, new_txt="new", dir__new__x_txt="x")
    (tree / "later.txt").write_text("later")
    git(tree, "add", "--intent-to-add", "later.txt")
    entries = found(tree)
    assert sorted(opened) == ["later.txt", "new.txt", "x.txt"]
    assert entries["new.txt"].digest == blob("new", algorithm(tree))
    assert entries["later.txt"].digest == blob("later", algorithm(tree))
    assert entries["dir/new"].kind == "directory"


def test_a_part_of_the_work_tree(tree: Path, opened: list[str]) -> None:
    entries = found(tree / "dir")
    assert sorted(entries) == ["c.txt", "link", "sub", "sub/d.txt"]
    assert entries["c.txt"].digest == blob("c", algorithm(tree))
    assert opened == []


def test_a_filter_that_git_applies(tree: Path) -> None:
    """As Git LFS does, the object that the index names is another content than the file's."""
    git(tree, "config", "filter.upper.clean", "tr a-z A-Z | sed 's/^/pointer /'")
    git(tree, "config", "filter.upper.smudge", "sed 's/^pointer //' | tr A-Z a-z")
    write(tree, big_txt="some content")
    (tree / ".gitattributes").write_text("big.txt filter=upper\n")
    git(tree, "add", ".")
    settle(tree)
    filtered = found(tree)["big.txt"].digest
    (tree / "big.txt").write_text(git(tree, "cat-file", "blob", ":big.txt"))
    assert found(tree)["big.txt"].digest != filtered


def test_a_submodule(tree: Path, tmp_path: Path, opened: list[str]) -> None:
    inner = tmp_path / "inner"
    shutil.copytree(tree, inner, symlinks=True)
    git(tree, "submodule", "--quiet", "add", str(inner), "module")
    settle(tree)
    entries = found(tree, but="**/.git")
    assert entries["module"].kind == "directory"
    assert entries["module/a.txt"].digest == blob("a", algorithm(tree))
    assert entries["module/b.txt"].mode == 0o755
    assert {"a.txt", "b.txt"} <= set(opened)


def test_another_work_tree(tree: Path, tmp_path: Path, opened: list[str]) -> None:
    other = tmp_path / "other"
    git(tree, "worktree", "add", "--quiet", str(other))
    settle(other)
    assert found(other) == found(tree)
    assert opened == []


@pytest.mark.parametrize("data", [b"", b"DIRC", b"DIRC\0\0\0\x07\0\0\0\0", b"x" * 1000])
def test_an_index_that_cannot_be_read(tree: Path, data: bytes, opened: list[str]) -> None:
    expected = found(tree)
    (tree / ".git/index").write_bytes(data)
    assert found(tree) == expected
    assert sorted(opened) == ["a.txt", "b.txt", "c.txt", "d.txt"]


def test_git_itself_is_sent_unless_it_is_ignored(tree: Path) -> None:
    entries = found(tree, but="x")
    assert entries[".git"].kind == "directory"
    assert entries[".git/HEAD"].kind == "file"


def test_what_is_ignored(tmp_path: Path) -> None:
    write(tmp_path, a_txt="", dir__b_txt="", dir__keep__c_txt="", dir__keep__d_txt="", x__y_txt="")
    (tmp_path / "dir/empty").mkdir()
    assert sorted(found(tmp_path, "dir")) == ["a.txt", "x", "x/y.txt"]
    # A directory comes with what is in it, and not without.
    assert sorted(found(tmp_path, "dir\n!dir/keep/c.txt")) == [
        *("a.txt", "dir", "dir/keep", "dir/keep/c.txt", "x", "x/y.txt"),
    ]
    assert sorted(found(tmp_path, "*\n!dir/empty")) == ["dir", "dir/empty"]
    assert sorted(found(tmp_path, "*\n!nothing")) == []
    assert sorted(found(tmp_path, "**/*.txt")) == ["dir", "dir/empty", "dir/keep", "x"]


def test_an_ignored_directory_is_not_looked_at(tmp_path: Path) -> None:
    write(tmp_path, a_txt="", dir__b_txt="")
    (tmp_path / "dir").chmod(0)
    try:
        assert sorted(found(tmp_path, "dir")) == ["a.txt"]
    finally:
        (tmp_path / "dir").chmod(0o755)


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    with chdir(tmp_path), socket.socket(socket.AF_UNIX) as one:
        one.bind("socket")
        (tmp_path / "socket").chmod(0o755)
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "up").symlink_to("..")
    (tmp_path / "empty").mkdir(mode=0o700)
    entries = found(tmp_path)
    assert {path: (one.kind, one.mode) for path, one in entries.items()} == {
        "pipe": ("other", 0o600),
        "socket": ("other", 0o755),
        "loop": ("link", 0),
        "up": ("link", 0),
        "empty": ("directory", 0o700),
    }
    assert len({one.digest for one in entries.values()}) == 5


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes devices")
def test_devices_are_told_apart(tmp_path: Path) -> None:
    for name, minor in (("null", 3), ("zero", 5)):
        try:
            os.mknod(tmp_path / name, stat.S_IFCHR | 0o600, os.makedev(1, minor))
        except PermissionError:
            pytest.skip("this container makes no devices")
    entries = found(tmp_path)
    assert entries["null"] != entries["zero"]


def test_extended_attributes(tmp_path: Path) -> None:
    write(tmp_path, a_txt="a", b_txt="a", dir__c_txt="")
    try:
        os.setxattr(tmp_path / "a.txt", "user.x", b"1")
        os.setxattr(tmp_path / "dir", "user.x", b"1")
    except OSError:
        pytest.skip("the file system has no attributes")
    entries = found(tmp_path)
    assert entries["a.txt"] != entries["b.txt"]
    assert entries["dir"].digest
    os.setxattr(tmp_path / "a.txt", "user.x", b"2")
    assert found(tmp_path)["a.txt"] != entries["a.txt"]
    os.removexattr(tmp_path / "a.txt", "user.x")
    assert found(tmp_path)["a.txt"] == entries["b.txt"]


@pytest.mark.parametrize(
    ("names", "counts"),
    [
        (["user.x"], True),
        (["security.capability"], True),
        (["security.selinux", "system.posix_acl_access", "com.apple.quarantine"], False),
    ],
)
def test_the_attributes_that_buildkit_compares(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: list[str], *, counts: bool
) -> None:
    write(tmp_path, a_txt="a")
    before = found(tmp_path)
    monkeypatch.setattr(os, "listxattr", lambda _path, **_options: names)
    monkeypatch.setattr(os, "getxattr", lambda _path, _name, **_options: b"x")
    assert (found(tmp_path) != before) is counts


def test_a_file_system_without_attributes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, a_txt="a")
    before = found(tmp_path)

    def refuse(_path: str, **_options: object) -> list[str]:
        raise OSError(95, os.strerror(95))

    monkeypatch.setattr(os, "listxattr", refuse)
    assert found(tmp_path) == before


def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff")).write_text("x")
    assert found(tmp_path)["\udcff"].digest == blob("x")


def test_what_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, a_txt="a")

    def refuse(path: str) -> object:
        raise PermissionError(13, os.strerror(13), path)

    monkeypatch.setattr(context_files, "opened", refuse)
    with pytest.raises(PermissionError):
        found(tmp_path)
    with pytest.raises(FileNotFoundError):
        found(tmp_path / "none")
    with pytest.raises(NotADirectoryError):
        found(tmp_path / "a.txt")


def test_a_file_that_goes_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, a_txt="a")

    def gone(path: str) -> object:
        Path(path).unlink()
        os.mkfifo(path)
        return files.opened(path)

    monkeypatch.setattr(context_files, "opened", gone)
    with pytest.raises(OSError, match="not a regular file"):
        found(tmp_path)


def test_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context_files, "MOST", 10)
    write(tmp_path, **{f"x{number}": "" for number in range(10)})
    assert len(found(tmp_path)) == 10
    write(tmp_path, more="")
    with pytest.raises(ValueError, match="more than 10 files"):
        found(tmp_path)


def test_fifty_thousand_files_take_a_second(tmp_path: Path) -> None:
    for number in range(500):
        (tmp_path / f"d{number}").mkdir()
        for one in range(100):
            (tmp_path / f"d{number}/{one}.txt").touch()
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    time.sleep(0.01)
    git(tmp_path, "update-index", "--force-write-index")
    # Coverage counts each line, which takes several times as long.
    counts = sys.gettrace()
    sys.settrace(None)
    begun = time.process_time()
    count = len(found(tmp_path))
    # The processor's time, for other tests take some too; it is 0.5 s alone.
    took = time.process_time() - begun
    sys.settrace(counts)
    assert count == 50_500
    assert took < 2


def test_what_buildkit_finds_in_a_commit(tree: Path) -> None:
    write(tree, a_txt="changed", new_txt="new")
    commit = git(tree, "rev-parse", "HEAD")
    shutil.rmtree(tree / "dir")
    entries = context_files.committed(tree, commit)
    git(tree, "checkout", "--quiet", "--", ".")
    (tree / "new.txt").unlink()
    assert entries == found(tree)
    below = context_files.committed(tree / "dir", commit)
    assert below == found(tree / "dir")


def test_a_commit_that_is_not_checked_out(tree: Path, tmp_path: Path) -> None:
    assert context_files.committed(tree, "0" * 40) is None
    assert context_files.committed(tmp_path, git(tree, "rev-parse", "HEAD")) is None
    write(tree, a_txt="staged")
    git(tree, "add", ".")
    assert context_files.committed(tree, git(tree, "rev-parse", "HEAD")) is None


def test_a_commit_with_a_submodule(tree: Path, tmp_path: Path) -> None:
    inner = shutil.copytree(tree, tmp_path / "inner", symlinks=True)
    git(tree, "submodule", "--quiet", "add", str(inner), "module")
    git(tree, "commit", "--quiet", "--message=y")
    with pytest.raises(ValueError, match="module is a submodule"):
        context_files.committed(tree, git(tree, "rev-parse", "HEAD"))
