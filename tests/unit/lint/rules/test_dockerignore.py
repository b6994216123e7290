from __future__ import annotations

import pytest

from tests.unit.lint.checked import GIT, check, lines
from warmbuild.lint.case import Sources


@pytest.mark.parametrize(
    ("text", "ignore", "in_context", "found"),
    [
        pytest.param("FROM a\nCOPY . .", None, GIT, [2], id="no file"),
        pytest.param("FROM a\nCOPY . .", "", GIT, [2], id="an empty file"),
        pytest.param("FROM a\nCOPY . .", "dist", GIT, [2], id="a file without .git"),
        pytest.param("FROM a\nCOPY . .", ".git", GIT, [], id="a file with .git"),
        pytest.param("FROM a\nCOPY . .", "**/.git*", GIT, [], id="a file with a pattern for it"),
        pytest.param(
            "FROM a\nCOPY . .", ".git\n!.git/HEAD", GIT, [], id="a file that lets HEAD in"
        ),
        pytest.param("FROM a\nCOPY . .", "*\n!src", GIT, [], id="a file that names what it wants"),
        pytest.param("FROM a\nCOPY src .", None, GIT, [], id="nothing but named files"),
        pytest.param("FROM a\nCOPY --from=b . .", None, GIT, [], id="another stage's files"),
        pytest.param(
            "FROM a\nRUN --mount=type=bind,source=.,target=/s make", None, GIT, [2], id="a mount"
        ),
        pytest.param("FROM a\nRUN --mount=target=/s make", None, GIT, [2], id="a bare mount"),
        pytest.param("FROM a\nRUN --mount=target=/s,rw make", "", GIT, [2], id="a mount to write"),
        pytest.param("FROM a\nRUN --mount=target=/s make", ".git", GIT, [], id="without .git"),
        pytest.param(
            "FROM a\nRUN --mount=source=src,target=/s make", None, GIT, [], id="a part of it"
        ),
        pytest.param(
            "FROM a\nRUN --mount=type=cache,target=/s make", "", GIT, [], id="another mount"
        ),
        pytest.param(
            "FROM a\nRUN --mount=from=other,target=/s make", None, GIT, [], id="another context's"
        ),
        pytest.param(
            "FROM a\nRUN --mount=from=Same,target=/s make", "", GIT, [2], id="the same directory's"
        ),
        pytest.param(
            "FROM a AS b\nCOPY . .\nFROM c", None, GIT, [], id="a stage that is not needed"
        ),
        pytest.param(
            "FROM a\nCOPY . .", None, {"Dockerfile"}, [2], id="no .git, but the Dockerfile"
        ),
        pytest.param("FROM a\nCOPY . .", "dist", {"Dockerfile"}, [], id="a file, and no .git"),
        pytest.param("FROM a\nCOPY . .", None, (), [], id="neither in the context"),
    ],
)
def test_what_is_copied_with_everything(
    text: str, ignore: str | None, in_context: frozenset[str], found: list[int]
) -> None:
    sources = Sources(ignore=ignore, in_context=frozenset(in_context))
    given = {"context": ".", "build-contexts": "same=./\nother=../b"}
    assert lines("dockerignore", check(text, given, sources)) == found


@pytest.mark.parametrize(
    ("ignore", "in_context", "text"),
    [
        (
            None,
            GIT,
            (
                "there is no .dockerignore, so COPY . . copies .git, which differs in every "
                "checkout: the step runs in every build. Add one that excludes .git and "
                "everything else that the image does not need."
            ),
        ),
        (
            None,
            frozenset({"Dockerfile"}),
            (
                "there is no .dockerignore, so COPY . . also copies the Dockerfile, and runs "
                "again whenever the Dockerfile changes. Add one that excludes .git and everything "
                "else that the image does not need."
            ),
        ),
        (
            "dist",
            GIT,
            (
                "web/.dockerignore does not exclude .git, so COPY . . copies .git, which differs "
                "in every checkout: the step runs in every build. Add .git to web/.dockerignore."
            ),
        ),
    ],
)
def test_it_says_what_is_in_the_way(
    ignore: str | None, in_context: frozenset[str], text: str
) -> None:
    sources = Sources(ignore=ignore, ignore_file="web/.dockerignore", in_context=in_context)
    (found,) = check("FROM a\nCOPY . .", sources=sources)
    assert found.text == text


def test_it_names_a_mount_by_its_step() -> None:
    text = "FROM a\nRUN --mount=target=/s make\nRUN --mount=target=/s make all\n"
    (found,) = check(text, sources=Sources(in_context=GIT))
    assert found.text.startswith(
        "there is no .dockerignore, so this RUN mounts .git, which differs in every checkout: the "
        "step runs in every build."
    )
