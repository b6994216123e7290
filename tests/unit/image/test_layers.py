from __future__ import annotations

import json

import pytest

from warmbuild.image import layers
from warmbuild.image.layers import Difference, Step

A, B, C, D = (f"sha256:{letter * 64}" for letter in "abcd")


def manifest(*digests: object) -> str:
    return json.dumps({"layers": [{"digest": digest} for digest in digests]})


def config(*history: object) -> str:
    return json.dumps({"history": history})


def made(by: object, *, empty: object = False) -> dict[str, object]:
    return {"created_by": by, "empty_layer": empty, "created": "2026-01-01T00:00:00Z"}


def test_the_steps_of_an_image() -> None:
    history = (
        made("/bin/sh -c #(nop) ADD file:1 in / "),
        made('CMD ["sh"]', empty=True),
        made("WORKDIR /app"),
        {"created_by": "COPY . . # buildkit", "comment": "buildkit.dockerfile.v0"},
    )
    assert layers.steps(manifest(A, B, C).encode(), config(*history).encode()) == (
        Step(digest=A, created_by="/bin/sh -c #(nop) ADD file:1 in /"),
        Step(digest="", created_by='CMD ["sh"]'),
        Step(digest=B, created_by="WORKDIR /app"),
        Step(digest=C, created_by="COPY . ."),
    )


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        pytest.param("RUN /bin/sh -c make # buildkit", "RUN make", id="a shell"),
        pytest.param("RUN make all # buildkit", "RUN make all", id="no shell"),
        pytest.param("RUN su x /bin/sh -c y", "RUN su x /bin/sh -c y", id="a shell of its own"),
        pytest.param("RUN |1 A=x y /bin/sh -c make # buildkit", "RUN make", id="a value"),
        pytest.param(
            "RUN |1 A=/bin/sh -c hunter2 /bin/bash -o pipefail -c a | b",
            "RUN a | b",
            id="a value that looks like a shell",
        ),
        pytest.param("RUN |1 A=hunter2 make # buildkit", "RUN", id="a value, and no shell"),
        pytest.param("RUN /bin/sh -c a\n\x1b[31mb\u202e\0 c", "RUN a [31mb c", id="no characters"),
        pytest.param("COPY " + "x" * 2_000_000, "COPY " + "x" * 295, id="much too long"),
        pytest.param(7, "", id="no text"),
        pytest.param(None, "", id="nothing"),
    ],
)
def test_the_instruction_of_a_step(said: object, shown: str) -> None:
    assert layers.steps(manifest(A), config(made(said))) == (Step(digest=A, created_by=shown),)


def test_a_long_text_of_shells_takes_no_time() -> None:
    shells = "/bin/sh -a pipefail -b -c " * 40_000
    (found,) = layers.steps(manifest(A), config(made(f"RUN |1 {shells}x")))
    assert found.created_by == "RUN x"


@pytest.mark.parametrize(
    ("of_manifest", "of_config", "found"),
    [
        pytest.param(
            manifest(A), config(made("a"), made("b")), [(A, "a"), ("", "b")], id="too many steps"
        ),
        pytest.param(manifest(A, B), config(made("a")), [(A, "a"), (B, "")], id="too few steps"),
        pytest.param(manifest(A), "{}", [(A, "")], id="no history"),
        pytest.param("{}", config(made("a", empty=True)), [("", "a")], id="no layers"),
        pytest.param(
            manifest(A), config("x", [], made("a", empty="yes")), [(A, "a")], id="other types"
        ),
        pytest.param('{"layers": {}}', '{"history": 1}', [], id="no lists"),
    ],
)
def test_a_history_that_does_not_fit(
    of_manifest: str, of_config: str, found: list[tuple[str, str]]
) -> None:
    steps = layers.steps(of_manifest, of_config)
    assert [(step.digest, step.created_by) for step in steps] == found


@pytest.mark.parametrize(
    ("of_manifest", "of_config"),
    [
        pytest.param("[]", "{}", id="no object"),
        pytest.param("{", "{}", id="no JSON"),
        pytest.param("{}", "[" * 100_000, id="nested too deeply"),
        pytest.param("{}", '{"history": ' + "[" * 200 + "]" * 200 + "}", id="nested deeply"),
        pytest.param("{}", config(*({},) * 4097), id="too many steps"),
        pytest.param(manifest(*(A,) * 4097), "{}", id="too many layers"),
        pytest.param(manifest("sha256:\x1b[2J"), "{}", id="no digest"),
        pytest.param(manifest(None), "{}", id="a digest of another type"),
        pytest.param('{"layers": ["x"]}', "{}", id="no layer"),
    ],
)
def test_what_is_no_image(of_manifest: str, of_config: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        layers.steps(of_manifest, of_config)


def steps(*found: tuple[str, str]) -> tuple[Step, ...]:
    return tuple(Step(digest=digest, created_by=by) for digest, by in found)


def difference(number: int, by: str, now: str, then: str) -> Difference:
    return Difference(number=number, created_by=by, now=now, then=then)


BASE = ((A, "base"), ("", "ENV X=1"), (B, "RUN make"))


@pytest.mark.parametrize(
    ("now", "then", "expected"),
    [
        pytest.param(BASE, BASE, [], id="the same"),
        pytest.param(
            BASE,
            ((A, "base"), ("", "ENV X=2"), (C, "RUN make")),
            [difference(2, "RUN make", B, C)],
            id="a layer",
        ),
        pytest.param(
            BASE, BASE[:2], [difference(2, "RUN make", B, "")], id="a layer that was not there"
        ),
        pytest.param(
            BASE[:2], BASE, [difference(2, "RUN make", "", B)], id="a layer that is not there"
        ),
        pytest.param(
            ((C, "base"), (D, "")),
            ((A, "base"), (B, "RUN make")),
            [difference(1, "base", C, A), difference(2, "RUN make", D, B)],
            id="all of them, and one without a step",
        ),
        pytest.param((), (), [], id="nothing"),
    ],
)
def test_which_layers_differ(
    now: tuple[tuple[str, str], ...],
    then: tuple[tuple[str, str], ...],
    expected: list[Difference],
) -> None:
    assert list(layers.differing(steps(*now), steps(*then))) == expected
