"""A number that a run has of itself, for CI systems that compare such numbers."""

from __future__ import annotations

from warmbuild.frozen import frozen


@frozen
class Measure:
    """A number, such as the seconds of a phase."""

    name: str  # with its unit: lower case, and underscores between words
    phase: str = ""  # the phase of the run that it is of; empty if it is of the whole run
    value: float
