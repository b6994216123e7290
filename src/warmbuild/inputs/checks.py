"""What is wrong with one text or one item of a list: each check says it, or nothing.

What is said follows the text itself, quoted, and ends a sentence.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from warmbuild import platforms, refs
from warmbuild.inputs.nearest import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Check = Callable[[str], str]

_BUILDER: Final = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")
_CALLS: Final = ("build", "check", "lint", "outline", "targets", "subrequests.describe")


def matches(pattern: str, accepted: str) -> Check:
    """Return a check for a regular expression; `accepted` says what it takes."""
    return lambda text: (
        "" if re.fullmatch(pattern, text, re.DOTALL) else f"is not accepted; {accepted}."
    )


def among(names: Sequence[str], what: str) -> Check:
    """Return a check for names; `what` says what one is."""
    return lambda text: "" if text in names else f"is no {what}.{nearest(text, names)}"


def image(text: str) -> str:
    """Check a reference."""
    try:
        refs.parse(text)
    except ValueError as error:
        return f"is not an image: {error}."
    return ""


def builder(text: str) -> str:
    """Check the name of a builder."""
    if _BUILDER.fullmatch(text):
        return ""
    return "is not a builder's name; it begins with a letter, and letters, digits and . _ - follow."


def platform_or_processor(text: str) -> str:
    """Check a platform to emulate."""
    if platforms.is_platform(text):
        return ""
    return "is no platform; use a processor or os/arch, such as arm64, or all."


def checkout_file(text: str) -> str:
    """Check a file that buildx would read from elsewhere, too."""
    if "://" in text or text == "-" or text.startswith("git@"):
        return "is no file of the checkout, and nothing else is read."
    return ""


def call(text: str) -> str:
    """Check a call; an answer in JSON is asked for by an attribute after the name."""
    name = text.partition(",")[0].removeprefix("method=")
    if name in _CALLS:
        return ""
    return f"is not accepted; use {', '.join(_CALLS)}.{nearest(name, _CALLS)}"


def tag_prefix(text: str) -> str:
    """Check what the tags of cache refs begin with."""
    if refs.is_tag(f"{text}x") and len(text) <= refs.LONGEST_PREFIX:
        return ""
    return (
        "cannot begin a tag; use letters, digits and . _ -, at most "
        f"{refs.LONGEST_PREFIX}, the first one no dot or hyphen."
    )
