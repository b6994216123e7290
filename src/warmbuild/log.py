"""What a run says while it runs, every line of it with secrets hidden."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from warmbuild.redaction import redactor

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from warmbuild.ci.provider import Provider
    from warmbuild.redaction import Redact


class Log:
    """Writes to standard output in the way of a CI system; remembers the warnings."""

    def __init__(self, provider: Provider) -> None:
        """Write as `provider` does."""
        self._provider = provider
        self.redact: Redact = str
        self.warnings: list[str] = []
        self._secrets: list[str] = []

    def write_as(self, provider: Provider) -> None:
        """Write in the way of another CI system from now on."""
        self._provider = provider

    def hide(self, secrets: Iterable[str]) -> None:
        """Hide these texts from now on."""
        self._secrets += secrets
        self.redact = redactor(self._secrets)

    def line(self, text: str) -> None:
        """Write one line, which no CI system takes for a command."""
        print(self._provider.inert(self.redact(text)))

    @contextmanager
    def group(self, title: str) -> Iterator[None]:
        """Fold what the block writes, where the CI system can."""
        self._provider.open_group(self.redact(title))
        try:
            yield
        finally:
            self._provider.close_group()

    def warning(self, text: str, file: str = "", line: int = 0) -> None:
        """Say something that the user would want to mend, and keep it for the summary."""
        text = self.redact(text)
        self.warnings.append(f"{file}:{line}: {text}" if file else text)
        self._provider.warning(text, file, line)

    def fail(self, text: str) -> None:
        """Say why the run failed."""
        self._provider.fail(self.redact(text))
