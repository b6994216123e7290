from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import pytest

from tests.golden.scene import DIRECTORY
from tests.golden.scenes import SUBJECTS
from tests.golden.sentences import Sentence, of_module, of_template, sentences, spaced

if TYPE_CHECKING:
    from tests.golden.scene import Subject

# Texts of the sources that no user reads, with the reason.
EXCEPTIONS: Final = {
    text: reason
    for reason, texts in {
        "what others say, which is looked for": (
            '"Copying stdin failed" err="io: read/write on closed pipe"',
            "BuildKit daemon flags",
            "cannot allocate memory",
            "connection error: desc =",
            "credentials not found in native keychain",
            "disk quota exceeded",
            "error reading from server",
            "exporting cache to",
            "exporting to GitHub Actions Cache",
            "failed size validation",
            "resolve image config for",
            "missing descriptor handlers",
            "short read: expected",
            "tar: Removing leading",
            "transport is closing",
            "unexpected commit digest",
        ),
        "what only a test of its own brings about": (
            "the connection to a pod broke, though all pods of the builder are there",
            "the pod … is being removed",
            "; … written in the last … s, …/s",
            "it makes more than …",
            "a part of the cache mounts is in it",
            "no space is left in the builder's state",
        ),
        "what a label holds": ("user=… pid=… begun=… pids=… boot=… at=…",),
        "a script": (
            "cat /proc/[0-9]*/io",
            "cat …; cat; kill 1; sleep 1; kill 1; kill 1",
            "command -v timeout && command -v nc && echo …",
            "both are there",
        ),
        "a line of a Dockerfile of our own": (
            "COPY --from=restored… /done /…",
            "COPY --from=seen… /done /…",
            "COPY --link --from=tools /out/ /",
            "FROM scratch AS tools",
            "FROM tools AS restored…",
            "FROM tools AS seen…",
            "FROM tools AS unpacked…",
            "FROM … AS image…",
            "FROM … AS stage-of-…",
            "LD_LIBRARY_PATH=/lib PATH=/bin LC_ALL=C RUN=…",
            "RUN --network=none --mount=type=bind,from=image…,target=/image",
        ),
        "an HTTP header": (
            "AWS4-HMAC-SHA256 Credential=…/…/…,SignedHeaders=…,Signature=…",
            "Content-Type: application/json",
            (
                "application/vnd.oci.image.manifest.v1+json, "
                "application/vnd.oci.image.index.v1+json, "
                "application/vnd.docker.distribution.manifest.v2+json, "
                "application/vnd.docker.distribution.manifest.list.v2+json"
            ),
        ),
        "a policy of a page, for browsers": (
            (
                "default-src 'none'; style-src …; script-src …; img-src data:; base-uri 'none'; "
                "form-action 'none'"
            ),
        ),
        "a format of dates": (
            "h:mm:ss A",
            "h:mm A",
            "dddd, MMMM D, YYYY h:mm A",
            "MMMM D, YYYY h:mm A",
            "MMMM D, YYYY",
            "ddd, MMM D, YYYY h:mm A",
            "MMM D, YYYY h:mm A",
            "MMM D, YYYY",
            "%Y-%m-%d %H:%M",
            "%Y-%m-%d at %H:%M",
        ),
        "an error that is caught, and its text dropped": (
            "a command did not end in time",
            "the engine closes the connection",
            "the engine does not start the command",
            "a mapping has more than … keys",
            "a path in the index is too long",
            "it has more than … layers or steps",
            "a layer has no digest",
            "a part of the image is missing",
            "it is no JSON object",
            "its inline cache is not base64",
            "the index ends too early",
            "the range …-… is empty",
            "it has no host",
            "this is not a git index of version 2 to 4",
            "… is not a host",
        ),
        "a default, for a CI system whose module would say nothing of trust": (
            "nothing shows who started this run",
        ),
        "a note of a plan that is handed on without its notes": (
            "only the command build merges caches",
        ),
    }.items()
    for text in texts
}


@pytest.mark.processes
@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
def test_warmbuild_says_what_the_golden_file_has(
    subject: Subject, request: pytest.FixtureRequest
) -> None:
    text = subject.text()
    if request.config.getoption("--rewrite", default=False):
        subject.path.write_text(text, encoding="utf-8")
    held = subject.path.read_text(encoding="utf-8") if subject.path.exists() else ""
    assert text.splitlines() == held.splitlines(), "run `make golden`, and read its diff"


def test_every_golden_file_has_a_subject() -> None:
    assert sorted(DIRECTORY.glob("*.txt")) == sorted(subject.path for subject in SUBJECTS)


def test_every_sentence_of_the_sources_is_in_a_golden_file() -> None:
    missing = [f"{one.place}: {one.text}" for one in _missing() if one.text not in EXCEPTIONS]
    assert missing == [], "add a scene that says it; see CONTRIBUTING.md"


def test_no_exception_is_out_of_date() -> None:
    assert sorted(EXCEPTIONS) == sorted({one.text for one in _missing()} & EXCEPTIONS.keys())


@cache
def _missing() -> list[Sentence]:
    """Return the sentences of which a piece is in no golden file."""
    held = "\n".join(
        spaced(subject.path.read_text(encoding="utf-8"))
        for subject in SUBJECTS
        if subject.path.exists()
    )
    return [one for one in sentences() if any(piece not in held for piece in one.pieces)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param('x = "one two"', [], id="two words"),
        pytest.param('x = "one two three"', ["one two three"], id="a text"),
        pytest.param('x = ("one two "\n "three")', ["one two three"], id="a text of two lines"),
        pytest.param('x = f"one {a} two {b!r}three"', ["one … two …three"], id="values in it"),
        pytest.param('x = "one {where} two three"', ["one … two three"], id="a placeholder"),
        pytest.param('x = "one {:.0f} two three"', ["one … two three"], id="a format"),
        pytest.param('x = {"one two three": "four five six"}', ["four five six"], id="a key"),
        pytest.param('"""One two three."""\nx = 1\n"""Four five six."""', [], id="docstrings"),
        pytest.param('x = r"one two three"', [], id="a regular expression"),
        pytest.param('x = "one two three" in y', [], id="a text to look for"),
        pytest.param('x = y.startswith("one two three")', [], id="a text to begin with"),
        pytest.param('x = y("one two three")', ["one two three"], id="an argument"),
    ],
)
def test_a_sentence_is_a_text_of_three_words(source: str, expected: list[str]) -> None:
    assert [one.text for one in of_module(source, "a.py")] == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param("<p>one two three</p><p>four five</p>", ["one two three"], id="a text"),
        pytest.param("<p>one {{ a }} two three four</p>", ["one … two three four"], id="values"),
        pytest.param("{{ 'one two three' if a }}", ["one two three"], id="an expression"),
        pytest.param('<p class="a b c" aria-label="d e f">', ["d e f"], id="attributes"),
        pytest.param("{% if a is not b %}", [], id="a statement"),
    ],
)
def test_a_template_has_sentences_too(source: str, expected: list[str]) -> None:
    assert [one.text for one in of_template(source, "a.html")] == expected


def test_pieces_of_a_sentence_are_looked_for() -> None:
    (found,) = of_module('x = f"one two three {a} is {b} four five six {c} is longest of all"', "")
    assert found.pieces == ("four five six", "is longest of all", "one two three")
