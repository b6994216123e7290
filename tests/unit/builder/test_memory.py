from __future__ import annotations

import socket
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.plans import planned
from tests.runs import PUSH
from warmbuild import ci, files
from warmbuild.builder import engine_calls, memory, owner
from warmbuild.builder.engine_calls import Address, Volume
from warmbuild.builder.memory import State
from warmbuild.builder.state import Memory
from warmbuild.errors import EngineError
from warmbuild.log import Log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from warmbuild.inputs.values import Inputs

GB = 1000**3
HERE = Address(path="/x", is_near=True)
MACHINE = Memory(total=16 * GB, available=12 * GB, in_files=0)
LATE = "the builder b boots again with its state on disk: "
LABEL = "io.github.warmbuild.memory"


class Engine:
    """An engine of this machine, with its volumes and the containers that run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.volumes: list[Volume] = []
        self.running = {"buildx_buildkit_b0"}
        self.done: list[str] = []
        self.error = ""
        self.says = "the kernel"
        self.theirs: list[socket.socket] = []
        for name in ("create_volume", "remove_builder", "attached"):
            monkeypatch.setattr(engine_calls, name, getattr(self, name))
        monkeypatch.setattr(engine_calls, "volumes", lambda _at, _label: self.volumes)
        monkeypatch.setattr(engine_calls, "running", lambda _at: self.running)
        monkeypatch.setattr(memory, "read_memory", lambda: MACHINE)
        monkeypatch.setattr(memory, "read_text", lambda *_arguments: "the kernel\n")
        monkeypatch.setattr(memory, "_START_GLANCE", 0.0)
        monkeypatch.setattr(memory, "_GLANCE", 0.0)

    def create_volume(
        self, _at: Address, name: str, options: Mapping[str, str], labels: Mapping[str, str]
    ) -> None:
        if self.error:
            raise EngineError(self.error)
        assert labels[owner.LABEL] == owner.own()
        if not options:
            self.done.append(f"{name} on disk")
            return
        assert labels[LABEL] == options["o"].removeprefix("size=")
        self.done.append(f"{name} {options['type']} {options['device']} {options['o']}")

    def remove_builder(self, _at: Address, name: str, *, patience: float) -> None:
        assert patience > 1
        self.done.append(f"rm {name}")

    def attached(self, _at: Address, container: str, argv: Sequence[str]) -> socket.socket:
        if self.error:
            raise EngineError(self.error)
        assert container == "buildx_buildkit_b0"
        assert list(argv[:2]) == ["sh", "-c"]
        ours, theirs = socket.socketpair()
        said = f"{self.says}\n".encode()
        theirs.sendall(b"HTTP/1.1 200 OK\r\n\r\n\1\0\0\0" + len(said).to_bytes(4) + said)
        theirs.settimeout(5)
        if self.says != "the kernel":
            theirs.shutdown(socket.SHUT_WR)
        self.theirs.append(theirs)
        return ours


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    found = Engine(monkeypatch)
    yield found
    for connection in found.theirs:
        connection.close()


@pytest.fixture
def made(parsed: Callable[..., Inputs], engine: Engine) -> Callable[..., State]:
    def make(at: Address | None = HERE, **inputs: str) -> State:
        plan = planned(parsed(**inputs), PUSH).builder
        log = Log(ci.named("local"))
        return State(plan, "b", at, log, lambda: engine.done.append("boot"))

    return make


def volume(name: str, size: str, age: timedelta = timedelta(hours=1)) -> Volume:
    return Volume(
        name=f"buildx_buildkit_{name}0_state", labels={LABEL: size}, created=datetime.now(UTC) - age
    )


def test_a_state_is_put_into_memory(made: Callable[..., State], engine: Engine) -> None:
    state = made()
    state.create()
    assert state.size == 6 * GB
    assert engine.done == [f"buildx_buildkit_b0_state tmpfs tmpfs size={6 * GB}"]


@pytest.mark.parametrize(
    "inputs",
    [
        pytest.param({"builder_state": "disk"}, id="on disk by choice"),
        pytest.param({"endpoint": "tcp://e:1"}, id="elsewhere"),
    ],
)
def test_a_state_stays_on_disk_and_nothing_is_said(
    made: Callable[..., State],
    engine: Engine,
    capsys: pytest.CaptureFixture[str],
    inputs: dict[str, str],
) -> None:
    state = made(**inputs)
    state.create()
    state.watch()
    state.settle(None)
    state.close()
    assert (state.size, capsys.readouterr().out) == (0, "")
    # It is marked, if it is this run's own.
    assert engine.done in ([], ["buildx_buildkit_b0_state on disk"])


def test_memory_that_cannot_be_had_is_a_warning(
    made: Callable[..., State],
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = "warning: the builder's state is on disk, not in memory: {}\n"
    asked = made(builder_state="memory")
    engine.error = "the engine refuses: full"
    asked.create()
    assert capsys.readouterr().out == said.format("the engine refuses: full")
    made(None, builder_state="memory").create()
    assert capsys.readouterr().out == said.format("the engine is not known to run on this machine")
    monkeypatch.setattr(memory, "read_memory", lambda: None)
    asked.create()
    assert capsys.readouterr().out == said.format("this machine does not report its memory")
    monkeypatch.setattr(memory, "read_memory", lambda: Memory(total=GB, available=9, in_files=0))
    asked.create()
    text = "half of the free memory is 4 bytes, and a state needs 62 MB"
    assert capsys.readouterr().out == said.format(text)
    assert asked.size == 0


def test_what_is_promised_to_builders_that_live_is_not_free(
    made: Callable[..., State], engine: Engine
) -> None:
    engine.running = {"buildx_buildkit_live0"}
    engine.volumes = [
        volume("live", str(4 * GB)),
        volume("dead", str(2 * GB)),
        volume("young", str(2 * GB), timedelta(seconds=1)),
        volume("odd", "x", timedelta(seconds=1)),
        volume("long", "9" * 10_000, timedelta(seconds=1)),
        volume("b", str(9 * GB)),
    ]
    state = made()
    state.create()
    assert state.size == 3 * GB


def test_a_state_that_fits_stays_in_memory_and_is_watched_over(
    made: Callable[..., State], engine: Engine
) -> None:
    state = made()
    state.create()
    state.watch()
    state.settle(6 * GB)
    assert state.size == 6 * GB
    (theirs,) = engine.theirs
    state.close()
    # The command in the container sees the end of its input.
    assert theirs.recv(1) == b""


@pytest.mark.parametrize(
    ("need", "says", "error", "others", "expected"),
    [
        pytest.param(
            7 * GB,
            "the kernel",
            "",
            0,
            "the caches take about 7.0 GB, and its share of memory is 6.0 GB",
            id="caches that are too large",
        ),
        pytest.param(
            0,
            "another kernel",
            "",
            0,
            "the engine runs on another machine, or its image has no shell",
            id="another machine",
        ),
        pytest.param(
            0,
            "",
            "the engine refuses: no exec",
            0,
            "nothing would free the memory of a killed run: the engine refuses: no exec",
            id="nothing can watch over it",
        ),
        pytest.param(
            0,
            "the kernel",
            "",
            2,
            "other builders have claimed the memory at the same time",
            id="others at the same moment",
        ),
    ],
)
def test_a_state_that_cannot_stay_moves_to_disk(
    made: Callable[..., State],
    engine: Engine,
    capsys: pytest.CaptureFixture[str],
    need: int,
    says: str,
    error: str,
    others: int,
    expected: str,
) -> None:
    state = made()
    state.create()
    engine.says, engine.error = says, error
    engine.volumes = [volume(f"o{at}", str(6 * GB), timedelta(0)) for at in range(others)]
    state.watch()
    state.settle(need)
    assert state.size == 0
    done = [one for one in engine.done[1:] if not one.endswith(" on disk")]
    assert done == ["rm b", "boot"]
    assert capsys.readouterr().out == f"{LATE}{expected}\n"
    state.close()


def test_a_container_that_does_not_start_is_not_waited_for(
    made: Callable[..., State], engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_PATIENCE", 0.05)
    engine.running = set()
    state = made()
    state.create()
    state.watch()
    state.close()
    assert engine.theirs == []


class Running:
    def __init__(self) -> None:
        self.ended = False

    def end(self) -> None:
        self.ended = True


def test_a_command_is_ended_before_memory_runs_out(
    made: Callable[..., State], monkeypatch: pytest.MonkeyPatch
) -> None:
    state, running = made(), Running()
    state.create()
    seen = iter([(12, 0), (6, 4), (0.5, 6), (12, 0)])

    def look() -> Memory:
        available, in_files = next(seen, (12, 0))
        return Memory(total=16 * GB, available=int(available * GB), in_files=in_files * GB)

    monkeypatch.setattr(memory, "read_memory", look)
    with state.guarded(running) as guard:  # type: ignore[arg-type]  # it is only ended
        deadline = time.monotonic() + 5
        while not running.ended and time.monotonic() < deadline:
            time.sleep(0.001)
    assert (running.ended, guard.ran_short, guard.was_full) == (True, True, True)


def test_nothing_is_watched_if_the_state_is_on_disk(made: Callable[..., State]) -> None:
    state, running = made(builder_state="disk"), Running()
    state.create()
    with state.guarded(running) as guard:  # type: ignore[arg-type]  # it is only ended
        pass
    assert (running.ended, guard.ran_short, guard.was_full) == (False, False, False)


MEMINFO = """MemTotal:       24684092 kB
MemFree:        20089256 kB
MemAvailable:   22082516 kB
Shmem:              8620 kB
HugePages_Total:       0
"""


@pytest.mark.parametrize(
    ("limits", "available"),
    [
        pytest.param({}, 22082516 * 1024, id="no control group"),
        pytest.param({"memory.max": "max\n"}, 22082516 * 1024, id="no limit"),
        pytest.param({"memory.max": "4000000000\n"}, 4_000_000_000, id="a limit"),
        pytest.param(
            {"memory/memory.limit_in_bytes": "9223372036854771712\n"},
            22082516 * 1024,
            id="no limit, as version 1 says it",
        ),
    ],
)
def test_the_memory_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limits: dict[str, str], available: int
) -> None:
    (tmp_path / "meminfo").write_text(MEMINFO)
    (tmp_path / "memory").mkdir()
    for name, text in limits.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(memory, "_MEMORY", str(tmp_path / "meminfo"))
    names = ("memory.max", "memory/memory.limit_in_bytes")
    monkeypatch.setattr(memory, "_LIMITS", tuple(str(tmp_path / name) for name in names))
    expected = Memory(total=24684092 * 1024, available=available, in_files=8620 * 1024)
    assert memory.read_memory() == expected


@pytest.mark.parametrize("text", [None, "", "MemTotal: 1 kB\n", "what\n"])
def test_a_machine_that_does_not_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    if text is not None:
        (tmp_path / "meminfo").write_text(text)
    monkeypatch.setattr(memory, "_MEMORY", str(tmp_path / "meminfo"))
    monkeypatch.setattr(memory, "read_text", files.read_text)
    assert memory.read_memory() is None
