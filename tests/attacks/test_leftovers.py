"""Whoever shares a machine: with what a killed run left, with a clean-up, with a builder's name."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.conftest import gitlab
from warmbuild import cli
from warmbuild.builder import leftovers
from warmbuild.builder.engine import left_behind
from warmbuild.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import docker

    from tests.integration.conftest import Lab, Registry, Run, Warmbuild

NAME = "warmbuild-0a1b2c3d"
DAYS = 2 * 86_400
SLEEPER = "FROM busybox:1.37\nRUN echo has begun; sleep {seconds}\n"
# How long a build waits at its gate at most, in seconds.
PATIENCE = 60.0
# Removes one builder of any age beside a build.
AT_ANY_AGE = """
import re, sys
from datetime import timedelta
from warmbuild import cli
from warmbuild.builder import leftovers
from warmbuild.commands import cleanup
cleanup.AGE, leftovers.OF_A_RUN = timedelta(), re.compile(sys.argv.pop(1))
cli.entry()
"""
# Makes the standard input of a new session its terminal.
IN_A_TERMINAL = """
import fcntl, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from warmbuild import cli
cli.entry()
"""
BEGUN = r"^#\d+ [\d.]+ has begun$"


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty temporary directory that a clean-up in this process looks at."""
    place = tmp_path / "shared"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


