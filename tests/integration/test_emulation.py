"""Programs of other processors: emulated where that is asked for and no node is one.

On the lab, which has no image of Docker Hub, the image that installs emulators is a stand-in: it
takes the same arguments, prints the same JSON, and registers a real QEMU.
"""

from __future__ import annotations

import io
import json
import struct
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab import emulation, layout
from warmbuild.inputs.table import DEFAULT_QEMU_IMAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import docker

    from tests.integration.conftest import Arm64, Lab, Registry, Warmbuild

OTHER = "linux/riscv64"
NAME = "warmbuild-test-riscv64"
MAGIC = emulation.MAGIC.replace(b"\xb7", b"\xf3")
# What tonistiigi/binfmt does, for one processor.
STAND_IN = f"""#!/bin/sh
formats=/proc/sys/fs/binfmt_misc
[ -e $formats/register ] || mount -t binfmt_misc binfmt_misc $formats
case "$1 $2" in
  "--install "*{OTHER}*) printf %s '{{entry}}' > $formats/register ;;
  "--uninstall qemu-*") [ ! -e $formats/{NAME} ] || echo -1 > $formats/{NAME} ;;
esac
supported='"linux/amd64"'
[ -e $formats/{NAME} ] && supported="$supported,\\"{OTHER}\\""
echo "{{{{\\"supported\\":[$supported],\\"emulators\\":[]}}}}"
"""


def escaped(value: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in value)


def program() -> bytes:
    """Return a program for the other processor that does nothing and ends well."""
    code = struct.pack("<3I", 0x00000513, 0x05D00893, 0x00000073)
    base, header, segment = 0x10000, 64, 56
    size = header + segment + len(code)
    identity = b"\x7fELF\x02\x01\x01" + bytes(9)
    elf = struct.pack(
        "<HHIQQQIHHHHHH",
        *(2, 0xF3, 1, base + header + segment, header, 0, 0, header, segment, 1, 0, 0, 0),
    )
    load = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x1000)
    return identity + elf + load + code


def take_back() -> None:
    """Have the kernel forget the emulator; tests that were killed may have left it."""
    if (registered := Path("/proc/sys/fs/binfmt_misc", NAME)).exists():
        registered.write_text("-1")


@pytest.fixture(scope="module")
def image(lab: Lab, engine: docker.DockerClient) -> Iterator[str]:
    """Return an image that installs emulators, and take back what it has installed."""
    if not lab.env["WARMBUILD_LAB_HUB"]:
        real = DEFAULT_QEMU_IMAGE
        yield real
        engine.containers.run(real, ["--uninstall", "qemu-riscv64"], privileged=True, remove=True)
        return
    emulator = emulation.get_emulator(layout.find_layout(), "qemu-riscv64")
    entry = f":{NAME}:M::{escaped(MAGIC)}:{escaped(emulation.MASK)}:/qemu-riscv64:PF"
    take_back()
    context = io.BytesIO()
    files = {
        "Dockerfile": b'FROM busybox:1.37\nCOPY binfmt qemu-riscv64 /\nENTRYPOINT ["/binfmt"]\n',
        "binfmt": STAND_IN.format(entry=entry).encode(),
        "qemu-riscv64": emulator.read_bytes(),
    }
    with tarfile.open(fileobj=context, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755
            archive.addfile(member, io.BytesIO(content))
    context.seek(0)
    tag = "warmbuild-test/binfmt:1"
    engine.images.build(fileobj=context, custom_context=True, tag=tag, rm=True)
    yield tag
    engine.images.remove(tag, force=True)
    take_back()


@pytest.fixture
def foreign(project: Callable[..., Path]) -> Path:
    """Return a project that runs a program of the other processor, and nothing else."""
    place = project('FROM scratch\nCOPY program /\nRUN ["/program"]\n')
    (place / "program").write_bytes(program())
    (place / "program").chmod(0o755)
    return place


def test_what_no_node_serves_is_emulated_where_that_is_asked_for(
    warmbuild: Warmbuild, registry: Registry, repository: str, foreign: Path, image: str
) -> None:
    refused = warmbuild.build(foreign, image=repository, platforms=OTHER)
    assert refused.code == 4
    assert "exec format error" in refused.log
    said = "set qemu-platforms to emulate it, or build faster on a node with that processor"
    assert said in refused.log

    first = warmbuild.succeed(
        foreign, image=repository, platforms=OTHER, qemu_platforms="riscv64", qemu_image=image
    )
    said = f"{OTHER}: emulated by {image}, because no node of the builder serves it"
    assert said in first.log.splitlines()
    assert registry.digest(f"{repository}:main") == first.outputs["digest"]

    # What is there is used, and no image is needed for it.
    second = warmbuild.succeed(
        foreign, image=repository, platforms=OTHER, qemu_platforms="all", qemu_image="none.io/x"
    )
    assert f"emulation is not needed: the builder serves {OTHER}" in second.log.splitlines()
    assert OTHER in second.outputs["platforms"].split(",")

    # What is there is uninstalled, and installed anew.
    third = warmbuild.succeed(
        foreign,
        image=repository,
        platforms=OTHER,
        qemu_platforms="all",
        qemu_image=image,
        reset="true",
        no_cache="true",
    )
    lines = third.log.splitlines()
    uninstalled = f"{image} has uninstalled the emulators of the engine's kernel"
    assert lines.index(uninstalled) < lines.index(said)


def test_two_platforms_in_one_build(
    warmbuild: Warmbuild,
    registry: Registry,
    repository: str,
    project: Callable[..., Path],
    arm64: Arm64,
) -> None:
    both = "linux/amd64,linux/arm64"
    machine = project(f"FROM {arm64.image}\nRUN uname -m > /machine\n")
    ended = warmbuild.succeed(
        machine, image=repository, platforms=both, qemu_platforms="all", qemu_image="none.io/x"
    )
    assert "emulation is not needed: the builder serves linux/amd64, linux/arm64" in ended.log
    index = registry.get(f"{repository.partition('/')[2]}/manifests/main").json()
    built = [one["platform"] for one in index["manifests"] if one["platform"]["os"] == "linux"]
    assert sorted(one["architecture"] for one in built) == ["amd64", "arm64"]
    assert json.loads(ended.outputs["metadata"])["containerimage.digest"] == ended.outputs["digest"]


@pytest.mark.parametrize(
    ("of", "text"),
    [
        ("one that is not there", "cannot be run as a privileged container"),
        ("one without it", "does not emulate linux/s390x (it emulates linux/amd64"),
        ("another one", "failed at --install linux/s390x: it ended with exit code"),
    ],
)
def test_it_is_said_why_it_cannot_be_emulated(
    of: str, text: str, *, warmbuild: Warmbuild, lab: Lab, repository: str, small: Path, image: str
) -> None:
    images = {
        "one that is not there": f"{lab.registry}/none:1",
        "one without it": image,
        "another one": lab.env["WARMBUILD_LAB_BUILDKIT_IMAGE"],
    }
    ended = warmbuild.build(small, image=repository, qemu_platforms="s390x", qemu_image=images[of])
    assert ended.code == 3
    assert text in ended.log
    assert warmbuild.remains(ended.builder) == []
