"""Which steps get --link; tests/integration/test_link.py has the table of Dockerfiles."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warmbuild.project import dockerfile, linking

# What there is in the context, and whether it is a directory.
CONTEXT = {"app": True, "tool": False, "a.txt": False}
SRV = "FROM debian\nWORKDIR /srv\n"


def decided(text: str, target: str = "", contexts: tuple[str, ...] = ()) -> linking.Linking:
    file = dockerfile.parse(text, {})
    return linking.decide(file, target, directories=CONTEXT, contexts=contexts)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        pytest.param(f"{SRV}COPY . .\n", (3,), id="the whole context"),
        pytest.param(f"{SRV}RUN pip install x\nCOPY . .\n", (4,), id="below an install"),
        pytest.param(f"{SRV}COPY app app\nCOPY tool .\n", (3, 4), id="a directory and a file"),
        pytest.param(f"{SRV}WORKDIR /srv\nUSER 5\nADD app /srv\n", (5,), id="after USER"),
        pytest.param("FROM a\nCOPY --from=b /venv /venv\n", (2,), id="a name that stays"),
        pytest.param("FROM a\nCOPY tool /usr/local/bin/tool\n", (2,), id="a program"),
        pytest.param("FROM a AS b\nWORKDIR /c\nFROM b\nCOPY tool .\n", (4,), id="of a stage"),
        pytest.param(f"{SRV}RUN tar xf /a.tar\nCOPY tool /opt/x/\n", (4,), id="unpacked elsewhere"),
        pytest.param(f"{SRV}RUN rm -rf /var/lib/apt/lists/*\nCOPY . .\n", (4,), id="a pattern"),
        pytest.param("FROM a\nCOPY tool //opt//x/\n", (2,), id="slashes"),
    ],
)
def test_what_is_linked(text: str, lines: tuple[int, ...]) -> None:
    assert decided(text) == linking.Linking(linked=decided(text).linked)
    assert decided(text).lines == lines


OTHER = "FROM a\nCOPY {} /srv/\n"
LEFT = [
    ("its destination depends on a variable or on the base image", "FROM a\nCOPY tool .\n"),
    ("its destination depends on a variable or on the base image", "FROM a\nCOPY tool $A\n"),
    ("its destination depends on a variable or on the base image", "FROM a\nCOPY\n"),
    ("the flag --new is unknown", OTHER.format("--new tool")),
    ("the flag --parents is unknown", "FROM a\nADD --parents tool /srv/\n"),
    ("BuildKit does not link a step with --chmod", OTHER.format("--chmod=700 tool")),
    (
        "--chown=me would also change directories above the destination",
        OTHER.format("--chown=me tool"),
    ),
    ("--parents keeps the modes of directories that exist", OTHER.format("--parents tool")),
    (
        "--exclude with an exception keeps the modes of directories that exist",
        OTHER.format("--exclude=!a tool"),
    ),
    ("what is copied to / may meet links of the base image", "FROM a\nCOPY tool /\n"),
    (
        "/run is a link, or not root's with mode 0755, in some base images",
        "FROM a\nCOPY tool /run/x/\n",
    ),
    (
        "an archive may meet links of the base image in /usr/local",
        "FROM a\nADD tool /usr/local/\n",
    ),
    ("/opt/x may be a directory, and does not end with /", "FROM a\nCOPY tool /opt/x\n"),
    ("/srv may be a directory, and does not end with /", f"{SRV}COPY tool /srv\n"),
    (
        "/usr/share/tool may be a directory, and does not end with /",
        "FROM a\nCOPY tool /usr/share/tool\n",
    ),
    (
        "/etc/x.d may be a directory, and does not end with /",
        "FROM a\nCOPY tool /etc/x.d\n",
    ),
    (
        "WORKDIR on line 3 may give the directory to another user",
        "FROM a\nUSER me\nWORKDIR /srv\nCOPY . .\n",
    ),
    (
        "WORKDIR on line 2 may give the directory to another user",
        "FROM x:nonroot\nWORKDIR /srv\nCOPY . .\n",
    ),
    (
        "WORKDIR on line 3 may give the directory to another user",
        "FROM a\nUSER 5\nWORKDIR $A\nCOPY . /b/\n",
    ),
    ("COPY on line 2 copies to an unknown place", "FROM a\nCOPY tool $A\nCOPY tool /srv/\n"),
    (
        "COPY on line 2 may give the directory another owner or mode",
        "FROM a\nCOPY --chown=5 tool /srv/\nCOPY . /srv/\n",
    ),
    (
        "COPY on line 2 may have made the directory or one above it",
        "FROM a\nCOPY --from=b /c /srv/\nCOPY app /srv/app\n",
    ),
]


@pytest.mark.parametrize(("why", "text"), LEFT)
def test_what_is_left_alone(why: str, text: str) -> None:
    found = decided(text)
    assert found.lines == ()
    assert why in [left.why for left in found.left]
    assert found.why


@pytest.mark.parametrize(
    "run",
    [
        pytest.param("echo /srv/x", id="names the directory"),
        pytest.param("chmod 700 .", id="the current directory"),
        pytest.param("chmod 700 ..", id="the directory above"),
        pytest.param("cd / && chown me srv", id="a relative path"),
        pytest.param('chmod 700 "$HOME"', id="a variable"),
        pytest.param("chown -R me /s*", id="a pattern"),
        pytest.param("ln -s /x /a/../srv", id="a way back"),
        pytest.param("curl x | tar xz", id="an archive"),
        pytest.param("<<END\nchmod 700 .\nEND", id="a heredoc"),
        pytest.param("--mount=type=bind,target=/srv/x true", id="a mount"),
        pytest.param('["chmod", "700", "."]', id="a list"),
    ],
)
def test_a_run_may_have_changed_a_directory(run: str) -> None:
    found = decided(f"{SRV}RUN {run}\nCOPY . .\n")
    assert [left.why for left in found.left] == ["RUN on line 3 may have changed the directory"]


def test_a_stage_that_another_one_reads_is_left_alone() -> None:
    found = decided("FROM a AS b\nCOPY . /c/\nFROM b\nCOPY --from=b x /opt/\n")
    assert found.lines == (4,)
    assert [left.why for left in found.left] == ["a later stage takes files from stage b"]


def test_only_the_steps_after_the_last_that_needs_files_are_linked() -> None:
    found = decided(f"{SRV}COPY tool .\nRUN true\nCOPY --link a b\nCOPY a.txt .\nCMD x\n")
    assert found.lines == (6,)
    assert [(left.step.line, left.why) for left in found.left] == [
        (3, "RUN on line 4 needs the files below it")
    ]


@pytest.mark.parametrize(
    ("text", "target", "contexts", "why"),
    [
        ("", "", (), "the Dockerfile has no stage"),
        ("FROM a\n", "b", (), "the Dockerfile has no stage b"),
        ("FROM a\nRUN x\n", "", (), "nothing is copied that has no --link"),
        ("FROM a AS b\nCOPY . /c/\n", "", ("b",), "a build context replaces the stage b"),
        (
            "FROM a AS b1\nFROM a AS b2\nFROM b$X\n",
            "",
            (),
            "FROM on line 3 may name several stages",
        ),
        ("FROM a AS b\nONBUILD RUN x\nFROM b\n", "", (), "there is an ONBUILD on line 2"),
        (
            "FROM a\nCOPY --link --chmod=1 a /b\nRUN x\n",
            "",
            (),
            "nothing is copied that has no --link",
        ),
        (
            "FROM a\nCOPY x /opt/x\nRUN x\n",
            "",
            (),
            "COPY on line 2: RUN on line 3 needs the files below it",
        ),
    ],
)
def test_why_nothing_is_linked(text: str, target: str, contexts: tuple[str, ...], why: str) -> None:
    found = decided(text, target, contexts)
    assert (found.lines, found.why) == ((), why)


@pytest.mark.parametrize("flags", ["--link --chmod=700", "--link=false"])
def test_what_has_no_effect_of_a_link_needs_files(flags: str) -> None:
    assert decided(f"FROM a\nCOPY tool /opt/\nCOPY {flags} tool /opt/\n").lines == ()


@pytest.mark.parametrize(
    ("syntax", "given", "why"),
    [
        ("", "", ""),
        ("docker/dockerfile:1", "", ""),
        ("docker/dockerfile", "", ""),
        ("r.io/docker/dockerfile:1.4.3-labs@sha256:0", "", ""),
        ("docker/dockerfile-upstream:master", "", ""),
        (
            "docker/dockerfile:1@sha256:0",
            "",
            "the frontend docker/dockerfile:1@sha256:0 may be older than docker/dockerfile:1.4",
        ),
        (
            "docker/dockerfile:1.3",
            "",
            "the frontend docker/dockerfile:1.3 may be older than docker/dockerfile:1.4",
        ),
        ("docker/dockerfile:1", "me/own", "the frontend me/own is unknown"),
    ],
)
def test_frontends_that_link(syntax: str, given: str, why: str) -> None:
    file = dockerfile.parse(f"# syntax={syntax}\nFROM a\n" if syntax else "FROM a\n", {})
    assert linking.frontend_obstacle(file, given) == why


def test_sources_are_those_of_the_built_stage_in_the_context() -> None:
    text = "FROM a AS b\nCOPY x /\nFROM c\nCOPY y z /d/\nCOPY --from=b w /\nRUN v\n"
    assert linking.sources(dockerfile.parse(text, {}), "") == ("y", "z")
    assert linking.sources(dockerfile.parse(text, {}), "none") == ()


def test_a_copy_is_the_same_but_for_the_links() -> None:
    data = b'\xef\xbb\xbfFROM a\r\n\tcopy\\\r\n  tool /b\r\nADD ["c", "/d"]\n\nCOPY`\n x y'
    assert linking.rewritten(data, (2, 4, 6)) == (
        b'\xef\xbb\xbfFROM a\r\n\tcopy --link\\\r\n  tool /b\r\nADD --link ["c", "/d"]\n\n'
        b"COPY --link`\n x y"
    )


def test_a_word_on_two_lines_cannot_be_linked() -> None:
    assert linking.rewritten(b"FROM a\nCO\\\nPY b /c\n", (2,)) is None


@given(st.text(alphabet="FROMCPYADUNWKI -=/.$\"'[],\\\n<srvlink#", max_size=300))
def test_any_text_is_decided_and_keeps_its_lines(text: str) -> None:
    data = f"FROM a\n{text}".encode()
    found = decided(data.decode())
    copy = linking.rewritten(data, found.lines)
    if copy is not None:
        assert copy.count(b"\n") == data.count(b"\n")
        assert copy.replace(b" --link", b"") == data.replace(b" --link", b"")
