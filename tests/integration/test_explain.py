"""Each kind of miss is explained with the right file, line, argument or ref, from real builds."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import shlex
import subprocess
import sys
import tarfile
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.integration.conftest import OCI_MANIFEST, ROOT, gitlab, written
from warmbuild import refs, stores
from warmbuild.cache.cache_plan import CachePlan
from warmbuild.cache.probe import Found
from warmbuild.record import record
from warmbuild.registry.client import Registry as Client

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.integration.conftest import Ended, Registry, Warmbuild
    from warmbuild.record.record import Record

AMD64, BOTH = "linux/amd64", "linux/amd64,linux/arm64"
# A stage of a file each: what its Dockerfile has before and after, and its cause. {base}, {tool}
# and {url} are places of the test's own.
STAGES: Mapping[str, tuple[str, str, tuple[str, list[str], str]]] = {
    "changed": (
        "FROM scratch\nCOPY changed /",
        "",
        ("file-changed", ["changed/a"], "changed/a changed"),
    ),
    "added": ("FROM scratch\nCOPY added /", "", ("file-added", ["added/b"], "added/b added")),
    "removed": (
        "FROM scratch\nCOPY removed /",
        "",
        ("file-removed", ["removed/b"], "removed/b removed"),
    ),
    "mode": (
        "FROM scratch\nCOPY mode /",
        "",
        ("file-mode", ["mode/a"], "the mode of mode/a differs (644 -> 755)"),
    ),
    "link": (
        "FROM scratch\nCOPY link /",
        "",
        ("link-target", ["link/b"], "the target of link/b differs"),
    ),
    "ignored": (
        "FROM scratch\nCOPY ignored /",
        "",
        ("ignored", ["ignored/b"], ".dockerignore now excludes ignored/b"),
    ),
    "included": (
        "FROM scratch\nCOPY included /",
        "",
        ("not-ignored", ["included/b"], ".dockerignore no longer excludes included/b"),
    ),
    "argument": (
        "FROM busybox:1.37\nARG VERSION\nRUN : argument > /a",
        "",
        ("argument-changed", ["VERSION"], "argument VERSION changed"),
    ),
    "new-argument": (
        "FROM busybox:1.37\nARG OTHER\nRUN : new-argument > /a",
        "",
        ("argument-added", ["OTHER"], "argument OTHER is new"),
    ),
    "variable": (
        "FROM busybox:1.37\nENV A=1\nRUN : variable > /a",
        "FROM busybox:1.37\nENV A=2\nRUN : variable > /a",
        ("variable-changed", ["A"], "variable A changed"),
    ),
    "edited": (
        "FROM busybox:1.37\nRUN : > /a; : one",
        "FROM busybox:1.37\nRUN : > /a; : two",
        ("edited", [], "it was edited: RUN : > /a; : one -> RUN : > /a; : two"),
    ),
    "new": (
        "FROM busybox:1.37\nRUN : > /a; : new",
        "FROM busybox:1.37\nWORKDIR /new\nRUN : > /a; : new",
        ("added", [], "it is new"),
    ),
    "removal": (
        "FROM busybox:1.37\nWORKDIR /removal\nRUN : removal > /a",
        "FROM busybox:1.37\nRUN : removal > /a",
        ("removed", ["WORKDIR /removal"], "WORKDIR /removal was removed before it"),
    ),
    "moved": (
        "FROM busybox:1.37\nWORKDIR /moved\nRUN : moved > /a",
        "FROM busybox:1.37\nRUN : moved > /a\nWORKDIR /moved",
        ("moved", ["WORKDIR /moved"], "WORKDIR /moved now comes after it"),
    ),
    "user": (
        "FROM busybox:1.37\nUSER 0\nRUN : user > /a",
        "FROM busybox:1.37\nUSER 0:0\nRUN : user > /a",
        ("user", [], "the user (USER) differs"),
    ),
    "base": (
        "FROM {base}\nCOPY LICENSE /",
        "",
        ("base-moved", ["{base}"], "base image {base} moved"),
    ),
    "other-base": (
        "FROM {base}-1\nCOPY LICENSE /",
        "FROM {base}-2\nCOPY LICENSE /",
        ("base-changed", ["{base}-2"], "FROM names {base}-2 instead of {base}-1"),
    ),
    "image": (
        "FROM scratch\nCOPY --from={tool} / /",
        "",
        ("image-moved", ["{tool}"], "image {tool} moved"),
    ),
    "unknown": (
        "FROM scratch\nADD {url} /",
        "",
        ("unknown", [], "it cannot be known before it runs: ADD takes what {url} has then"),
    ),
    "above": (
        "FROM changed\nCOPY LICENSE /",
        "",
        ("stage", ["changed"], "stage changed that it is built on is not cached"),
    ),
}
FILES = {
    "LICENSE": "free",
    ".dockerignore": "included/b\n",
    **{f"{name}/a": name for name in ("changed", "added", "mode", "ignored", "included")},
    **{f"{name}/b": "b" for name in ("removed", "ignored", "included")},
    "removed/a": "a",
}


def dockerfile(names: Mapping[str, str], *, is_later: bool) -> str:
    """Return a file with all stages, each of which has a file that the last one takes."""
    text = "".join(
        f"{first.replace(chr(10), f' AS {name}{chr(10)}', 1)}\n"
        for name, (before, after, _) in STAGES.items()
        for first in [(after or before) if is_later else before]
    )
    text += "FROM scratch\n"
    # What is above it is built on it.
    others = [name for name in STAGES if name != "changed"]
    text += "".join(f"COPY --from={name} / /{name}/\n" for name in others)
    for name, place in names.items():
        text = text.replace(f"{{{name}}}", place)
    return text


def put_image(registry: Registry, ref: str, text: str, architecture: str = "amd64") -> None:
    """Push an image with one file."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        member = tarfile.TarInfo("file")
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text.encode()))
    content = packed.getvalue()
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(content).hexdigest()}"]},
    }
    kind = "application/vnd.oci.image.config.v1+json"
    registry.put_artifact(ref, kind, json.dumps(config).encode(), gzip.compress(content))


