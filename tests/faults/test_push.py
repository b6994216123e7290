"""A push that hangs, is slow, or is refused, and outputs that cannot be written."""

from __future__ import annotations

import itertools
import os
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.faults.case import Case
from tests.integration.tokens import User, token_registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.conftest import Lab, Registry, Warmbuild
    from tests.integration.faults import Proxy

# The file system that is full, in /proc/mounts.
MOUNTED = "warmbuild-faults"
HUNG = "the push made no progress; retrying"


@pytest.mark.parametrize("path", ["/manifests/main$", "/blobs/uploads/"], ids=["manifest", "layer"])
def test_a_push_that_hangs_once(
    warmbuild: Warmbuild, registry: Registry, proxy: Proxy, small: Path, name: str, path: str
) -> None:
    proxy.hang("PUT", path, times=1)
    ended = warmbuild.build(small, image=f"{proxy.host}/{name}", push_timeout="3s")
    Case(code=0, said=HUNG, seconds=40, written=True).check(ended)
    registry.check_image(f"{registry.host}/{name}:main")
    registry.check_cache(f"{registry.host}/{name}:cache-main")


@pytest.mark.parametrize("path", ["/manifests/main$", "/blobs/uploads/"], ids=["manifest", "layer"])
def test_a_push_that_hangs_always(
    warmbuild: Warmbuild, proxy: Proxy, small: Path, name: str, path: str
) -> None:
    proxy.hang("PUT", path, times=None)
    ended = warmbuild.build(
        small, image=f"{proxy.host}/{name}", push_timeout="3s", cache_repository=f"{proxy.host}/c"
    )
    said = "the image is built and was not pushed: the registry accepted nothing"
    Case(code=5, said=said, seconds=40).check(ended)
    assert not ended.outputs.get("digest")


def test_a_push_that_is_slow_and_moves(
    warmbuild: Warmbuild, registry: Registry, proxy: Proxy, small: Path, name: str
) -> None:
    proxy.delay("PUT", "/manifests/main$", 2.5)
    ended = warmbuild.build(small, image=f"{proxy.host}/{name}", push_timeout="5s")
    Case(code=0, not_said=(HUNG,), seconds=40).check(ended)
    registry.check_image(f"{registry.host}/{name}:main")


@pytest.mark.parametrize(
    ("status", "times", "case"),
    [
        pytest.param(
            500, 2, Case(code=0, said=r"transient error .*; retrying", seconds=40), id="once"
        ),
        pytest.param(
            403, None, Case(code=5, said="does not report its digest", seconds=40), id="always"
        ),
    ],
)
def test_the_engines_push_of_which_the_registry_reports_no_digest(
    warmbuild: Warmbuild,
    registry: Registry,
    proxy: Proxy,
    small: Path,
    name: str,
    status: int,
    times: int | None,
    case: Case,
) -> None:
    # The engine asks by HEAD, and then by GET.
    proxy.answer("GET|HEAD", "/manifests/main$", status, times=times)
    ended = warmbuild.build(
        small,
        image=f"{proxy.host}/{name}",
        driver="docker",
        driver_opts="",
        buildkitd_config="",
        cache="off",
    )
    case.check(ended)
    assert "main" in registry.tags(f"{registry.host}/{name}")


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_token_service_that_is_away_in_the_middle_of_a_push(
    warmbuild: Warmbuild, registry: Registry, lab: Lab, small: Path, name: str, status: int
) -> None:
    """The login has its token by then, and BuildKit asks for its own."""
    (small / "Dockerfile").write_text("FROM busybox:1.37\nRUN echo has begun; sleep 2\n")
    with token_registry(lab.registry, {"me": User(password="hunter2")}) as tokens:
        run = warmbuild.start(
            small,
            image=f"{tokens.host}/{name}",
            username="me",
            password="hunter2",
            cache="off",
        )
        run.wait_for(r"^#\d+ [\d.]+ has begun$")
        tokens.answer("POST", "/token", status, times=None)
        run.wait_for("the push failed with a transient error")
        tokens.heal()
        ended = run.end()
        assert tokens.count("POST", "/token", f"answer {status}")
    said = r"the push failed with a transient error \(.*\); retrying"
    Case(code=0, said=said, not_said=("hunter2",), seconds=40).check(ended)
    registry.check_image(f"{registry.host}/{name}:main")


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """Have a file system without any room, and with a file in it."""
    place = tmp_path / "full"
    place.mkdir()
    # What tests have left that were killed.
    for mount in Path("/proc/mounts").read_text().splitlines():
        if mount.startswith(f"{MOUNTED} "):
            subprocess.run(["umount", mount.split()[1]], check=True)  # noqa: S603, S607 (of the system)
    command = ["mount", "-t", "tmpfs", "-o", "size=64k,nr_inodes=8", MOUNTED, str(place)]
    subprocess.run(command, check=True)  # noqa: S603 (of the system)
    (place / "there").touch()
    (place / "filler").write_bytes(b"x" * 65536)
    yield place
    subprocess.run(["umount", str(place)], check=True)  # noqa: S603, S607 (of the system)


