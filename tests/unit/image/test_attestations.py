from __future__ import annotations

import pytest

from warmbuild.image import attestations


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        ((), set()),
        (("out",), {"local"}),
        (("-",), {"tar"}),
        (("type=docker", "dest=x,TYPE=tar"), {"docker", "tar"}),
        (('type=image,"name=a,b"',), {"image"}),
        (("dest=x",), {""}),
    ],
)
def test_the_types_of_exports(outputs: tuple[str, ...], expected: set[str]) -> None:
    assert attestations.kinds(outputs) == expected


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("type=sbom,generator=x", "sbom"),
        ("generator=x, Type = provenance", "provenance"),
        ("mode=max", ""),
        ('"type=sbom', "sbom"),
    ],
)
def test_the_type_of_an_attestation(entry: str, expected: str) -> None:
    assert attestations.kind_of(entry) == expected


def test_the_run_that_builds_is_no_part_of_what_lasts() -> None:
    given = ("type=provenance,mode=max,builder-id=https://ci/1", "type=sbom")
    assert attestations.lasting(given) == ("type=provenance,mode=max", "type=sbom")