def put_index(registry: Registry, ref: str, *architectures: str) -> None:
    """Push an image for several architectures."""
    entries = []
    for one in architectures:
        put_image(registry, f"{ref}-{one}", one, one)
        content = registry.get(f"{ref.partition('/')[2].replace(':', '/manifests/')}-{one}").content
        entry = {
            "mediaType": OCI_MANIFEST,
            "digest": f"sha256:{hashlib.sha256(content).hexdigest()}",
            "size": len(content),
            "platform": {"os": "linux", "architecture": one},
        }
        entries.append(entry)
    kind = "application/vnd.oci.image.index.v1+json"
    place = refs.parse(ref)
    requests.put(
        f"http://{place.host}/v2/{place.path}/manifests/{place.tag}",
        data=json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": entries}),
        headers={"Content-Type": kind},
        timeout=10,
    ).raise_for_status()


@pytest.fixture
def url() -> Iterator[str]:
    """Return where a server has another file each time that it is asked."""
    count = iter(range(1000))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f"{next(count)}".encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/file"
    server.shutdown()
    server.server_close()


def misses(ended: Ended) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(ended.outputs["misses"])
    return found


def causes(ended: Ended) -> list[tuple[int, list[str], str]]:
    """Return the line, the kinds and the first text of each miss."""
    return [
        (one["line"], [cause["kind"] for cause in one["causes"]], one["causes"][0]["text"])
        for one in misses(ended)
    ]


