from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.foreign import check_linear
from warmbuild import refs, vendors
from warmbuild.inputs.table import TABLE
from warmbuild.vendors.refusal import Kind, Refusal, advice, excerpt, explained, read

if TYPE_CHECKING:
    from warmbuild.vendors.base import Vendor

DIGEST = "sha256:938a105b6bb0023aeb6e7507dac7b911cd54c7d9ad733078e090293c7e61691f"
ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
GAR = "europe-west1-docker.pkg.dev"
# Words of a registry that tell a kind.
WORDS = {
    Kind.IMMUTABLE: "immutable",
    Kind.FULL: "quota",
    Kind.LIMITED: "toomanyrequests",
    Kind.BAD_NAME: "name invalid",
    Kind.NO_REPOSITORY: "name unknown",
    Kind.NO_LOGIN: "unauthorized",
    Kind.REJECTED: "manifest invalid",
    Kind.READ_ONLY: "unsupported",
    Kind.DENIED: "denied",
}
# What BuildKit 0.32.2 said on the lab to the answers in the ids, unless an id says otherwise.
SAID = [
    pytest.param(
        "error writing manifest blob: unknown: The image tag 'cache-main' already exists in the "
        "'app' repository and cannot be overwritten because the tag is immutable.",
        Kind.IMMUTABLE,
        id="400 TAG_INVALID of ECR",
    ),
    pytest.param(
        "tag invalid: The image tag 'x' already exists in the 'y' repository and cannot be "
        "overwritten because the repository is immutable.",
        Kind.IMMUTABLE,
        id="the same in 2023 (moby/buildkit#3776)",
    ),
    pytest.param(
        "error writing manifest blob: unknown: Failed to process request due to "
        "'app:cache-main' configured as immutable.",
        Kind.IMMUTABLE,
        id="412 PRECONDITION of Harbor",
    ),
    pytest.param(
        "error writing manifest blob: unknown: tag is immutable and cannot be overwritten",
        Kind.IMMUTABLE,
        id="Quay 3.17 (PROJQUAY-10859)",
    ),
    pytest.param(
        "error writing manifest blob: unknown: tag was already pushed",
        Kind.IMMUTABLE,
        id="409 TAG_ALREADY_EXISTS of Quay",
    ),
    pytest.param(
        "error writing manifest blob: unknown: The operation is disallowed on this registry, "
        "repository or image. View troubleshooting steps at https://aka.ms/acr/faq/#why",
        Kind.IMMUTABLE,
        id="a lock of Azure (Microsoft's documentation)",
    ),
    pytest.param(
        "error writing layer blob: denied: Quota has been exceed on namespace",
        Kind.FULL,
        id="403 DENIED of Quay for a quota",
    ),
    pytest.param(
        "error writing manifest blob: toomanyrequests: slow down",
        Kind.LIMITED,
        id="429 TOOMANYREQUESTS",
    ),
    pytest.param(
        "unexpected status from HEAD request to https://registry-1.docker.io/v2/a/b/manifests/c: "
        "429 Too Many Requests",
        Kind.LIMITED,
        id="429 without a word",
    ),
    pytest.param(
        "error writing config blob: unknown: Missing image name. Pushes should be of the form "
        "docker push HOST-NAME/PROJECT-ID/REPOSITORY/IMAGE",
        Kind.BAD_NAME,
        id="400 NAME_INVALID of Google",
    ),
    pytest.param(
        "error writing config blob: unknown: The repository with name 'app' does not exist in "
        "the registry with id '123456789012'",
        Kind.NO_REPOSITORY,
        id="404 NAME_UNKNOWN of ECR",
    ),
    pytest.param(
        "name unknown: The repository with name 'a' does not exist in the registry with id '1'",
        Kind.NO_REPOSITORY,
        id="the same of an older client",
    ),
    pytest.param(
        "error writing layer blob: unauthorized: project acme not found",
        Kind.NO_REPOSITORY,
        id="401 UNAUTHORIZED of Harbor without the project",
    ),
    pytest.param(
        "error writing layer blob: unexpected status from POST request to "
        "https://r.io/v2/app/blobs/uploads/: 404 Not Found",
        Kind.NO_REPOSITORY,
        id="404 to an upload without a word",
    ),
    pytest.param(
        "error writing config blob: unauthorized", Kind.NO_LOGIN, id="401 to a basic challenge"
    ),
    pytest.param(
        "error writing config blob: failed to open writer: failed to authorize: failed to fetch "
        "anonymous token: unexpected status from GET request to "
        "http://r.io/token?scope=repository%3Aapp%3Apull%2Cpush&service=s: 403 Forbidden",
        Kind.NO_LOGIN,
        id="no anonymous token",
    ),
    pytest.param(
        "failed to authorize: failed to fetch oauth token: unexpected status from GET request to "
        "https://auth.docker.io/token?scope=x: 401 Unauthorized",
        Kind.NO_LOGIN,
        id="a password that is wrong (docker/buildx issues)",
    ),
    pytest.param(
        'denied: Unauthenticated request. Unauthenticated requests do not have permission "x"',
        Kind.NO_LOGIN,
        id="no login at Google (google-github-actions/auth#50)",
    ),
    pytest.param(
        "push access denied, repository does not exist or may require authorization: "
        "authorization failed: no basic auth credentials",
        Kind.NO_LOGIN,
        id="no login at ECR (docker/buildx issues)",
    ),
    pytest.param(
        "error writing manifest blob: unknown: manifest invalid",
        Kind.REJECTED,
        id="400 MANIFEST_INVALID, or 403 of Artifactory",
    ),
    pytest.param(
        "error writing manifest blob: unexpected status from PUT request to "
        "http://r.io/v2/app/manifests/cache-main: 400 Bad Request",
        Kind.REJECTED,
        id="400 without a word",
    ),
    pytest.param(
        "error writing manifest blob: unexpected status from PUT request to "
        "http://r.io/v2/app/manifests/cache-main: 400 Bad Request: <html><body>Bad</body></html>",
        Kind.REJECTED,
        id="400 with a page",
    ),
    pytest.param(
        'error writing manifest blob: failed commit on ref "sha256:ab": unexpected status: 400 '
        "Bad Request",
        Kind.REJECTED,
        id="400 in 2020 (moby/buildkit#1865)",
    ),
    pytest.param(
        'error writing manifest blob: failed commit on ref "sha256:ab": unexpected status: 404 '
        "Not Found",
        Kind.REJECTED,
        id="404 of Harbor in 2023 (moby/buildkit#2479)",
    ),
    pytest.param(
        "error writing manifest blob: unexpected status from PUT request to "
        "https://r.io/v2/app/manifests/cache-main: 404 Not Found",
        Kind.REJECTED,
        id="404 of Harbor (goharbor/harbor#19150)",
    ),
    pytest.param(
        "error writing manifest blob: unknown: artifact app@sha256:ab not found",
        Kind.REJECTED,
        id="404 NOT_FOUND of Harbor",
    ),
    pytest.param("error writing manifest blob: unsupported", Kind.READ_ONLY, id="405 UNSUPPORTED"),
    pytest.param(
        "error writing manifest blob: unexpected status from PUT request to "
        "http://r.io/v2/app/manifests/cache-main: 405 Method Not Allowed",
        Kind.READ_ONLY,
        id="405 without a word",
    ),
    pytest.param(
        "error writing config blob: denied: System is currently read-only. Pulls will succeed but "
        "all write operations are currently suspended.",
        Kind.READ_ONLY,
        id="405 DENIED of Quay",
    ),
    pytest.param("error writing layer blob: denied", Kind.DENIED, id="403 DENIED to a HEAD"),
    pytest.param(
        "error writing manifest blob: denied: permission_denied: write_package",
        Kind.DENIED,
        id="403 DENIED of GHCR",
    ),
    pytest.param(
        "denied: installation not allowed to Create organization package",
        Kind.DENIED,
        id="403 DENIED of GHCR for a new package (docker/build-push-action#606)",
    ),
    pytest.param(
        "error writing config blob: denied: Permission "
        '"artifactregistry.repositories.uploadArtifacts" denied on resource '
        '"projects/p/locations/europe-west1/repositories/r" (or it may not exist)',
        Kind.DENIED,
        id="403 DENIED of Google",
    ),
    pytest.param(
        "error writing config blob: failed to open writer: push access denied, repository does "
        "not exist or may require authorization: server message: insufficient_scope: "
        "authorization failed",
        Kind.DENIED,
        id="401 insufficient_scope of Docker Hub",
    ),
    pytest.param(
        "error writing layer blob: unexpected status from HEAD request to "
        f"http://r.io/v2/app/blobs/{DIGEST}: 403 Forbidden",
        Kind.DENIED,
        id="403 without a word",
    ),
    pytest.param(
        "errors: a: one denied: two ",
        Kind.DENIED,
        id="two errors",
    ),
    pytest.param(
        "failed to push r.io/quota/immutable-denied:main: unknown: blob unknown to registry",
        None,
        id="names that are no words",
    ),
    pytest.param(
        "unexpected status from PUT request to https://r.io/v2/denied/manifests/unauthorized: 500 "
        "Internal Server Error",
        None,
        id="an address that is no word",
    ),
    pytest.param(
        'failed to do request: Head "http://r.io/v2/x": dial tcp 10.0.0.1:80: connection refused',
        None,
        id="no answer",
    ),
]


