"""Trust: what a run may do with the rights of its repository, and why it may not do the rest.

What is not known to be trusted is untrusted. A CI system lists the events that only somebody with
write access can cause; every other event, also one that does not exist yet, is untrusted.
"""

from __future__ import annotations

from enum import Enum, IntEnum, auto
from typing import TYPE_CHECKING, Final

from warmbuild.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Container, Mapping


class Level(IntEnum):
    """How far a run is trusted."""

    UNTRUSTED = 0  # Its author may have no write access to the repository
    LOCAL = 1  # Its author sits at this machine, and may have changed what no branch has
    TRUSTED = 2  # Only somebody with write access to the repository can have caused it


class Right(Enum):
    """What a run may do."""

    WRITE_CACHES = auto()  # The cache of its branch, if the inputs ask for that
    WRITE_BY_DEFAULT = auto()  # The same, unasked
    PUSH_BY_DEFAULT = auto()  # The image, unasked
    READ_ENVIRONMENT = auto()  # From a file of the checkout, such as a bake file
    HAVE_TOKEN = auto()  # The job's token for the git server
    LEAVE_CHECKOUT = auto()  # With a path or context that a file of the checkout names
    SHARE_DAEMON = auto()  # With runs of other branches


_GRANTED: Final[Mapping[Level, frozenset[Right]]] = {
    Level.UNTRUSTED: frozenset(),
    Level.LOCAL: frozenset(Right) - {Right.WRITE_BY_DEFAULT, Right.PUSH_BY_DEFAULT},
    Level.TRUSTED: frozenset(Right),
}


@frozen
class Trust:
    """How far a run is trusted."""

    level: Level = Level.UNTRUSTED
    reason: str = "nothing shows who started this run"
    """Why it is not trusted, as a clause; empty if it is."""

    @property
    def is_local(self) -> bool:
        """Whether somebody runs this at a machine of their own."""
        return self.level is Level.LOCAL

    @property
    def is_untrusted(self) -> bool:
        """Whether the author may have no write access to the repository."""
        return self.level is Level.UNTRUSTED

    def refuses(self, right: Right) -> str:
        """Return why a run may not do something, as a clause; empty if it may."""
        return "" if right in _GRANTED[self.level] else self.reason


TRUSTED: Final = Trust(level=Level.TRUSTED, reason="")
LOCAL: Final = Trust(level=Level.LOCAL, reason="this is a local run")
FORK: Final = Trust(reason="the code comes from a fork")
NOWHERE: Final = Trust(reason="nothing shows which branch or tag the code is of")


def of_event(
    event: str,
    trusted: Container[str],
    *,
    variable: str,
    others: Mapping[str, str] | None = None,
) -> Trust:
    """Return how far an event is trusted, by the list of those that are.

    `variable` is where the CI system names the event. `others` has the reasons against events that
    users may expect to be trusted.
    """
    if event in trusted:
        return TRUSTED
    if not event:
        return Trust(reason=f"{variable}, which shows what started this run, is not set")
    reason = f"somebody without write access may cause the event {event}"
    return Trust(reason=(others or {}).get(event, reason))


def of_source(ci: str, *, fork: bool | None) -> Trust:
    """Return how far a pull request is trusted; `fork` is None if its repository is unknown."""
    if fork is None:
        return Trust(reason=f"{ci} does not say whether the pull request comes from a fork")
    return FORK if fork else TRUSTED


def least(*each: Trust) -> Trust:
    """Return the lowest of several; the first of them if there are several of the lowest."""
    return min(each, key=lambda trust: trust.level)
