"""Cache mounts while something fails: their restore and their save fail no run.

The cache is behind a proxy, and the image goes to the registry itself.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.faults.case import Case
from tests.integration import kept_images
from tests.integration.conftest import CACHE_CONFIG, Registry, written
from tests.integration.faults import proxied
from warmbuild.buildkit import mount_solves

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from docker.models.containers import Container

    from tests.integration.conftest import Ended, Lab, Run, Warmbuild
    from tests.integration.faults import Proxy

# No session finds the caches of another.
REPOSITORY = f"mounts-{secrets.token_hex(4)}"
MOUNT = "/manifests/cache-main---mount-"
# The step tells what it has found, and leaves more.
PROJECT = {
    "Dockerfile": """FROM busybox:1.37
ARG TIME
RUN --mount=type=cache,id=box,target=/m \\
    echo "found $(ls /m | wc -l) files"; \\
    head -c 3000000 /dev/urandom > /m/new; touch /result
""",
}
# What is kept of the mount: many files, so that tar takes a while for them.
FILES = 30_000
FEW = [kept_images.archive(*((f"{number}", b"0", b"x") for number in range(3)))]
# Seconds that a run gives its cache.
TIMEOUT = 8
# GitHub kills a cancelled step after 7.5 s.
SOON = 7.5
UNTIL = 60.0
# Has the state of a builder lie on a small disk.
SMALL_DISK = """
from warmbuild.builder import engine_calls

real = engine_calls.create_volume
disk = {{"type": "tmpfs", "device": "tmpfs", "o": "size={}m"}}
engine_calls.create_volume = lambda at, name, _, labels: real(at, name, disk, labels)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is done to a run with a cache mount, and what comes of it."""

    fails: Callable[[Proxy, str], None] | None = None  # gets the path of what is kept, as a blob
    does: Callable[[Warmbuild, Run, Proxy], None] | None = None
    said: str  # of the mount, by a regular expression
    found: int | None = 0  # how many files the step finds
    code: int = 0
    many: bool = False  # whether what is kept takes a while
    state: str = "disk"


def seen(path: str, method: str = "GET") -> Callable[[Warmbuild, Run, Proxy], None]:
    """Return what waits until a registry hangs."""

    def wait(_runs: Warmbuild, run: Run, proxy: Proxy) -> None:
        deadline = time.monotonic() + UNTIL
        while not proxy.count(method, path, "hang"):
            assert time.monotonic() < deadline, run.log
            time.sleep(0.02)

    return wait


def unpacks(runs: Warmbuild, run: Run, _proxy: Proxy) -> None:
    """Wait until tar has unpacked some files in the builder."""
    deadline = time.monotonic() + UNTIL
    while True:
        assert time.monotonic() < deadline, run.log
        for container in builders(runs, run):
            said = container.exec_run(["ps", "-o", "args"]).output
            if isinstance(said, bytes) and b"-xpf" in said:
                return


def builders(runs: Warmbuild, run: Run) -> Sequence[Container]:
    if not run.builder:
        return []
    name = f"buildx_buildkit_{run.builder}0"
    return runs.engine.containers.list(filters={"name": name}, ignore_removed=True)


def then(*acts: Callable[[Warmbuild, Run, Proxy], None]) -> Callable[[Warmbuild, Run, Proxy], None]:
    def act(runs: Warmbuild, run: Run, proxy: Proxy) -> None:
        for one in acts:
            one(runs, run, proxy)

    return act


def kill_builder(runs: Warmbuild, run: Run, _proxy: Proxy) -> None:
    for container in builders(runs, run):
        container.kill()


def kill_buildx(_runs: Warmbuild, run: Run, _proxy: Proxy) -> None:
    """Kill the buildx of the mount's own build."""
    killed = 0
    for process in run.processes():
        try:
            arguments = Path(f"/proc/{process}/cmdline").read_bytes()
        except OSError:
            continue
        if b"mounts-" in arguments:
            os.kill(process, signal.SIGKILL)
            killed += 1
    assert killed


def stop(_runs: Warmbuild, run: Run, _proxy: Proxy) -> None:
    run.process.send_signal(signal.SIGTERM)


def heal(_runs: Warmbuild, _run: Run, proxy: Proxy) -> None:
    proxy.heal()


def answers(status: int, body: bytes | None = None) -> Callable[[Proxy, str], None]:
    return lambda proxy, blob: proxy.answer("GET", blob, status, body=body, times=None)


def hangs(proxy: Proxy, blob: str) -> None:
    proxy.hang("GET", blob, times=None)


