"""The builds of our own that fill cache mounts, look at them, and save them.

BuildKit gives a cache mount to nothing but a step. So a Dockerfile of our own has a step for each
mount, without a network, in an image of nothing but the programs of this machine: GNU tar, find and
a shell. Archives keep what layers lose: BuildKit cuts the times in a layer to seconds. Notes on
what was restored lie in a mount of their own, and tell later what has changed.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from warmbuild.cache import kept_mounts
from warmbuild.frozen import frozen
from warmbuild.refs import Reference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from warmbuild.cache.cache_plan import CachePlan, Place
    from warmbuild.cache.kept_mounts import Kept, Seen
    from warmbuild.project.cache_mount import CacheMount

# Programs that the steps run.
PROGRAMS: Final = ("sh", "tar", "find", "sort", "comm", "cut", "sed", "xargs", "cat", "rm")
# Begins the line that a look prints of a mount.
_SAID: Final = "warmbuild-mount"
# The mount for notes.
_NOTES: Final = f"--mount=type=cache,id={kept_mounts.NOTES},target=/notes"
# What the scripts share; they run in the mount. `listed` prints a record of each file, which is
# another one after any change: kind, mode, owners, size, times with nanoseconds, inode. `named`
# names the files that are new since the notes, and all directories and hard links, because tar has
# to see each name of a file. GNU tar's own incremental archives are no choice: some of them cannot
# be read again after directories were renamed.
_SHARED: Final = r"""set -e
cd /mount
archive() { tar --numeric-owner --xattrs --xattrs-include='*' "$@"; }
listed() { find . -printf '%y %m %U %G %s %T@ %C@ %i /%p\0' | sort -z -T /; }
kinds() { find . -mindepth 1 -printf '%y%P\0' | sort -z -T /; }
named() {
  listed > /now
  comm -z -13 /notes/NAME /now > /new
  sed -z 's|^[^/]*/||' /new > /names
  find . \( -type d -o -links +1 \) -print0 >> /names
  sort -zu -T / -o /names /names
}
changes() { archive --no-recursion --null --verbatim-files-from -T /names "$@"; }
"""
# There is one archive in each layer. What was not there any more is removed first, by the list
# beside it. A pipe in the place of a file would never end. The second of two archives may write
# outside of the mount, through a link of the first one: that is lost with this step, in which there
# is nothing else.
_UNPACK: Final = r"""
read_file() {
  if [ -h "/kept/$1" ] || [ ! -f "/kept/$1" ]; then echo "$1 is no file"; exit 1; fi
}
for part in PARTS; do
  read_file $part.tar
  if [ $part != 000 ]; then
    read_file $part.list
    kinds > /kinds
    comm -z -23 /kinds /kept/$part.list > /gone
    cut -z -c2- /gone | xargs -0 -r rm -rf --
  fi
  archive -xpf /kept/$part.tar
done
: > /done
"""
# Nothing needs a device.
_NOTE: Final = r"""
find . -xdev \( -type b -o -type c \) -delete
listed > /notes/NAME
: > /done
"""
# GNU tar reads no file if it writes to /dev/null, and still counts bytes.
_LOOK: Final = r"""
size() { "$@" --totals -cf /dev/null 2>&1 | while read -r line; do
  case $line in "Total bytes written: "*) set -- $line; echo "$4";; esac; done; }
size=0 new=0 changed=1 marked=0
if [ -n "$(find . -mindepth 1 -print -quit)" ]; then size=$(size archive .); else changed=0; fi
new=$size
if [ -f /notes/NAME ]; then
  marked=1
  named
  comm -z -3 /notes/NAME /now > /differs
  [ -s /differs ] && changed=1 || changed=0
  new=$(size changes)
