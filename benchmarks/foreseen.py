"""What plans said of the steps of builds, compared with what became of them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# What a forecast can be.
RIGHT, WRONG, UNKNOWN = "right", "wrong", "unknown"


def counted_forecasts(
    said: Sequence[Mapping[str, object]], cached: Mapping[str, bool]
) -> Counter[str]:
    """Count the forecasts that were right, wrong, or not made.

    `cached` tells of each step whether it was, by its place as BuildKit has it, `build 2/4`.
    """
    counts = Counter(str(one["stage"]) for one in said)
    fates = {(str(one["stage"]), one["position"]): one["fate"] for one in said}
    found: Counter[str] = Counter()
    for place, is_cached in cached.items():
        stage, _, position = place.rpartition(" ")
        at, _, total = position.partition("/")
        # The base comes before the steps.
        fate = fates.get((stage, int(at) - int(total) + counts[stage]), UNKNOWN)
        is_right = fate == ("cached" if is_cached else "runs")
        found[UNKNOWN if fate == UNKNOWN else RIGHT if is_right else WRONG] += 1
    return found
