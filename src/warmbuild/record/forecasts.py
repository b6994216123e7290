"""What is said of a build before it begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from warmbuild.record import predicting
from warmbuild.record.predicting import Fate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from warmbuild.record.predicting import Forecast

# The steps that are named, and the characters of each.
_MOST: Final = 3
_LONGEST: Final = 60


def lines(forecast: Sequence[Forecast]) -> Iterator[str]:
    """Yield which steps will run, about how long, and what is unknown; nothing if all is new."""
    run = [one for one in forecast if one.fate is Fate.RUNS]
    unknown = [one for one in forecast if one.fate is Fate.UNKNOWN]
    if all(one.fate is Fate.RUNS and not one.seconds for one in forecast):
        # There is no cache, as the plan says, or none with such steps.
        return
    if not (run or unknown):
        yield "forecast: no step will run"
        return
    text = (
        f"forecast: {len(run or unknown)} of {len(forecast)} steps {'will' if run else 'may'} run"
    )
    if (took := predicting.seconds(forecast)) >= 1:
        text += f", for about {took:.0f} s"
    if run and unknown:
        text += f", and {len(unknown)} more may"
    if named := [_shown(one) for one in (run or unknown)[:_MOST]]:
        more = len(run or unknown) - len(named)
        text += f": {'; '.join(named)}{f'; and {more} more' if more else ''}"
    yield text


def _shown(one: Forecast) -> str:
    title = one.step.title
    title = title if len(title) <= _LONGEST else f"{title[: _LONGEST - 1]}…"
    return f"line {one.step.line}, {title}"