@pytest.mark.parametrize(("text", "kind"), SAID)
def test_what_buildkit_says_is_read(text: str, kind: Kind | None) -> None:
    assert read(text).kind is kind


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (
            "unexpected status from PUT request to http://r.io:80/v2/a/manifests/b: 403 Forbidden",
            403,
        ),
        ("unexpected status code [manifests main]: 404 Not Found", 404),
        ("unexpected status: 400 Bad Request", 400),
        ("denied: 403 is my number", 0),
    ],
)
def test_a_status_is_read_where_it_stands(text: str, status: int) -> None:
    assert read(text).status == status


@pytest.mark.parametrize(
    ("status", "words", "kind"),
    [
        (400, "MANIFEST_INVALID: manifest invalid", Kind.REJECTED),
        (400, "NAME_INVALID: invalid repository name", Kind.BAD_NAME),
        (401, "DENIED: requested access to the resource is denied", Kind.NO_LOGIN),
        (403, "", Kind.DENIED),
        (403, "DENIED: Quota exceeded when processing the request", Kind.FULL),
        (403, "MANIFEST_INVALID: manifest invalid", Kind.REJECTED),
        (404, "NAME_UNKNOWN: repository name not known to registry", Kind.NO_REPOSITORY),
        (405, "", Kind.READ_ONLY),
        (412, "PRECONDITION: due to 'a/b:c' configured as immutable.", Kind.IMMUTABLE),
        (415, "", Kind.REJECTED),
        (429, "", Kind.LIMITED),
        (500, "UNKNOWN: unknown error", None),
        (503, "", None),
    ],
)
def test_an_answer_is_read_by_its_words_before_its_status(
    status: int, words: str, kind: Kind | None
) -> None:
    assert Refusal(status=status, words=words).kind is kind


