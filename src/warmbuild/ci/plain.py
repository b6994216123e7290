"""What a CI system does that knows no folding, no annotations, no masks and no login."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from warmbuild.finding import Finding


def inert(text: str) -> str:
    """Return the line as it is."""
    return text


def open_group(title: str) -> None:
    """Write a headline."""
    print(f"== {title}")


def close_group() -> None:
    """Leave the next headline to end this part."""


def warning(text: str, file: str = "", line: int = 0) -> None:
    """Write a warning."""
    print(f"warning: {file}:{line}: {text}" if file else f"warning: {text}")


def fail(text: str) -> None:
    """Write an error."""
    print(f"error: {text}")


def publish_findings(env: Mapping[str, str], findings: Sequence[Finding]) -> None:
    """Do nothing: each was a warning."""


def mask(secret: str) -> None:
    """Do nothing: warmbuild hides secrets in its own log by itself."""


def later_file(env: Mapping[str, str], name: str) -> tuple[Path, str]:  # noqa: ARG001
    """Return a file of the temporary directory, which later steps of the job have too."""
    path = Path(tempfile.gettempdir(), name)
    return path, str(path)


def known_inputs(env: Mapping[str, str], given: Mapping[str, str]) -> Mapping[str, str]:  # noqa: ARG001
    """Return nothing: only the user knows."""
    return {}


def output_files(env: Mapping[str, str]) -> tuple[Path, ...]:  # noqa: ARG001
    """Return nothing: no file is written among the sources."""
    return ()
