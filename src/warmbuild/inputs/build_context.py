"""Build contexts: the one that is taken unasked, and what a context's text says of where it is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from warmbuild.run_context import RunContext

# As docker/build-push-action has it, and the directory that a colon names in it.
_DEFAULT: Final = re.compile(r"\{\{\{?\s*defaultContext\s*\}?\}\}(?::(?P<directory>[^\s?#]*))?")
_EXPRESSION: Final = re.compile(r"\{\{[^}]*\}*")


def unknown(text: str) -> str:
    """Return an expression of a context that is not the one there is; "" where all are."""
    found = _EXPRESSION.search(_DEFAULT.sub("", text))
    return found[0] if found else ""


def filled_in(text: str, run: RunContext) -> str:
    """Return a context, the default one for none, with {{defaultContext}} put in."""

    def default(found: re.Match[str]) -> str:
        return below(run, found["directory"] or "")

    return _DEFAULT.sub(default, text) if text else below(run, "")


def below(run: RunContext, directory: str) -> str:
    """Return the default context, or a directory of it.

    It is the commit on its server where the CI system has one, the current directory elsewhere.
    """
    directory, url = directory.strip("/"), run.git_context
    if not url:
        return directory or "."
    if directory in {"", "."}:
        return url
    return f"{url}&subdir={directory}" if "#" not in url else f"{url}:{directory}"


def checkout(context: str, run: RunContext) -> str:
    """Return the directory here that should hold the sources of the run's own git context.

    It is empty for any other context.
    """
    if not run.git_context or not context.startswith(run.git_context):
        return ""
    rest = context.removeprefix(run.git_context)
    return rest.removeprefix("&subdir=").removeprefix(":") or "."


def host(context: str) -> str:
    """Return the host, with its port, that a context is fetched from over HTTP; "" for none."""
    url = urlsplit(context)
    return url.netloc.rpartition("@")[2].lower() if url.scheme in {"http", "https"} else ""


def is_remote(context: str) -> bool:
    """Say whether BuildKit fetches a build context itself: a URL, or git over ssh."""
    return "://" in context or context.startswith(("git@", "github.com/"))
