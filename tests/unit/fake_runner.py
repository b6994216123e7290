"""A runner that starts nothing: it answers each command as a test says, and knows no others."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from warmbuild.process import LateError, Result

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from warmbuild.process import Running

DATA = Path(__file__).parents[1] / "data"


def recorded(name: str) -> list[str]:
    """Return the progress that a real buildx printed."""
    return (DATA / f"buildx-0.36.1-{name}.jsonl").read_text().splitlines()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    prefix: tuple[str, ...]
    """The words that the command begins with."""
    lines: Sequence[str]
    code: int
    writes: Mapping[str, str]
    """Texts that the command writes, by the flag that names the file."""
    hangs: bool
    """Whether it does not end by itself."""


@dataclass(slots=True, kw_only=True)
class FakeRunner:
    """A `Runner`; what it is to answer is used up in the order of the commands."""

    commands: list[tuple[str, ...]] = field(default_factory=list)
    environments: list[Mapping[str, str]] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)

    def answer(
        self,
        *prefix: str,
        lines: Sequence[str] = (),
        code: int = 0,
        writes: Mapping[str, str] | None = None,
        hangs: bool = False,
    ) -> None:
        """Answer the next command that begins with these words."""
        self.answers.append(
            Answer(prefix=prefix, lines=lines, code=code, writes=writes or {}, hangs=hangs)
        )

    @contextmanager
    def __call__(
        self, argv: Sequence[str], env: Mapping[str, str], *, linger: float = 0
    ) -> Iterator[Running]:
        assert linger >= 0
        self.commands.append(tuple(argv))
        self.environments.append(env)
        fitting = (one for one in self.answers if tuple(argv[: len(one.prefix)]) == one.prefix)
        answer = next(fitting, None)
        if answer is None:
            pytest.fail(f"no answer is known to {' '.join(argv)}")
        self.answers.remove(answer)
        for flag, text in answer.writes.items():
            Path(argv[argv.index(flag) + 1]).write_text(text)
        yield _Fake(answer)


class _Fake:
    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._ended = threading.Event()

    def lines(self) -> Iterator[str]:
        yield from self._answer.lines
        if self._answer.hangs:
            assert self._ended.wait(10)

    def wait(self) -> int:
        return self._answer.code

    def finish(self, patience: float | None = None) -> Result:
        output = "\n".join(self._answer.lines)
        if self._answer.hangs:
            assert patience is not None
            raise LateError(output)
        return Result(code=self._answer.code, output=output)

    def end(self) -> None:
        self._ended.set()

    def stop(self, linger: float) -> None:
        assert linger >= 0
        self._ended.set()
