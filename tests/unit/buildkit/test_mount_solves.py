from __future__ import annotations

import json
from dataclasses import replace

import pytest

from warmbuild import refs
from warmbuild.buildkit import mount_solves
from warmbuild.cache.cache_plan import CachePlan
from warmbuild.cache.kept_mounts import Kept, Seen
from warmbuild.project.cache_mount import CacheMount

DIGEST = f"sha256:{'ab' * 32}"
REF = refs.parse(f"r.io/me/app:cache-main---mount-abc@{DIGEST}")
KEPT = Kept(place=REF, digest=DIGEST, archives=2, size=10, stored=5)
LAYOUT = replace(KEPT, place="/caches/cache-main---mount-abc")
PLAIN = CacheMount(identity="npm")
OWNED = CacheMount(identity="/home/.cache", uid="1000", gid="1001", mode="0700", namespace="ns")
SEEN = Seen(size=123, new=4, is_changed=True, is_marked=True)


def runs(dockerfile: str) -> list[tuple[str, str]]:
    """Return the flags and the script of each step, for which only JSON is used."""
    found = []
    for line in dockerfile.splitlines():
        if line.startswith("RUN "):
            flags, bracket, rest = line.removeprefix("RUN ").partition(' ["')
            program = json.loads(f'["{rest}' if bracket else "[]")
            assert program[:2] == ["/bin/sh", "-c"]
            found.append((flags, program[2]))
    return found


def test_each_mount_is_restored_by_a_step_of_its_own() -> None:
    solve = mount_solves.restoring([(PLAIN, KEPT), (OWNED, LAYOUT)], "abcd")
    lines = [line for line in solve.dockerfile.splitlines() if not line.startswith("RUN ")]
    assert lines == [
        "FROM scratch AS tools",
        "ENV LD_LIBRARY_PATH=/lib PATH=/bin LC_ALL=C RUN=abcd",
        "COPY . /",
        f"FROM {REF} AS stage-of-kept0",
        "FROM tools AS unpacked0",
        "FROM tools AS restored0",
        "FROM kept1 AS stage-of-kept1",
        "FROM tools AS unpacked1",
        "FROM tools AS restored1",
        "FROM tools",
        "COPY --from=restored0 /done /0",
        "COPY --from=restored1 /done /1",
    ]
    unpack, note, of_owned, noted = runs(solve.dockerfile)
    mount = "--network=none --mount=type=cache,id=npm,target=/mount,sharing=locked "
    # What others wrote is read where the notes are not.
    assert unpack[0] == f"{mount}--mount=type=bind,from=stage-of-kept0,target=/kept"
    assert note[0] == (
        f"{mount}--mount=type=bind,from=unpacked0,source=/done,target=/unpacked "
        "--mount=type=cache,id=warmbuild-notes,target=/notes"
    )
    assert ",sharing=locked,uid=1000,gid=1001,mode=0700 " in of_owned[0]
    assert "for part in 000 001; do" in unpack[1]
    assert f"listed > /notes/{PLAIN.name}\n" in note[1]
    assert f"listed > /notes/{OWNED.name}\n" in noted[1]
    assert solve.contexts == {"kept1": f"oci-layout:///caches/cache-main---mount-abc@{DIGEST}"}
    assert solve.outputs == ("type=cacheonly",)


def test_changes_are_added_to_what_is_kept() -> None:
    solve = mount_solves.saving(PLAIN, KEPT, "abcd", "type=image")
    assert solve.dockerfile.splitlines()[-2:] == [f"FROM {REF}", "COPY --link --from=tools /out/ /"]
    (_, script), *rest = runs(solve.dockerfile)
    assert not rest
    assert f"comm -z -13 /notes/{PLAIN.name} /now" in script
    assert "kinds > /out/002.list\nchanges -cf /out/002.tar\n" in script


def test_a_mount_is_written_anew() -> None:
    solve = mount_solves.saving(OWNED, None, "abcd", "type=image")
    assert solve.dockerfile.splitlines()[-2] == "FROM scratch"
    (_, script), *_ = runs(solve.dockerfile)
    assert script.endswith("\narchive -cf /out/000.tar .\n")
    assert solve.namespace == "ns"


def test_a_look_is_of_all_mounts() -> None:
    solve = mount_solves.looking([PLAIN, replace(PLAIN, identity="pip")], "abcd")
    assert [
        f"id={name}," in flags
        for name, (flags, _) in zip(("npm", "pip"), runs(solve.dockerfile), strict=True)
    ] == [True, True]


def test_images_are_unpacked_by_a_look_at_them() -> None:
    solve = mount_solves.unpacking([f"golang@{DIGEST}", "node:22"], "abcd")
    lines = solve.dockerfile.splitlines()
    assert f"FROM golang@{DIGEST} AS image0" in lines
    assert "FROM node:22 AS image1" in lines
    assert [flags for flags, _ in runs(solve.dockerfile)] == [
        f"--network=none --mount=type=bind,from=image{number},target=/image" for number in (0, 1)
    ]


@pytest.mark.parametrize(
    ("to", "options", "expected"),
    [
        (
            refs.parse("r.io/me/app:tag"),
            ("registry.insecure=true", "compression=gzip"),
            (
                "type=image,name=r.io/me/app:tag,push=true,registry.insecure=true,compression=zstd,"
                "oci-mediatypes=true,annotation.warmbuild.mount=123"
            ),
        ),
        (
            "/a/b, c",
            (),
            (
                'type=oci,tar=false,"dest=/a/b, c",compression=zstd,oci-mediatypes=true,'
                "annotation.warmbuild.mount=123"
            ),
        ),
    ],
)
def test_where_a_mount_is_written(to: object, options: tuple[str, ...], expected: str) -> None:
    assert mount_solves.output(to, CachePlan(options=options), SEEN) == expected  # type: ignore[arg-type]


def test_the_arguments_of_buildx() -> None:
    solve = mount_solves.restoring([(OWNED, LAYOUT)], "abcd")
    assert mount_solves.argv(solve, "/p/Dockerfile", "/p/tools") == (
        *("build", "--progress=rawjson", "--provenance=false", "--sbom=false"),
        f"--build-context=kept0=oci-layout:///caches/cache-main---mount-abc@{DIGEST}",
        "--output=type=cacheonly",
        "--build-arg=BUILDKIT_CACHE_MOUNT_NS=ns",
        "--file=/p/Dockerfile",
        "/p/tools",
    )


def test_what_a_look_has_printed() -> None:
    lines = ["warmbuild-mount abc 1 2 3 4", "warmbuild-mount abc", "other abc 1", ""]
    assert mount_solves.said(lines) == {"abc": "1 2 3 4"}
