from __future__ import annotations

import json

from warmbuild.cache import probe, records
from warmbuild.cache.probe import NotACache
from warmbuild.stores import artifact


def test_a_record_has_the_form_of_a_cache_and_a_mark() -> None:
    packed = artifact.pack(b"a record")
    digest = probe.digest_of(b"a record")
    assert json.loads(packed.manifest) == {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": records.CONFIG_TYPE, "digest": digest, "size": 8},
        "layers": [
            {
                "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                "digest": digest,
                "size": 8,
            }
        ],
        "annotations": {"warmbuild.record": "true"},
    }
    assert (packed.config, packed.config_digest) == (b"a record", digest)
    assert packed.digest == probe.digest_of(packed.manifest)


def test_the_mark_keeps_a_record_from_being_read_as_a_cache() -> None:
    manifest = artifact.pack(b'{"layers": [], "records": [{"digest": "sha256:r"}]}').manifest
    found = probe.look(manifest, media_type="", digest="", fetch=lambda *_: b"{}")
    assert isinstance(found, NotACache)
    assert not found.is_image
