"""Build contexts: the default one, and what the text of a context says about its place."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from warmbuild.run_context import RunContext

# What docker/metadata-action takes for `context`: where the ref and the commit come from.
GIT: Final = "git"
SOURCES: Final = (GIT, "workflow")
# As in docker/build-push-action; a directory of the default context may follow a colon.
_DEFAULT: Final = re.compile(r"\{\{\{?\s*defaultContext\s*\}?\}\}(?::(?P<directory>[^\s?#]*))?")
# Before a path of this machine, where another one would be of the context or of the definition.
HERE: Final = "cwd://"
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


def within(url: str, directory: str) -> str:
    """Return a directory of a git URL, which may name a directory itself, as buildx does it."""
    directory = posixpath.normpath(directory)
    if directory == ".":
        return url
    base, fragment, rest = url.partition("#")
    before, query, pairs = base.partition("?")
    given = parse_qsl(pairs, keep_blank_values=True)
    if not fragment and "subdir" in dict(given):
        changed = [
            (name, posixpath.normpath(f"{value}/{directory}") if name == "subdir" else value)
            for name, value in given
        ]
        return f"{before}{query}{urlencode(changed)}"
    ref, _, own = rest.partition(":")
    return f"{base}#{ref}:{posixpath.normpath(f'{own}/{directory}' if own else directory)}"


def host(context: str) -> str:
    """Return the host of a context that is fetched over HTTP, with its port; else nothing."""
    return urlsplit(_repository(context)).netloc


def is_on_server_of(run: RunContext, context: str) -> bool:
    """Return whether a context is fetched over HTTP from the server of the run's repository."""
    own, other = (urlsplit(_repository(one))[:2] for one in (run.git_context, context))
    return own == other != ("", "")


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