fi
echo "warmbuild-mount NAME $size $new $changed $marked"
"""
_SAVE_CHANGES: Final = r"""
named
kinds > /out/PART.list
changes -cf /out/PART.tar
"""
_SAVE_ALL: Final = r"""
archive -cf /out/PART.tar .
"""


@frozen
class Solve:
    """A build of our own."""

    dockerfile: str
    contexts: Mapping[str, str]  # by the names that the Dockerfile has for them
    outputs: tuple[str, ...]
    namespace: str = ""  # of the cache mounts


def restoring(kept: Sequence[tuple[CacheMount, Kept]], nonce: str) -> Solve:
    """Return the build that fills mounts, all of one namespace, with what is kept of them."""
    lines, contexts = _head(nonce), dict[str, str]()
    for number, (mount, one) in enumerate(kept):
        name = f"kept{number}"
        contexts |= _context(name, one)
        lines += [
            f"FROM {_source(name, one)} AS stage-of-{name}",
            f"FROM tools AS unpacked{number}",
        ]
        parts = " ".join(map(_part, range(one.archives)))
        bind = f"--mount=type=bind,from=stage-of-{name},target=/kept"
        lines += [_run(mount, _UNPACK.replace("PARTS", parts), bind)]
        lines += [f"FROM tools AS restored{number}"]
        bind = f"--mount=type=bind,from=unpacked{number},source=/done,target=/unpacked"
        lines += [_run(mount, _NOTE, bind, _NOTES)]
    lines += ["FROM tools"]
    lines += [f"COPY --from=restored{number} /done /{number}" for number in range(len(kept))]
    return _solve(lines, [mount for mount, _ in kept], contexts)


def looking(mounts: Sequence[CacheMount], nonce: str) -> Solve:
    """Return the build that prints what is in mounts, which are all of one namespace."""
    lines = [*_head(nonce), *(_run(mount, _LOOK, _NOTES) for mount in mounts)]
    return _solve(lines, mounts, {})


def saving(mount: CacheMount, base: Kept | None, nonce: str, output: str) -> Solve:
    """Return the build that writes what is kept of a mount: all, or what has changed since."""
    number = base.archives if base else 0
    script = (_SAVE_CHANGES if base else _SAVE_ALL).replace("PART", _part(number))
    lines = [*_head(nonce), "WORKDIR /out", _run(mount, script, _NOTES)]
    lines += [f"FROM {_source('base', base) if base else 'scratch'}"]
    lines += ["COPY --link --from=tools /out/ /"]
    contexts = _context("base", base) if base else {}
    return Solve(
        dockerfile=_text(lines), contexts=contexts, outputs=(output,), namespace=mount.namespace
    )


def unpacking(images: Sequence[str], nonce: str) -> Solve:
    """Return the build that unpacks images, which later steps are upon."""
    lines = _head(nonce)
    for number, image in enumerate(images):
        lines += [f"FROM {image} AS image{number}"]
        lines += [f"FROM tools AS seen{number}"]
        lines += [
            f"RUN --network=none --mount=type=bind,from=image{number},target=/image "
            + json.dumps(["/bin/sh", "-c", ": > /done"])
        ]
    lines += ["FROM tools"]
    lines += [f"COPY --from=seen{number} /done /{number}" for number in range(len(images))]
    return _solve(lines, (), {})


def output(to: Place, cache: CachePlan, seen: Seen) -> str:
    """Return the output of a build that saves a mount; a directory must not exist yet."""
    settings = ["compression=zstd", "oci-mediatypes=true"]
    settings += [f"annotation.{kept_mounts.MARK}={seen.size}"]
    if isinstance(to, Reference):
        insecure = [one for one in cache.options if one.startswith("registry.insecure=")]
        return ",".join(("type=image", f"name={to}", "push=true", *insecure, *settings))
    return ",".join(("type=oci", "tar=false", f'"dest={to}"', *settings))


def argv(solve: Solve, dockerfile: str, tools: str) -> tuple[str, ...]:
    """Return the arguments of buildx; `dockerfile` is a path, and `tools` a directory."""
    found = ["build", "--progress=rawjson", "--provenance=false", "--sbom=false"]
    found += [f"--build-context={name}={of}" for name, of in solve.contexts.items()]
    found += [f"--output={one}" for one in solve.outputs]
    if solve.namespace:
        found += [f"--build-arg=BUILDKIT_CACHE_MOUNT_NS={solve.namespace}"]
    return (*found, f"--file={dockerfile}", tools)


def said(lines: Sequence[str]) -> Mapping[str, str]:
    """Return what a look has printed of each mount, by its name."""
    words = [line.split(maxsplit=2) for line in lines]
    return {one[1]: one[2] for one in words if len(one) == 3 and one[0] == _SAID}  # noqa: PLR2004


def _head(nonce: str) -> list[str]:
    environment = f"LD_LIBRARY_PATH=/lib PATH=/bin LC_ALL=C RUN={nonce}"
    return ["FROM scratch AS tools", f"ENV {environment}", "COPY . /"]


def _part(number: int) -> str:
    """Return the name of an archive."""
    return f"{number:03}"


def _run(mount: CacheMount, script: str, *further: str) -> str:
    """Return a step that runs a script in a mount."""
    attributes = [f"id={mount.identity}", "target=/mount", "sharing=locked"]
    given = (("uid", mount.uid), ("gid", mount.gid), ("mode", mount.mode))
    attributes += [f"{name}={value}" for name, value in given if value]
    flags = ["--network=none", f"--mount=type=cache,{','.join(attributes)}", *further]
    text = (_SHARED + script).replace("NAME", mount.name)
    return f"RUN {' '.join(flags)} {json.dumps(['/bin/sh', '-c', text])}"


def _solve(
    lines: Sequence[str], mounts: Sequence[CacheMount], contexts: Mapping[str, str]
) -> Solve:
    namespace = mounts[0].namespace if mounts else ""
    return Solve(
        dockerfile=_text(lines),
        contexts=contexts,
        outputs=("type=cacheonly",),
        namespace=namespace,
    )


def _context(name: str, kept: Kept) -> dict[str, str]:
    """Return the context of a directory; BuildKit pulls from a registry by itself."""
    if isinstance(kept.place, Reference):
        return {}
    return {name: f"oci-layout://{kept.place}@{kept.digest}"}


def _source(name: str, kept: Kept) -> str:
    return str(kept.place) if isinstance(kept.place, Reference) else name


def _text(lines: Sequence[str]) -> str:
    return "\n".join(lines) + "\n"
