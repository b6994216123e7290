from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.foreign import shapes
from warmbuild import untrusted_json
from warmbuild.cache import probe, records
from warmbuild.cache.probe import Answer, Found, NotACache, Refused
from warmbuild.cache.records import Record, Records

if TYPE_CHECKING:
    from collections.abc import Mapping

DATA = Path(__file__).parents[2] / "data" / "cache"
OCI = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
IMAGE_CONFIG = "application/vnd.oci.image.config.v1+json"
IMAGE = NotACache(
    "it holds an image and no cache; remove it, or choose another cache-repository "
    "or cache-tag-prefix",
    is_image=True,
)
OTHER = NotACache(IMAGE.reason)
RECORDS = Records(records=(Record(digest="sha256:r"),))


def written(value: object) -> bytes:
    return json.dumps(value).encode()


CONFIG = written({"layers": [], "records": [{"digest": "sha256:r"}]})


def cache(size: object = len(CONFIG), **more: object) -> bytes:
    config = {"mediaType": records.CONFIG_TYPE, "digest": "sha256:c", "size": size}
    return written({"config": config, "layers": [{"digest": "sha256:l", "size": 5}], **more})


def image(digest: str, *layers: str, kind: str = IMAGE_CONFIG) -> bytes:
    config = {"digest": digest, "mediaType": kind}
    return written({"config": config, "layers": [{"digest": name} for name in layers]})


def inline(*digests: str, padding: int = 0) -> bytes:
    """Return an image's config with a cache of these records."""
    inside = base64.b64encode(written([{"digest": digest} for digest in digests])).decode()
    return written({records.INLINE_KEY: inside, "comment": "x" * padding})


def look(body: bytes, **parts: bytes) -> Answer:
    """Look at a manifest where there are these parts, by what follows `sha256:`."""

    def fetch(kind: str, wanted: str) -> bytes | None:
        assert kind in {"manifests", "blobs"}
        return parts.get(wanted.removeprefix("sha256:"))

    return probe.look(body, media_type=OCI, digest="sha256:m", fetch=fetch)


def found(answer: Answer) -> Found:
    assert isinstance(answer, Found)
    return answer


def test_a_cache_is_told_by_its_configuration() -> None:
    body = cache()
    assert look(body, c=CONFIG) == Found(
        "sha256:m",
        records=(RECORDS,),
        size=len(body),
        blobs={"sha256:l": 5},
        config="sha256:c",
        media_type=OCI,
        manifest=body,
        text=CONFIG,
    )


def test_a_real_cache_is_found_whole() -> None:
    body = (DATA / "buildkit-0.32.2-main.manifest.json").read_bytes()
    config = (DATA / "buildkit-0.32.2-main.config.json").read_bytes()
    asked: list[tuple[str, str]] = []

    def fetch(kind: str, digest: str) -> bytes:
        asked.append((kind, digest))
        return config

    answer = found(probe.look(body, media_type="", digest="", fetch=fetch))
    named = "sha256:a6d4dd29275ba06eb7b7e17a52b146c853a8fb712a0e18bdf6f3e600baa15aaf"
    assert asked == [("blobs", named)]
    assert answer.digest == f"sha256:{hashlib.sha256(body).hexdigest()}"
    assert (answer.config, answer.media_type, answer.size) == (named, OCI, 2570)
    assert len(answer.blobs) == 6
    assert records.oldest(answer.records) == datetime(2026, 11, 21, 9, 23, 49, 904157, tzinfo=UTC)


TABLE = {"containerd.io/snapshot/stargz/toc.digest": "sha256:t"}


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([{"digest": "sha256:l", "annotations": TABLE}], True),
        ([{"digest": "sha256:l", "annotations": TABLE}, {"digest": "sha256:k"}], True),
        ([{"digest": "sha256:k"}], False),
        ([], False),
    ],
)
def test_a_cache_is_lazy_if_any_layer_has_a_table_of_contents(
    layers: list[object],
    expected: bool,  # noqa: FBT001
) -> None:
    assert found(look(cache(layers=layers), c=CONFIG)).lazy is expected


def test_a_cache_may_be_an_index() -> None:
    config = {"mediaType": records.CONFIG_TYPE, "digest": "sha256:c", "size": 7}
    body = written({"manifests": [{"digest": "sha256:l"}, config]})
    answer = found(look(body, c=CONFIG))
    assert answer.records == (RECORDS,)
    assert answer.config == "sha256:c"
    assert "sha256:l" in answer.blobs


