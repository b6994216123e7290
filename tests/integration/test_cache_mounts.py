"""Cache mounts are kept between runs, each of which has a fresh builder."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.conftest import buildx
from warmbuild import refs, stores
from warmbuild.cache.cache_plan import CachePlan
from warmbuild.project.cache_mount import CacheMount
from warmbuild.record import record
from warmbuild.registry.client import Registry as Client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import docker

    from tests.integration.conftest import Arm64, Ended, Lab, Registry, Warmbuild
    from warmbuild.record.record import Record

WRITING = ("PUT", "POST", "PATCH", "DELETE")
# What a step does in its mounts, and what it then prints of them. A socket is no content, and
# devices are not kept.
FILL = r"""
import hashlib, json, os, socket, stat, sys

def fill(at):
    os.makedirs(f"{at}/a/deep/empty")
    os.makedirs(f"{at}/old/below")
    for name in ("plain", "setuid", "hard", "gone", "a/deep/--odd", "a/new\nline", "old/below/x"):
        with open(f"{at}/{name}", "w") as file:
            file.write(name)
    with open(os.fsencode(at) + b"/not-utf-8-\xff", "w") as file:
        file.write("bytes")
    with open(f"{at}/holes", "wb") as file:
        file.truncate(5_000_000)
        file.seek(3_000_000)
        file.write(b"data")
    os.link(f"{at}/hard", f"{at}/a/linked")
    os.symlink("../nowhere", f"{at}/a/dangling")
    os.symlink("plain", f"{at}/link")
    os.mkfifo(f"{at}/fifo", 0o620)
    os.chown(f"{at}/plain", 1234, 5678)
    os.chown(f"{at}/link", 1, 2, follow_symlinks=False)
    os.chown(f"{at}/old", 4_000_000, 7)
    os.chmod(f"{at}/setuid", 0o6751)
    os.chmod(f"{at}/a", 0o1777)
    os.chmod(f"{at}/a/deep", 0o2510)
    os.setxattr(f"{at}/plain", "user.note", b"\x00any\n")
    os.setxattr(f"{at}/a", "user.of-a-directory", b"1")
    # CAP_NET_BIND_SERVICE, permitted and effective.
    capability = bytes.fromhex("0100000200040000000000000000000000000000")
    os.setxattr(f"{at}/setuid", "security.capability", capability)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(f"{at}/socket")
    os.mkdir(f"{at}/devices")
    os.mknod(f"{at}/devices/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    for number, name in enumerate(("plain", "link", "fifo", "holes", "a/deep", "a", "old")):
        when = 1_500_000_000_123_456_789 + number
        os.utime(f"{at}/{name}", ns=(when, when), follow_symlinks=False)

def change(at):
    os.remove(f"{at}/gone")
    os.rename(f"{at}/old", f"{at}/renamed")
    os.rename(f"{at}/a/linked", f"{at}/linked")
    os.rmdir(f"{at}/a/deep/empty")
    os.remove(f"{at}/link")
    os.mkdir(f"{at}/link")
    os.chmod(f"{at}/plain", 0o600)
    with open(f"{at}/setuid", "a") as file:
        file.write("more")

def seen(at):
    for directory, directories, files in os.walk(os.fsencode(at)):
        for path in [directory, *(os.path.join(directory, name) for name in files)]:
            is_link = os.path.islink(path)
            yield path, os.lstat(path), is_link
        yield from (
            (path, os.lstat(path), True)
            for path in (os.path.join(directory, name) for name in directories)
            if os.path.islink(path)
        )

def shown(at):
    found = {}
    inodes = {}
    for path, known, is_link in seen(at):
        name = os.fsdecode(path).removeprefix(at) or "/"
        if stat.S_ISSOCK(known.st_mode) or stat.S_ISCHR(known.st_mode):
            continue
        content = ""
        if stat.S_ISREG(known.st_mode):
            inodes.setdefault(known.st_ino, []).append(name)
            with open(path, "rb") as file:
                content = f"{known.st_size} {hashlib.sha256(file.read()).hexdigest()}"
        marks = os.listxattr(path, follow_symlinks=False)
        # The directory of the socket and the device lose an entry with them.
        loses = name in ("/", "/devices")
        found[ascii(name)] = [
            stat.filemode(known.st_mode), known.st_uid, known.st_gid,
            0 if loses else known.st_mtime_ns,
            os.fsdecode(os.readlink(path)) if is_link else content,
            sorted((mark, os.getxattr(path, mark, follow_symlinks=False).hex()) for mark in marks),
        ]
    linked = [sorted(names) for names in inodes.values() if len(names) > 1]
    return {"files": dict(sorted(found.items())), "linked": sorted(linked)}

mounts = ("/kept", "/owned")
print("BEFORE", json.dumps({at: shown(at) for at in mounts}))
for at in mounts:
    {"fill": fill, "change": change}.get(sys.argv[1], id)(at)
print("AFTER", json.dumps({at: shown(at) for at in mounts}))
"""
KEEPS_ALL = """\
FROM python:3.13-slim
COPY act.py what /
RUN --mount=type=cache,target=/kept \\
    --mount=type=cache,target=/owned,uid=1000,gid=1001,mode=0750 \\
    python /act.py $(cat what)
"""


def edited(project: Path, text: str, name: str = "source.txt") -> Path:
    (project / name).write_text(text)
    return project


def told(ended: Ended, word: str) -> dict[str, Any]:
    """Return what a step has printed after a word, as JSON."""
    found = re.findall(rf"^#\d+ [\d.]+ {word} (.*)$", ended.log, re.MULTILINE)
    assert len(found) == 1, ended.log
    shown: dict[str, Any] = json.loads(found[0])
    return shown


def printed(ended: Ended) -> list[str]:
    """Return what steps have printed of their mounts, sorted."""
    return sorted(re.findall(r"^#\d+ [\d.]+ mount (.*)$", ended.log, re.MULTILINE))


def said(ended: Ended) -> list[str]:
    """Return what the log says of cache mounts while it runs, without times and sizes, sorted."""
    lines = [text for _, text in ended.lines if re.match(r"(\S+: |the )?cache mounts? ", text)]
    lines += [text for _, text in ended.lines if text.startswith("cache mounts: ")]
    plain = [re.sub(r", in [\d.]+ s$", "", text) for text in lines]
    return sorted(dict.fromkeys(re.sub(r"\b[\d.]+ (bytes|[kMG]B)", "SIZE", one) for one in plain))


def tag(cache: str, identity: str, **of: str) -> str:
    """Return the tag of what is kept of a mount."""
    return refs.mount_tag(cache, CacheMount(identity=identity, **of).name)


@pytest.mark.parametrize("backend", ["registry", "local"])
def test_everything_in_a_mount_is_as_it_was(
    backend: str,
    warmbuild: Warmbuild,
    registry: Registry,
    repository: str,
    project: Callable[..., Path],
    tmp_path: Path,
) -> None:
    place = project(KEEPS_ALL, {"act.py": FILL, "what": "fill"})
    inputs: dict[str, Any] = {
        "image": repository,
        "cache_backend": backend,
        "cache_mounts": "/kept,/owned",
    }
    if backend == "local":
        inputs["cache_dir"] = str(tmp_path / "cache")
    filled = warmbuild.succeed(place, **inputs)
    empty = told(filled, "BEFORE")
    assert [list(at["files"]) for at in empty.values()] == [["'/'"], ["'/'"]]
    assert empty["/owned"]["files"]["'/'"][:3] == ["drwxr-x---", 1000, 1001]
    assert told(filled, "AFTER")["/kept"]["linked"] == [["/a/linked", "/hard"]]
    assert said(filled) == ["cache mount /kept: SIZE saved", "cache mount /owned: SIZE saved"]
    changed = warmbuild.succeed(edited(place, "change", "what"), **inputs)
    assert told(changed, "BEFORE") == told(filled, "AFTER")
    # What is saved now is no more than the changes.
    kept = re.findall(r"^cache mount (\S+): 5 MB restored, \d+ kB saved", changed.log, re.MULTILINE)
    assert sorted(kept) == ["/kept", "/owned"]
    again = warmbuild.succeed(edited(place, "look", "what"), **inputs)
    assert told(again, "BEFORE") == told(changed, "AFTER") != told(filled, "AFTER")
    names = [refs.mount_tag("cache-main", CacheMount(identity="/kept").name)]
    names += [tag("cache-main", "/owned", uid="1000", gid="1001", mode="0750")]
    if backend == "registry":
        assert registry.mounts(repository) == sorted(names)
        manifests = [registry.manifest(f"{repository}:{name}") for name in names]
    else:
        found = [path for path in (tmp_path / "cache").iterdir() if "---mount-" in path.name]
        assert sorted(path.name for path in found) == sorted(names)
        manifests = []
    assert [len(one["layers"]) for one in manifests] in ([], [2, 2])
    assert said(again) == [
        "cache mount /kept: SIZE restored, not saved: its content has not changed",
        "cache mount /owned: SIZE restored, not saved: its content has not changed",
        "cache mounts: 2 restored, SIZE",
    ]


APPEND = "cat /source.txt >> $at/log; echo mount $at $(cat $at/log)"
SEVERAL = f"""\
FROM busybox:1.37 AS tools
RUN --mount=type=cache,id=of-tools,target=/pre,uid=1000 echo 0 > /pre/log; cp /pre/log /tool
FROM tools
COPY source.txt /
RUN --mount=type=cache,target=/owned,uid=1000,gid=1001,mode=0750 --mount=type=cache,target=/plain \\
    for at in /owned /plain; do {APPEND}; done
RUN --mount=type=cache,target=/owned,uid=1000,gid=1001,mode=0750 \\
    --mount=type=cache,id=of-tools,target=/other,uid=1000 \\
    at=/other; {APPEND}; echo mount again $(cat /owned/log)
"""


@pytest.mark.parametrize(
    "builds", [pytest.param(3, id="3 builds"), pytest.param(15, id="15", marks=pytest.mark.long)]
)
def test_mounts_with_an_owner_are_found_in_every_build(
    builds: int, warmbuild: Warmbuild, repository: str, project: Callable[..., Path]
) -> None:
    # BuildKit knows them by a result of the solver, too, which may come from a cache.
    place = project(SEVERAL)
    for number in range(1, builds + 1):
        edited(place, f"{number}\n")
        ended = warmbuild.succeed(place, image=repository, cache_mounts="/owned,/plain,of-tools")
        until = " ".join(map(str, range(1, number + 1)))
        expected = [f"/other 0 {until}", f"/owned {until}", f"/plain {until}", f"again {until}"]
        assert printed(ended) == expected
        assert len(ended.cached) == (number > 1)


IDENTITIES = f"""\
FROM busybox:1.37
ARG VERSION=1
COPY source.txt /
RUN --mount=type=cache,id=both,target=/a,sharing=locked at=/a; {APPEND}
RUN --mount=type=cache,id=both,target=/b,sharing=private at=/b; {APPEND}
RUN --mount=type=cache,id=go-$VERSION,target=/c at=/c; {APPEND}
RUN --mount=type=cache,target=/d/${{VERSION}} at=/d/$VERSION; {APPEND}
"""


def test_a_mount_is_known_by_its_id_with_arguments_and_by_its_namespace(
    warmbuild: Warmbuild, registry: Registry, repository: str, project: Callable[..., Path]
) -> None:
    place = project(IDENTITIES)
    chosen = "both,go-1,go-2,/d/1,/d/2"

    def built(text: str, arguments: str) -> list[str]:
        edited(place, f"{text}\n")
        inputs: dict[str, Any] = {
            "image": repository,
            "build_args": arguments,
            "cache_mounts": chosen,
        }
        return printed(warmbuild.succeed(place, **inputs))

    namespaced = "VERSION=2\nBUILDKIT_CACHE_MOUNT_NS=team"
    # Two steps have the same mount, whatever its target and sharing.
    assert built("x", "") == ["/a x", "/b x x", "/c x", "/d/1 x"]
    assert built("y", "VERSION=2") == ["/a x x y", "/b x x y y", "/c y", "/d/2 y"]
    assert built("z", namespaced) == ["/a z", "/b z z", "/c z", "/d/2 z"]
    assert built("1", "VERSION=1") == ["/a x x y y 1", "/b x x y y 1 1", "/c x 1", "/d/1 x 1"]
    assert built("2", namespaced) == ["/a z z 2", "/b z z 2 2", "/c z 2", "/d/2 z 2"]
    plain = [tag("cache-main", name) for name in ("both", "go-1", "go-2", "/d/1", "/d/2")]
    of_team = [tag("cache-main", name, namespace="team") for name in ("both", "go-2", "/d/2")]
    assert registry.mounts(repository) == sorted(plain + of_team)


LARGE = """\
FROM busybox:1.37
COPY source.txt /
RUN --mount=type=cache,target=/large echo mount /large $(ls /large); \\
    head -c $(cat source.txt) /dev/urandom > /large/file
"""


def test_a_mount_above_the_limit_is_left_out(
    warmbuild: Warmbuild, registry: Registry, repository: str, project: Callable[..., Path]
) -> None:
    place = project(LARGE)
    inputs: dict[str, Any] = {"image": repository, "cache_mounts": "/large"}
    why = "it has 3 MB, more than the 2 MB of cache-mounts-limit"
    edited(place, "3000000")
    left_out = warmbuild.succeed(place, **inputs, cache_mounts_limit="2.99MB")
    assert f"cache mount /large: not saved: {why}, in " in left_out.log
    assert registry.mounts(repository) == []
    edited(place, "2900000")
    kept = warmbuild.succeed(place, **inputs, cache_mounts_limit="2.99MB")
    assert printed(kept) == ["/large"]
    assert registry.mounts(repository) == [tag("cache-main", "/large")]
    edited(place, "2700000")
    too_large = warmbuild.succeed(place, **inputs, cache_mounts_limit="1.5MB")
    assert printed(too_large) == ["/large"]
    why = "it has 2 MB, more than the 1 MB of cache-mounts-limit"
    assert f"\nthe cache mount /large is not restored: {why}\n" in too_large.log
    assert too_large.warnings == []


@pytest.mark.long
def test_two_gigabytes_are_more_than_the_default_limit(
    warmbuild: Warmbuild, registry: Registry, repository: str, project: Callable[..., Path]
) -> None:
    place = edited(project(LARGE), "2000000000")
    ended = warmbuild.succeed(place, image=repository)
    why = "it has 2.0 GB, more than the 1.0 GB of cache-mounts-limit"
    assert f"cache mount /large: not saved: {why}, in " in ended.log
    assert registry.mounts(repository) == []


LOG = f"""\
FROM busybox:1.37
COPY source.txt /
RUN --mount=type=cache,target=/kept at=/kept; {APPEND}
"""


def test_branches_read_the_mounts_of_main_and_write_their_own_and_forks_write_none(
    warmbuild: Warmbuild,
    registry: Registry,
    repository: str,
    project: Callable[..., Path],
    github: Callable[..., dict[str, str]],
) -> None:
    place = project(LOG)

    def built(text: str, branch: str = "main", ci: Mapping[str, str] | None = None) -> list[str]:
        edited(place, f"{text}\n")
        inputs: dict[str, Any] = {"image": repository, "cache_mounts": "/kept"}
        return printed(warmbuild.succeed(place, branch=branch, ci=ci, **inputs))

    of_main, of_feature = tag("cache-main", "/kept"), tag("cache-feature", "/kept")
    assert built("main") == ["/kept main"]
    before = registry.digest(f"{repository}:{of_main}")
    assert built("feature", branch="feature") == ["/kept main feature"]
    assert registry.mounts(repository) == sorted([of_main, of_feature])
    assert registry.digest(f"{repository}:{of_main}") == before
    written = [one for method in WRITING for one in registry.asked(repository, method)]
    fork = github("pull_request", "github-pull-request-from-fork.json", "refs/pull/42/merge")
    assert built("fork", ci=fork) == ["/kept main fork"]
    assert [one for method in WRITING for one in registry.asked(repository, method)] == written
    assert built("later") == ["/kept main later"]
    assert built("again", branch="feature") == ["/kept main feature again"]


UNCHANGING = """\
FROM busybox:1.37
COPY source.txt /
RUN --mount=type=cache,target=/kept echo mount $(cat /kept/file); \\
    [ -f /kept/file ] || echo filled > /kept/file
"""


def parts(registry: Registry, ref: str) -> list[str]:
    """Return the ends of the paths by which what is kept of a mount is asked for."""
    manifest = registry.manifest(ref)
    layers = [layer["digest"] for layer in manifest["layers"]]
    return [ref.rpartition(":")[2], registry.digest(ref), manifest["config"]["digest"], *layers]


def test_a_cached_step_reads_no_mount_and_an_unchanged_mount_is_not_written(
    warmbuild: Warmbuild, registry: Registry, repository: str, project: Callable[..., Path]
) -> None:
    place = edited(project(UNCHANGING), "one")
    inputs: dict[str, Any] = {"image": repository, "cache_mounts": "/kept"}
    warmbuild.succeed(place, **inputs)
    name = tag("cache-main", "/kept")
    ends = parts(registry, f"{repository}:{name}")

    def read() -> list[str]:
        asked = [one for method in ("GET", "HEAD") for one in registry.asked(repository, method)]
        return [one for one in asked if one.rpartition("/")[2] in ends]

    before = read()
    warm = warmbuild.succeed(place, **inputs)
    assert warm.executed == []
    assert said(warm) == []
    assert read() == before
    written = registry.asked(repository, "PUT")
    ran = warmbuild.succeed(edited(place, "two"), **inputs)
    assert printed(ran) == ["filled"]
    assert said(ran) == [
        "cache mount /kept: SIZE restored, not saved: its content has not changed",
        "cache mounts: 1 restored, SIZE",
    ]
    assert len(read()) > len(before)
    new = registry.asked(repository, "PUT")[len(written) :]
    assert [one for one in new if name in one] == []


def known(repository: str) -> Record:
    """Return the record beside the cache of main."""
    place = refs.parse(f"{repository}:cache-main")
    content = stores.read(CachePlan(), place, {}, lambda host: Client(host, None, None))
    assert content
    return record.unpacked(content)


def put(repository: str, forged: Record) -> None:
    """Replace the record beside the cache of main."""
    place = refs.parse(f"{repository}:cache-main")
    content = record.packed(forged)
    assert content
    stores.write(CachePlan(), place, {}, lambda host: Client(host, None, None), content)


def test_a_step_that_runs_against_its_prediction_finds_its_mount_empty_and_saves_it(
    warmbuild: Warmbuild,
    engine: docker.DockerClient,
    registry: Registry,
    repository: str,
    project: Callable[..., Path],
) -> None:
    place = project(f"{LOG}RUN cat source.txt > /made\n")
    inputs: dict[str, Any] = {"image": repository, "cache_mounts": "/kept"}
    warmbuild.succeed(edited(place, "one\n"), **inputs)
    older = registry.manifest(f"{repository}:cache-main")
    built = warmbuild.succeed(edited(place, "two\n"), **inputs)
    assert printed(built) == ["/kept one two"]
    # The cache is the older one, and its record says that it has what was built last.
    registry.put_manifest(f"{repository}:cache-main", older)
    digest = registry.digest(f"{repository}:cache-main")
    put(repository, replace(known(repository), cache=digest))
    wrong = warmbuild.succeed(place, **inputs)
    assert "\nforecast: no step will run\n" in wrong.log
    assert len(wrong.executed) == 3
    assert printed(wrong) == ["/kept two"]
    assert said(wrong) == ["cache mount /kept: SIZE saved"]
    assert engine.containers.run(f"{repository}:main", ["cat", "/made"], remove=True) == b"two\n"
    engine.images.remove(f"{repository}:main", force=True)
    later = warmbuild.succeed(edited(place, "three\n"), **inputs)
    assert printed(later) == ["/kept two three"]


BAKED = f"""\
FROM busybox:1.37 AS web
COPY source.txt /
RUN --mount=type=cache,id=shared,target=/web,sharing=locked at=/web; {APPEND}; : web
FROM busybox:1.37 AS worker
COPY source.txt /
RUN --mount=type=cache,id=shared,target=/worker,sharing=locked at=/worker; {APPEND}; : worker
"""
TARGETS = """
group "default" { targets = ["web", "worker"] }
target "web" { target = "web" }
target "worker" { target = "worker" }
"""


def test_targets_of_a_bake_file_share_what_is_kept_of_a_mount(
    warmbuild: Warmbuild, registry: Registry, repository: str, project: Callable[..., Path]
) -> None:
    place = project(BAKED, {"docker-bake.hcl": TARGETS})
    inputs: dict[str, Any] = {
        "image": repository,
        "bake_files": "docker-bake.hcl",
        "cache_mounts": "shared",
    }
    name = tag("cache-web--main", "shared")
    cold = warmbuild.succeed(edited(place, "1\n"), **inputs)
    assert sorted(len(one.split()) for one in printed(cold)) == [2, 3]
    warm = warmbuild.succeed(edited(place, "2\n"), **inputs)
    assert sorted(one.split()[1:] for one in printed(warm)) == [
        ["1", "1", "2"],
        ["1", "1", "2", "2"],
    ]
    assert said(warm) == [
        "cache mount shared: SIZE restored, SIZE saved",
        "cache mounts: 1 restored, SIZE",
    ]
    assert registry.mounts(repository) == [name]
    written = [one for one in registry.asked(repository, "PUT") if "---mount-" in one]
    assert written == [f"manifests/{name}"] * 2


def test_platforms_share_what_is_kept_of_a_mount(
    warmbuild: Warmbuild, repository: str, project: Callable[..., Path], arm64: Arm64
) -> None:
    steps = [
        f"RUN --mount=type=cache,target={at},sharing=locked{owner} \\\n    at={at}; {APPEND}\n"
        for at, owner in (("/plain", ""), ("/owned", ",uid=7,mode=0700"))
    ]
    place = project(f"FROM {arm64.image}\nCOPY source.txt /\n{''.join(steps)}")
    inputs: dict[str, Any] = {"image": repository, "platforms": "linux/amd64,linux/arm64"}
    cold = warmbuild.succeed(edited(place, "1\n"), **inputs, cache_mounts="/plain,/owned")
    assert printed(cold) == ["/owned 1", "/owned 1 1", "/plain 1", "/plain 1 1"]
    warm = warmbuild.succeed(edited(place, "2\n"), **inputs, cache_mounts="/plain,/owned")
    until = ["1 1 2", "1 1 2 2"]
    assert printed(warm) == [f"{at} {one}" for at in ("/owned", "/plain") for one in until]


FILTERED = f"""\
FROM busybox:1.37 AS first
COPY source.txt /
RUN --mount=type=cache,id=both,target=/first at=/first; {APPEND}
FROM first
RUN --mount=type=cache,id=both,target=/both at=/both; {APPEND}
RUN --mount=type=cache,id=own,target=/own at=/own; {APPEND}
"""


def test_a_mount_of_a_stage_that_uses_no_cache_begins_empty(
    warmbuild: Warmbuild, repository: str, project: Callable[..., Path]
) -> None:
    place = project(FILTERED)
    inputs: dict[str, Any] = {"image": repository, "cache_mounts": "both,own"}
    warmbuild.succeed(edited(place, "1\n"), **inputs)
    filtered = warmbuild.succeed(edited(place, "2\n"), **inputs, no_cache_filters="first")
    assert printed(filtered) == ["/both 2 2", "/first 2", "/own 1 2"]
    why = "no-cache-filters names the stage of its step"
    assert said(filtered) == [
        f"cache mount both: not restored: {why}, SIZE saved",
        "cache mount own: SIZE restored, SIZE saved",
        "cache mounts: 1 restored, SIZE",
        f"the cache mount both is not restored: {why}",
    ]
    later = warmbuild.succeed(edited(place, "3\n"), **inputs)
    assert printed(later) == ["/both 2 2 3 3", "/first 2 2 3", "/own 1 2 3"]


TWO = f"""\
FROM busybox:1.37
COPY source.txt /
RUN --mount=type=cache,id=one,target=/one at=/one; {APPEND}
RUN --mount=type=cache,id=two,target=/two at=/two; {APPEND}
"""


def test_only_the_mounts_that_are_named_are_kept(
    warmbuild: Warmbuild, registry: Registry, repository: str, project: Callable[..., Path]
) -> None:
    place = project(TWO)
    chosen = warmbuild.succeed(edited(place, "1\n"), image=repository, cache_mounts="two, three")
    assert said(chosen) == [
        "cache mount two: SIZE saved",
        "the cache mount one is not kept: cache-mounts does not name it",
    ]
    assert chosen.warnings == [
        "warning: cache-mounts: no step has a cache mount 'three'; there is one, two"
    ]
    assert registry.mounts(repository) == [tag("cache-main", "two")]
    off = warmbuild.succeed(edited(place, "2\n"), image=repository, cache_mounts="off")
    assert printed(off) == ["/one 2", "/two 2"]
    assert said(off) == []
    # What was kept is still there.
    both = warmbuild.succeed(edited(place, "3\n"), image=repository, cache_mounts="one, two")
    assert printed(both) == ["/one 3", "/two 1 3"]


WORTH = f"""\
FROM busybox:1.37
COPY source.txt /
RUN --mount=type=cache,target=/quick at=/quick; {APPEND}
RUN --mount=type=cache,target=/slow [ -f /slow/log ] || sleep 2.2; at=/slow; {APPEND}
"""


def test_mounts_that_do_not_pay_are_left_out(
    warmbuild: Warmbuild, registry: Registry, repository: str, project: Callable[..., Path]
) -> None:
    place = project(WORTH)
    first = warmbuild.succeed(edited(place, "1\n"), image=repository)
    assert said(first) == ["cache mount /slow: SIZE saved"]
    assert registry.mounts(repository) == [tag("cache-main", "/slow")]
    second = warmbuild.succeed(edited(place, "2\n"), image=repository)
    assert printed(second) == ["/quick 2", "/slow 1 2"]
    assert said(second)[0] == "cache mount /slow: SIZE restored, SIZE saved"
    assert re.search(
        r"^the cache mount /quick is not kept: its step takes [01]\.\d s even if it is empty$",
        second.log,
        re.MULTILINE,
    )
    assert re.search(r"^  mounts saved +2\.\d s, for ", second.log, re.MULTILINE)
    # Three times its mount cost more than it saved.
    before = known(repository)
    gains = {key: replace(gain, losses=3) for key, gain in before.gains.items() if gain.bare > 2}
    assert len(gains) == 1
    put(repository, replace(before, gains={**before.gains, **gains}))
    third = warmbuild.succeed(edited(place, "3\n"), image=repository)
    assert printed(third) == ["/quick 3", "/slow 3"]
    why = "it cost more than it saved 3 times in a row"
    assert f"\nthe cache mount /slow is not kept: {why}\n" in third.log


@pytest.fixture
def theirs(lab: Lab, name: str, tmp_path: Path) -> Iterator[Mapping[str, Any]]:
    """Make a builder as a user does; return the inputs to build with it."""
    place = {"BUILDX_CONFIG": str(tmp_path / "buildx")}
    builder = f"lab-{name[-6:]}"
    create = ["create", "--name", builder, "--driver=docker-container", "--bootstrap"]
    create += [part for opt in lab.driver_opts.splitlines() for part in ("--driver-opt", opt)]
    buildx({**lab.env, **place}, *create, "--buildkitd-config", lab.buildkitd_config)
    yield {"builder": builder, "extra": place}
    buildx({**lab.env, **place}, "rm", "--force", builder)


def test_what_would_not_use_a_mount_gets_none(
    warmbuild: Warmbuild,
    registry: Registry,
    repository: str,
    project: Callable[..., Path],
    theirs: Mapping[str, Any],
) -> None:
    place = project(LOG)
    inputs: dict[str, Any] = {"image": repository, "cache_mounts": "/kept"}
    warmbuild.succeed(edited(place, "1\n"), **inputs)
    kept = registry.digest(f"{repository}:{tag('cache-main', '/kept')}")
    named = warmbuild.succeed(edited(place, "2\n"), **inputs, **theirs)
    assert printed(named) == ["/kept 2"]
    why = "the builder is not one daemon of this run alone"
    assert said(named) == [f"cache mounts are not kept: {why}"]
    without = warmbuild.succeed(edited(place, "3\n"), **inputs, no_cache="true")
    assert printed(without) == ["/kept 3"]
    assert said(without) == ["cache mounts are not kept: no-cache is on"]
    assert registry.digest(f"{repository}:{tag('cache-main', '/kept')}") == kept