def hangs_in_save(proxy: Proxy, _blob: str) -> None:
    proxy.hang("PUT", MOUNT, times=None)


UNREAD = "the cache mount box is not restored: "
UNSAVED = "cache mount box: .*not saved: "
FAULTS: Mapping[str, Fault] = {
    "a blob that hangs": Fault(fails=hangs, said=f"{UNREAD}it takes more than \\d+ s"),
    "a blob of single bytes": Fault(
        fails=lambda proxy, blob: proxy.trickle("GET", blob, size=1, interval=0.5, times=None),
        said=f"{UNREAD}it takes more than \\d+ s",
    ),
    "a blob that is cut": Fault(
        fails=lambda proxy, blob: proxy.truncate("GET", blob, size=20, times=None),
        # BuildKit asks for the rest.
        said="cache mounts: 1 restored, ",
        found=3,
    ),
    "a blob that is missing": Fault(fails=answers(404), said=UNREAD),
    "a blob of a registry that fails": Fault(fails=answers(500), said=UNREAD),
    "another blob": Fault(fails=answers(200, b"another"), said=UNREAD),
    "a manifest that hangs": Fault(
        fails=lambda proxy, _: proxy.hang("GET", MOUNT, times=None),
        said=f"{UNREAD}.* (does not answer within 4 s|nobody said in time)",
    ),
    "a manifest of garbage": Fault(
        fails=lambda proxy, _: proxy.answer("GET", MOUNT, 200, body=b"\x00{", times=None),
        said=f"{UNREAD}.*: it holds no cache mount",
    ),
    "a save that hangs": Fault(
        fails=hangs_in_save, said=f"{UNSAVED}it takes more than \\d+ s", found=3
    ),
    "a save that is refused": Fault(
        fails=lambda proxy, _: proxy.answer("PUT", MOUNT, 403, times=None), said=UNSAVED, found=3
    ),
    "a save at a registry that fails": Fault(
        fails=lambda proxy, _: proxy.answer("PUT", MOUNT, 500, times=None), said=UNSAVED, found=3
    ),
    "buildx is killed while a blob comes": Fault(
        fails=hangs, does=then(seen("/blobs/"), heal, kill_buildx), said=f"{UNREAD}.*signal 9"
    ),
    "BuildKit is killed while a blob comes": Fault(
        fails=hangs, does=then(seen("/blobs/"), heal, kill_builder), said=UNREAD
    ),
    "buildx is killed while tar unpacks": Fault(
        does=then(unpacks, kill_buildx), said=f"{UNREAD}.*signal 9", many=True
    ),
    "BuildKit is killed while tar unpacks": Fault(
        does=then(unpacks, kill_builder), said=UNREAD, many=True
    ),
    "buildx is killed in the save": Fault(
        fails=hangs_in_save,
        does=then(seen(MOUNT, "PUT"), heal, kill_buildx),
        said=f"{UNSAVED}.*signal 9",
        found=3,
    ),
    "BuildKit is killed in the save": Fault(
        fails=hangs_in_save,
        does=then(seen(MOUNT, "PUT"), heal, kill_builder),
        said=UNSAVED,
        found=3,
    ),
    "the run is stopped while a blob comes": Fault(
        fails=hangs, does=then(seen("/blobs/"), stop), said="", code=143, found=None
    ),
    "the run is stopped while tar unpacks": Fault(
        does=then(unpacks, stop), said="", code=143, found=None, many=True
    ),
    "the run is stopped in the save": Fault(
        fails=hangs_in_save, does=then(seen(MOUNT, "PUT"), stop), said="", code=143, found=3
    ),
}


@pytest.fixture(scope="module")
def many() -> bytes:
    return kept_images.archive(*((f"{number}", b"0", b"x") for number in range(FILES)))