@pytest.mark.parametrize(
    ("ref", "kind", "expected"),
    [
        pytest.param(
            f"{ECR}/app:cache-main",
            Kind.IMMUTABLE,
            "Amazon ECR does not let this tag be overwritten: set cache-repository to a separate "
            "repository with mutable tags, or exclude tags that begin with cache-tag-prefix by "
            "IMMUTABLE_WITH_EXCLUSION",
            id="an immutable tag at ECR",
        ),
        pytest.param(
            "r.io/app:cache-main",
            Kind.IMMUTABLE,
            "r.io does not let this tag be overwritten: set cache-repository to a separate "
            "repository with mutable tags",
            id="an immutable tag at a registry that is not known",
        ),
        pytest.param(
            f"{ECR}/team/cache:x",
            Kind.NO_REPOSITORY,
            "the repository does not exist at Amazon ECR: create it (aws ecr create-repository "
            "--repository-name team/cache), or a creation template that creates it at the first "
            "push, or set cache-repository to one that exists",
            id="no repository at ECR",
        ),
        pytest.param(
            "r.io/app:x",
            Kind.NO_REPOSITORY,
            "the repository does not exist at r.io: set cache-repository to one that exists",
            id="no repository elsewhere",
        ),
        pytest.param(
            f"{ECR}/app:x",
            Kind.DENIED,
            "Amazon ECR requires ecr:GetAuthorizationToken, BatchGetImage, "
            "GetDownloadUrlForLayer, BatchCheckLayerAvailability, InitiateLayerUpload, "
            "UploadLayerPart, CompleteLayerUpload and PutImage for a cache: grant the login that, "
            "or set cache-repository to one that the login may write",
            id="a login without rights at ECR",
        ),
        pytest.param(
            "ghcr.io/me/app:x",
            Kind.DENIED,
            "GHCR requires permissions: packages: write in the job, and access to a package that "
            "another repository created (Package settings, Manage Actions access: Write) for a "
            "cache, and says the same if the repository does not exist (OWNER/IMAGE): grant the "
            "login that, or set cache-repository to one that the login may write",
            id="a job without packages: write",
        ),
        pytest.param(
            f"{GAR}/project/repository/app:x",
            Kind.DENIED,
            "Google Artifact Registry requires roles/artifactregistry.writer for a cache, and "
            "says the same if the repository does not exist (PROJECT/REPOSITORY/IMAGE): grant the "
            "login that, or create it (gcloud artifacts repositories create "
            "--repository-format=docker), or set cache-repository to one that the login may write",
            id="a login without rights, or nothing there, at Google",
        ),
        pytest.param(
            "me/app/cache:x",
            Kind.DENIED,
            "Docker Hub takes NAMESPACE/REPOSITORY: set cache-repository to such a repository",
            id="three names at Docker Hub",
        ),
        pytest.param(
            f"{GAR}/project/cache:x",
            Kind.BAD_NAME,
            "Google Artifact Registry takes PROJECT/REPOSITORY/IMAGE: set cache-repository to such "
            "a repository",
            id="no image at Google",
        ),
        pytest.param(
            "registry.gitlab.com/group/project:x",
            Kind.NO_LOGIN,
            "set username and password to a login that may write it: for GitLab CI_REGISTRY_USER "
            "and CI_REGISTRY_PASSWORD, which are the default in a job, or a deploy token, with "
            "the role Developer in the project, or for a deploy token read_registry and "
            "write_registry",
            id="no login at GitLab",
        ),
        pytest.param(
            "r.io/app:x",
            Kind.NO_LOGIN,
            "set username and password to a login that may write it: for r.io a user name and a "
            "password, with the right to pull and push",
            id="no login elsewhere",
        ),
        pytest.param(
            "harbor.acme.dev/team/app:x",
            Kind.REJECTED,
            "Harbor does not accept this as a cache (accepted: only image manifests): set "
            "cache-backend to inline, which keeps the cache in an image, or cache-repository to "
            "another registry",
            id="a manifest that Harbor does not take",
        ),
        pytest.param(
            "quay.io/team/app:x",
            Kind.READ_ONLY,
            "Quay accepts no writes there because it is read-only or a mirror: set "
            "cache-repository to a writable repository",
            id="Quay under maintenance",
        ),
        pytest.param(
            "me/app:x",
            Kind.LIMITED,
            "Docker Hub limits the number of requests (100 pulls in 6 hours without a login and "
            "200 with a personal one): give a login by username and password, or set "
            "cache-repository to another registry",
            id="too many pulls",
        ),
        pytest.param(
            "acme.jfrog.io/docker/app:x",
            Kind.FULL,
            "Artifactory has no space left for it: raise its quota, or set cache-mode to min",
            id="a quota",
        ),
    ],
)
def test_advice_names_the_registry_and_the_input(ref: str, kind: Kind, expected: str) -> None:
    reference = refs.parse(ref)
    refused = Refusal(words=WORDS[kind])
    found = advice(vendors.detect(reference.host), reference, refused, writing=True)
    assert found == expected


