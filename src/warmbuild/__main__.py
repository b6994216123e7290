"""`python -m warmbuild`: the one process behind every front door."""

from __future__ import annotations

from warmbuild import signals

# Before the rest is imported, which takes a tenth of a second.
signals.end_at_once()

from warmbuild.cli import entry  # noqa: E402

if __name__ == "__main__":
    entry()
