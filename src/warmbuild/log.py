"""The log of a run: with secrets hidden, and with no line that a CI system takes for a command."""

from __future__ import annotations

import re
import sys
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Final

from warmbuild import secret_texts
from warmbuild.ci.provider import say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from warmbuild.ci.provider import Provider

_LINE_ENDS: Final = re.compile(r"\r\n|\n|\r")
# Colors stay; other escape sequences move the cursor, or are commands of a CI system.
_ESCAPE: Final = re.compile(r"\x1b(?!\[[0-9;:]*m)")
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


class Log:
    """Writes to standard output in a CI system's format, and keeps the warnings.

    Everything that a run says passes through here, and nothing else prints what others wrote.
    """

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
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

    def line(self, text: str) -> None:
        """Write a line that the CI system cannot take for a command."""
        say(self._inert(text))

    @contextmanager
    def group(self, title: str) -> Iterator[None]:
        """Fold what the block writes, if the CI system can."""
        self._provider.open_group(_one_line(self.redact(title)))
        try:
            yield
        finally:
            self._provider.close_group()

    def warning(self, text: str, file: str = "", line: int = 0, *, in_summary: bool = True) -> None:
        """Warn of something the user should fix, and keep it for the summary unless told not to."""
        text, file = self._inert(text), _one_line(self.redact(file))
        if in_summary:
            self.warnings.append(f"{file}:{line}: {text}" if file else text)
        self._provider.warning(text, file, line)

    def left_behind(self, text: str) -> None:
        """Warn of something of this run that stays though it should not."""
        self.is_clean = False
        self.warning(text)

    def fail(self, text: str, file: str = "", line: int = 0) -> None:
        """Report why the run failed, to standard error, after everything said so far."""
        sys.stdout.flush()
        with redirect_stdout(sys.stderr):
            self._provider.fail(self._inert(text), _one_line(self.redact(file)), line)

    def _inert(self, text: str) -> str:
        """Return a text without secrets, of which no line is a command."""
        return "\n".join(map(_inert, _LINE_ENDS.split(self.redact(text))))


def _inert(line: str) -> str:
    line = _COMMAND.sub("## ", _one_line(line))
    return f"| {line}" if _BEGINNING.match(line) else line


def _one_line(text: str) -> str:
    """Show the characters that would end the line or move the cursor."""
    return _ESCAPE.sub("␛", text.translate(_SHOWN))
