"""What the log of Docker's older builder, with DOCKER_BUILDKIT=0, says of stages and steps."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_STEP: Final = re.compile(r"^Step \d+/\d+ : (?P<instruction>\w+) (?P<rest>.*)$")
# The steps that BuildKit counts; the older builder has one for each line.
_COUNTED: Final = frozenset({"RUN", "COPY", "ADD", "WORKDIR"})
_CACHED: Final = " ---> Using cache"
_IMAGE_ID: Final = re.compile(r"^ ---> (?P<id>[0-9a-f]{12})$")


def stage_images(lines: Sequence[str]) -> list[str]:
    """Return the images of all stages but the last one."""
    found = []
    for before, line in itertools.pairwise(lines):
        step, image = _STEP.match(line), _IMAGE_ID.match(before)
        if step and step["instruction"] == "FROM" and image:
            found.append(image["id"])
    return found


def steps_run(lines: Sequence[str]) -> list[str]:
    """Return the steps that ran."""
    return [
        f"{step['instruction']} {step['rest']}"
        for line, following in itertools.pairwise(lines)
        if (step := _STEP.match(line)) and step["instruction"] in _COUNTED and following != _CACHED
    ]
