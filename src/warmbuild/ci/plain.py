"""The log of a system that knows no folding, no annotations and no masks."""

from __future__ import annotations


def inert(text: str) -> str:
    """Return the line as it is."""
    return text


def open_group(title: str) -> None:
    """Write a headline."""
    print(f"== {title}")


def close_group() -> None:
    """Leave the next headline to end this part."""


def warning(text: str) -> None:
    """Write a warning."""
    print(f"warning: {text}")


def fail(text: str) -> None:
    """Write an error."""
    print(f"error: {text}")


def mask(secret: str) -> None:
    """Do nothing: warmbuild hides secrets in its own log by itself."""
