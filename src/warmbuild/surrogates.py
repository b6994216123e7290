"""Lone surrogates: what Python makes of bytes that are not UTF-8, and JSON of half a character.

No text with one can be written, hashed or sent.
"""

from __future__ import annotations


def escaped(text: str) -> str:
    r"""Return a text with an escape, such as \udcff, for each lone surrogate."""
    return text.encode("utf-8", "backslashreplace").decode()


def are_in(text: str) -> bool:
    """Return whether a text has a lone surrogate."""
    return escaped(text) != text