def explained(
    warmbuild: Warmbuild, project: Path, repository: str, *flags: str, branch: str = "main"
) -> dict[str, Any]:
    done = subprocess.run(  # noqa: S603 (each argument is written out in a test)
        [sys.executable, "-m", "warmbuild", "explain", "--format=json", *flags],
        cwd=project,
        env={
            **warmbuild.environment,
            **gitlab(branch),
            "INPUT_IMAGE": repository,
            "INPUT_CONTEXT": ".",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_each_kind_of_change(
    warmbuild: Warmbuild, registry: Registry, repository: str, tmp_path: Path, url: str
) -> None:
    names = {"base": f"{repository}/base:1", "tool": f"{repository}/tool:1", "url": url}
    images = (names["base"], names["tool"], f"{names['base']}-1", f"{names['base']}-2")
    for number, ref in enumerate(images):
        put_image(registry, ref, str(number))
    project = written(tmp_path, {**FILES, "Dockerfile": dockerfile(names, is_later=False)})
    link = project / "link" / "b"
    link.parent.mkdir()
    link.symlink_to("a")
    cold = warmbuild.succeed(project, image=repository, build_args="VERSION=hunter1")
    missing = f"{repository}:cache-main does not exist yet"
    assert {tuple(kinds) for _, kinds, _ in causes(cold)} == {("missing",)}
    assert {text for _, _, text in causes(cold)} == {missing}

    text = dockerfile(names, is_later=True)
    (project / "Dockerfile").write_text(text)
    (project / "changed/a").write_text("2")
    (project / "added/b").write_text("2")
    (project / "removed/b").unlink()
    (project / "mode/a").chmod(0o755)
    (project / ".dockerignore").write_text("ignored/b\n")
    link.unlink()
    link.symlink_to("c")
    for ref in images[:2]:
        put_image(registry, ref, "moved")
    arguments = "VERSION=hunter2\nOTHER=hunter3"
    flags = ("--build-args=VERSION=hunter2", "--build-args=OTHER=hunter3")
    foretold = explained(warmbuild, project, repository, *flags, branch="feature")

    ended = warmbuild.succeed(project, branch="feature", image=repository, build_args=arguments)
    found = {one["stage"]: one for one in misses(ended)}
    lines = text.splitlines()

    def placed(said: str) -> str:
        for place, ref in names.items():
            said = said.replace(f"{{{place}}}", ref)
        return said

    for name, (_, _, (kind, of, said)) in STAGES.items():
        cause = found[name]["causes"][0]
        assert (cause["kind"], cause["names"]) == (kind, [placed(one) for one in of]), name
        assert cause["text"].startswith(placed(said)), name
        assert found[name]["instruction"] == lines[found[name]["line"] - 1]
    assert {cause["kind"] for cause in found[f"stage-{len(STAGES)}"]["causes"]} == {"stage"}
    # What the record says before the build is what has become of the steps.
    before = {one["stage"]: one["causes"] for one in foretold["misses"]}
    assert before == {name: one["causes"] for name, one in found.items()}
    # The records of both branches tell the same of each other.
    between = explained(
        warmbuild, project, repository, "--branch=feature", "--against=main", branch="other"
    )
    assert {one["stage"]: one["causes"] for one in between["misses"]} == before
    assert [one["branch"] for one in between["with"]] == ["main"]
    # What is left is what nobody knows, and what takes that.
    left = explained(warmbuild, project, repository, *flags, branch="feature")["misses"]
    assert [(one["stage"], one["causes"][0]["kind"]) for one in left] == [
        ("unknown", "unknown"),
        (f"stage-{len(STAGES)}", "unknown"),
    ]
    assert "hunter" not in json.dumps([misses(ended), foretold, between])


def record_of(repository: str, branch: str) -> tuple[Client, refs.Reference, Record]:
    """Return the record beside a branch's cache, and what reads and writes it."""
    place = refs.parse(f"{repository}:cache-{branch}")
    client = Client(place.host, None, None)
    content = stores.read(CachePlan(), place, {}, lambda _: client)
    assert content
    return client, place, record.unpacked(content)


def put_record(client: Client, place: refs.Reference, content: bytes) -> None:
    stores.write(CachePlan(), place, {}, lambda _: client, content)


def move(registry: Registry, client: Client, ref: refs.Reference, tag: str) -> str:
    """Let a ref name what another tag of its repository names; return the digest."""
    manifest = client.fetch(ref, "manifests", tag)
    assert manifest
    media_type = registry.get(f"{ref.path}/manifests/{tag}").headers["Content-Type"]
    client.retag(ref, Found("", manifest=manifest, media_type=media_type))
    return registry.digest(f"{ref.repository}:{tag}")


TWO_STAGES = """\
FROM busybox:1.37 AS build
RUN cat /proc/sys/kernel/random/uuid > /once
COPY a /
FROM busybox:1.37
COPY b /
COPY --from=build /a /once /
"""


@pytest.fixture
def two_stages(tmp_path: Path) -> Path:
    return written(tmp_path, {"Dockerfile": TWO_STAGES, "a": "1", "b": "1"})


def test_caches_that_are_not_read(warmbuild: Warmbuild, repository: str, two_stages: Path) -> None:
    def built(branch: str = "main", **more: str) -> list[tuple[int, list[str], str]]:
        inputs: dict[str, Any] = {"image": repository, **more}
        return causes(warmbuild.succeed(two_stages, branch=branch, **inputs))

    main, feature = f"{repository}:cache-main", f"{repository}:cache-feature"
    built()
    off = "no cache is read: no-cache is on"
    assert built("feature", no_cache="true") == [(2, ["no-cache"], off), (5, ["no-cache"], off)]
    (two_stages / "a").write_text("2")
    ended = warmbuild.succeed(two_stages, image=repository, branch="feature")
    assert causes(ended) == [
        (3, ["file-changed", "contradicts"], "a changed"),
        (6, ["stage", "contradicts"], "stage build that it copies from is not cached"),
    ]
    assert misses(ended)[0]["causes"][1]["names"] == [main]
    old = built("feature", cache_max_age="1s", cache_import="first")
    assert [(line, kinds) for line, kinds, _ in old] == [
        (2, ["too-old", "too-old"]),
        (5, ["too-old", "too-old"]),
    ]
    assert old[0][2].startswith(f"{feature} is not read: its oldest result is ")
    assert built("feature", no_cache_filters="build", cache_import="first") == [
        (2, ["no-cache"], "no-cache-filters names its stage"),
        (6, ["stage", "not-read"], "stage build that it copies from is not cached"),
    ]


def test_records_that_do_not_tell_and_caches_that_have_lost_steps(
    warmbuild: Warmbuild, registry: Registry, repository: str, two_stages: Path
) -> None:
    def built(branch: str = "main", **more: str) -> list[tuple[int, list[str], str]]:
        inputs: dict[str, Any] = {"image": repository, **more}
        return causes(warmbuild.succeed(two_stages, branch=branch, **inputs))

    def edit(name: str, text: str) -> None:
        (two_stages / name).write_text(text)

    main, other = f"{repository}:cache-main", f"{repository}:cache-other"
    built()
    edit("a", "2")
    built("feature")
    client, place, _ = record_of(repository, "main")
    # Something else writes the cache.
    move(registry, client, place, "cache-feature")
    edit("a", "3")
    text = f"{main} cannot tell: its record is of another cache"
    assert built() == [(3, ["other-cache"], text), (6, ["other-cache"], text)]
    # A cache that has less than it had.
    client, place, known = record_of(repository, "main")
    digest = move(registry, client, place, "cache-feature")
    packed = record.packed(replace(known, cache=digest))
    assert packed
    put_record(client, place, packed)
    assert built() == [
        (3, ["lost"], f"{main} had it, by its record, and has lost it"),
        (6, ["stage"], "stage build that it copies from is not cached"),
    ]
    put_record(client, place, b"garbage")
    edit("b", "2")
    why = "its record cannot be used: it is not packed by gzip"
    assert built() == [(5, ["no-record"], f"{main} cannot tell: {why}")]
    move(registry, client, place, "main")
    first = built("other", cache_mode="min")
    assert [(line, kinds) for line, kinds, _ in first] == [
        (2, ["unreadable", "missing"]),
        (5, ["unreadable", "missing"]),
    ]
    # The steps of the first stage are in no cache of this mode.
    edit("Dockerfile", TWO_STAGES.replace("COPY --from", "WORKDIR /new\nCOPY --from"))
    assert [(line, kinds[0]) for line, kinds, _ in built("other", cache_mode="min")] == [
        (2, "mode-min"),
        (6, "added"),
    ]
    assert other in str(warmbuild.runs[-1].end().outputs["misses"])


def test_platforms_and_targets(
    warmbuild: Warmbuild, registry: Registry, repository: str, tmp_path: Path
) -> None:
    base = f"{repository}/base:1"
    put_index(registry, base, "amd64", "arm64")
    dockerfile = f"FROM {base} AS one\nCOPY a /\nFROM {base} AS two\nCOPY b /\n"
    project = written(tmp_path, {"Dockerfile": dockerfile, "a": "1", "b": "1"})
    warmbuild.succeed(project, image=repository, target="one", platforms=AMD64)
    ended = warmbuild.succeed(project, image=repository, target="one", platforms=BOTH)
    assert causes(ended) == [(2, ["platform"], "platform linux/arm64 is new")]
    ended = warmbuild.succeed(project, image=repository, target="two", platforms=BOTH)
    text = "stage two was not needed for target one, which the record is of"
    assert causes(ended) == [(4, ["target"], text)]


PAGE = ROOT / "docs" / "explain.md"


def blocks(kind: str) -> list[str]:
    """Return the blocks of the page of a kind."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def masked(text: str, repository: str) -> list[str]:
    """Return lines without what is another one in each run: names, times and seconds."""
    text = text.replace(repository, "registry.example/shop")
    text = re.sub(r" +\d+(?:\.\d)? s\b", " N s", text)
    text = re.sub(r"\(\d+(?:\.\d)? s\)", "(N s)", text)
    text = re.sub(r'("seconds": )[\d.]+', r"\1N", text)
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "TIME", text).splitlines()


def test_the_page_shows_what_warmbuild_prints(
    warmbuild: Warmbuild, repository: str, tmp_path: Path
) -> None:
    (dockerfile,) = blocks("dockerfile")
    (said,) = blocks("text")
    (before, between), (as_json,) = blocks("console"), blocks("json")
    programs = {
        "install": "#!/bin/sh\nsleep 2\n",
        "compile": '#!/bin/sh\nsleep 3\necho "$VERSION" > app\n',
    }
    files = {"Dockerfile": dockerfile, "package.json": "{}", "README.md": "one", **programs}
    project = written(tmp_path, files)
    for name in programs:
        (project / name).chmod(0o755)
    arguments = "VERSION=1"
    warmbuild.succeed(project, image=repository, build_args=arguments)
    (project / "README.md").write_text("two")

    def shown(block: str, branch: str) -> tuple[list[str], list[str]]:
        """Return what the command of a block prints, and what the block shows of that."""
        command, _, output = block.partition("\n")
        argv = shlex.split(command.replace("registry.example/shop", repository))[2:]
        done = subprocess.run(  # noqa: S603 (the page's own commands)
            [sys.executable, "-m", "warmbuild", *argv, "--context=."],
            cwd=project,
            env={**warmbuild.environment, **gitlab(branch)},
            capture_output=True,
            text=True,
            check=True,
        )
        return masked(done.stdout, repository), masked(output, repository)

    printed, expected = shown(before, "feature")
    assert printed == expected
    ended = warmbuild.succeed(project, image=repository, branch="feature", build_args=arguments)
    log = masked(ended.log, repository)
    assert [line for line in masked(said, repository) if line not in log] == []
    assert masked(json.dumps(misses(ended), indent=2), "-") == masked(as_json, "-")
    printed, expected = shown(between, "main")
    assert printed == expected
