"""The drivers of a builder."""

from __future__ import annotations

from typing import Final

# The drivers whose daemon warmbuild starts, and so can give an image, flags and a configuration.
STARTED: Final = ("docker-container", "kubernetes")
