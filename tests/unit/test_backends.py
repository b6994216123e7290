from __future__ import annotations

import pytest

from warmbuild.backends import BACKENDS, Backend
from warmbuild.inputs.table import BY_NAME

ALL = pytest.mark.parametrize("backend", BACKENDS.values(), ids=BACKENDS)
# Attributes that warmbuild sets by itself, and that hold a secret.
OURS = {"type", "ref", "src", "dest", "scope", "name", "mode", "tag", "digest", "reset"}
OURS |= {"ignore-error", "image-manifest", "oci-mediatypes"}
SECRET = {"token", "ghtoken", "access_key_id", "secret_access_key", "session_token"}


def test_the_backends_are_those_of_the_input() -> None:
    assert tuple(BACKENDS) == BY_NAME["cache-backend"].choices
    assert tuple(BACKENDS) == ("registry", "inline", "local", "gha", "s3", "azblob")
    assert [backend.name for backend in BACKENDS.values()] == list(BACKENDS)


@ALL
def test_a_failed_export_never_cancels_a_push(backend: Backend) -> None:
    # An inline cache is part of the image, and takes no attribute.
    assert ("ignore-error=true" in backend.fixed) is (backend.name != "inline")
    assert bool(backend.destination) is (backend.name != "inline")


@ALL
def test_an_option_is_neither_ours_nor_secret(backend: Backend) -> None:
    assert set(backend.known).isdisjoint(OURS | SECRET)
    assert set(backend.secrets).isdisjoint(backend.known)
    assert len(set(backend.known)) == len(backend.known)
    assert set(backend.required) <= set(backend.options)
    assert backend.passed.items() <= backend.secrets.items()


@pytest.mark.parametrize(
    ("name", "source", "destination", "fixed"),
    [
        (
            "registry",
            "ref",
            "ref",
            ("image-manifest=true", "oci-mediatypes=true", "ignore-error=true"),
        ),
        ("inline", "ref", "", ()),
        (
            "local",
            "src",
            "dest",
            ("image-manifest=true", "oci-mediatypes=true", "ignore-error=true"),
        ),
        ("gha", "scope", "scope", ("ignore-error=true",)),
        ("s3", "name", "name", ("ignore-error=true",)),
        ("azblob", "name", "name", ("ignore-error=true",)),
    ],
)
def test_what_names_a_cache_and_what_every_export_gets(
    name: str, source: str, destination: str, fixed: tuple[str, ...]
) -> None:
    backend = BACKENDS[name]
    assert (backend.source, backend.destination, backend.fixed) == (source, destination, fixed)


@pytest.mark.parametrize(
    ("name", "asked", "retagged"),
    [
        ("registry", True, True),
        ("inline", True, True),
        ("local", True, False),
        ("gha", False, False),
        ("s3", False, False),
        ("azblob", False, False),
    ],
)
def test_what_can_be_looked_into(
    name: str,
    asked: bool,  # noqa: FBT001
    retagged: bool,  # noqa: FBT001
) -> None:
    assert (BACKENDS[name].asked, BACKENDS[name].retagged) == (asked, retagged)


def test_an_option_may_be_for_the_export_alone() -> None:
    assert BACKENDS["s3"].known[-2:] == BACKENDS["s3"].export_options
    assert BACKENDS["s3"].export_options == ("touch_refresh", "upload_parallelism")
    assert BACKENDS["registry"].known == (
        "registry.insecure",
        "compression",
        "compression-level",
        "force-compression",
    )
