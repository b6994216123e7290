"""What warmbuild does in a CI system without folding, annotations, masks, outputs and a login."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from warmbuild import lazy

if TYPE_CHECKING:
    import tempfile
    from collections.abc import Mapping, Sequence

    from warmbuild.finding import Finding
else:
    tempfile = lazy.module("tempfile")


def known_inputs(_env: Mapping[str, str], _given: Mapping[str, str]) -> Mapping[str, str]:
    """Return nothing: only the user knows."""
    return {}


def pipeline_file(_env: Mapping[str, str]) -> str:
    """Return nothing: no file describes the run."""
    return ""


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


def mask(_secret: str) -> None:
    """Do nothing: warmbuild hides secrets in its own log by itself."""


def publish(_env: Mapping[str, str], _outputs: Mapping[str, str], _summary: str) -> None:
    """Do nothing: output-file and summary-file are all there is."""


def publish_findings(_env: Mapping[str, str], _findings: Sequence[Finding]) -> None:
    """Do nothing: each was a warning."""


def output_files(_env: Mapping[str, str]) -> tuple[Path, ...]:
    """Return nothing: no file is written among the sources."""
    return ()


def later_file(_env: Mapping[str, str], name: str) -> tuple[Path, str]:
    """Return a file of the temporary directory, which later steps of the job have too."""
    path = Path(tempfile.gettempdir(), name)
    return path, str(path)
