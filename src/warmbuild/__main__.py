"""`python -m warmbuild`: the one process behind every front door."""

from __future__ import annotations

from warmbuild.cli import entry

if __name__ == "__main__":
    entry()
