"""The log of a run: with secrets hidden, and with no line that a CI system takes for a command."""

from __future__ import annotations

import json
import re
import sys
import threading
from contextlib import contextmanager, redirect_stdout
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from warmbuild import secret_texts, surrogates, untrusted_json
from warmbuild.ci.provider import say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from warmbuild.ci.provider import Provider

_LINE_ENDS: Final = re.compile(r"\r\n|\n|\r")
# Colors stay; other escape sequences move the cursor, or are commands of a CI system.
_ESCAPE: Final = re.compile(r"\x1b(?!\[[0-9;:]*m)")
_COLOR: Final = re.compile(r"\x1b\[[0-9;:]*m")
_ENDS: Final = ("\x1b[0m", "\x1b[m")
# Each character that a terminal or a runner may obey becomes one that shows it. Nothing is removed,
# for that could join the halves of a command.
_SHOWN: Final = {
    **{code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\x1b"},
    0x7F: 0x2421,
    **dict.fromkeys((*range(0x80, 0xA0), 0x2028, 0x2029), 0xFFFD),
}
# What CI systems take for a command: the names are those of Azure and TeamCity, and GitHub has
# commands without a name. The end keeps the search linear.
_COMMAND: Final = re.compile(r"##(?=\w{0,40}\[)")
# At the start of a line, GitHub's commands and Buildkite's groups, behind spaces and colors.
_BEGINNING: Final = re.compile(r"(?:\s|\x1b\[[0-9;:]*m)*(?:::|(?:---|\+\+\+|~~~|\^\^\^)(?:\s|$))")
_NO_FIELDS: Final[Mapping[str, object]] = MappingProxyType({})


class Log:
    """Writes to standard output in a CI system's format, or as JSON, and keeps the warnings.

    Everything that a run says passes through here, and nothing else prints what others wrote.
    JSON is an object a line, of the shape that docs/log.md shows. The only other lines are commands
    of a CI system without which a run does not work: those that mask secrets, and those that hand
    over outputs. A quiet log has warnings, errors and answers.
    """

    def __init__(
        self, provider: Provider, *, is_json: bool = False, is_quiet: bool = False
    ) -> None:
        self._provider, self._is_json, self._is_quiet = provider, is_json, is_quiet
        self._documents = sys.stdout
        self._group = ""
        self.lock = threading.RLock()  # held while something is written
        self.redact: Callable[[str], str] = secret_texts.without_users
        self.warnings: list[str] = []
        self.is_clean = True  # whether everything that the run had created is removed
        self._secrets: dict[str, None] = {}
        self._masked: dict[str, None] = {}

    def write_as(self, provider: Provider) -> None:
        """Write in the format of another CI system from now on."""
        self._provider = provider

    def hide(self, secrets: Iterable[str]) -> None:
        """Hide these texts from now on, here and in everything else that the CI system shows."""
        secrets = tuple(filter(None, secrets))
        self.hide_here(secrets)
        mask = self._provider.mask
        for part in (part for secret in secrets for part in secret_texts.parts(secret)):
            # CI systems compare line by line.
            if mask and part not in self._masked and len(part.splitlines()) == 1:
                self._masked[part] = None
                mask(part)

    def hide_here(self, secrets: Iterable[str]) -> None:
        """Hide these texts here from now on; they may hold more than a secret."""
        self._secrets |= dict.fromkeys(filter(None, secrets))
        self.redact = secret_texts.redactor(self._secrets)

    def line(self, text: str, more: Mapping[str, object] = _NO_FIELDS) -> None:
        """Write a line that the CI system cannot take for a command.

        `more` are further fields of its JSON; a level among them takes the place of `info`.
        """
        if not self._is_quiet:
            self.answer(text, more)

    def answer(self, text: str, more: Mapping[str, object] = _NO_FIELDS) -> None:
        """Write what a command was run for, as `line` does, but in a quiet log as well."""
        text = self.inert(text)
        with self.lock:
            if self._is_json:
                self._say_json("info", text, more)
            else:
                say(text)

    def document(self, text: str) -> None:
        """Write JSON to the standard output that there was when the log began.

        In a log of JSON it is one line.
        """
        lines = [_inert(self.redact(line)) for line in text.splitlines()]
        lines = ["".join(line.strip() for line in lines)] if self._is_json else lines
        with redirect_stdout(self._documents):
            say("\n".join(lines))

    @contextmanager
    def group(self, title: str) -> Iterator[None]:
        """Fold what the block writes, if the CI system can."""
        if self._is_json:
            self._group = self.inert(title)
        elif not self._is_quiet:
            self._provider.open_group(_one_line(self.redact(title)))
        try:
            yield
        finally:
            if self._is_json:
                self._group = ""
            elif not self._is_quiet:
                self._provider.close_group(_one_line(self.redact(title)))

    def open_result(self) -> None:
        """Have what follows not be folded, although a group may have gone before."""
        if not (self._is_json or self._is_quiet):
            self._provider.open_result()

    def warning(self, text: str, file: str = "", line: int = 0, *, in_summary: bool = True) -> None:
        """Warn of something the user should fix, and keep it for the summary unless told not to."""
        text, file = self.inert(text), _one_line(self.redact(file))
        if in_summary:
            self.warnings.append(f"{file}:{line}: {text}" if file else text)
        with self.lock:
            if self._is_json:
                self._say_json("warning", text, _place(file, line))
            else:
                self._provider.warning(text, file, line)

    def left_behind(self, text: str) -> None:
        """Warn of something of this run that stays though it should not."""
        self.is_clean = False
        self.warning(text)

    def fail(self, text: str, file: str = "", line: int = 0, trace: str = "") -> None:
        """Report why the run failed, to standard error, after everything said so far.

        `trace` says where in warmbuild, if the failure is a bug.
        """
        text, trace, file = self.inert(text), self.inert(trace), _one_line(self.redact(file))
        sys.stdout.flush()
        with redirect_stdout(sys.stderr):
            if self._is_json:
                more = {"trace": trace} if trace else {}
                self._say_json("error", text, _place(file, line) | more)
                return
            if trace:
                say(trace)
            self._provider.fail(text, file, line)

    def inert(self, text: str) -> str:
        """Return a text without secrets, of which no line is a command."""
        return "\n".join(map(_inert, _LINE_ENDS.split(self.redact(text))))

    def _say_json(self, level: str, text: str, more: Mapping[str, object]) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        group = {"group": self._group} if self._group else {}
        shown = {name: untrusted_json.with_texts(value, self.inert) for name, value in more.items()}
        record = {"time": now, "level": level, "text": text, **group, **shown}
        say(json.dumps(untrusted_json.with_texts(record, surrogates.escaped)))


def _place(file: str, line: int) -> dict[str, object]:
    return {"file": file, "line": line} if file else {}


def _inert(line: str) -> str:
    line = _COMMAND.sub("## ", _one_line(line))
    colors = _COLOR.findall(line)
    # The end of a color may be in a line that is not shown, or after those of another step.
    line = line if not colors or colors[-1] in _ENDS else f"{line}{_ENDS[0]}"
    return f"| {line}" if _BEGINNING.match(line) else line


def _one_line(text: str) -> str:
    """Show the characters that would end the line or move the cursor."""
    return _ESCAPE.sub("␛", text.translate(_SHOWN))
