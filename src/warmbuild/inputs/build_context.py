"""Build contexts: the default one, and what the text of a context says about its place."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from warmbuild.run_context import RunContext

# What docker/metadata-action takes for `context`: where the ref and the commit come from.
GIT: Final = "git"
SOURCES: Final = (GIT, "workflow")
# As in docker/build-push-action; a directory of the default context may follow a colon.
_DEFAULT: Final = re.compile(r"\{\{\{?\s*defaultContext\s*\}?\}\}(?::(?P<directory>[^\s?#]*))?")
_EXPRESSION: Final = re.compile(r"\{\{[^}]*\}*")


def unknown(text: str) -> Sequence[str]:
    """Return the expressions in a text that are not supported."""
    return _EXPRESSION.findall(_DEFAULT.sub("", text))


def filled_in(text: str, run: RunContext) -> str:
    """Return a context with {{defaultContext}} filled in; an empty one is the default."""
    text = text or "{{defaultContext}}"
    return _DEFAULT.sub(lambda found: below(run, found["directory"] or ""), text)


def below(run: RunContext, directory: str) -> str:
    """Return the default context, or a directory of it.

    The default is the commit on its server if the CI system has one, else the current directory.
    """
    directory, url = directory.strip("/"), run.git_context
    if not url:
        return directory or "."
    if directory in {"", "."}:
        return url
    return f"{url}&subdir={directory}" if "#" not in url else f"{url}:{directory}"


def checkout(context: str, run: RunContext) -> str:
    """Return the local directory with the sources of the run's own git context.

    It is empty for any other context.
    """
    if not run.git_context or not context.startswith(run.git_context):
        return ""
    rest = context.removeprefix(run.git_context)
    return rest.removeprefix("&subdir=").removeprefix(":") or "."


def is_of(run: RunContext, context: str) -> bool:
    """Return whether a context is fetched over HTTP from the run's own repository."""
    own = _repository(run.git_context)
    return own != "" and own == _repository(context)


def _repository(context: str) -> str:
    """Return scheme, host with port, and path of a git URL; empty for any other context."""
    try:
        url = urlsplit(context)
    except ValueError:
        return ""
    if url.scheme not in {"http", "https"}:
        return ""
    host = url.netloc.rpartition("@")[2]
    return f"{url.scheme}://{host}{url.path.rstrip('/').removesuffix('.git')}".lower()


def is_remote(context: str) -> bool:
    """Return whether BuildKit fetches a build context itself: a URL, or git over ssh."""
    return "://" in context or context.startswith(("git@", "github.com/"))