@pytest.mark.parametrize(
    ("body", "parts", "expected"),
    [
        pytest.param(
            b" " * (probe.LARGEST + 1),
            {},
            Refused("its manifest is larger than 1 MiB, the most that BuildKit reads"),
            id="a manifest that is too large",
        ),
        pytest.param(
            cache(size=1_048_577),
            {"c": CONFIG},
            Refused("its configuration has 1048577 bytes, and BuildKit reads no more than 1048576"),
            id="a configuration that is too large by a byte",
        ),
        pytest.param(
            cache(),
            {},
            Refused("its configuration could not be fetched"),
            id="a configuration that is gone",
        ),
        pytest.param(
            cache(),
            {"c": CONFIG + b" " * (probe.LARGEST + 1 - len(CONFIG))},
            Refused("its configuration has 1048577 bytes, and BuildKit reads no more than 1048576"),
            id="a configuration that is larger than its manifest says",
        ),
        pytest.param(
            b"<html>",
            {},
            NotACache("it holds no manifest; remove it, or choose another cache-tag-prefix"),
            id="something else than a manifest",
        ),
        pytest.param(image("sha256:i"), {"i": b"{}"}, IMAGE, id="an image"),
        pytest.param(image("sha256:i"), {}, IMAGE, id="an image whose config is gone"),
        pytest.param(
            image("sha256:i", kind="application/vnd.docker.container.image.v1+json"),
            {"i": b"{}"},
            IMAGE,
            id="an image of Docker's format",
        ),
        pytest.param(b"{}", {}, OTHER, id="a manifest without a config"),
        pytest.param(
            image("sha256:i", kind="application/vnd.cncf.helm.config.v1+json"),
            {"i": b'{"name": "chart"}'},
            OTHER,
            id="a chart",
        ),
        pytest.param(
            written({"manifests": [{"digest": "sha256:x"}]}),
            {"x": image("sha256:i"), "i": b"{}"},
            IMAGE,
            id="an index of an image",
        ),
        pytest.param(
            written({"manifests": [{"digest": "sha256:x"}, {"digest": "sha256:y"}]}),
            {"x": b"no JSON"},
            OTHER,
            id="an index of what is broken and what is gone",
        ),
    ],
)
def test_what_cannot_be_read(body: bytes, parts: Mapping[str, bytes], expected: Answer) -> None:
    assert look(body, **parts) == expected


def test_the_largest_that_buildkit_reads_is_read() -> None:
    body = cache(size=probe.LARGEST)
    assert found(look(body + b" " * (probe.LARGEST - len(body)), c=CONFIG)).size == probe.LARGEST


def test_a_cache_with_a_broken_configuration_is_left_to_buildkit() -> None:
    answer = found(look(cache(size=7), c=b"no JSON"))
    assert (answer.records, answer.config, answer.size) == ((), "sha256:c", len(cache(size=7)))


def test_an_image_may_have_its_cache_inside() -> None:
    body = image("sha256:i", "sha256:l1", "sha256:l2")
    assert look(body, i=inline("sha256:r")) == Found(
        "sha256:m",
        records=(RECORDS,),
        size=len(body),
        blobs={"sha256:l1": 0, "sha256:l2": 0},
        config="sha256:i",
        media_type=OCI,
        manifest=body,
    )


PLATFORMS = {
    "manifests": [
        {"digest": "sha256:a"},
        {"digest": "sha256:b"},
        {
            "digest": "sha256:p",
            "annotations": {"vnd.docker.reference.type": "attestation-manifest"},
        },
    ]
}
PARTS = {
    "a": image("sha256:ia", "sha256:la"),
    "ia": inline("sha256:ra"),
    "b": image("sha256:ib", "sha256:lb"),
    "ib": inline("sha256:rb"),
}


def test_each_image_of_an_index_has_a_cache() -> None:
    answer = found(look(written(PLATFORMS), **PARTS))
    assert [one.records[0].digest for one in answer.records] == ["sha256:ra", "sha256:rb"]
    assert {"sha256:la", "sha256:lb"} <= answer.blobs.keys()
    assert answer.config == "sha256:ia,sha256:ib"


def with_layers(name: str) -> dict[str, bytes]:
    """Return an image that BuildKit could have made, with its config."""
    text = {
        **untrusted_json.parsed(inline("sha256:r")),
        "rootfs": {"diff_ids": [f"sha256:d{name}"]},
        "history": [{"created_by": "ENV A=1", "empty_layer": True}, {"created_by": "RUN a"}],
    }
    return {name: image(f"sha256:i{name}", f"sha256:l{name}"), f"i{name}": written(text)}


def test_inline_caches_are_kept_as_a_registry_would_hold_them() -> None:
    parts = with_layers("a") | with_layers("b")
    answer = found(look(written(PLATFORMS), **parts))
    for (config, manifest), name in zip(answer.inline, "ab", strict=True):
        assert json.loads(config) == {
            "layers": [{"blob": f"sha256:l{name}", "parent": -1}],
            "records": [{"digest": "sha256:r"}],
        }
        (layer,) = json.loads(manifest)["layers"]
        assert layer["digest"] == f"sha256:l{name}"
        # BuildKit reads an empty time as a broken one, so what the history lacks is left out.
        assert layer["annotations"] == {
            "buildkit/description": "RUN a",
            "containerd.io/uncompressed": f"sha256:d{name}",
        }


