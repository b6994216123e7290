from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given

from tests.unit.foreign import check_linear, shapes
from warmbuild import untrusted_json
from warmbuild.cache import merging, probe, records
from warmbuild.cache.probe import Found

DATA = Path(__file__).parents[2] / "data" / "cache"
MAIN, BRANCH = "buildkit-0.32.2-main", "buildkit-0.32.2-branch"
INLINE = "buildkit-0.32.2-inline"


def recorded(file: str) -> Found:
    manifest = (DATA / f"{file}.manifest.json").read_bytes()
    config = (DATA / f"{file}.config.json").read_bytes()
    return Found(f"sha256:{file}", manifest=manifest, text=config)


def made(config: object, *layers: str) -> Found:
    manifest = {"layers": [{"digest": layer} for layer in layers]}
    text = json.dumps(config).encode()
    return Found("sha256:m", manifest=json.dumps(manifest).encode(), text=text)


def test_layers_and_links_count_from_where_they_are_now() -> None:
    one = {
        "layers": [{"blob": "a", "parent": -1}],
        "records": [{"digest": "root"}, {"digest": "x", "layers": [{}], "inputs": [[{}]]}],
    }
    other = {
        "layers": [{"blob": "a", "parent": -1}, {"blob": "b"}],
        "records": [
            {"digest": "root"},
            {
                "digest": "y",
                "layers": [{"layer": 1, "createdAt": "2026-11-21T00:00:00Z"}],
                "chains": [{"layers": [0, 1]}],
                "inputs": [[{"link": 0, "selector": "s"}]],
            },
        ],
    }
    merged = merging.merge([made(one, "a"), made(other, "a", "b")])
    assert json.loads(merged.config) == {
        "layers": [
            {"blob": "a", "parent": -1},
            {"blob": "a", "parent": -1},
            {"blob": "b", "parent": 1},
        ],
        "records": [
            {"digest": "root"},
            {"digest": "x", "layers": [{"layer": 0}], "inputs": [[{"link": 0}]]},
            {"digest": "root"},
            {
                "digest": "y",
                "layers": [{"layer": 2, "createdAt": "2026-11-21T00:00:00Z"}],
                "chains": [{"layers": [1, 2]}],
                "inputs": [[{"link": 2, "selector": "s"}]],
            },
        ],
    }
    manifest = json.loads(merged.manifest)
    assert [layer["digest"] for layer in manifest["layers"]] == ["a", "b"]
    assert manifest["config"]["digest"] == merged.config_digest
    assert manifest["config"]["mediaType"] == records.CONFIG_TYPE
    assert manifest["config"]["size"] == len(merged.config)
    assert merged.digest.startswith("sha256:")
    assert merging.is_merged(Found("", manifest=merged.manifest))


def test_the_layers_of_an_index_are_those_of_its_entries() -> None:
    """BuildKit wrote an index before 0.21: its entries are the layers and the configuration."""
    entries = [{"digest": "a"}, {"digest": "c", "mediaType": records.CONFIG_TYPE}]
    index = json.dumps({"manifests": entries}).encode()
    text = json.dumps({"layers": [{"blob": "a", "parent": -1}]}).encode()
    older = Found("sha256:i", manifest=index, text=text)
    merged = merging.merge([older, made({"layers": [{"blob": "b", "parent": -1}]}, "b")])
    layers = json.loads(merged.manifest)["layers"]
    assert [layer["digest"] for layer in layers] == ["a", "b"]


@pytest.mark.parametrize("manifest", [b"", b"[]", b"{}", b'{"annotations": ["warmbuild.merged"]}'])
def test_what_buildkit_wrote_is_not_merged(manifest: bytes) -> None:
    assert not merging.is_merged(Found("", manifest=manifest))
    assert not merging.is_merged(recorded(MAIN))


def test_real_caches_as_one_have_the_records_of_both() -> None:
    parts = [recorded(MAIN), recorded(BRANCH)]
    merged = merging.merge(parts)
    manifest = untrusted_json.parsed(merged.manifest)
    both = records.parse(merged.config, manifest)
    apart = [records.parse(part.text, untrusted_json.parsed(part.manifest)) for part in parts]
    assert [record.results for record in both.records] == [
        record.results for part in apart for record in part.records
    ]
    assert both.oldest == records.oldest(apart)
    assert not any(records.contradict(both, part) for part in apart)


def test_a_real_inline_cache_is_merged() -> None:
    config = (DATA / f"{INLINE}.config.json").read_bytes()
    body = (DATA / f"{INLINE}.manifest.json").read_bytes()
    inside = records.parse_inline(config)
    assert inside
    part = records.detached(config, untrusted_json.parsed(body))
    merged = merging.merge([Found("sha256:i", inline=(part,)), recorded(MAIN)])
    manifest = untrusted_json.parsed(merged.manifest)
    both = records.parse(merged.config, manifest).records
    assert [one.results for one in both[: len(inside.records)]] == [
        one.results for one in inside.records
    ]
    assert any(one.results for one in inside.records)
    layers = list(untrusted_json.children(manifest, "layers"))
    own = list(untrusted_json.children(untrusted_json.parsed(body), "layers"))
    assert [one["digest"] for one in layers[: len(own)]] == [one["digest"] for one in own]
    assert layers[2]["annotations"] == {
        "buildkit/createdat": "2026-11-21T09:24:02.620441146Z",
        "buildkit/description": "RUN /bin/sh -c cat /program > /checked # buildkit",
        "containerd.io/uncompressed": untrusted_json.items(
            untrusted_json.child(untrusted_json.parsed(config), "rootfs"), "diff_ids"
        )[2],
    }


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{",
        b'{"layers": [{"parent": 1}]}',
        b'{"records": [{"layers": [{"layer": 0}]}]}',
        b'{"records": [{"inputs": [[{"link": -1}]]}]}',
        b'{"layers": [{}], "records": [{"chains": [{"layers": [0, 1]}]}]}',
        b'{"layers": [{"a": NaN}]}',
        b'{"layers": [' + b"[" * 500_000,
    ],
)
def test_a_broken_cache_cannot_be_put_together(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (JSON's own)
        merging.merge([Found("sha256:m", manifest=b"{}", text=text)])


MEMBERS = ("layers", "records", "parent", "layer", "inputs", "link", "chains", "digest", "config")


@given(shapes(MEMBERS), shapes(MEMBERS))
def test_every_shape_is_merged_or_broken(one: object, other: object) -> None:
    parts = [made({"layers": one, "records": other}), made({"layers": other, "records": one})]
    try:
        merged = merging.merge(parts)
    except ValueError:
        return
    assert merged.config_digest == probe.digest_of(merged.config)
    records.parse(merged.config, untrusted_json.parsed(merged.manifest))


def test_caches_are_merged_in_linear_time() -> None:
    def caches(count: int) -> list[Found]:
        layers = [{"blob": str(at), "parent": at - 1} for at in range(count)]
        steps = [
            {"layers": [{"layer": at}], "chains": [{"layers": [at]}], "inputs": [[{"link": at}]]}
            for at in range(count)
        ]
        names = map(str, range(count))
        return [made({"layers": layers, "records": steps}, *names)] * 2

    check_linear(merging.merge, caches, 150)