@pytest.fixture(scope="module")
def faulty(
    together: Warmbuild, lab: Lab, tmp_path_factory: pytest.TempPathFactory, many: bytes
) -> Iterator[Mapping[str, Future[tuple[Ended, Ended, float]]]]:
    """Have a run for each fault, and one after it; and how long the first one took to stop."""
    place = written(tmp_path_factory.mktemp("mounts"), PROJECT)
    registry = Registry(host=lab.registry, access_log=Path(lab.env["WARMBUILD_LAB_REGISTRY_LOG"]))
    config = json.dumps({"layers": [], "records": [{"digest": f"sha256:{'1' * 64}"}]}).encode()

    def one(name: str) -> tuple[Ended, Ended, float]:
        fault, path = FAULTS[name], f"{REPOSITORY}-{list(FAULTS).index(name)}"
        repository = f"{lab.registry}/{path}"
        registry.put_artifact(f"{repository}:cache-main", CACHE_CONFIG, config)
        kept = kept_images.place(repository, "box")
        kept_images.put(registry, kept, [many] if fault.many else FEW)
        with proxied(lab.registry) as proxy:
            inputs = {
                "image": repository,
                "cache_repository": f"{proxy.host}/{path}",
                "cache_mounts": "box",
                "cache_timeout": f"{TIMEOUT if fault.does is None else 60}s",
                "builder_state": fault.state,
            }
            if fault.fails:
                fault.fails(proxy, f"/blobs/{registry.layers(kept)[0]}")
            run = together.start(place, **inputs)  # type: ignore[arg-type]  # texts
            if fault.does:
                fault.does(together, run, proxy)
            begun = time.monotonic()
            ended = run.end()
            took = time.monotonic() - begun
            proxy.heal()
            later = together.build(place, build_args="TIME=2", **inputs)  # type: ignore[arg-type]
            return ended, later, took

    with ThreadPoolExecutor(4) as pool:
        yield {name: pool.submit(one, name) for name in FAULTS}


@pytest.fixture
def kept(registry: Registry, repository: str, tmp_path: Path) -> Path:
    """Return a project of whose mount three files are kept."""
    config = json.dumps({"layers": [], "records": [{"digest": f"sha256:{'1' * 64}"}]}).encode()
    registry.put_artifact(f"{repository}:cache-main", CACHE_CONFIG, config)
    kept_images.put(registry, kept_images.place(repository, "box"), FEW)
    return written(tmp_path, PROJECT)


@pytest.fixture
def small_disk(tmp_path: Path, warmbuild: Warmbuild) -> Callable[[int], dict[str, str]]:
    """Return the variables of a run whose builder has a disk of so many MiB."""

    def make(size: int) -> dict[str, str]:
        place = tmp_path / "small-disk"
        place.mkdir()
        (place / "sitecustomize.py").write_text(SMALL_DISK.format(size))
        return {"PYTHONPATH": f"{place}:{warmbuild.environment['PYTHONPATH']}"}

    return make


def test_a_disk_that_is_too_small_for_a_restore(
    warmbuild: Warmbuild,
    registry: Registry,
    repository: str,
    kept: Path,
    small_disk: Callable[[int], dict[str, str]],
) -> None:
    large = kept_images.archive(("0", b"0", bytes(90_000_000)))
    kept_images.put(registry, kept_images.place(repository, "box"), [large])
    given = {"image": repository, "cache_mounts": "box", "builder_state": "disk"}
    ended = warmbuild.build(kept, extra=small_disk(128), **given)  # type: ignore[arg-type]  # texts
    said = f"(?m)^{UNREAD}no space is left in the builder's state"
    Case(code=0, said=said, seconds=60).check(ended, registry, f"{repository}:main")
    assert found(ended) == [0]
    later = warmbuild.succeed(kept, build_args="TIME=2", **given)  # type: ignore[arg-type]
    assert found(later) == [1]


def test_a_disk_that_is_too_small_for_a_save(
    warmbuild: Warmbuild,
    registry: Registry,
    repository: str,
    kept: Path,
    small_disk: Callable[[int], dict[str, str]],
) -> None:
    given = {"image": repository, "cache_mounts": "box", "builder_state": "disk"}
    written(kept.parent, {"Dockerfile": PROJECT["Dockerfile"].replace("3000000", "45000000")})
    ended = warmbuild.build(kept, extra=small_disk(100), **given)  # type: ignore[arg-type]  # texts
    said = f"(?m)^{UNSAVED}no space is left in the builder's state"
    Case(code=0, said=said, seconds=60).check(ended, registry, f"{repository}:main")
    later = warmbuild.succeed(kept, build_args="TIME=2", **given)  # type: ignore[arg-type]
    assert found(later) == [3]


def test_a_large_image_that_is_unpacked_beside_a_restore(
    warmbuild: Warmbuild, registry: Registry, repository: str, kept: Path, proxy: Proxy
) -> None:
    """What the image takes is no part of what a restore may write."""
    path = repository.removeprefix(f"{registry.host}/")
    (blob,) = registry.layers(kept_images.place(repository, "box"))
    proxy.delay("GET", f"/blobs/{blob}", 3.0)
    written(
        kept.parent, {"Dockerfile": PROJECT["Dockerfile"].replace("busybox:1.37", "golang:1.26")}
    )
    ended = warmbuild.build(
        kept,
        image=repository,
        cache_repository=f"{proxy.host}/{path}",
        cache_mounts="box",
        cache_mounts_limit="10MB",
    )
    said = "(?m)^cache mounts: 1 restored, "
    Case(code=0, said=said, seconds=60).check(ended, registry, f"{repository}:main")
    assert found(ended) == [3]


