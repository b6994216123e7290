"""Programs for arm64 on a machine that has another processor: QEMU, which the kernel starts."""

from __future__ import annotations

import platform
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

from lab import apt, versions
from lab.commands import run
from lab.errors import LabError
from lab.layout import make_once, recipe_key

if TYPE_CHECKING:
    from lab.layout import Layout

# The kernel's own list of such interpreters; it holds for the whole machine.
FORMATS = Path("/proc/sys/fs/binfmt_misc")
NAME = "warmbuild-lab-arm64"
# The first bytes of a 64-bit ELF file, executable or shared, for arm64; the mask has the bits that
# count.
MAGIC = bytes.fromhex("7f454c460201010000000000000000000200b700")
MASK = bytes.fromhex("ffffffffffffff00fffffffffffffffffeffffff")
# P: keep argv[0], by which busybox knows what it is. F: open QEMU now, so that containers have it.
FLAGS = "PF"
PACKAGE = "qemu-user"
PROGRAM = "qemu-aarch64"


def is_on() -> bool:
    """Return whether programs for arm64 run here, in containers too."""
    return platform.machine() == "aarch64" or any(
        "enabled" in entry and f"magic {MAGIC.hex()}" in entry and "F" in _flags(entry)
        for entry in _entries()
    )


def start(layout: Layout) -> None:
    """Let the kernel start programs for arm64, unless it does."""
    if is_on():
        return
    emulator = get_emulator(layout)
    if not (FORMATS / "register").exists():
        run(["mount", "-t", "binfmt_misc", "binfmt_misc", str(FORMATS)])
    magic, mask = ("".join(f"\\x{byte:02x}" for byte in value) for value in (MAGIC, MASK))
    try:
        (FORMATS / "register").write_text(f":{NAME}:M::{magic}:{mask}:{emulator}:{FLAGS}")
    except OSError as error:
        message = f"the kernel does not take {emulator} for programs of arm64: {error}"
        raise LabError(message) from error


def stop() -> None:
    """Make the kernel forget what `start` told it."""
    if (FORMATS / NAME).exists():
        (FORMATS / NAME).write_text("-1")


def get_emulator(layout: Layout, program: str = PROGRAM) -> Path:
    """Return the path of a QEMU, which is one file; its package stays uninstalled."""

    def make(directory: Path) -> None:
        apt.download(layout, PACKAGE, directory)
        (package,) = directory.glob("*.deb")
        _take_file(package, f"./usr/bin/{program}", directory)
        package.unlink()

    recipe = [versions.DEBIAN, PACKAGE, *([program] if program != PROGRAM else [])]
    return make_once(layout.root / "qemu" / recipe_key(*recipe), make) / program


def _take_file(package: Path, name: str, directory: Path) -> None:
    """Take one file out of a package that has hundreds of megabytes of others."""
    argv = ["dpkg-deb", "--fsys-tarfile", str(package)]
    with (
        subprocess.Popen(argv, stdout=subprocess.PIPE) as unpacking,  # noqa: S603  a list
        tarfile.open(fileobj=unpacking.stdout, mode="r|") as archive,
    ):
        file = next(member for member in archive if member.name == name)
        file.name = Path(name).name
        archive.extract(file, directory)
        unpacking.kill()


def _entries() -> list[list[str]]:
    files = [path for path in FORMATS.glob("*") if path.name not in {"register", "status"}]
    return [path.read_text().splitlines() for path in files]


def _flags(entry: list[str]) -> str:
    return next(line for line in entry if line.startswith("flags:")).removeprefix("flags:")
