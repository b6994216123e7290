"""Twenty commits of a well-known repository: which kinds of files each of them touches.

The commits are consecutive first-parent commits of the branch `master` of
https://github.com/restic/restic, from 302e713c5d23 to 265d070255d2 of May 2026. Of all windows of
20 commits in 2026 (165 first-parent commits until August 1st), this one is nearest to the mix of
the whole: 53 % touch sources, 19 % dependencies, 19 % only docs, 7 % only CI. A merge counts as
one commit, by its difference to its first parent.

What a path is: `go.mod` and `go.sum` are dependencies; `.github` and the settings of linters are
CI; `docker` and `.dockerignore` are the Dockerfile; `doc`, `changelog` and Markdown are docs;
`*_test.go` and `testdata` are tests; other Go files are sources.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

Touched = Literal["source", "tests", "docs", "dependency", "ci", "dockerfile"]


@dataclass(frozen=True, slots=True)
class Upstream:
    """A commit by its id, and the kinds of files that it touches."""

    commit: str
    touched: tuple[Touched, ...]

    @property
    def label(self) -> str:
        """What a build of the commit has to do, by the most expensive kind of file."""
        kinds = set(self.touched)
        if kinds & {"dependency", "dockerfile"}:
            return "dependency commit"
        return "code commit" if kinds & {"source", "tests"} else "docs or CI commit"


_CODE: Final[tuple[Touched, ...]] = ("docs", "source", "tests")

RESTIC: Final = (
    Upstream("302e713c5d23", ("dependency",)),
    Upstream("fbf6fad74fd1", ("dependency",)),
    Upstream("3dcd60d97970", ("ci",)),
    Upstream("f5ab39b33d62", _CODE),
    Upstream("39084a912e64", _CODE),
    Upstream("5b7df8135e6c", _CODE),
    Upstream("5608e86cdbf7", ("docs",)),
    Upstream("4a63f7fd13ac", ("docs",)),
    Upstream("7ee77133fc60", _CODE),
    Upstream("f3ca1a5c13de", ("source",)),
    Upstream("f3854cf29922", ("ci", "dependency", "dockerfile", "docs", "source", "tests")),
    Upstream("9a0432a5d7ef", ("docs",)),
    Upstream("ff575a978d10", ("dependency",)),
    Upstream("7878485eec7a", _CODE),
    Upstream("bf14a946004c", _CODE),
    Upstream("5d70bf9f1090", ("docs",)),
    Upstream("7acab7b1a969", ("docs",)),
    Upstream("8abbc3703dd5", ("docs", "source")),
    Upstream("6de6cc6c75ae", _CODE),
    Upstream("265d070255d2", ("source",)),
)


def first(commits: int) -> Iterator[tuple[int, Upstream]]:
    """Return the first commits with their numbers, which begin at 1."""
    return enumerate(RESTIC[:commits], start=1)
