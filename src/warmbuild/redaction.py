"""Hides secrets in text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Redact = Callable[[str], str]

# A shorter line of a secret would hide half the log, and is not worth hiding.
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
    # The longest first: a secret that contains another one is hidden whole.
    pattern = re.compile("|".join(re.escape(part) for part in sorted(parts, key=len, reverse=True)))
    return lambda text: pattern.sub("***", text)
