"""Paths that a container does not share with its job, and who owns what a run leaves."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from warmbuild import ci, files
from warmbuild.bake.targets import Target
from warmbuild.commands import mounted
from warmbuild.errors import InputError
from warmbuild.inputs.paths import Named
from warmbuild.log import Log
from warmbuild.mounts import Mounts

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.inputs.values import Inputs

IN_IMAGE = {"WARMBUILD_CONTAINER": "true"}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "checkout"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


def lost(text: str, better: str) -> str:
    return (
        f"{text} warmbuild's container, because no mount holds it; use a path in "
        f"the working directory, such as '{better}'."
    )


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        pytest.param({"outputs": "out"}, "", id="a relative path"),
        pytest.param({"outputs": "/x/out"}, "outputs: '/x/out' would be lost with", id="written"),
        pytest.param(
            {"cache_to": "type=local,dest=/x/out"},
            "cache-to: '/x/out' would be lost with",
            id="a cache",
        ),
        pytest.param(
            {"secret_files": "key=/x/out"},
            "secret-files: '/x/out' of the job is not in",
            id="a secret",
        ),
        pytest.param({"secret_files": "ca=/etc/passwd"}, "", id="a file of the image"),
        pytest.param({"outputs": "type=tar,dest=/dev/stdout"}, "", id="a stream"),
    ],
)
def test_a_path_that_is_not_shared_stops_the_run(
    parsed: Callable[..., Inputs], here: Path, values: dict[str, str], problem: str
) -> None:
    shared = Mounts(points=(str(here),))
    if not problem:
        mounted.check(parsed(**values), shared, is_plan=False)
        return
    with pytest.raises(InputError) as caught:
        mounted.check(parsed(**values), shared, is_plan=False)
    assert lost(problem, "out") in str(caught.value)


def test_a_link_out_of_the_mount_is_followed(parsed: Callable[..., Inputs], here: Path) -> None:
    (here / "link").symlink_to("/x")
    with pytest.raises(InputError, match="'link/out' would be lost"):
        mounted.check(parsed(outputs="link/out"), Mounts(points=(str(here),)), is_plan=False)


def test_all_lost_paths_are_named_at_once(parsed: Callable[..., Inputs], here: Path) -> None:
    given = parsed(outputs="/x/a", cache_to="type=local,dest=/x/b")
    with pytest.raises(InputError, match="2 inputs are not usable"):
        mounted.check(given, Mounts(points=(str(here),)), is_plan=False)


def test_without_a_mount_one_is_asked_for(parsed: Callable[..., Inputs]) -> None:
    with pytest.raises(InputError, match=r'mount the working directory, as with -v "\$PWD:\$PWD"'):
        mounted.check(parsed(outputs="out"), Mounts(points=("/run/sock",)), is_plan=False)


def test_on_github_a_path_is_the_runners(parsed: Callable[..., Inputs], here: Path) -> None:
    shared = Mounts(points=(str(here),), has_own_files=False)
    with pytest.raises(InputError) as caught:
        mounted.check(parsed(secret_files="ca=/etc/passwd"), shared, is_plan=False)
    assert lost("secret-files: '/etc/passwd' of the job is not in", "passwd") in str(caught.value)


def test_a_plan_is_for_a_tool_that_runs_elsewhere(
    parsed: Callable[..., Inputs], here: Path
) -> None:
    shared = Mounts(points=(str(here),))
    mounted.check(parsed(outputs="/x", cache_to="type=local,dest=/x"), shared, is_plan=True)
    with pytest.raises(InputError, match="output-file: '/x' would be lost"):
        mounted.check(parsed(output_file="/x"), shared, is_plan=True)


class TestNames:
    @pytest.fixture
    def run(self, tmp_path: Path) -> Callable[[], Mounts]:
        def names(_env: object) -> tuple[tuple[str, str], ...]:
            return ((str(tmp_path / "w" / "job"), str(tmp_path / "checkout")), ("/x/y", "/none"))

        provider = replace(ci.named("github"), shared=names)
        return lambda: mounted.of_run(provider, {})

    def test_what_the_job_calls_otherwise_has_its_name(
        self, here: Path, run: Callable[[], Mounts]
    ) -> None:
        assert run() == run() == Mounts()
        assert (here.parent / "w" / "job").resolve() == here
        assert not Path("/x").exists()

    def test_a_name_that_is_taken_stays(self, here: Path, run: Callable[[], Mounts]) -> None:
        (here.parent / "w" / "job").mkdir(parents=True)
        run()
        assert not (here.parent / "w" / "job").is_symlink()

    def test_a_user_who_may_not_link_goes_on(self, here: Path, run: Callable[[], Mounts]) -> None:
        (here.parent / "w").touch()
        run()


def test_targets_have_the_same_check(here: Path) -> None:
    target = Target(name="web", definition={"output": [{"dest": "/x/out"}]}, linked=False)
    with pytest.raises(InputError) as caught:
        mounted.check_targets([target], "bake-files", Mounts(points=(str(here),)))
    assert lost("bake-files: '/x/out' would be lost with", "out") in str(caught.value)


@pytest.mark.parametrize(
    ("env", "mountinfo", "pid", "is_known"),
    [
        pytest.param({}, "/", 1, False, id="not in the image"),
        pytest.param(IN_IMAGE, "/", 1, True, id="the container's first process"),
        pytest.param(IN_IMAGE, "{here}", 7, True, id="a job with a mount"),
        pytest.param(IN_IMAGE, "/x", 7, False, id="the container is the job's machine"),
    ],
)
def test_a_container_of_its_own_is_told_from_the_jobs(
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    env: dict[str, str],
    mountinfo: str,
    pid: int,
    is_known: bool,  # noqa: FBT001
) -> None:
    line = f"1 0 0:1 / {mountinfo.format(here=here)} rw - ext4 /dev/vda rw\n"
    monkeypatch.setattr(files, "read_text", lambda _path: line)
    monkeypatch.setattr(os, "getpid", lambda: pid)
    assert (mounted.of_run(ci.named("local"), env).points is not None) is is_known


class TestOwner:
    @pytest.fixture
    def given(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """Return the paths that are given away; this user is taken for root."""
        found: list[str] = []
        monkeypatch.setattr(mounted, "_ROOT", os.geteuid())
        monkeypatch.setattr(mounted, "_owner", lambda _mounts: (1001, 127))

        def chown(path: str, *owner: int, follow_symlinks: bool) -> None:
            assert (owner, follow_symlinks) == ((1001, 127), False)
            found.append(str(Path(path).relative_to(Path.cwd())))

        monkeypatch.setattr(os, "chown", chown)
        return found

    @staticmethod
    def written(path: str) -> Named:
        return Named(name="outputs", path=path, is_written=True)

    def test_what_a_run_makes_is_given_to_the_owner(self, here: Path, given: list[str]) -> None:
        shared = Mounts(points=(str(here),))
        with mounted.handed_over([self.written("a/b")], shared, Log(ci.named("local"))):
            (here / "a" / "b" / "c").mkdir(parents=True)
            (here / "a" / "b" / "c" / "file").touch()
            (here / "a" / "b" / "link").symlink_to("/etc")
        assert sorted(given) == ["a", "a/b", "a/b/c", "a/b/c/file", "a/b/link"]

    def test_what_was_there_before_stays(
        self, here: Path, given: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (here / "old").touch()
        later = time.time() + 60
        monkeypatch.setattr(time, "time", lambda: later)
        with mounted.handed_over([self.written(".")], Mounts(points=()), Log(ci.named("local"))):
            pass
        assert given == []

    def test_a_failed_run_gives_what_it_has_made(self, here: Path, given: list[str]) -> None:
        shared = Mounts(points=(str(here),))

        @mounted.handed_over([self.written("out")], shared, Log(ci.named("local")))
        def run() -> None:
            (here / "out").touch()
            raise InputError([])

        with pytest.raises(InputError):
            run()
        assert given == ["out"]

    def test_a_container_that_may_not_says_so(
        self,
        here: Path,
        given: list[str],
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        def refuse(*_arguments: object, **_options: object) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(os, "chown", refuse)
        shared = Mounts(points=(str(here),))
        with mounted.handed_over([self.written("out")], shared, Log(ci.named("local"))):
            (here / "out").touch()
        assert given == []
        expected = f"warning: {here}/out belongs to root, and stays so: Operation not permitted\n"
        assert capsys.readouterr().out == expected
