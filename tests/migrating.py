"""The snippets of docs/migrating.md: what each section shows as Before and as After."""

from __future__ import annotations

import re
from pathlib import Path

PATH = Path(__file__).resolve().parents[1] / "docs" / "migrating.md"
_SECTION = re.compile(r"^## (.+?)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_SNIPPET = re.compile(r"^(Before|After)\b[^\n]*:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)

GITHUB = "Five steps on GitHub"
BAKE = "A bake file on GitHub"
GITLAB = "`docker build --cache-from` on GitLab"
CIRCLECI = "A tarball in CircleCI's cache"
COMPOSE = "A docker-compose pipeline"
SECTIONS = (GITHUB, BAKE, GITLAB, CIRCLECI, COMPOSE)


def text() -> str:
    return PATH.read_text(encoding="utf-8")


def sections() -> dict[str, str]:
    return dict(_SECTION.findall(text()))


def snippets(section: str, word: str) -> list[str]:
    """Return what a section shows as Before or as After, in its order."""
    return [snippet for found, snippet in _SNIPPET.findall(sections()[section]) if found == word]


# With warmbuild's own tags, and with everything as it was.
GITHUB_PLAIN, GITHUB_CARRIED_OVER = snippets(GITHUB, "After")
(BAKE_AFTER,) = snippets(BAKE, "After")
(GITLAB_AFTER,) = snippets(GITLAB, "After")
(CIRCLECI_AFTER,) = snippets(CIRCLECI, "After")
(COMPOSE_AFTER,) = snippets(COMPOSE, "After")
