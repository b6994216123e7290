from __future__ import annotations

import pytest

from warmbuild import refs, vendors

ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
GAR = "europe-west1-docker.pkg.dev"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "Amazon ECR"),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "Amazon ECR"),
        ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "Amazon ECR"),
        ("123456789012.dkr-ecr.eu-west-1.on.aws", "Amazon ECR"),
        ("public.ecr.aws", "Amazon ECR Public"),
        ("docker.io", "Docker Hub"),
        ("ghcr.io", "GHCR"),
        ("containers.acme.ghe.com", "GHCR"),
        ("registry.gitlab.com", "GitLab"),
        ("gitlab.acme.dev:5050", "GitLab"),
        ("registry.gitlab.acme.dev", "GitLab"),
        ("gitlab-registry.acme.dev", "GitLab"),
        ("europe-west1-docker.pkg.dev", "Google Artifact Registry"),
        ("us-docker.pkg.dev", "Google Artifact Registry"),
        ("gcr.io", "gcr.io on Google Artifact Registry"),
        ("eu.gcr.io", "gcr.io on Google Artifact Registry"),
        ("acme.azurecr.io", "Azure Container Registry"),
        ("acme.azurecr.cn", "Azure Container Registry"),
        ("acme.germanywestcentral.data.azurecr.io", "Azure Container Registry"),
        ("quay.io", "Quay"),
        ("quay.acme.dev", "Quay"),
        ("harbor.acme.dev:8443", "Harbor"),
        ("acme.jfrog.io", "Artifactory"),
        ("artifactory.acme.dev", "Artifactory"),
        ("registry.acme.dev", "distribution"),
        ("127.0.0.1:5000", "distribution"),
        ("[::1]:5000", "distribution"),
        ("localhost", "distribution"),
        ("notquay.io", "distribution"),
        ("ghcr.io.acme.dev", "distribution"),
        ("docker.pkg.dev.acme.dev", "distribution"),
    ],
)
def test_a_registry_is_known_by_its_host(host: str, expected: str) -> None:
    assert vendors.detect(host).name == expected


def bearer(service: str, realm: str = "https://auth.acme.dev/token") -> dict[str, str]:
    return {"www-authenticate": f'Bearer realm="{realm}",service="{service}",scope="x"'}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param(
            {"www-authenticate": 'Basic realm="https://1.dkr/",service="ecr.amazonaws.com"'},
            "Amazon ECR",
            id="ECR behind another name",
        ),
        pytest.param(bearer("registry.docker.io"), "Docker Hub", id="a proxy of Docker Hub"),
        pytest.param(bearer("ghcr.io"), "GHCR", id="GHCR"),
        pytest.param(
            bearer("container_registry", "https://git.acme.dev/jwt/auth"), "GitLab", id="GitLab"
        ),
        pytest.param(
            {"gitlab-container-registry-version": "4.5.0"}, "GitLab", id="GitLab's own header"
        ),
        pytest.param(
            bearer("europe-west1-docker.pkg.dev"), "Google Artifact Registry", id="Google"
        ),
        pytest.param(bearer("acme.azurecr.io"), "Azure Container Registry", id="Azure"),
        pytest.param(bearer("r.io", "https://r.io/v2/auth"), "Quay", id="Quay's realm"),
        pytest.param(
            bearer("harbor-registry", "https://r.io/service/token"), "Harbor", id="Harbor"
        ),
        pytest.param(
            {"www-authenticate": 'Basic realm="harbor"'}, "Harbor", id="Harbor to a refused login"
        ),
        pytest.param({"x-jfrog-version": "Artifactory/7.90.1"}, "Artifactory", id="Artifactory"),
        pytest.param(
            {"docker-distribution-api-version": "registry/2.0"},
            "distribution",
            id="a header that many registries send",
        ),
        pytest.param(bearer("r.io"), "distribution", id="an unknown service"),
    ],
)
def test_a_registry_under_a_name_of_its_own_is_known_by_its_answers(
    headers: dict[str, str], expected: str
) -> None:
    assert vendors.detect("r.io", headers).name == expected


def test_the_registry_of_a_ci_system_is_known_by_that() -> None:
    assert vendors.detect("r.io", ci="gitlab").name == "GitLab"
    assert vendors.detect("r.io", ci="github").name == "distribution"


@pytest.mark.parametrize(
    ("repository", "why"),
    [
        ("me/app", ""),
        (
            "me/app/cache",
            "'me/app/cache' cannot be a repository of Docker Hub, which takes NAMESPACE/REPOSITORY",
        ),
        (
            f"{GAR}/project/cache",
            (
                "'project/cache' cannot be a repository of Google Artifact "
                "Registry, which takes PROJECT/REPOSITORY/IMAGE"
            ),
        ),
        (f"{GAR}/acme.dev/project/repository/app", ""),
        ("eu.gcr.io/project/app", ""),
        (
            "eu.gcr.io/app",
            (
                "'app' cannot be a repository of gcr.io on Google Artifact Registry, "
                "which takes PROJECT/IMAGE"
            ),
        ),
        (
            "public.ecr.aws/app",
            "'app' cannot be a repository of Amazon ECR Public, which takes ALIAS/REPOSITORY",
        ),
        (f"{ECR}/app", ""),
        (f"{ECR}/team/app/cache", ""),
        ("ghcr.io/app", "'app' cannot be a repository of GHCR, which takes OWNER/IMAGE"),
        ("ghcr.io/me/app/cache", ""),
        ("acme.azurecr.io/app", ""),
        # A name like Harbor's may still be something else.
        ("harbor.acme.dev/app", ""),
        ("127.0.0.1:5000/a/b/c/d", ""),
    ],
)
def test_a_repository_that_a_registry_cannot_have(repository: str, why: str) -> None:
    assert vendors.misfit(refs.parse(repository)) == why
