from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warmbuild.project.entry import Entry
from warmbuild.record.content import Content, normal

DIRECTORY = Entry("directory", 0o755, b"")
FILES = ["a.txt", "b.txt", "app/main.py", "app/doc.md", "app/sub/deep.md", "apple", "docs/one.md"]
LINKS = ["link", "app/link"]


def content(**changed: Entry | None) -> Content:
    entries = {path: Entry("file", 0o644, path.encode()) for path in FILES}
    entries |= dict.fromkeys(["app", "app/sub", "docs"], DIRECTORY)
    entries |= {path: Entry("link", 0, b"app") for path in LINKS}
    for path, entry in changed.items():
        if entry:
            entries[path] = entry
        else:
            del entries[path]
    return Content(entries)


APP = ["app", "app/doc.md", "app/link", "app/main.py", "app/sub", "app/sub/deep.md"]


@pytest.mark.parametrize(
    ("source", "excluded", "taken"),
    [
        (".", (), sorted(content().entries)),
        ("/", (), sorted(content().entries)),
        ("../..", (), sorted(content().entries)),
        ("a.txt", (), ["a.txt"]),
        ("./a.txt", (), ["a.txt"]),
        ("x/../a.txt", (), ["a.txt"]),
        ("app", (), APP),
        ("app/", (), APP),
        ("app/sub", (), ["app/sub", "app/sub/deep.md"]),
        ("none", (), []),
        ("?.txt", (), ["a.txt", "b.txt"]),
        ("*.none", (), []),
        ("app*", (), [*APP, "apple"]),
        ("*/*.md", (), ["app/doc.md", "docs/one.md"]),
        ("app/*.md", (), ["app/doc.md"]),
        ("app/s*", (), ["app/sub", "app/sub/deep.md"]),
        # Patterns begin below the source.
        ("app", ("*.md",), ["app", "app/link", "app/main.py", "app/sub", "app/sub/deep.md"]),
        ("app", ("**/*.md",), ["app", "app/link", "app/main.py", "app/sub"]),
        ("app", ("app/doc.md",), APP),
        ("app", ("sub",), ["app", "app/doc.md", "app/link", "app/main.py"]),
        ("app", ("sub", "!sub/deep.md"), APP),
        ("a*", ("*.md",), ["a.txt", *(path for path in APP if path != "app/doc.md"), "apple"]),
        ("*/*.md", ("*.md",), ["app/doc.md", "docs/one.md"]),
    ],
)
def test_what_a_source_takes(source: str, excluded: tuple[str, ...], taken: list[str]) -> None:
    assert sorted(content().taken(source, excluded)) == taken


@pytest.mark.parametrize(
    ("source", "taken"),
    [
        ("app/sub/deep.md", ["app", "app/sub", "app/sub/deep.md"]),
        ("*/*.md", ["app", "app/doc.md", "docs", "docs/one.md"]),
        ("**/*.md", ["app", "app/doc.md", "app/sub", "app/sub/deep.md", "docs", "docs/one.md"]),
        ("app/./sub/*.md", ["app", "app/sub", "app/sub/deep.md"]),
        ("app/./*.py", ["app", "app/main.py"]),
    ],
)
def test_what_a_source_takes_with_its_parents(source: str, taken: list[str]) -> None:
    assert sorted(content().taken(source, parents=True)) == taken


@pytest.mark.parametrize("source", ["link", "link/main.py", "app/link/x", "l*", "app/l*", "link/*"])
def test_a_link_is_not_followed(source: str) -> None:
    with pytest.raises(ValueError, match="is reached through a link"):
        content().digest(source)


@pytest.mark.parametrize("source", ["[ab].txt", "\\*.txt"])
def test_other_patterns_are_not_compared(source: str) -> None:
    with pytest.raises(ValueError, match="characters of patterns"):
        content().digest(source)


@pytest.mark.parametrize(
    "changed",
    [
        {"app/main.py": Entry("file", 0o644, b"other")},
        {"app/main.py": Entry("file", 0o755, b"app/main.py")},
        {"app/sub": Entry("directory", 0o700, b"")},
        {"app": Entry("directory", 0o700, b"")},
        {"app/link": Entry("link", 0, b"other")},
        {"app/link": Entry("other", 0, b"app")},
        {"app/new": DIRECTORY},
        {"app/main.py": None},
    ],
)
def test_what_counts(changed: dict[str, Entry | None]) -> None:
    assert content(**changed).digest("app") != content().digest("app")


def test_what_does_not_count() -> None:
    other = content(apple=Entry("file", 0o644, b"other"), docs=Entry("directory", 0o700, b""))
    assert other.digest("app") == content().digest("app")
    assert other.digest("docs/one.md") == content().digest("docs/one.md")


def test_a_place_does_not_count_but_what_is_below_it() -> None:
    entries = {"a": DIRECTORY, "a/x": Entry("file", 0o644, b"x")}
    entries |= {"b": DIRECTORY, "b/x": Entry("file", 0o644, b"x"), "y": Entry("file", 0o644, b"x")}
    found = Content(entries)
    assert found.digest("a") == found.digest("b") != found.digest("y")
    assert found.digest("a/x") == found.digest("y")


def test_names_of_any_kind() -> None:
    names = ["a/\udcff", "a/\U0010ffff\U0010ffff", "a0", "a."]
    found = Content({name: Entry("file", 0o644, b"") for name in names} | {"a": DIRECTORY})
    assert sorted(found.taken("a")) == ["a", *sorted(names[:2])]
    assert len(found.digest("")) == 64


@given(st.text(max_size=20), st.lists(st.text(max_size=8), max_size=3), st.booleans())
def test_any_source_is_read(source: str, excluded: list[str], parents: bool) -> None:  # noqa: FBT001 (drawn)
    found = content()
    try:
        taken = found.taken(source, excluded, parents=parents)
    except ValueError:
        return
    assert set(taken) <= found.entries.keys()
    assert found.digest(source, excluded, parents=parents)


@given(st.text(alphabet="ab./", max_size=12))
def test_no_source_leaves_the_context(source: str) -> None:
    assert not normal(source).startswith(("/", "../"))
    assert normal(source) != ".."