def test_mounts_of_several_namespaces_have_the_time_of_one_restore(
    warmbuild: Warmbuild, registry: Registry, repository: str, kept: Path, proxy: Proxy
) -> None:
    """There is a restore for each, and whoever writes a bake file decides how many there are."""
    config = json.dumps({"layers": [], "records": [{"digest": f"sha256:{'1' * 64}"}]}).encode()
    names = ("api", "web")
    for name in names:
        registry.put_artifact(f"{repository}:cache-{name}--main", CACHE_CONFIG, config)
        place = kept_images.place(repository, "box", f"{name}--main", name)
        kept_images.put(registry, place, [kept_images.archive((name, b"0", b"x"))])
        (blob,) = registry.layers(place)
        proxy.delay("GET", f"/blobs/{blob}", 4.0)
    # BuildKit runs a step once that differs in its mounts alone.
    given = 'args = { BUILDKIT_CACHE_MOUNT_NS = "NAME", TIME = "NAME" }'
    targets = (f'target "{one}" {{ {given.replace("NAME", one)} }}' for one in names)
    group = f'group "default" {{ targets = {json.dumps(names)} }}'
    written(kept.parent, {"docker-bake.hcl": "\n".join([group, *targets])})
    ended = warmbuild.build(
        kept,
        image=repository,
        cache_repository=f"{proxy.host}/{repository.removeprefix(f'{registry.host}/')}",
        cache_mounts="box",
        cache_timeout="7s",
        bake_files="docker-bake.hcl",
    )
    said = rf"(?m)^{UNREAD}it takes more than \d s"
    Case(code=0, said=said, seconds=60).check(ended)
    assert found(ended) == [0, 0]


@pytest.mark.parametrize("tar", ["busybox", "none"])
def test_a_machine_without_gnu_tar(
    warmbuild: Warmbuild,
    registry: Registry,
    repository: str,
    kept: Path,
    program: Callable[[str, str], dict[str, str]],
    tar: str,
) -> None:
    path = program("tar", 'echo "tar (busybox) 1.37"\n')["PATH"]
    if tar == "none":
        directory = kept.parent / "bin"
        (directory / "tar").unlink()
        for one in ("buildx", "git", *mount_solves.PROGRAMS, "ldd"):
            if one != "tar" and (there := shutil.which(one, path=path)):
                (directory / one).symlink_to(there)
        path = str(directory)
    given = {"image": repository, "cache_mounts": "box"}
    ended = warmbuild.build(kept, extra={"PATH": path}, **given)  # type: ignore[arg-type]  # texts
    why = {"busybox": "the tar of this machine is not GNU tar", "none": "this machine has no tar"}
    said = f"(?m)^{UNREAD}{why[tar]}$"
    Case(code=0, said=said, seconds=60).check(ended, registry, f"{repository}:main")
    assert found(ended) == [0]
    assert ended.warnings == []


def found(ended: Ended) -> list[int]:
    texts = (re.search(r"^#\d+ [\d.]+ found (\d+) files$", text) for _, text in ended.lines)
    return [int(one[1]) for one in texts if one]


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_costs_no_more_than_a_mount(
    faulty: Mapping[str, Future[tuple[Ended, Ended, float]]],
    together: Warmbuild,
    registry: Registry,
    name: str,
) -> None:
    fault = FAULTS[name]
    ended, later, took = faulty[name].result()
    image = f"{registry.host}/{REPOSITORY}-{list(FAULTS).index(name)}:main"
    said = f"(?m)^{fault.said}"
    Case(code=fault.code, said=said, seconds=60).check(ended)
    if not fault.code:
        registry.check_image(f"{image.rpartition(':')[0]}@{ended.outputs['digest']}")
    assert "/bin/sh -c cd" not in ended.log
    assert together.remains(ended.builder) == []
    if fault.found is not None:
        assert found(ended) == [fault.found]
    if fault.code:
        assert took < SOON
    # The next one has what was kept, or what this one has kept.
    Case(code=0, said="(?m)^cache mounts: 1 restored, ", seconds=60).check(later, registry, image)
