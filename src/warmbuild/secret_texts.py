"""Secrets in texts: which parts of a text are secret, and what replaces them."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, quote_plus, unquote

from warmbuild import csv_attributes
from warmbuild.backends import BACKENDS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

HIDDEN: Final = "***"
# In characters. A shorter text would hide half the log, and anybody can guess it.
_SHORTEST: Final = 4
# User information of a URL: every character that Go and RFC 3986 accept there.
_USER: Final = re.compile(r"://([\w.~!$&'()*+,;=%:@-]+)@", re.ASCII)
# Schemes in front of an image, whose digest follows an @.
_IMAGES: Final = ("docker-image", "oci-layout")
# GitHub's password for a token that is the user name.
_NO_PASSWORD: Final = "x-oauth-basic"  # noqa: S105 (a marker, no secret)
# Attributes of caches; gha also has a token for GitHub's API, which no variable holds.
ATTRIBUTES: Final = frozenset(
    ("ghtoken", *(name for backend in BACKENDS.values() for name in backend.secrets))
)
_ATTRIBUTE: Final = re.compile(
    rf'(?P<quote>")?(?<![\w-])(?:{"|".join(sorted(ATTRIBUTES))})'
    r'=(?(quote)(?P<quoted>(?:[^"]|"")*)"|(?P<bare>[^,"\r\n]*))',
    re.IGNORECASE,
)
# A secret with its name, as in .npmrc, .netrc, a .env file, or YAML. The counts keep it linear.
_NAMED: Final = re.compile(
    r"(?:token|passw|passphrase|secret|key|auth|credential|pwd)[\w.-]{0,40}[\"']?\s{0,4}[=:\s]"
    r"\s{0,4}[\"']?(?P<value>[^\s\"'=:,;]{8,})",
    re.IGNORECASE,
)
# Number of characters that a pattern looks for, and of those by which it branches.
_BEGINNING: Final = 8
_DEPTH: Final = 3

# Bytes of the environment that are not UTF-8 come as lone surrogates, which nothing else encodes.
_SURROGATES: Final = "backslashreplace"


def is_worth_hiding(text: str) -> bool:
    """Return whether a text is long enough to be a secret that nobody declared as one."""
    return len(text.strip()) >= _SHORTEST


def in_urls(text: str) -> Iterator[str]:
    """Return the passwords of URLs, and the tokens in their place, as they are and decoded."""
    for found in _USER.finditer(text):
        user, _, password = found[1].partition(":")
        if not password or password == _NO_PASSWORD:
            password = user if _is_login(found) else ""
        if is_worth_hiding(password):
            yield password
            yield unquote(password)


def in_attributes(text: str) -> Iterator[str]:
    """Return the values of the secret attributes of caches, and what is secret in URLs."""
    yield from in_urls(text)
    for found in _ATTRIBUTE.finditer(text):
        value = found["bare"] if found["quoted"] is None else found["quoted"].replace('""', '"')
        if is_worth_hiding(value):
            yield value


def parts(secret: str) -> Iterator[str]:
    """Return a secret, each line of it, and what is secret in a line.

    A build prints its output line by line, so a secret of several lines is never seen whole.
    """
    for line in (secret, *secret.splitlines()):
        found = (line.strip(), *in_urls(line), *(named["value"] for named in _NAMED.finditer(line)))
        yield from (part for part in found if len(part) >= _SHORTEST or (part and part == secret))


def redactor(secrets: Iterable[str]) -> Callable[[str], str]:
    """Return a function that hides secrets, in every form that programs print, and users of URLs.

    The longest is replaced first: a secret that contains another one is hidden whole.
    """
    forms = {form for secret in secrets for form in _forms(secret)}
    if not forms:
        return without_users
    # A pattern of long texts takes seconds to compile, one of their beginnings does not.
    length = min(_BEGINNING, *map(len, forms))
    by_beginning: dict[str, list[str]] = {}
    for form in sorted(forms, key=len, reverse=True):
        by_beginning.setdefault(form[:length], []).append(form)
    beginnings = re.compile(_any_of(by_beginning, _DEPTH))

    def redact(text: str) -> str:
        kept, end, begin = [], 0, 0
        while found := beginnings.search(text, begin):
            begin = found.start()
            forms = by_beginning[found[0]]
            if hidden := next((form for form in forms if text.startswith(form, begin)), ""):
                kept += [text[end:begin], HIDDEN]
                end = begin + len(hidden)
            begin = end if hidden else begin + 1
        return without_users("".join((*kept, text[end:])))

    return redact


def without_users(text: str) -> str:
    """Hide the user information of URLs; a user without a password is hidden over HTTP only."""
    return _USER.sub(lambda found: f"://{HIDDEN}@" if _is_login(found) else found[0], text)


def left_out(entry: str) -> str:
    """Return the entry of a cache without its secrets."""
    fields = csv_attributes.fields(entry)
    kept = (field for field in fields if field.partition("=")[0].lower() not in ATTRIBUTES)
    bare = csv_attributes.joined(*kept) if any(map(_ATTRIBUTE.match, fields)) else entry
    return _USER.sub(lambda found: "://" if _is_login(found) else found[0], bare)


def _is_login(found: re.Match[str]) -> bool:
    scheme = found.string[max(0, found.start() - 12) : found.start()].lower()
    return not scheme.endswith(_IMAGES) and (":" in found[1] or scheme.endswith(("http", "https")))


def _forms(secret: str) -> Iterator[str]:
    """Return the texts in which a secret or a part of it may be printed."""
    for part in dict.fromkeys(parts(secret)):
        yield part
        for quoted, safe in ((quote, "/"), (quote, ""), (quote_plus, "")):
            yield quoted(part, safe=safe, errors=_SURROGATES)
        plain, escaped = json.dumps(part, ensure_ascii=False)[1:-1], json.dumps(part)[1:-1]
        yield from (plain, escaped, repr(part)[1:-1], part.replace('"', '""'))
        # Go escapes these too.
        for character in "<>&":
            plain = plain.replace(character, f"\\u{ord(character):04x}")
        yield plain
        if "\n" not in secret.strip() and len(part) >= _SHORTEST:
            yield from _in_base64(part)
    if len(secret) >= _SHORTEST:
        yield from _in_base64(secret)


def _in_base64(text: str) -> Iterator[str]:
    """Return what is the same in base64 whatever stands around a text, as in `user:password`."""
    data = text.encode(errors=_SURROGATES)
    for shift, begin in enumerate((0, 2, 3)):
        end = (shift + len(data)) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(bytes(shift) + data).decode()[begin:end]


def _any_of(texts: Collection[str], depth: int) -> str:
    """Return a pattern of texts of one length that branches by their first characters.

    It looks at a few of them where one that names all would look at each.
    """
    if not depth:
        return "|".join(map(re.escape, texts))
    tails: dict[str, set[str]] = {}
    for text in texts:
        tails.setdefault(text[:1], set()).add(text[1:])
    return "|".join(
        f"{re.escape(first)}(?:{_any_of(rest, depth - 1)})" for first, rest in tails.items()
    )
