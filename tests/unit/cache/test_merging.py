from __future__ import annotations

import json
from pathlib import Path

import pytest

from warmbuild import untrusted_json
from warmbuild.cache import merging, records
from warmbuild.cache.probe import Found

DATA = Path(__file__).parents[2] / "data" / "cache"
MAIN, BRANCH = "buildkit-0.32.2-main", "buildkit-0.32.2-branch"


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


@pytest.mark.parametrize("text", [b"", b"[]", b"{"])
def test_a_broken_cache_cannot_be_put_together(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (JSON's own)
        merging.merge([Found("sha256:m", manifest=b"{}", text=text)])
