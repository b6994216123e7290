"""Somebody may write what is kept of cache mounts, or only a Dockerfile that has some.

Those with a run are on a real engine and registry.
"""

from __future__ import annotations

import gzip
import json
import re
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration import kept_images
from tests.integration.conftest import CACHE_CONFIG, written
from tests.integration.kept_images import CONFIG, archive, layer
from warmbuild.buildkit import mount_solves
from warmbuild.cache.kept_mounts import MARK, NOTES
from warmbuild.project.cache_mount import CacheMount

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tests.integration.conftest import Ended, Registry, Warmbuild

FILE, LINK, HARD = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
BLOCKS, CHARACTERS, PIPE = tarfile.BLKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE
SAYS = "\x1b[2J\n::set-output name=a::b"
GOOD = archive(("good", FILE, b"1"))
NONE = "it holds no cache mount"
SECRET = "hunter2-of-the-run"
# What a bomb unpacks to, in bytes: many times what a run may write for it.
BOMB = 20 * 1000**3
# Seconds that a run may take; what hangs would take 600.
SOON = 60.0


def steps(*identities: str) -> str:
    """Return a Dockerfile with a step for each mount, which prints and changes what is there."""
    runs = [
        f"RUN --mount=type=cache,id={one},target=/m find /m | sort; cp /source.txt /m/last"
        for one in identities
    ]
    return "\n".join(["FROM busybox:1.37", "COPY source.txt /", *runs, ""])


@dataclass(frozen=True, slots=True)
class Main:
    """The default branch, in whose registry others have written what is kept of its mounts."""

    runs: Warmbuild
    registry: Registry
    repository: str
    directory: Path

    def place(self, identity: str = "box") -> str:
        return kept_images.place(self.repository, identity)

    def built(self, *identities: str, dockerfile: str = "", **inputs: str) -> Ended:
        """Build a change, and check that the image is right, and that the log is plain."""
        files = {"Dockerfile": dockerfile or steps(*identities), "source.txt": f"{id(inputs)}"}
        given: dict[str, Any] = {"image": self.repository, "cache_mounts": ",".join(identities)}
        ended = self.runs.succeed(written(self.directory, files), **(given | inputs))
        assert ended.seconds < SOON
        assert self.registry.digest(f"{self.repository}:main") == ended.outputs["digest"]
        self.registry.check_image(f"{self.repository}:main")
        assert not [text for text in ("[2J", "\n::set", "/bin/sh -c") if text in own(ended)]
        return ended


@pytest.fixture
def main(warmbuild: Warmbuild, registry: Registry, repository: str, tmp_path: Path) -> Main:
    config = {"layers": [], "records": [{"digest": f"sha256:{'1' * 64}"}]}
    registry.put_artifact(f"{repository}:cache-main", CACHE_CONFIG, json.dumps(config).encode())
    return Main(warmbuild, registry, repository, tmp_path)


def own(ended: Ended) -> str:
    """Return what a run itself has said."""
    return "\n".join(text for _, text in ended.lines if not text.startswith("#"))


def found(ended: Ended) -> Sequence[Sequence[str]]:
    """Return what each step has found in its mount."""
    there: dict[str, list[str]] = {}
    for _, text in ended.lines:
        number, *rest = text.split(maxsplit=2)
        if re.search(r"\] RUN --mount=type=cache", text):
            there.setdefault(number, [])
        elif number in there and len(rest) > 1 and rest[1].startswith("/m/"):
            there[number].append(rest[1].removeprefix("/m/"))
    return tuple(there.values())


def why(ended: Ended, identity: str = "box") -> str:
    """Return why a mount was not restored, which the log has in one line."""
    begin = f"the cache mount {identity} is not restored: "
    (line,) = [text for _, text in ended.lines if text.startswith(begin)]
    assert len(line) < 450
    return line.removeprefix(begin)


def no_json(registry: Registry, ref: str) -> None:
    registry.put_artifact(ref, CONFIG, b"no JSON", b"no layer")