@pytest.fixture
def clean_up(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Return what cleans up on a machine without an engine, or on the lab for one builder alone."""
    monkeypatch.setattr("warmbuild.signals.install", lambda: None)

    def run(*flags: str, builder: str = "", client: docker.DockerClient | None = None) -> str:
        def connect(_env: object, *, wait: bool) -> docker.DockerClient:
            if wait or client is None:
                raise EngineError("there is no engine")
            return client

        monkeypatch.setattr("warmbuild.builder.engine.connect", connect)
        # The lab's engine has builders of other tests.
        monkeypatch.setattr(leftovers, "OF_A_RUN", re.compile(re.escape(builder)))
        assert cli.main(["cleanup", "--older-than=0s", *flags], {}) == 0
        return capsys.readouterr().out

    return run


def plant(root: Path, *, lock: bool = True) -> Path:
    """Make what looks like the private directory of a killed run."""
    (root / "docker").mkdir(mode=0o700, parents=True)
    root.chmod(0o700)
    (root / "docker" / "config.json").write_text("{}")
    if lock:
        (root / "lock").touch()
    return root


def test_have_a_clean_up_delete_what_a_link_leads_to(
    temporary: Path, tmp_path: Path, clean_up: Callable[..., str]
) -> None:
    """Put a link to a directory of the victim's where private directories lie."""
    victim = plant(tmp_path / "victim")
    (temporary / NAME).symlink_to(victim)
    assert f"private directory {NAME} stays: it is not a directory" in clean_up()
    assert (victim / "docker" / "config.json").exists()


def test_have_a_clean_up_delete_what_links_in_a_directory_lead_to(
    temporary: Path, tmp_path: Path, clean_up: Callable[..., str]
) -> None:
    """Have a link to a directory of the victim's in the private directory of a killed run."""
    victim = plant(tmp_path / "victim")
    (plant(temporary / NAME) / "link").symlink_to(victim)
    assert f"private directory {NAME} is removed" in clean_up()
    assert list(temporary.iterdir()) == []
    assert (victim / "docker" / "config.json").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_have_a_clean_up_delete_a_directory_of_another_user(
    temporary: Path, clean_up: Callable[..., str]
) -> None:
    """Make a directory with the name of a private one, for root to enter and delete."""
    root = plant(temporary / NAME)
    os.chown(root, 12345, 12345)
    assert f"private directory {NAME} stays: it belongs to another user" in clean_up()
    assert (root / "docker" / "config.json").exists()


def test_have_a_clean_up_delete_a_directory_that_others_can_write(
    temporary: Path, clean_up: Callable[..., str]
) -> None:
    """Use a directory of the victim's own, to whose content the attacker may add."""
    root = plant(temporary / NAME)
    root.chmod(0o777)
    assert f"private directory {NAME} stays: other users have access to it" in clean_up()
    assert (root / "docker" / "config.json").exists()


@pytest.mark.parametrize(
    "name",
    [
        "warmbuild-prod",
        "warmbuild-0a1b2c3d-of-mine",
        "warmbuild-0A1B2C3D",
        "warmbuild---force1",
        "warmbuild-;reboot;",
        "warmbuild-0a1b2c\n::set-output name=x::y",
        "\x1b]0;owned\x07warmbuild-0a1b2c3d",
    ],
)
def test_have_a_name_reach_the_log_or_a_command(
    temporary: Path, clean_up: Callable[..., str], name: str
) -> None:
    """Make a directory whose name is an option, a command of a shell, or one of the CI system."""
    root = plant(temporary / name)
    said = clean_up()
    assert root.name not in said
    assert "private directory" not in said
    assert root.exists()


def test_have_a_clean_up_delete_a_directory_of_the_same_name(
    temporary: Path, clean_up: Callable[..., str]
) -> None:
    """Use a directory that another program of the victim made and called warmbuild-…."""
    root = plant(temporary / NAME, lock=False)
    assert f"private directory {NAME} stays: it has no lock" in clean_up()
    assert root.exists()


@pytest.fixture
def lookalikes(engine: docker.DockerClient, lab: Lab, name: str) -> Iterator[list[str]]:
    """Have containers and volumes whose names are nearly those of builders of a run."""
    end = name[-6:]
    found = [
        f"buildx_buildkit_warmbuild-0a1b2c3d0-{end}",
        f"buildx_buildkit_warmbuild-{end}0",
        f"my-buildx_buildkit_warmbuild-{end}ab0",
    ]
    image = lab.env["WARMBUILD_LAB_BUILDKIT_IMAGE"]
    for one in found:
        engine.volumes.create(f"{one}_state")
        engine.containers.create(image, name=one, volumes=[f"{one}_state:/var/lib/buildkit"])
    yield found
    for one in found:
        engine.containers.get(one).remove(force=True)
        engine.volumes.get(f"{one}_state").remove()


def test_have_a_clean_up_remove_a_container_with_a_similar_name(
    lookalikes: list[str], engine: docker.DockerClient
) -> None:
    """Call a container and its volume nearly as warmbuild calls those of a builder."""
    now = datetime.now(UTC)
    found = [leftover.name for leftover, _ in left_behind(engine, now)]
    assert [one for one in found if any(part in one for part in lookalikes)] == []
    listed = engine.api.volumes(filters={"name": leftovers.VOLUMES})["Volumes"]
    # The engine's own filter is not strict enough.
    assert {f"{one}_state" for one in lookalikes} <= {one["Name"] for one in listed}


def test_name_a_builder_as_a_run_would(warmbuild: Warmbuild, repository: str, small: Path) -> None:
    """Have a clean-up remove the builder of another team, which is called like one of a run."""
    ended = warmbuild.build(small, image=repository, builder=NAME)
    assert ended.code == 2
    assert "builder: 'warmbuild-0a1b2c3d' has the form of warmbuild's own names" in ended.log


def kill(run: Run) -> None:
    """Kill a run in its build, with the programs that it has started, as a power loss does."""
    run.wait_for(BEGUN)
    everything = (int(path.name) for path in Path("/proc").glob("[0-9]*"))
    children = [pid for pid in everything if _session_of(pid) == run.process.pid]
    for pid in (run.process.pid, *children):
        os.kill(pid, signal.SIGKILL)
    assert run.end().code == -signal.SIGKILL


def _session_of(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return -1


def test_read_the_login_of_a_killed_run(
    warmbuild: Warmbuild,
    lab: Lab,
    secured: str,
    project: Callable[..., Path],
    clean_up: Callable[..., str],
    engine: docker.DockerClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Wait for a run to be killed, and take the login that it could not remove from the disk."""
    run = warmbuild.start(
        project(SLEEPER.format(seconds=60)),
        image=secured,
        username=lab.username,
        password=lab.password,
    )
    kill(run)
    (left,) = warmbuild.temporary.iterdir()
    assert lab.basic in (left / "docker" / "config.json").read_text()
    assert len(warmbuild.remains(run.builder)) == 2

    monkeypatch.setattr(tempfile, "tempdir", str(warmbuild.temporary))
    deadline = time.monotonic() + 10
    while " stays: " in (said := clean_up("--dry-run", builder=run.builder, client=engine)):
        assert time.monotonic() < deadline, said
    assert f"private directory {left.name} would be removed: " in said
    assert f"builder {run.builder} would be removed: " in said
    assert left.exists()
    assert len(warmbuild.remains(run.builder)) == 2

    said = clean_up(builder=run.builder, client=engine)
    assert f"private directory {left.name} is removed: " in said
    assert f"builder {run.builder} is removed: " in said
    assert not left.exists()
    assert warmbuild.remains(run.builder) == []
    assert "no run has left anything behind" in clean_up(builder=run.builder, client=engine)


def test_read_the_login_of_a_run_that_was_killed_days_ago(
    warmbuild: Warmbuild, repository: str, small: Path
) -> None:
    """Look for a login where nobody ever cleans up: the next build does."""
    left, young = (plant(warmbuild.temporary / f"warmbuild-0000000{one}") for one in range(2))
    past = time.time() - DAYS
    os.utime(left, (past, past))
    ended = warmbuild.succeed(small, image=repository)
    assert f"private directory {left.name} is removed: it is 2 days old" in ended.log
    assert [*warmbuild.temporary.iterdir()] == [young]
    # The fixture wants nothing to be left.
    (young / "docker" / "config.json").unlink()
    (young / "docker").rmdir()
    (young / "lock").unlink()
    young.rmdir()


def test_fill_a_disk_with_builders_of_killed_runs(
    warmbuild: Warmbuild, repository: str, project: Callable[..., Path]
) -> None:
    """Have runs killed over and over: each leaves a builder and a volume to the next one."""
    run = warmbuild.start(project(SLEEPER.format(seconds=60)), image=repository)
    kill(run)
    assert len(warmbuild.remains(run.builder)) == 2
    inputs = {"INPUT_IMAGE": repository, "INPUT_CONTEXT": ".", "INPUT_CACHE": "off"}
    said = subprocess.run(  # noqa: S603 (warmbuild)
        [sys.executable, "-c", AT_ANY_AGE, run.builder, "build"],
        cwd=project(SLEEPER.format(seconds=3)),
        env={**warmbuild.environment, **gitlab("main"), **inputs},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    assert "error" not in said
    # The run of another test may have come before.
    assert warmbuild.remains(run.builder) == []
    assert list(warmbuild.temporary.glob("warmbuild-????????")) == []


def test_have_a_clean_up_take_a_run_that_is_active(
    warmbuild: Warmbuild,
    repository: str,
    project: Callable[..., Path],
    clean_up: Callable[..., str],
    engine: docker.DockerClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Clean up, of any age, while a run builds: it would lose its login and its builder."""
    run = warmbuild.start(project(SLEEPER.format(seconds=2)), image=repository)
    run.wait_for(BEGUN)
    monkeypatch.setattr(tempfile, "tempdir", str(warmbuild.temporary))
    said = clean_up(builder=run.builder, client=engine)
    (private,) = warmbuild.temporary.iterdir()
    assert f"private directory {private.name} stays: its run has not ended" in said
    assert f"builder {run.builder} stays: " in said
    assert "connected to it" in said
    assert run.end().code == 0


@pytest.fixture
def gates() -> Iterator[Gates]:
    """Have a server at which builds wait, each at a gate of its own."""
    server = Gates(("127.0.0.1", 0), _Gate)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    for gate in server.gates.values():
        gate.set()
    server.shutdown()
    thread.join()
    server.server_close()


class Gates(ThreadingHTTPServer):
    """Answers each path once its gate is open."""

    daemon_threads = True

    def __init__(self, *arguments: Any) -> None:  # noqa: ANN401 (of the base)
        super().__init__(*arguments)
        self.gates: defaultdict[str, threading.Event] = defaultdict(threading.Event)

    def dockerfile(self, gate: str) -> str:
        """Return what waits at a gate."""
        address = f"http://127.0.0.1:{self.server_address[1]}/{gate}"
        return f"FROM busybox:1.37\nRUN echo has begun; wget -qO /gate {address}\n"


class _Gate(BaseHTTPRequestHandler):
    server: Gates

    def do_GET(self) -> None:
        assert self.server.gates[self.path.strip("/")].wait(PATIENCE)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.mark.parametrize("first", [0, 1], ids=["the one that made it", "the other one"])
def test_take_a_builder_away_from_the_job_beside(
    warmbuild: Warmbuild,
    registry: Registry,
    repository: str,
    tmp_path: Path,
    name: str,
    gates: Gates,
    first: int,
) -> None:
    """End a job whose builder, by its name, is that of another job in the middle of its build."""
    builder, images = f"shared-{name[-6:]}", [f"{repository}/0", f"{repository}/1"]
    runs: list[Run] = []
    for number, image in enumerate(images):
        place = tmp_path / f"project-{number}"
        place.mkdir()
        (place / "Dockerfile").write_text(gates.dockerfile(f"{name}-{number}"))
        runs.append(warmbuild.start(place, image=image, builder=builder))
        runs[-1].wait_for(BEGUN)
    ended = []
    for number in (first, 1 - first):
        gates.gates[f"{name}-{number}"].set()
        ended.append(runs[number].end())
        assert ended[-1].code == 0, ended[-1].log
        assert ended[-1].warnings == []
        assert registry.tags(images[number]) == ["cache-main", "latest", "main"]
        assert len(warmbuild.remains(builder)) == (2 if number == first else 0)
    stays = f"the builder {builder} stays: another job is connected to it"
    assert [stays in run.log for run in ended] == [True, False]


def test_leave_a_builder_for_ever(
    warmbuild: Warmbuild, repository: str, small: Path, project: Callable[..., Path], name: str
) -> None:
    """Have the job that made a shared builder killed: its next job removes it all the same."""
    builder = f"shared-{name[-6:]}"
    kill(warmbuild.start(project(SLEEPER.format(seconds=60)), image=repository, builder=builder))
    assert len(warmbuild.remains(builder)) == 2
    past = time.time() - DAYS
    (left,) = warmbuild.temporary.iterdir()
    os.utime(left, (past, past))
    (small / "Dockerfile").write_text("FROM busybox:1.37\nRUN sleep 1\n")
    warmbuild.succeed(small, image=repository, builder=builder)
    assert warmbuild.remains(builder) == []
    assert list(warmbuild.temporary.iterdir()) == []


def test_have_a_run_outlive_its_session(
    warmbuild: Warmbuild, repository: str, project: Callable[..., Path]
) -> None:
    """Hang up, and find login and builder where the run has left them."""
    run = warmbuild.start(project(SLEEPER.format(seconds=60)), image=repository)
    run.wait_for(BEGUN)
    os.kill(run.process.pid, signal.SIGHUP)
    ended = run.end()
    assert ended.code == 129
    assert "error: warmbuild was terminated; everything it had created is removed" in ended.errors
    assert warmbuild.remains(ended.builder) == []
    assert list(warmbuild.temporary.iterdir()) == []


def test_have_a_run_outlive_its_terminal(
    warmbuild: Warmbuild, repository: str, project: Callable[..., Path]
) -> None:
    """Close the terminal of a run, to which it cannot even say that it ends."""
    master, terminal = os.openpty()
    inputs = {"INPUT_IMAGE": repository, "INPUT_CONTEXT": ".", "INPUT_DRIVER": "docker-container"}
    run = subprocess.Popen(  # noqa: S603 (warmbuild)
        [sys.executable, "-c", IN_A_TERMINAL, "build"],
        cwd=project(SLEEPER.format(seconds=60)),
        env={**warmbuild.environment, **gitlab("main"), **inputs},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    said = ""
    while "has begun\r\n" not in said:
        said += os.read(master, 4096).decode()
    found = re.search(r"create --name (\S+)", said)
    assert found
    assert len(warmbuild.remains(found[1])) == 2
    os.close(master)
    # Nobody is told the exit code either.
    assert run.wait(PATIENCE) != 0
    assert warmbuild.remains(found[1]) == []
    assert list(warmbuild.temporary.iterdir()) == []
