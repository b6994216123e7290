from __future__ import annotations

import pytest

from warmbuild.project import ignore_file


def is_out(text: str, path: str) -> bool:
    return ignore_file.matcher(ignore_file.patterns(text))(path)


def test_lines_become_patterns() -> None:
    text = "\ufeff# comment\n.git\n  /dist/ \n\n!  keep/./it\na//b\n!\n/\n"
    assert ignore_file.patterns(text) == (".git", "dist", "!keep/it", "a/b", "/")


# What BuildKit's own matcher says, for each of these.
@pytest.mark.parametrize(
    ("text", "path", "out"),
    [
        (".git", ".git", True),
        ("a\x0bb\x85c", "a\x0bb\x85c", True),
        (".git", ".git/index", True),
        (".git", "sub/.git/index", False),
        ("**/.git", "sub/.git/index", True),
        ("**/.git", ".git/index", True),
        (".git/**", ".git/index", True),
        (".git/*", ".git/objects/ab/cd", True),
        (".g*", ".git/index", True),
        ("*", ".git/index", True),
        ("**", "a/b", True),
        ("*.py", "a.py", True),
        ("*.py", "a/b.py", False),
        ("**/*.py", "a/b.py", True),
        ("**.py", "a/b.py", True),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("[a-c].txt", "b.txt", True),
        ("[^a].txt", "a.txt", False),
        ("a\\*", "a*", True),
        ("a\\*", "ab", False),
        ("a.c", "abc", False),
        ("*\n!src", "src/a", False),
        ("*\n!src\nsrc/b", "src/b", True),
        ("!src\n*", "src/a", True),
        (".git\n!.git/HEAD", ".git/index", True),
        (".git\n!.git/HEAD", ".git/HEAD", False),
        ("[", "a", False),
        ("[z-a]", "a", False),
        ("[a-].txt", "-.txt", True),
        ("[a\\-c].txt", "b.txt", False),
        ("[a\\]].txt", "].txt", True),
        ("[a][", "a[", True),
        ("a**b", "ab", True),
        ("a**b", "ax/y/b", True),
        ("a**b", "axb", False),
        ("**/**/**/a", "b/a", True),
        ("a/***/b", "a/x/y/b", True),
        ("a\\", "a\\", True),
        ("[[a].txt", "a.txt", True),
        ("[[a].txt", "[.txt", True),
        ("#.git", ".git", False),
        ("", "a", False),
    ],
)
def test_the_last_pattern_that_matches_decides(
    text: str,
    path: str,
    out: bool,  # noqa: FBT001 (a row of the table)
) -> None:
    assert is_out(text, path) is out


@pytest.mark.parametrize(
    ("text", "named"), [("*\n!src", True), ("**", True), ("*.py", False), ("", False)]
)
def test_a_file_may_let_in_only_what_it_names(
    text: str,
    named: bool,  # noqa: FBT001 (a row of the table)
) -> None:
    assert ignore_file.excludes_by_default(ignore_file.patterns(text)) is named


def test_a_set_too_many_matches_nothing() -> None:
    text = "\n".join([*(f"[a]{number}" for number in range(100)), "[a]x", "b[c"])
    assert is_out(text, "a99")
    assert not is_out(text, "ax")
    assert is_out(text, "b[c")


def test_paths_of_several_directories_are_matched_one_after_the_other() -> None:
    is_excluded = ignore_file.matcher(("a/*.py", "!a/b.py", "c"))
    paths = ("a/a.py", "a/b.py", "b/a.py", "c/d/e", "c", "a/a.py")
    assert [is_excluded(path) for path in paths] == [True, False, False, True, True, True]
