"""Where BuildKit can keep a cache: what differs from backend to backend, as data.

Attributes are those of BuildKit's README ("Export cache") and of its sources at v0.32. BuildKit
ignores what it does not know, a wrong name as well as a wrong `mode`, so names are checked here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

# Written out with every export: an export that fails without it cancels the push since BuildKit
# 0.28.
IGNORE_ERROR: Final = "ignore-error=true"
_COMPRESSION: Final = ("compression", "compression-level", "force-compression")
_AZURE: Final = ("account_url", "account_name", "container")
_PREFIXES: Final = ("prefix", "blobs_prefix", "manifests_prefix")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """A cache backend.

    `source` and `destination` are the attributes that name one cache among others. `fixed` is
    what every export gets, `options` what `cache-options` may set on both sides and
    `export_options` on the export's alone. `required` must be set so that anything works at all.
    `secrets` are attributes that hold a secret, and the variables of the environment where it is
    read from instead, by buildx itself but for those of `passed`. Of each of `variables` one has to
    be there, or an option that stands for them.
    `asked` says that warmbuild can look into a cache before BuildKit does, `retagged` that an
    older generation can be kept under a tag of its own.
    """

    name: str
    source: str
    destination: str = ""
    fixed: tuple[str, ...] = (IGNORE_ERROR,)
    options: tuple[str, ...] = ()
    export_options: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    secrets: Mapping[str, str]
    passed: Mapping[str, str] = field(default_factory=dict)
    variables: tuple[tuple[str, ...], ...] = ()
    asked: bool = False
    retagged: bool = False

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
            export_options=_COMPRESSION,
            secrets={},
            asked=True,
            retagged=True,
        ),
        # Lies in the image, which is pushed under the cache ref too.
        Backend(
            name="inline",
            source="ref",
            fixed=(),
            options=("registry.insecure",),
            secrets={},
            asked=True,
            retagged=True,
        ),
        Backend(
            name="local",
            source="src",
            destination="dest",
            fixed=("image-manifest=true", "oci-mediatypes=true", IGNORE_ERROR),
            export_options=_COMPRESSION,
            secrets={},
            asked=True,
        ),
        Backend(
            name="gha",
            source="scope",
            destination="scope",
            options=("version", "url", "url_v2", "timeout"),
            secrets={"token": "ACTIONS_RUNTIME_TOKEN"},
            # Without them buildx leaves such a cache out, and says no word.
            variables=(
                ("ACTIONS_RUNTIME_TOKEN",),
                ("ACTIONS_RESULTS_URL", "ACTIONS_CACHE_URL", "url", "url_v2"),
            ),
        ),
        Backend(
            name="s3",
            source="name",
            destination="name",
            options=(
                *("bucket", "region", "endpoint_url", "use_path_style", *_PREFIXES),
                *("retry_mode", "retry_max_attempts", "disable_accept_encoding"),
            ),
            export_options=("touch_refresh", "upload_parallelism"),
            required=("bucket", "region"),
            secrets={
                "access_key_id": "AWS_ACCESS_KEY_ID",
                "secret_access_key": "AWS_SECRET_ACCESS_KEY",
                "session_token": "AWS_SESSION_TOKEN",
            },
        ),
        Backend(
            name="azblob",
            source="name",
            destination="name",
            options=(*_AZURE, *_PREFIXES),
            required=("account_url",),
            secrets={"secret_access_key": "AZURE_STORAGE_KEY"},
            passed={"secret_access_key": "AZURE_STORAGE_KEY"},
        ),
    )
}