def index(registry: Registry, ref: str) -> None:
    """Put an index with the mark, and with an image that has it."""
    kept_images.put(registry, ref, [GOOD])
    repository, _, tag = ref.removeprefix(f"{registry.host}/").rpartition(":")
    of = registry.get(f"{repository}/manifests/{tag}")
    media_type, digest = (of.headers[one] for one in ("Content-Type", "Docker-Content-Digest"))
    made = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{"mediaType": media_type, "digest": digest, "size": len(of.content)}],
        "annotations": {MARK: "10"},
    }
    registry.put_manifest(ref, made)


def changed(**members: object) -> Callable[[Registry, str], None]:
    """Return what puts an image with other members of its manifest."""

    def put(registry: Registry, ref: str) -> None:
        made = kept_images.manifest(
            registry, ref.rpartition(":")[0], layer(("000.tar", FILE, GOOD))
        )
        more = {"layers": made["layers"] * 3000} if "layers" in members else members
        registry.put_manifest(ref, made | more)

    return put


# What lies in the place of a mount, and why it is not restored.
GARBAGE: Mapping[str, tuple[Callable[[Registry, str], None], str]] = {
    "nojson": (no_json, NONE),
    "index": (index, NONE),
    "unmarked": (changed(annotations={}), NONE),
    "negative": (changed(annotations={MARK: "-1"}), NONE),
    "digits": (changed(annotations={MARK: "9" * 5000}), NONE),
    "text": (changed(annotations={MARK: SAYS}), NONE),
    "huge": (
        changed(annotations={MARK: str(2**63 - 1)}),
        "it has 9223372036.9 GB, more than the 1.0 GB of cache-mounts-limit",
    ),
    "layers": (changed(layers=3000), NONE),
    "mebibytes": (changed(annotations={MARK: "10", "filler": SAYS * 40_000}), NONE),
}


def test_crash_a_run_by_what_is_kept_of_a_mount(main: Main) -> None:
    """In the place of cache mounts lies what is none, has absurd numbers, or never ends."""
    for identity, (put, _) in GARBAGE.items():
        put(main.registry, main.place(identity))
    ended = main.built(*GARBAGE)
    for identity, (_, reason) in GARBAGE.items():
        assert why(ended, identity).removeprefix(f"{main.place(identity)}: ") == reason
    assert not any(found(ended))
    # What the run has kept is in their place now.
    assert found(main.built(*GARBAGE)) == (["last"],) * len(GARBAGE)


