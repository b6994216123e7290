"""The scripts that save and restore a cache mount, after random changes, without BuildKit."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from warmbuild.buildkit import mount_solves
from warmbuild.cache.kept_mounts import Kept
from warmbuild.project.cache_mount import CacheMount

if TYPE_CHECKING:
    from pathlib import Path

MOUNT = CacheMount(identity="m")
NAMES = ("a", "b", "c", "d e", "f\nf", "-g")
# What the scripts name in their own container.
PLACES = (
    "done",
    "differs",
    "gone",
    "kept",
    "kinds",
    "mount",
    "names",
    "new",
    "notes",
    "now",
    "out",
)


def scripts(dockerfile: str) -> list[str]:
    found = [line for line in dockerfile.splitlines() if line.startswith("RUN ")]
    return [
        str(json.loads(f'["{line.partition(chr(32) + chr(91) + chr(34))[2]}')[2]) for line in found
    ]


def run(script: str, at: Path) -> str:
    """Run a script whose places are directories and files below `at`; return what it prints."""
    text = re.sub(rf"(?<![\w.$'\"])/({'|'.join(PLACES)})(?=[/\s\";)]|$)", rf"{at}/\1", script)
    text = text.replace('"/kept/', f'"{at}/kept/').replace("-T / ", "")
    done = subprocess.run(  # noqa: S603 (a script of ours)
        ["/bin/sh", "-c", text],
        capture_output=True,
        text=True,
        env={**os.environ, "LC_ALL": "C"},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def kept(archives: int) -> Kept:
    return Kept(place="kept", digest="", archives=archives, size=0, stored=0)


class Mount:
    """A mount, what is kept of it, and the notes of what was restored."""

    def __init__(self, at: Path) -> None:
        self.at, self.archives = at, 0
        for name in ("mount", "kept", "notes", "out"):
            (at / name).mkdir()

    @property
    def root(self) -> Path:
        return self.at / "mount"

    def restore(self) -> None:
        shutil.rmtree(self.root)
        self.root.mkdir()
        for script in scripts(
            mount_solves.restoring([(MOUNT, kept(self.archives))], "").dockerfile
        ):
            run(script, self.at)

    def look(self) -> list[int]:
        (look,) = scripts(mount_solves.looking([MOUNT], "").dockerfile)
        _, _, said = run(look, self.at).partition(f"warmbuild-mount {MOUNT.name} ")
        return list(map(int, said.split()))

    def save(self) -> None:
        base = kept(self.archives) if self.archives else None
        (save,) = scripts(mount_solves.saving(MOUNT, base, "", "").dockerfile)
        run(save, self.at)
        for path in (self.at / "out").iterdir():
            path.rename(self.at / "kept" / path.name)
        self.archives += 1

    def content(self) -> tuple[dict[str, tuple[object, ...]], list[list[str]]]:
        """Return what is there by its path, and which paths are one file."""
        found: dict[str, tuple[object, ...]] = {}
        files: dict[int, list[str]] = {}
        for path in sorted(self.root.rglob("*")):
            name, state = str(path.relative_to(self.root)), path.lstat()
            data: object = str(path.readlink()) if path.is_symlink() else ""
            if path.is_file() and not path.is_symlink():
                data = path.read_bytes()
                files.setdefault(state.st_ino, []).append(name)
            found[name] = (oct(state.st_mode), state.st_mtime_ns, data)
        return found, sorted(names for names in files.values() if len(names) > 1)


def change(root: Path, chance: random.Random) -> None:
    """Change one thing: make, edit, link, move, swap or remove a file or a directory."""
    there = [path for path in root.rglob("*") if path.parent.resolve().is_relative_to(root)]
    plain = [path for path in there if not path.is_symlink()]
    directories = [root, *(path for path in plain if path.is_dir())]
    files = [path for path in plain if path.is_file()]
    new = chance.choice(directories) / chance.choice(NAMES)
    one = chance.choice(there) if there else root
    file = chance.choice(files) if files else None
    with suppress(OSError, shutil.Error):
        match chance.randrange(9):
            case 0:
                new.write_text(str(chance.random()))
            case 1:
                new.mkdir()
            case 2:
                new.symlink_to(chance.choice(NAMES))
            case 3 if file:
                new.hardlink_to(file)
            case 4 if file:
                times = file.stat()
                file.write_text(str(chance.random()))
                os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
            case 5 if one != root:
                one.rename(new)
            case 6 if one != root:
                shutil.rmtree(one) if one.is_dir() and not one.is_symlink() else one.unlink()
            case 7 if file:
                file.unlink()
                file.mkdir()
            case 8 if len(directories) > 2:
                first, second = chance.sample(directories[1:], 2)
                first.rename(root / "swap")
                second.rename(first)
                (root / "swap").rename(second)


@pytest.mark.parametrize("seed", range(6))
def test_what_is_restored_is_what_was_there(tmp_path: Path, seed: int) -> None:
    chance, mount = random.Random(seed), Mount(tmp_path)  # noqa: S311 (the same each time)
    for _ in range(30):
        change(mount.root, chance)
    mount.save()
    for number in range(1, 6):
        saved = mount.content()
        mount.restore()
        assert mount.content() == saved, number
        _, _, changed, marked = mount.look()
        assert (changed, marked) == (0, 1)
        for _ in range(chance.choice([1, 2, 5, 20])):
            change(mount.root, chance)
        _, _, changed, marked = mount.look()
        assert (bool(changed) or mount.content() == saved, marked) == (True, 1)
        mount.save()


def test_an_empty_mount_has_nothing_to_save(tmp_path: Path) -> None:
    assert Mount(tmp_path).look() == [0, 0, 0, 0]


def test_a_mount_that_a_step_has_emptied_stays_empty(tmp_path: Path) -> None:
    mount = Mount(tmp_path)
    (mount.root / "a").mkdir()
    (mount.root / "a" / "file").write_text("1")
    mount.save()
    mount.restore()
    shutil.rmtree(mount.root / "a")
    size, _, changed, marked = mount.look()
    assert (size, changed, marked) == (0, 1, 1)
    mount.save()
    mount.restore()
    assert mount.content() == ({}, [])
