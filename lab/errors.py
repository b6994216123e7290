"""The one error the lab shows to a person."""

from __future__ import annotations


class LabError(Exception):
    """A plain sentence: what failed, with what, and what to do about it."""
