"""The variables that buildx gets, by who wrote what it reads."""

from __future__ import annotations

import pytest

from warmbuild import trust
from warmbuild.builder import environment

CHILD = {
    "PATH": "/bin",
    "HOME": "/root",
    "DOCKER_CONFIG": "/d",
    "BUILDX_CONFIG": "/b",
    "TOKEN": "secret",
    "BUILDX_GIT_LABELS": "full",
    "BUILDX_BAKE_ENTITLEMENTS_FS": "0",
}


def test_trusted_files_are_read_with_everything() -> None:
    assert environment.of_reading(CHILD, trust.TRUSTED, fetches=False) == CHILD


def test_untrusted_files_are_read_with_what_buildx_needs() -> None:
    wanted = {"PATH", "HOME", "DOCKER_CONFIG", "BUILDX_CONFIG"}
    assert set(environment.of_reading(CHILD, trust.FORK, fetches=False)) == wanted


def test_untrusted_files_are_fetched_with_what_reaches_a_builder_too() -> None:
    engine = {"DOCKER_HOST": "tcp://docker:2376", "DOCKER_TLS_VERIFY": "1", "KUBECONFIG": "/k"}
    keys = {"AWS_SECRET_ACCESS_KEY": "x", "ACTIONS_RUNTIME_TOKEN": "x", "HTTPS_PROXY": "x"}
    keys |= {"BUILDX_BAKE_GIT_AUTH_TOKEN": "x", "DOCKER_PASSWORD": "x"}
    found = environment.of_reading(CHILD | engine | keys, trust.FORK, fetches=True)
    assert set(found) == {"PATH", "HOME", "DOCKER_CONFIG", "BUILDX_CONFIG", *engine}


@pytest.mark.parametrize("level", [trust.TRUSTED, trust.LOCAL], ids=["trusted", "local"])
def test_trusted_code_is_built_with_all_but_settings_for_files(level: trust.Trust) -> None:
    found = environment.of_building(CHILD, level, ())
    assert set(CHILD) - set(found) == {"BUILDX_BAKE_ENTITLEMENTS_FS"}
    assert "BUILDX_GIT_INFO" not in found


@pytest.mark.parametrize(
    ("name", "is_given"),
    [
        # Any program.
        *((name, True) for name in ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "TZ")),
        # The engine.
        *((name, True) for name in ("DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")),
        *((name, True) for name in ("DOCKER_CONFIG", "DOCKER_CONTEXT", "SSH_AUTH_SOCK")),
        ("DOCKER_PASSWORD", False),
        ("DOCKER_AUTH_CONFIG", False),
        # A cluster.
        *((name, True) for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST")),
        # Connections.
        *((name, True) for name in ("HTTP_PROXY", "https_proxy", "no_proxy", "SSL_CERT_FILE")),
        # buildx and BuildKit.
        *((name, True) for name in ("BUILDX_BUILDER", "BUILDX_METADATA_PROVENANCE")),
        *((name, True) for name in ("BUILDX_NO_DEFAULT_ATTESTATIONS", "BUILDKIT_HOST")),
        *(
            (name, True)
            for name in ("BUILDX_DEFAULT_POLICY", "EXPERIMENTAL_BUILDKIT_SOURCE_POLICY")
        ),
        ("BUILDX_BAKE_GIT_AUTH_TOKEN", False),
        ("BUILDX_BAKE_ENTITLEMENTS_FS", False),
        ("BUILDX_GIT_LABELS", False),
        ("BUILDX_GIT_CHECK_DIRTY", False),
        # Images and caches.
        *((name, True) for name in ("SOURCE_DATE_EPOCH", "ACTIONS_RUNTIME_TOKEN")),
        *((name, True) for name in ("ACTIONS_RESULTS_URL", "AWS_ACCESS_KEY_ID")),
        *((name, True) for name in ("AZURE_STORAGE_KEY", "GOOGLE_APPLICATION_CREDENTIALS")),
        # What inputs name.
        ("NPM_TOKEN", True),
        # Everything else.
        *((name, False) for name in ("GITHUB_TOKEN", "CI_JOB_TOKEN", "TOKEN", "MY_PATH", "PATHS")),
        *((name, False) for name in ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "GIT_AUTH_TOKEN")),
        *((name, False) for name in ("OTEL_EXPORTER_OTLP_HEADERS", "LD_PRELOAD", "NEW\nPATH")),
    ],
)
def test_untrusted_code_is_built_with_what_is_listed(
    name: str,
    is_given: bool,  # noqa: FBT001
) -> None:
    found = environment.of_building({name: "x"}, trust.FORK, {"NPM_TOKEN"})
    assert found == {"BUILDX_GIT_INFO": "false"} | ({name: "x"} if is_given else {})
