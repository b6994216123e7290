from __future__ import annotations

import pytest

from warmbuild import backends
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
    assert BACKENDS["s3"].known[-5:] == BACKENDS["s3"].export_options
    assert BACKENDS["s3"].export_options == (
        "compression",
        "compression-level",
        "force-compression",
        "touch_refresh",
        "upload_parallelism",
    )
    assert BACKENDS["registry"].known == (
        "registry.insecure",
        "compression",
        "compression-level",
        "force-compression",
    )


@pytest.mark.parametrize(
    ("name", "claims"),
    [
        ("registry", {"is_in_registry", "merged", "read_by_graph_driver"}),
        (
            "inline",
            {
                *("is_in_registry", "lies_in_image", "untrusted_may_write", "merged"),
                "read_by_graph_driver",
            },
        ),
        (
            "local",
            {
                *("is_directory", "untrusted_may_write", "local_run_may_write", "merged"),
                "read_by_graph_driver",
            },
        ),
        ("gha", set()),
        ("s3", set()),
        ("azblob", set()),
    ],
)
def test_what_is_particular_to_a_backend(name: str, claims: set[str]) -> None:
    every = {
        *("is_in_registry", "lies_in_image", "is_directory", "untrusted_may_write"),
        *("local_run_may_write", "merged", "read_by_graph_driver"),
    }
    assert {claim for claim in every if getattr(BACKENDS[name], claim)} == claims


def test_an_inline_cache_is_imported_from_a_registry() -> None:
    importers = {name: backend.importer for name, backend in BACKENDS.items() if backend.importer}
    assert importers == {"inline": "registry"}


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        ("ghcr.io/me/app:cache", "registry"),
        ("ref=ghcr.io/me/app:cache", "registry"),
        ("type=registry,ref=ghcr.io/me/app:cache", "registry"),
        ("type=inline", "inline"),
        ("TYPE=gha,scope=x", "gha"),
        ('"type=local",dest=/cache', "local"),
        ("type=oci,dest=/x", None),
        ("type=", None),
    ],
)
def test_an_entry_names_its_backend(entry: str, name: str | None) -> None:
    found = backends.of_entry(entry)
    assert (found.name if found else None) == name
