from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

from warmbuild import process, signals
from warmbuild.errors import Stopped
from warmbuild.process import LateError, Result
from warmbuild.signals import held, install, shielded, start_thread

pytestmark = pytest.mark.processes
PYTHON = sys.executable
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def test_output_and_exit_code_of_a_command() -> None:
    code = "import sys; print('out', flush=True); print('err', file=sys.stderr); sys.exit(3)"
    assert process.run(process.started, [PYTHON, "-c", code], {}, patience=30) == Result(
        code=3, output="out\nerr"
    )


def test_a_command_sees_only_the_environment_that_it_is_given() -> None:
    result = process.run(
        process.started,
        [PYTHON, "-c", "import os; print(os.environ.get('A'))"],
        {"A": "1"},
        patience=30,
    )
    assert result.output == "1"


def test_lines_come_as_they_are_written() -> None:
    code = "import time; print('one', flush=True); time.sleep(60)"
    with process.started([PYTHON, "-c", code], {}) as running:
        assert next(running.lines()) == "one"
        begun = time.monotonic()
    assert time.monotonic() - begun < 2


def test_bytes_that_are_no_text_are_survived() -> None:
    code = "import sys; sys.stdout.buffer.write(b'a\\xffb')"
    assert process.run(process.started, [PYTHON, "-c", code], {}, patience=30).output == "a\ufffdb"


def test_a_command_that_does_not_want_to_stop_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_GRACE", 0.2)
    ignore = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    code = f"{ignore}; print('ready', flush=True); time.sleep(60)"
    with process.started([PYTHON, "-c", code], {}) as running:
        next(running.lines())
    assert running.wait() == -signal.SIGKILL


def test_a_command_that_is_late_is_told_with_what_it_said() -> None:
    code = "import time; print('one', flush=True); time.sleep(60)"
    with (
        process.started([PYTHON, "-c", code], {}) as running,
        pytest.raises(LateError) as raised,
    ):
        running.finish(0.5)
    assert raised.value.output == "one"


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(FileNotFoundError):
        process.run(process.started, ["no-such-program-at-all"], {}, patience=30)


@pytest.fixture
def _handlers(monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    # Other tests go on after the signals of these.
    monkeypatch.setattr(signals, "_received", [])
    monkeypatch.setattr(signals, "_early", [])
    before = {number: signal.getsignal(number) for number in SIGNALS}
    install()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def meet(number: int) -> None:
    """Meet a signal in code that is not warmbuild's, and wait there."""
    os.kill(os.getpid(), number)
    threading.Event().wait(10)


@pytest.mark.usefixtures("_handlers")
@pytest.mark.parametrize(
    ("number", "code", "text"),
    [
        (signal.SIGINT, 130, "interrupted"),
        (signal.SIGTERM, 143, "terminated"),
        (signal.SIGHUP, 129, "terminated"),
        (signal.SIGQUIT, 131, "terminated"),
    ],
)
def test_a_signal_stops_the_run_once(number: int, code: int, text: str) -> None:
    begun = time.monotonic()
    with pytest.raises(Stopped, match=text) as stopped:
        meet(number)
    assert time.monotonic() - begun < 5
    assert stopped.value.exit_code == code
    # The clean-up that follows is not to be stopped by an impatient second one.
    os.kill(os.getpid(), number)


class _MetByASignal:
    def __init__(self, number: int) -> None:
        self._number = number

    def __del__(self) -> None:
        signal.raise_signal(self._number)


@pytest.mark.usefixtures("_handlers")
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_in_a_destructor_stops_the_run(
    number: int, capfd: pytest.CaptureFixture[str]
) -> None:
    def work() -> None:
        _MetByASignal(number)
        time.sleep(10)

    begun = time.monotonic()
    with pytest.raises(Stopped) as stopped:
        work()
    assert stopped.value.signal_number == number
    assert time.monotonic() - begun < 5
    # As after any other signal, the clean-up is not to be stopped by an impatient second one.
    os.kill(os.getpid(), number)
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.usefixtures("_handlers")
def test_a_signal_in_our_own_code_stops_the_run_at_once() -> None:
    code = "os.kill(os.getpid(), signal.SIGTERM)"
    with pytest.raises(Stopped):
        exec(code, {"__package__": "warmbuild.build", "os": os, "signal": signal})  # noqa: S102
    assert signals._early == []  # noqa: SLF001


@pytest.mark.usefixtures("_handlers")
def test_a_signal_leaves_no_lock_held() -> None:
    class Met(threading.Condition):
        def __enter__(self) -> bool:
            entered = super().__enter__()
            os.kill(os.getpid(), signal.SIGTERM)
            return entered

    lock = threading.Lock()
    with pytest.raises(Stopped), Met(lock):
        time.sleep(10)
    assert not lock.locked()


@pytest.mark.usefixtures("_handlers")
def test_another_error_in_a_destructor_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    class Broken:
        def __del__(self) -> None:
            raise ValueError("broken")

    Broken()
    assert "ValueError: broken" in capsys.readouterr().err


@pytest.mark.usefixtures("_handlers")
def test_a_run_without_a_terminal_goes_on() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    install()
    os.kill(os.getpid(), signal.SIGHUP)
    with shielded():
        os.kill(os.getpid(), signal.SIGHUP)
    with held():
        os.kill(os.getpid(), signal.SIGHUP)


@pytest.mark.usefixtures("_handlers")
def test_a_clean_up_is_not_stopped() -> None:
    with shielded():
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGHUP)
    with pytest.raises(Stopped):
        meet(signal.SIGTERM)


def test_a_command_may_be_given_time_to_end_by_itself() -> None:
    code = "import sys, time; time.sleep(0.3); sys.exit(7)"
    with process.started([PYTHON, "-c", code], {}, linger=10) as running:
        pass
    assert running.wait() == 7


@pytest.mark.usefixtures("_handlers")
def test_a_signal_waits_while_something_is_made_that_has_to_be_removed() -> None:
    made = False

    def make() -> None:
        nonlocal made
        with held():
            os.kill(os.getpid(), signal.SIGTERM)
            made = True

    with pytest.raises(Stopped):
        make()
    assert made


@pytest.mark.usefixtures("_handlers")
def test_a_thread_that_starts_when_a_signal_comes_is_started_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start, done = threading.Thread.start, threading.Event()

    def met_by_a_signal(self: threading.Thread) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        start(self)

    monkeypatch.setattr(threading.Thread, "start", met_by_a_signal)
    with pytest.raises(Stopped):
        start_thread(done.set)
    assert done.wait(5)


@pytest.mark.usefixtures("_handlers")
def test_a_command_that_starts_when_a_signal_comes_is_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = subprocess.Popen
    children: list[subprocess.Popen[bytes]] = []

    def popen(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:  # noqa: ANN401
        children.append(real(*arguments, **options))
        os.kill(os.getpid(), signal.SIGTERM)
        return children[-1]

    monkeypatch.setattr(subprocess, "Popen", popen)
    with (
        pytest.raises(Stopped),
        process.started([PYTHON, "-c", "import time; time.sleep(60)"], {}),
    ):
        pytest.fail("the block ran all the same")
    assert children[0].poll() == -signal.SIGTERM


def test_what_creates_something_in_a_thread_needs_no_delay() -> None:
    """A credential helper is asked in a thread, where Python allows no handlers."""
    found: list[Result] = []
    command = [PYTHON, "-c", "print(input())"]

    def ask() -> None:
        found.append(process.answered(command, os.environ, b"hello", patience=10))

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert [one.output for one in found] == ["hello"]
