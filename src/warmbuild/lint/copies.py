"""What a COPY or ADD takes of the build context."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from warmbuild.project.dockerfile import Instruction

# Sources of a COPY or ADD that are not of the context: a heredoc, a URL.
_FOREIGN: Final = re.compile(r"\d*<<|[a-z]+://|git@")
_EVERYTHING: Final = re.compile(r"(?:\./+|/+)*(?:\.|\*|\./|/)")


def takes_context(step: Instruction) -> bool:
    """Say whether a COPY or ADD takes files of the context."""
    if step.word not in {"ADD", "COPY"} or step.flag("from"):
        return False
    return any(not _FOREIGN.match(source) for source in step.words()[:-1])


def takes_everything(step: Instruction) -> bool:
    """Say whether a COPY or ADD takes all files of the context."""
    return (
        takes_context(step)
        and not step.flag("exclude")
        and any(_EVERYTHING.fullmatch(source) for source in step.words()[:-1])
    )


def shown(step: Instruction) -> str:
    """Return an instruction as a message names it."""
    return f"{step.word} {' '.join(step.words())}"