def test_advice_on_reading_differs_from_advice_on_writing() -> None:
    def reading(kind: Kind) -> str:
        ref, refused = refs.parse("ghcr.io/me/app:x"), Refusal(words=WORDS[kind])
        return advice(vendors.detect("ghcr.io"), ref, refused, writing=False)

    elsewhere = "GHCR cannot serve it: set cache-repository to another repository"
    assert reading(Kind.REJECTED) == reading(Kind.READ_ONLY) == elsewhere
    assert reading(Kind.DENIED).endswith("set cache-repository to one that the login may read")


@pytest.mark.parametrize("writing", [True, False], ids=["writing", "reading"])
@pytest.mark.parametrize("vendor", vendors.VENDORS, ids=lambda vendor: vendor.name)
@pytest.mark.parametrize("kind", Kind)
def test_every_advice_names_its_registry_and_an_existing_input(
    kind: Kind,
    vendor: Vendor,
    writing: bool,  # noqa: FBT001
) -> None:
    ref = refs.parse("r.io/a/b/c:x")
    found = advice(vendor, ref, Refusal(words=WORDS[kind]), writing=writing)
    assert (vendor.name if vendor.hosts else "r.io") in found
    assert any(row.name in found for row in TABLE)
    assert "{" not in found
    assert not found.endswith(".")


