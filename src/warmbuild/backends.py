"""The backends of BuildKit's cache, one row each.

Attributes are taken from BuildKit's README ("Export cache") and its sources at v0.34. BuildKit
ignores unknown attributes, and a wrong `mode` too, so warmbuild checks the names.
"""

from __future__ import annotations

from dataclasses import field
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from warmbuild import csv_attributes
from warmbuild.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

# Set on every export: since BuildKit 0.28 a failed export without it cancels the push.
IGNORE_ERROR: Final = "ignore-error=true"
# How an export packs layers.
COMPRESSION: Final = ("compression", "compression-level", "force-compression")
_AZURE: Final = ("account_url", "account_name", "container")
_PREFIXES: Final = ("prefix", "blobs_prefix", "manifests_prefix")


class Store(Enum):
    """How a record is kept beside a cache; `stores` has a module for each way."""

    ARTIFACT = auto()  # In the cache's repository, under a tag of its own
    DIRECTORY = auto()  # A file beside the cache's directory
    GITHUB = auto()  # An entry of GitHub's cache service
    S3 = auto()  # An object beside the cache's manifest
    AZURE = auto()  # A blob beside the cache's manifest


@frozen
class Backend:
    """A cache backend."""

    name: str  # Value of the input `cache-backend`, and `type=` of an export
    source: str  # Attribute that names one cache among others in an import
    destination: str = ""  # Attribute that names one cache among others in an export
    fixed: tuple[str, ...] = (IGNORE_ERROR,)  # Attributes of every export
    options: tuple[str, ...] = ()  # Attributes that `cache-options` may set for imports and exports
    export_options: tuple[str, ...] = ()  # Attributes that it may set only for exports
    required: tuple[str, ...] = ()  # Attributes that must be set
    secrets: Mapping[str, str] = field(
        default_factory=dict
    )  # Environment variables of the secret attributes
    passed: Mapping[str, str] = field(default_factory=dict)
    """Members of `secrets` that buildx does not read itself; a bake definition passes them."""
    variables: tuple[tuple[str, ...], ...] = ()
    """Groups of environment variables and options; one of each group must be set."""
    importer: str = ""  # `type=` of an import, if it differs from the name
    asked: bool = False  # warmbuild can look into a cache before BuildKit does
    retagged: bool = False  # Older generations can be kept under tags of their own
    lies_in_image: bool = False  # The cache is pushed in the image, and holds only its last stage
    is_directory: bool = False  # The cache is a directory of this machine, named by `cache-dir`
    untrusted_may_write: bool = False  # Untrusted code may export to it: no other run reads it
    untrusted_may_name: tuple[str, ...] = ()
    """Attributes by which a file of untrusted code may name a cache to read; none is a server's."""
    local_run_may_write: bool = False  # Local runs write it by default, because it is not shared
    lazy: bool = False  # BuildKit can use a layer before it has it
    merged: bool = False
    """warmbuild merges several caches into one, because BuildKit loses steps among several."""
    read_by_graph_driver: bool = False
    """The engine's own BuildKit reads it without the containerd image store."""
    keeps_mounts: bool = False  # What is kept of cache mounts can lie beside the cache
    store: Store | None = None  # Keeps the records of builds; None if there are none

    @property
    def is_in_registry(self) -> bool:
        """Whether a cache is named by a reference."""
        return self.source == "ref"

    @property
    def known(self) -> tuple[str, ...]:
        """Every attribute that `cache-options` may set."""
        return (*self.options, *self.export_options)


BACKENDS: Final[Mapping[str, Backend]] = {
    backend.name: backend
    for backend in (
        Backend(
            name="registry",
            source="ref",
            destination="ref",
            fixed=("image-manifest=true", "oci-mediatypes=true", IGNORE_ERROR),
            options=("registry.insecure",),
            export_options=COMPRESSION,
            asked=True,
            retagged=True,
            untrusted_may_name=("ref",),
            lazy=True,
            merged=True,
            read_by_graph_driver=True,
            keeps_mounts=True,
            store=Store.ARTIFACT,
        ),
        # The image is also pushed to the cache ref.
        Backend(
            name="inline",
            source="ref",
            fixed=(),
            options=("registry.insecure",),
            asked=True,
            retagged=True,
            importer="registry",
            lies_in_image=True,
            merged=True,
            untrusted_may_write=True,
            read_by_graph_driver=True,
            store=Store.ARTIFACT,
        ),
        Backend(
            name="local",
            source="src",
            destination="dest",
            fixed=("image-manifest=true", "oci-mediatypes=true", IGNORE_ERROR),
            export_options=COMPRESSION,
            asked=True,
            is_directory=True,
            untrusted_may_write=True,
            untrusted_may_name=("src",),
            local_run_may_write=True,
            merged=True,
            read_by_graph_driver=True,
            keeps_mounts=True,
            store=Store.DIRECTORY,
        ),
        Backend(
            name="gha",
            source="scope",
            destination="scope",
            options=("version", "url", "url_v2", "timeout"),
            untrusted_may_name=("scope",),
            secrets={"token": "ACTIONS_RUNTIME_TOKEN"},
            # Without them buildx silently ignores the cache.
            variables=(
                ("ACTIONS_RUNTIME_TOKEN",),
                ("ACTIONS_RESULTS_URL", "ACTIONS_CACHE_URL", "url", "url_v2"),
            ),
            store=Store.GITHUB,
        ),
        Backend(
            name="s3",
            source="name",
            destination="name",
            options=(
                *("bucket", "region", "endpoint_url", "use_path_style", *_PREFIXES),
                *("retry_mode", "retry_max_attempts", "disable_accept_encoding"),
            ),
            # It compresses as asked since BuildKit 0.34; older ones always write gzip.
            export_options=(*COMPRESSION, "touch_refresh", "upload_parallelism"),
            required=("bucket", "region"),
            secrets={
                "access_key_id": "AWS_ACCESS_KEY_ID",
                "secret_access_key": "AWS_SECRET_ACCESS_KEY",
                "session_token": "AWS_SESSION_TOKEN",
            },
            store=Store.S3,
        ),
        Backend(
            name="azblob",
            source="name",
            destination="name",
            options=(*_AZURE, *_PREFIXES),
            required=("account_url",),
            secrets={"secret_access_key": "AZURE_STORAGE_KEY"},
            passed={"secret_access_key": "AZURE_STORAGE_KEY"},
            store=Store.AZURE,
        ),
    )
}


def of_entry(entry: str) -> Backend | None:
    """Return the backend of a cache entry, None if unknown; a bare reference is in a registry."""
    return of_attributes(dict(csv_attributes.pairs(entry)))


def of_attributes(attributes: Mapping[str, str]) -> Backend | None:
    """Return the backend of an entry with these attributes."""
    return BACKENDS.get(attributes.get("type", "registry"))
