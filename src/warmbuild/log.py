"""The log of a run, with secrets hidden."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from warmbuild.ci.provider import Provider

# A shorter line of a secret would hide half the log, and is not worth hiding.
_SHORTEST: Final = 4


class Log:
    """Writes to standard output in a CI system's format, and keeps the warnings."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self.redact: Callable[[str], str] = str
        self.warnings: list[str] = []
        self._secrets: list[str] = []

    def write_as(self, provider: Provider) -> None:
        """Write in the format of another CI system from now on."""
        self._provider = provider

    def hide(self, secrets: Iterable[str]) -> None:
        """Hide these texts from now on."""
        self._secrets += secrets
        self.redact = redactor(self._secrets)

    def line(self, text: str) -> None:
        """Write a line that the CI system cannot take for a command."""
        print(self._provider.inert(self.redact(text)))

    @contextmanager
    def group(self, title: str) -> Iterator[None]:
        """Fold what the block writes, if the CI system can."""
        self._provider.open_group(self.redact(title))
        try:
            yield
        finally:
            self._provider.close_group()

    def warning(self, text: str, file: str = "", line: int = 0) -> None:
        """Warn of something the user should fix, and keep it for the summary."""
        text = self.redact(text)
        self.warnings.append(f"{file}:{line}: {text}" if file else text)
        self._provider.warning(text, file, line)

    def fail(self, text: str) -> None:
        """Report why the run failed."""
        self._provider.fail(self.redact(text))


def redactor(secrets: Iterable[str]) -> Callable[[str], str]:
    """Return a function that replaces each secret, and each line of one, by `***`.

    A build prints its output line by line, so a secret of several lines is never seen whole.
    """
    parts = {
        part
        for secret in secrets
        for part in (secret.strip(), *(line.strip() for line in secret.splitlines()))
        if len(part) >= _SHORTEST or (part and part == secret)
    }
    if not parts:
        return lambda text: text
    # The longest first: a secret that contains another one is hidden whole.
    pattern = re.compile("|".join(re.escape(part) for part in sorted(parts, key=len, reverse=True)))
    return lambda text: pattern.sub("***", text)
