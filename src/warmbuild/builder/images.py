"""Which BuildKit image is booted next when one cannot be pulled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warmbuild import retries

if TYPE_CHECKING:
    from collections.abc import Sequence

    from warmbuild.buildkit.answers import Boot


def next_image(
    boots: Sequence[Boot], mirrors: Sequence[str], *, left: float
) -> tuple[str, float] | None:
    """Return the BuildKit image to boot after these boots, and the seconds to wait before it.

    The builder's own, whose name is empty here, comes first, then the mirrors, then a copy that
    the engine has of any of them. Where there is none and a reason passes, all are tried again
    while there is time `left`. None where the last boot stands: it is up, or there is no help.
    """
    images = ("", *mirrors)
    rounds, position = divmod(len(boots), len(images))
    last = boots[-1]
    if not last.unpulled and (rounds or not last.local):
        return None
    if position:
        return images[position], 0.0
    copy = next((boot.image for boot in boots if boot.local), None)
    if copy:
        return copy, 0.0
    wait = retries.pause(rounds, first=1.0, left=left)
    if wait is None or not any(retries.passes(boot.error) for boot in boots[-len(images) :]):
        return None
    return images[0], wait