def missing(place: Path) -> Path:
    return place / "none" / "output"


def directory(place: Path) -> Path:
    return place


def in_full(place: Path) -> Path:
    return place / "there"


def device(_place: Path) -> Path:
    return Path("/dev/full")


@pytest.mark.parametrize("where", [missing, directory, in_full, device])
@pytest.mark.parametrize("variable", ["GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"])
def test_what_github_cannot_take(
    warmbuild: Warmbuild,
    registry: Registry,
    repository: str,
    small: Path,
    full: Path,
    github: Callable[..., dict[str, str]],
    variable: str,
    where: Callable[[Path], Path],
) -> None:
    """The image is out; without its outputs later steps would go on with nothing."""
    env = github("push", "github-push.json", "refs/heads/main") | {variable: str(where(full))}
    ended = warmbuild.build(small, image=repository, ci=env, cache="off")
    is_output = variable == "GITHUB_OUTPUT"
    said = rf"(?s)output digest=sha256:\w+.*{variable}" if is_output else variable
    Case(code=3 if is_output else 0, said=said).check(ended)
    registry.check_image(f"{repository}:main")


@pytest.mark.parametrize("name_of", ["output_file", "summary_file"])
@pytest.mark.parametrize("where", ["/dev/null", "/dev/stdout", "link", "there", "mode"])
def test_a_file_that_is_not_ours_is_not_replaced(
    warmbuild: Warmbuild,
    repository: str,
    small: Path,
    tmp_path: Path,
    name_of: str,
    where: str,
) -> None:
    kept = tmp_path / "kept.txt"
    kept.write_text("before")
    kept.chmod(0o640)
    path = where
    if where == "link":
        (tmp_path / "link").symlink_to(kept)
        path = str(tmp_path / "link")
    elif where in {"there", "mode"}:
        path = str(kept)
    device_before = Path("/dev/null").stat()
    ended = warmbuild.build(small, image=repository, cache="off", **{name_of: path})  # type: ignore[arg-type]  # texts
    Case(code=0).check(ended)
    assert os.path.samestat(device_before, Path("/dev/null").stat())
    if where == "link":
        assert (tmp_path / "link").is_symlink()
    if not where.startswith("/dev"):
        assert "before" not in kept.read_text()
        assert kept.stat().st_mode & 0o777 == 0o640


def test_outputs_that_find_no_room(
    warmbuild: Warmbuild, registry: Registry, repository: str, small: Path, full: Path
) -> None:
    ended = warmbuild.build(small, image=repository, output_file=str(full / "there"))
    Case(code=3, said=r"(?s)output digest=sha256:.*there cannot be written: No space").check(ended)
    registry.check_image(f"{repository}:main")


@pytest.mark.parametrize("what", ["bytes", "inodes"])
def test_a_temporary_directory_without_room(
    warmbuild: Warmbuild, repository: str, small: Path, full: Path, what: str
) -> None:
    """A file or two find room in it."""
    (full / "filler").write_bytes(b"x" * (65536 - 4096))
    if what == "inodes":
        (full / "filler").unlink()
        with suppress(OSError):
            for number in itertools.count():
                (full / f"f{number}").touch()
        (full / "f0").unlink()
    ended = warmbuild.build(small, image=repository, extra={"TMPDIR": str(full)})
    said = f"error: the temporary directory {full} cannot be written: No space left on device"
    Case(code=3, said=said, not_said=("docker system prune",)).check(ended)
    assert list(full.glob("warmbuild-*")) == []


def test_a_default_summary_of_another_user(
    warmbuild: Warmbuild, repository: str, small: Path
) -> None:
    """Nobody asked for it, so a build does not fail for it."""
    (warmbuild.temporary / "warmbuild-summary.md").mkdir()
    ended = warmbuild.build(small, image=repository, cache="off", summary_file="")
    Case(code=0).check(ended)
    (warmbuild.temporary / "warmbuild-summary.md").rmdir()