@pytest.mark.parametrize("broken", ["layers", "rootfs", "history", "size", "time", "date"])
def test_inline_caches_that_cannot_be_merged_are_not_kept(broken: str) -> None:
    parts = with_layers("a") | with_layers("b")
    text = dict(untrusted_json.parsed(parts["ib"]))
    if broken == "layers":
        parts["b"] = image("sha256:ib", "sha256:lb", "sha256:lc")
    elif broken == "size":
        text["comment"] = "x" * (probe.LARGEST - len(parts["ib"]))
    elif broken == "time":
        text["history"] = [{"created": "20261129T120000Z"}]
    elif broken == "date":
        text["history"] = [{"created": "2026-13-01T12:00:00Z"}]
    else:
        del text[broken]
    answer = found(look(written(PLATFORMS), **{**parts, "ib": written(text)}))
    assert answer.inline == ()
    assert len(answer.records) == 2


def test_one_image_of_an_index_may_have_none() -> None:
    answer = found(look(written(PLATFORMS), **{**PARTS, "b": b"no JSON"}))
    assert [one.records[0].digest for one in answer.records] == ["sha256:ra"]
    assert answer.config == "sha256:ia"


def test_what_attests_an_image_is_not_asked_for() -> None:
    asked: list[str] = []

    def fetch(_kind: str, digest: str) -> bytes | None:
        asked.append(digest)
        return PARTS.get(digest.removeprefix("sha256:"))

    probe.look(written(PLATFORMS), media_type=INDEX, digest="", fetch=fetch)
    assert asked == ["sha256:a", "sha256:ia", "sha256:b", "sha256:ib"]


def test_two_images_that_differ_by_what_attests_them_are_one_cache() -> None:
    again = {"manifests": [*PLATFORMS["manifests"][:2], {"digest": "sha256:q"}]}
    one, other = found(look(written(PLATFORMS), **PARTS)), found(look(written(again), **PARTS))
    assert one.manifest != other.manifest
    assert one.config == other.config


def test_a_cache_inside_an_image_may_be_larger_than_one_outside() -> None:
    # What is cut is no JSON; BuildKit has no limit there.
    config = inline("sha256:r", padding=probe.LARGEST)[: probe.LARGEST + 1]
    answer = found(look(image("sha256:i"), i=config))
    assert (answer.records, answer.config) == ((Records(records=()),), "sha256:i")


@pytest.mark.parametrize(
    "digest",
    ["", "sha256:", "sha256:../../a", "a/b:c", "../a:b", "sha256:a\nb", "sha256:\ud800", "x" * 200],
)
def test_what_is_no_digest_is_not_asked_for(digest: str) -> None:
    def fetch(_kind: str, _digest: str) -> bytes:
        pytest.fail("it was asked for")

    config = {"mediaType": records.CONFIG_TYPE, "digest": digest}
    body = written({"config": config})
    refused = Refused("its configuration could not be fetched")
    assert probe.look(body, media_type="", digest="", fetch=fetch) == refused
    index = written({"config": {"digest": digest}, "manifests": [{"digest": digest}]})
    assert probe.look(index, media_type="", digest="", fetch=fetch) == OTHER


def test_images_of_an_index_are_asked_for_up_to_a_limit() -> None:
    asked: list[str] = []

    def fetch(_kind: str, digest: str) -> None:
        asked.append(digest)

    entries = [{"digest": f"sha256:{at}"} for at in range(10_000)]
    probe.look(written({"manifests": entries}), media_type=INDEX, digest="", fetch=fetch)
    assert len(asked) == 32


def test_an_image_that_is_too_large_to_be_fetched_whole_is_not_read() -> None:
    body = written({"manifests": [{"digest": "sha256:x"}]})
    padded = image("sha256:i") + b" " * probe.LARGEST
    assert look(body, x=padded, i=inline("sha256:r")) == OTHER


@pytest.mark.parametrize(
    ("digest", "expected"),
    [
        (f"sha256:{hashlib.sha256(CONFIG).hexdigest()}", True),
        (f"sha512:{hashlib.sha512(CONFIG).hexdigest()}", True),
        (f"md5:{hashlib.md5(CONFIG, usedforsecurity=False).hexdigest()}", False),
        (f"sha256:{hashlib.sha256(CONFIG).hexdigest().upper()}", False),
        (hashlib.sha256(CONFIG).hexdigest(), False),
        ("", False),
    ],
)
def test_content_has_the_digest_of_an_algorithm_that_is_known(
    digest: str,
    expected: bool,  # noqa: FBT001
) -> None:
    assert probe.has_digest(CONFIG, digest) is expected


NAMES = ("config", "manifests", "layers", "mediaType", "digest", "size", "annotations")
TYPES = st.sampled_from([records.CONFIG_TYPE, IMAGE_CONFIG])
CONFIGS = shapes(NAMES) | st.fixed_dictionaries(
    {"mediaType": TYPES, "digest": st.sampled_from(["sha256:c", "sha256:i"])}
)


@given(CONFIGS, shapes(NAMES), st.binary(), shapes(["records", "layers", records.INLINE_KEY]))
def test_every_answer_is_a_finding(
    config: object, manifests: object, text: bytes, content: object
) -> None:
    body = written({"config": config, "manifests": manifests, "layers": manifests})
    for given_body in (body, text):
        for part in (None, text, written(content), inline("sha256:r"), body):
            answer = probe.look(
                given_body, media_type="", digest="", fetch=lambda *_, part=part: part
            )
            assert isinstance(answer, Found | NotACache | Refused)