def test_a_transient_error_has_no_advice() -> None:
    ref, refused = refs.parse("ghcr.io/me/app:x"), Refusal(status=502)
    assert advice(vendors.detect("ghcr.io"), ref, refused, writing=True) == ""
    said = explained("it broke.", vendors.detect("ghcr.io"), ref, refused, writing=True)
    assert said == "it broke."


def test_an_advice_follows_what_was_said() -> None:
    ref, refused = refs.parse("r.io/a:x"), read("unknown: it is immutable.")
    said = explained(refused.words, vendors.detect("r.io"), ref, refused, writing=True)
    assert said.startswith("unknown: it is immutable; r.io does not let this tag be overwritten: ")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("it  is\r\ndenied ", "it is denied"),
        ("\x1b[2J\u202e\0a\ud800b\u2028::c", "[2J a b ::c"),
        ("x" * 200_000, "x" * 300),
        ("\n" * 200_000 + "x", ""),
        ("", ""),
    ],
)
def test_what_a_server_says_is_cut_to_a_part_of_a_line(said: str, expected: str) -> None:
    assert excerpt(said) == expected


@given(st.text())
def test_an_excerpt_is_a_part_of_a_line(said: str) -> None:
    found = excerpt(said)
    assert found.isprintable()
    assert found == found.strip()
    assert excerpt(found) == found


@given(st.text() | st.text("'\"/: manifestsblobs404", max_size=60))
def test_every_text_is_a_refusal(words: str) -> None:
    found = read(words)
    assert found.status == 0 or 100 <= found.status < 600
    assert found.kind in {None, *Kind}


@pytest.mark.parametrize(
    "word", ["a", "/", "'", "'a", '"a', "a/manifests/", "repository ", "manifest", "artifact "]
)
def test_a_long_refusal_is_read_in_linear_time(word: str) -> None:
    check_linear(lambda words: read(words).kind, lambda count: word * count, 1000)


def test_a_long_line_of_buildkit_is_read_in_linear_time() -> None:
    check_linear(read, lambda count: "unexpected status from " * count, 300)
