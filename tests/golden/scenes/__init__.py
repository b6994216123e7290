"""The subjects, a module each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.golden.scenes import (
    bake, builders, builds, ci_systems, command_line, help, inputs, plans, probing,
)

if TYPE_CHECKING:
    from tests.golden.scene import Subject

SUBJECTS: Final[tuple[Subject, ...]] = tuple(
    module.SUBJECT for module in (help, command_line, inputs, ci_systems, plans, bake, builders, probing, builds)
)
