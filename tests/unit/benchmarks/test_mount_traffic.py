from __future__ import annotations

import hashlib
import json

import mount_traffic

CONFIG, LAYER, OTHER = (f"sha256:{digit * 64}" for digit in "abc")
MANIFEST = json.dumps(
    {
        "config": {"digest": CONFIG, "size": 10},
        "layers": [{"digest": LAYER, "size": 2000}],
    }
).encode()
OF_CACHE = json.dumps({"config": {}, "layers": [{"digest": OTHER, "size": 5}]}).encode()
TAG = "cache-main---mount-0123456789abcdef0123"
DIGEST = f"sha256:{hashlib.sha256(MANIFEST).hexdigest()}"
SIZES = {TAG: len(MANIFEST), DIGEST: len(MANIFEST), CONFIG: 10, LAYER: 2000}


def asked(verb: str, path: str, status: int = 200) -> str:
    return f'127.0.0.1 - - [30/Nov/2026:20:04:10 +0000] "{verb} /v2/{path} HTTP/1.1" {status} 9 ""'


def test_sizes_are_those_of_tags_that_keep_mounts() -> None:
    assert mount_traffic.sizes({TAG: MANIFEST, "cache-main": OF_CACHE}) == SIZES


def test_what_is_fetched_and_uploaded_is_counted() -> None:
    upload = f"shop/blobs/uploads/1-2?_state=x&digest={LAYER.replace(':', '%3A')}"
    lines = [
        asked("GET", f"shop/manifests/{TAG}"),
        asked("GET", f"shop/blobs/{LAYER}"),
        asked("PUT", upload, 201),
        asked("PUT", f"shop/manifests/{DIGEST}", 201),
    ]
    assert mount_traffic.moved(lines, "shop", SIZES) == 2 * 2000 + 2 * len(MANIFEST)


def test_questions_refusals_and_all_else_count_nothing() -> None:
    lines = [
        asked("HEAD", f"shop/blobs/{LAYER}"),
        asked("GET", f"shop/blobs/{LAYER}", 404),
        asked("POST", f"shop/blobs/uploads/?mount={LAYER}&from=shop", 201),
        asked("GET", f"shop/blobs/{OTHER}"),
        asked("GET", "shop/manifests/cache-main"),
        asked("GET", f"another/blobs/{LAYER}"),
        "not a request",
    ]
    assert mount_traffic.moved(lines, "shop", SIZES) == 0