def bomb() -> bytes:
    """Return a layer of 20 MB that unpacks to many GB."""
    head, zeros = tarfile.TarInfo("000.tar"), 10_000_000
    head.size = BOMB
    begin = gzip.compress(head.tobuf(tarfile.GNU_FORMAT))
    return begin + gzip.compress(bytes(zeros)) * (BOMB // zeros)


def of(*members: kept_images.Member) -> tuple[bytes, ...]:
    """Return the layers of what is kept of a mount whose archive has these members."""
    return (layer(("000.tar", FILE, archive(*members))),)


@pytest.mark.parametrize(
    ("layers", "reason"),
    [
        pytest.param(
            of(("../../bin/tar", FILE, b"x")),
            "tar: ../../bin/tar: Member name contains '..'",
            id="a name above",
        ),
        pytest.param(
            of(("out", LINK, "/"), ("out/evil", FILE, b"x")),
            "tar: out/evil: Cannot open: Not a directory",
            id="a file through a link",
        ),
        pytest.param(
            of(("a", HARD, "/bin/sh"), ("b", HARD, "../bin/tar")),
            "tar: a: Cannot hard link to 'bin/sh': No such file or directory",
            id="hard links to programs",
        ),
        pytest.param(
            of((f"::set-output name=a::b\n{'x' * 5000}", HARD, SAYS)),
            "tar: \\:\\:set-output name=a\\:\\:b\\nxxx",
            id="a name of several lines",
        ),
        pytest.param(
            (layer(("000.tar", FILE, b"no archive" * 1000)),),
            "tar: This does not look like a tar archive",
            id="no archive",
        ),
        pytest.param(
            (layer(("000.tar", FILE, gzip.compress(GOOD))),),
            "tar (child): gzip: Cannot exec: No such file or directory",
            id="an archive in an archive",
        ),
        pytest.param((layer(("000.tar", PIPE, b"")),), "000.tar is no file", id="a pipe"),
        pytest.param((layer(("000.tar", CHARACTERS, b"")),), "000.tar is no file", id="a device"),
        pytest.param((layer(("000.tar", LINK, "/dev/zero")),), "000.tar is no file", id="a link"),
        pytest.param(
            (
                layer(("000.tar", FILE, GOOD)),
                layer(("001.tar", FILE, GOOD), ("001.list", PIPE, b"")),
            ),
            "001.list is no file",
            id="a list that is a pipe",
        ),
        pytest.param(
            (
                layer(("000.tar", FILE, GOOD)),
                layer(("001.tar", FILE, GOOD), ("001.list", FILE, b"f/etc\0d..\0f../b\0")),
            ),
            "comm: file 2 is not in sorted order",
            id="a list that is none",
        ),
    ],
)
def test_leave_a_mount_by_its_archive(main: Main, layers: Sequence[bytes], reason: str) -> None:
    """The archive has names and links that lead out of the mount, or is a pipe or a device."""
    repository, _, _ = main.place().rpartition(":")
    made = kept_images.manifest(main.registry, repository, *layers)
    main.registry.put_manifest(main.place(), made)
    ended = main.built("box")
    assert why(ended).startswith(reason)
    # What was restored until then is gone.
    assert found(ended) == ([],)
    assert re.search(r"^cache mount box: .*, 10 kB saved, in ", own(ended), re.MULTILINE)


def test_have_devices_and_strange_names_restored(main: Main) -> None:
    """The archive has devices, and names that are options, lines and commands."""
    strange = ("--to-command=sh", "-n", "a\nb", "$(touch x)`id`;'\"", SAYS, "x" * 250)
    members = [(name, FILE, b"x") for name in strange]
    devices = [("block", BLOCKS, b""), ("sub/character\n", CHARACTERS, b""), ("-b", BLOCKS, b"")]
    kept_images.put(main.registry, main.place(), [archive(*members, *devices)])
    ended = main.built("box")
    assert "cache mounts: 1 restored, 10 bytes, in " in own(ended)
    (there,) = found(ended)
    assert {"--to-command=sh", "-n", "$(touch x)`id`;'\"", "x" * 250, "sub"} <= set(there)
    assert not [name for name in there if "block" in name or "character" in name or name == "-b"]
    # They are kept as any other.
    assert set(there) <= set(*found(main.built("box")))


def test_write_over_other_mounts_by_two_archives(main: Main) -> None:
    """One archive has links out of the mount, and the second one has files behind them."""
    evil = ["up/victim", *(f"out/{at}/evil" for at in ("bin", "notes", "etc", "lib"))]
    evil += ["out/bin/find", "out/bin/rm", "out/bin/sh"]
    evil += [f"out/notes/{CacheMount(identity='victim').name}"]
    files = [(name, FILE, b"#!/bin/false\n") for name in evil]
    archives = [archive(("out", LINK, "/"), ("up", LINK, "..")), archive(*files)]
    kept_images.put(main.registry, main.place("box"), archives)
    kept_images.put(main.registry, main.place("victim"), [GOOD])
    look = f"RUN --mount=type=cache,id={NOTES},target=/m find /m | sort\n"
    ended = main.built("box", "victim", dockerfile=steps("box", "victim") + look)
    box, victim, notes = found(ended)
    assert (box, victim) == (["out", "up"], ["good"])
    names = [CacheMount(identity=one).name for one in ("box", "victim")]
    assert notes == sorted(names)
    # What is kept of the other one is what it was, and what the step has changed.
    assert len(main.registry.layers(main.place("victim"))) == 2
    assert found(main.built("box", "victim")) == (["last", "out", "up"], ["good", "last"])


def test_fill_a_disk_by_what_is_kept_of_a_mount(main: Main) -> None:
    """A layer of 20 MB unpacks to 20 GB."""
    repository, _, _ = main.place().rpartition(":")
    made = kept_images.manifest(main.registry, repository, bomb())
    main.registry.put_manifest(main.place(), made)
    ended = main.built("box", cache_mounts_limit="50MB", builder_state="disk")
    assert why(ended) == "it makes more than 150 MB"
    assert found(main.built("box")) == (["last"],)


@pytest.mark.parametrize("trigger", ["OnBuild", "ONBUILD", "On\\u0042uild"])
def test_have_the_image_of_a_mount_run_a_command(main: Main, trigger: str) -> None:
    """The image of the mount has an ONBUILD, which BuildKit runs where an image is a base."""
    repository, _, _ = main.place().rpartition(":")
    made = kept_images.manifest(
        main.registry, repository, *of(("good", FILE, b"1")), config={"TRIGGER": ["COPY bin/sh /x"]}
    )
    path = repository.removeprefix(f"{main.registry.host}/")
    config = main.registry.get(f"{path}/blobs/{made['config']['digest']}").content
    config = config.replace(b"TRIGGER", trigger.encode())
    main.registry.put_blob(repository, config, kept_images.digest(config))
    made["config"] |= {"digest": kept_images.digest(config), "size": len(config)}
    main.registry.put_manifest(main.place(), made)
    ended = main.built("box")
    assert why(ended) == f"{main.place()}: {NONE}"
    assert found(ended) == ([],)


HOSTILE_IDS = (
    *("a,target=/etc", "a,from=busybox", "a,sharing=shared", "a b", 'a"b', "a'b", "a`b", "a$b"),
    *("a\nRUN id", "a\\", "a\r", "a\0b", "a\u2028b", "ü", "a;b", "a|b", "a&b", "(a)", "{a}", "#a"),
    *("", "x" * 301, "a\n", "a#b", "a!b", "a*b", "a?b", "a<b", "a[b]", "a^b", "\x1b[2J", "\udcff"),
)
NUMBERS = (
    *("-1", "+1", "1 ", "1,target=/etc", "0x1", "1e3", "\u0661", "1\n", "$X", "9" * 11),
    *("99999x", "1_0", "''"),
)


def test_inject_an_instruction_by_a_mount() -> None:
    """The ID, owner or mode of a mount goes on as another attribute, or as an instruction."""
    hostile = [CacheMount(identity=text) for text in HOSTILE_IDS]
    hostile += [CacheMount(identity="a", uid=text) for text in NUMBERS]
    hostile += [CacheMount(identity="a", gid=text) for text in NUMBERS]
    hostile += [CacheMount(identity="a", mode=text) for text in (*NUMBERS, "8", "99999", "0777777")]
    assert [mount for mount in hostile if mount.is_plain] == []
    # What is left says nothing else in a Dockerfile, a line of CSV or a shell.
    for text in ("a=b", "../..", "-x", "--from=b", "%0a", "~", "@x", "a//b", "x" * 300):
        plain = CacheMount(identity=text, uid="7", mode="0755")
        assert plain.is_plain
        lines = mount_solves.looking([plain], "nonce").dockerfile.splitlines()
        assert [line.split()[0] for line in lines] == ["FROM", "ENV", "COPY", "RUN"]
        mount = f"type=cache,id={text},target=/mount,sharing=locked,uid=7,mode=0755"
        assert lines[-1].split()[2] == f"--mount={mount}"


def test_inject_an_attribute_by_an_id(main: Main) -> None:
    """Their Dockerfile has IDs with commas, quotes, spaces and variables, or the one of notes."""
    quoted = ("id=a,target=/etc", "id=a b", "id=a\tb", "id=a=b,c")
    strange = [*(f"'\"{one}\"'" for one in quoted), "id=$EVIL", f"id={'x' * 301}", f"id={NOTES}"]
    mounts = " ".join(
        f"--mount=type=cache,{text},target=/m{number}" for number, text in enumerate(strange)
    )
    slow = (
        f'ARG EVIL="a,from=busybox"\nRUN {mounts} sleep 2.1; for at in /m?; do date > $at/x; done\n'
    )
    ended = main.built(dockerfile=f"FROM busybox:1.37\n{slow}", cache_mounts="auto")
    said = [text for _, text in ended.lines if re.search(r"cache mount .* is not kept: ", text)]
    assert [text.rpartition("is not kept: ")[2] for text in said] == [
        *["its ID, owner or mode cannot be passed on"] * 6,
        "its ID is that of warmbuild's own notes",
    ]
    assert main.registry.mounts(main.repository) == []


def test_have_a_run_ask_for_thousands_of_mounts(main: Main) -> None:
    """Their Dockerfile has a step with a thousand cache mounts, each with an ID of its own."""
    mounts = " ".join(
        f"--mount=type=cache,id=many{number},target=/m{number}" for number in range(1000)
    )
    dockerfile = f"FROM busybox:1.37\nRUN {mounts} exit 3\n"
    root = written(main.directory, {"Dockerfile": dockerfile})
    ended = main.runs.build(root, image=main.repository)
    said = [text for _, text in ended.lines if "not kept" in text]
    assert (ended.code, said) == (4, ["968 more cache mounts are not kept: a run keeps at most 32"])
    asked = main.registry.asked(main.repository, "GET")
    assert len([path for path in asked if "---mount-" in str(path)]) == 32


def test_write_a_mount_of_the_default_branch(
    main: Main, github: Callable[..., dict[str, str]]
) -> None:
    """Their pull request from a fork fills a mount with programs of theirs."""
    kept_images.put(main.registry, main.place(), [GOOD])
    before = main.registry.digest(main.place())
    fork = github("pull_request", "github-pull-request-from-fork.json", "refs/pull/42/merge")
    root = written(main.directory, {"Dockerfile": steps("box"), "source.txt": "theirs"})
    given: dict[str, Any] = {"image": main.repository, "cache_mounts": "box"}
    ended = main.runs.succeed(root, ci=fork, **given)
    # They read it, as they may read the image.
    assert found(ended) == (["good"],)
    assert main.registry.digest(main.place()) == before
    assert main.registry.mounts(main.repository) == [main.place().rpartition(":")[2]]


def test_read_a_secret_of_the_build_in_a_mount(
    main: Main, program: Callable[[str, str], dict[str, str]], tmp_path: Path
) -> None:
    """They look for a secret of the build in what is kept, and in the builds that keep it."""
    seen = tmp_path / "seen"
    real = main.runs.lab.env["WARMBUILD_LAB_BUILDX"]
    script = f"""
    for one in "$@"; do
      echo "argument $one"
      case $one in --file=*mounts-*) sed "s/^/of ours: /" "${{one#--file=}}";; esac
    done >> {seen}
    exec {real} "$@"
    """
    path = program("buildx", script)
    secret = "RUN --mount=type=secret,id=token,env=TOKEN --mount=type=cache,id=box,target=/m "
    text = f"FROM busybox:1.37\nARG PASSWORD\n{secret} ! grep -r hunter2 /m; date > /m/last\n"
    extra = {**path, "TOKEN": SECRET}
    files = {"Dockerfile": text}
    for number in range(2):
        ended = main.runs.succeed(
            written(main.directory, files | {"x": str(number)}),
            extra=extra,
            image=main.repository,
            cache_mounts="box",
            secret_envs="token=TOKEN",
            build_args=f"PASSWORD={SECRET}-{number}",
        )
        assert "cache mount box: " in own(ended)
    told = seen.read_text()
    assert told.count("of ours: RUN ") > 4
    assert SECRET not in "".join(
        line for line in told.splitlines(keepends=True) if line.startswith("of ours")
    )
    kept = json.dumps(main.registry.manifest(main.place()))
    kept += json.dumps(main.registry.config(main.place()))
    assert SECRET not in kept
