"""Hides secrets in text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Redact = Callable[[str], str]


HIDDEN: Final = "***"
# A shorter line of a secret would hide half the log, and hides nothing worth having.
_SHORTEST: Final = 4


def redactor(secrets: Iterable[str]) -> Redact:
    """Return a function that replaces each secret, and each line of one, by `***`.

    A build prints its output line by line, so a secret of several lines is never seen whole.
    """
    parts = {
        part
        for secret in secrets
        for part in (secret.strip(), *(line.strip() for line in secret.splitlines()))
        if len(part) >= _SHORTEST or (part and part == secret)
    }
    if not parts:
        return lambda text: text
    # The longest first, so that a secret that holds another one is hidden whole.
    pattern = re.compile("|".join(re.escape(part) for part in sorted(parts, key=len, reverse=True)))
    return lambda text: pattern.sub(HIDDEN, text)


def redact_json(value: object, redact: Redact) -> object:
    """Hide secrets in every text of a JSON value, before it is written and a quote is escaped."""
    match value:
        case str():
            return redact(value)
        case list():
            return [redact_json(item, redact) for item in value]
        case dict():
            return {key: redact_json(item, redact) for key, item in value.items()}
        case _:
            return value
