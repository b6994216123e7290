"""Checks of one text or one item of a list.

A check returns what is wrong, or an empty text. The message follows the quoted text, and ends the
sentence.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from warmbuild import lazy, platforms, refs, secret_texts

if TYPE_CHECKING:
    import difflib
    from collections.abc import Callable, Iterable, Sequence

    Check = Callable[[str], str]
else:
    difflib = lazy.module("difflib")

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Environment variables that configure buildx itself.
_OF_BUILDX: Final = re.compile(
    r"PATH|HOME|TMPDIR|LD_.*|(?:DOCKER|BUILDX|BUILDKIT)_(?:CONFIG|HOST|CONTEXT|BUILDER|TLS.*|CERT.*)"
)
_CALLS: Final = ("build", "check", "lint", "outline", "targets", "subrequests.describe")


def nearest(name: str, names: Iterable[str]) -> str:
    """Return ` Did you mean 'x'?` for the name nearest to `name`, or an empty text."""
    close = difflib.get_close_matches(name, list(names), n=1)
    return f" Did you mean '{close[0]}'?" if close else ""


def matches(pattern: str, accepted: str) -> Check:
    """Return a check for a regular expression; `accepted` describes what it accepts."""
    return lambda text: (
        "" if re.fullmatch(pattern, text, re.DOTALL) else f"is not accepted; {accepted}."
    )


pair: Final = matches(r"[^=\s]+=.*", "use name=value")
_OVERRIDE: Final = matches(r"[^-.=][^.=]*\.[^=]+=.*", "use TARGET.key=value")
platform: Final = matches(platforms.PATTERN.pattern, "use os/arch, such as linux/amd64")
builder: Final = matches(
    r"[A-Za-z][A-Za-z0-9._-]*", "use a letter, followed by letters, digits and . _ -"
)


def among(names: Sequence[str], text: str) -> str:
    """Check that a text is one of several names."""
    if text in names:
        return ""
    accepted = f"{', '.join(names[:-1])} or {names[-1]}"
    return f"is not accepted; use {accepted}.{nearest(text, names)}"


def image(text: str) -> str:
    """Check a reference."""
    try:
        refs.parse(text)
    except ValueError as error:
        return f"is not an image: {error}."
    return ""


def checkout_file(text: str) -> str:
    """Check a file that buildx would also read from a URL or standard input."""
    if "://" in text or text == "-" or text.startswith("git@"):
        return "is not a file in the checkout, and warmbuild reads no others."
    return ""


def override(text: str) -> str:
    """Check an override of a target's attribute, which buildx takes only as an argument."""
    if any(secret_texts.in_attributes(text)):
        return (
            "holds a secret, and overrides become arguments, which are not secret; use a variable "
            "in the file instead, and give its value in vars."
        )
    return _OVERRIDE(text)


def variable(text: str) -> str:
    """Check a variable of a bake or compose file."""
    name, equals, _ = text.partition("=")
    if not equals or not _VARIABLE.fullmatch(name):
        return "is not of the form NAME=value."
    return f"sets {name}, which configures buildx itself." if _OF_BUILDX.fullmatch(name) else ""


def call(text: str) -> str:
    """Check a call; attributes, such as `format=json`, may follow its name."""
    return among(_CALLS, text.partition(",")[0].removeprefix("method="))


def tag_prefix(text: str) -> str:
    """Check what the tags of cache refs begin with."""
    if refs.is_tag(f"{text}x") and len(text) <= refs.LONGEST_PREFIX:
        return ""
    return (
        f"cannot begin a tag; use at most {refs.LONGEST_PREFIX} letters, digits and . _ -, "
        "and begin with neither a dot nor a hyphen."
    )
