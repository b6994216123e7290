"""Explanation: what a build does beside the records that it is compared with, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warmbuild.frozen import frozen
from warmbuild.record.cause import shown

if TYPE_CHECKING:
    from datetime import datetime

    from warmbuild.record.miss import Miss
    from warmbuild.record.predicting import Forecast
    from warmbuild.record.record import Record


@frozen
class Source:
    """A record, as it is named."""

    ref: str  # of the cache that it lies beside
    branch: str
    commit: str
    made: datetime

    @property
    def text(self) -> str:
        """The record in one line."""
        parts = [f"branch {self.branch}"] if self.branch else []
        parts += [f"commit {self.commit:.12}"] if self.commit else []
        return f"{self.ref} ({', '.join([*parts, f'{self.made:%Y-%m-%d %H:%M} UTC'])})"


@frozen
class Explanation:
    """What becomes of the steps of one image, and why."""

    name: str = ""  # of the target, if a file defines it
    subject: str  # what is compared
    sources: tuple[Source, ...] = ()  # what it is compared with
    steps: tuple[Forecast, ...] = ()
    misses: tuple[Miss, ...] = ()
    notes: tuple[str, ...] = ()  # why nothing, or not everything, is known


def source(ref: str, of: Record) -> Source:
    """Return how a record is named, with what others wrote into it made harmless."""
    return Source(ref=ref, branch=shown(of.branch), commit=shown(of.commit), made=of.made)
