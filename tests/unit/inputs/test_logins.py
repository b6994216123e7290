"""Logins as docker/login-action's inputs name them, and which one is used for what."""

from __future__ import annotations

import base64
import json

import pytest

from warmbuild.errors import InputError
from warmbuild.inputs import logins, parsing
from warmbuild.inputs.logins import Login
from warmbuild.registry import scopes
from warmbuild.vendors import ecr

ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
KNOWN = {"image": "r.io/group/app", "registry": "r.io", "username": "job", "password": "token"}
JOBS = ("r.io", "job", "token")


def short(found: tuple[Login, ...]) -> list[tuple[str, str, str]]:
    return [(login.host, login.username, login.password) for login in found]


def problems(given: dict[str, str], known: dict[str, str] | None = None) -> list[tuple[str, str]]:
    with pytest.raises(InputError) as raised:
        parsing.parse({"image": "app"} | given, known or {})
    assert "hunter2" not in str(raised.value)
    return [(problem.name, problem.text) for problem in raised.value.problems]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({}, [JOBS], id="the CI system's own"),
        pytest.param({"registry": "r.io"}, [JOBS], id="the same registry"),
        pytest.param({"registry": "x.io"}, [JOBS], id="another registry and no login for it"),
        pytest.param({"username": "me", "password": "mine"}, [("r.io", "me", "mine")], id="one's"),
        pytest.param(
            {"registry": "https://x.io/v2/", "username": "me", "password": "mine"},
            [("x.io", "me", "mine"), JOBS],
            id="one's own elsewhere",
        ),
        pytest.param(
            {"registry-auth": "- {username: me, password: mine}"},
            [("docker.io", "me", "mine"), JOBS],
            id="a list, of which Docker Hub is the default",
        ),
        pytest.param(
            {"registry-auth": "- {registry: R.io, username: me, password: mine}"},
            [("r.io", "me", "mine")],
            id="a list that has the CI system's registry",
        ),
        pytest.param(
            {"registry-auth": "- {registry: r.io, username: me, password: mine, scope: '@push'}"},
            [("r.io", "me", "mine"), JOBS],
            id="a list that has a part of it",
        ),
    ],
)
def test_the_ci_systems_login_is_taken_whole_and_for_its_own_registry(
    given: dict[str, str], expected: list[tuple[str, str, str]]
) -> None:
    assert short(parsing.parse(given, KNOWN).logins) == expected


@pytest.mark.parametrize(
    ("image", "registry", "host"),
    [
        pytest.param("ghcr.io/me/app", "", "ghcr.io", id="the first image's"),
        pytest.param("me/app", "", "docker.io", id="Docker Hub's short names"),
        pytest.param("ghcr.io/me/app", "docker.io", "docker.io", id="what is given"),
        pytest.param("me/app", "index.docker.io", "docker.io", id="Docker Hub, of old"),
        pytest.param("me/app", "https://index.docker.io/v1/", "docker.io", id="and by address"),
        pytest.param("me/app", "registry-1.docker.io", "docker.io", id="and its API"),
        pytest.param("me/app", "HTTP://GHCR.io/", "ghcr.io", id="case, scheme and slash"),
        pytest.param("me/app", " localhost:5000 ", "localhost:5000", id="a port"),
    ],
)
def test_a_registry_has_one_name(image: str, registry: str, host: str) -> None:
    given = {"image": image, "registry": registry, "username": "me", "password": " spaced "}
    assert short(parsing.parse(given, {}).logins) == [(host, "me", " spaced ")]


def test_a_login_without_an_image_is_for_docker_hub() -> None:
    found = parsing.parse({"push": "false", "username": "me", "password": "x"}, {}).logins
    assert short(found) == [("docker.io", "me", "x")]


MISSING_AT_ECR = (
    "is missing: a login needs a user name and a password; Amazon ECR takes AWS and what aws ecr "
    "get-login-password prints."
)
ONE_OR_THE_OTHER = (
    "conflicts with registry, username, password, scope and ecr; use one or the other."
)
NO_SUCH_KEY = "item 1 has an unknown key; use registry, username, password, scope and ecr."
KEY = json.dumps({"type": "service_account"}, indent=2)
KEY_64 = base64.b64encode(KEY.encode()).decode()
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJqdGkiOiJ4In0.c2ln"


@pytest.mark.parametrize(
    ("registry", "password", "username"),
    [
        ("ghcr.io", "ghp_x", "token"),
        ("containers.acme.ghe.com", "ghs_x", "token"),
        ("europe-docker.pkg.dev", "ya29.x", "oauth2accesstoken"),
        ("europe-docker.pkg.dev", KEY, "_json_key"),
        ("europe-docker.pkg.dev", KEY_64, "_json_key_base64"),
        ("europe-docker.pkg.dev", base64.b64encode(b'{"type":"x"}').decode(), "_json_key_base64"),
        ("europe-docker.pkg.dev", JWT, "oauth2accesstoken"),
        ("eu.gcr.io", KEY, "_json_key"),
        ("registry.gitlab.com", "glcbt-64_x", "gitlab-ci-token"),
        ("acme.azurecr.io", JWT, "00000000-0000-0000-0000-000000000000"),
        (ECR, "a token", "AWS"),
        ("public.ecr.aws", "a token", "AWS"),
    ],
)
def test_a_user_name_that_a_registrys_tokens_go_with(
    registry: str, password: str, username: str
) -> None:
    given = {"image": "app", "registry": registry, "password": password}
    (found,) = parsing.parse(given, {}).logins
    assert found == Login(
        host=registry, username=username, password=password, is_assumed=True, is_ecr=False
    )


def test_the_user_name_at_ghcr_is_the_actor_where_there_is_one() -> None:
    known = {"registry": "ghcr.io", "username": "octocat", "password": "job"}
    given = {"image": "ghcr.io/me/app", "password": "ghp_x"}
    assert short(parsing.parse(given, known).logins) == [("ghcr.io", "octocat", "ghp_x")]


@pytest.mark.parametrize(
    ("registry", "password", "text"),
    [
        ("docker.io", "dckr_pat_hunter2", "; Docker Hub takes a user name and an access token"),
        (
            "registry.gitlab.com",
            "gldt-hunter2",
            (
                "; GitLab takes CI_REGISTRY_USER and CI_REGISTRY_PASSWORD, which are the default "
                "in a job, or a deploy token"
            ),
        ),
        (
            "acme.azurecr.io",
            "hunter2",
            "; Azure Container Registry takes a service principal's ID and password, or a token's",
        ),
        ("quay.io", "hunter2", "; Quay takes a robot account, NAMESPACE+ROBOT, and its token"),
        ("r.io", "hunter2", ""),
    ],
)
def test_a_user_name_that_only_its_owner_knows(registry: str, password: str, text: str) -> None:
    (problem,) = problems({"registry": registry, "password": password})
    said = f"is missing: a login needs a user name and a password{text}."
    assert problem == ("username", said)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({"registry": ECR}, ("", "", True), id="AWS's own ways"),
        pytest.param(
            {"registry": ECR, "username": "AKIA", "password": "s"}, ("AKIA", "s", True), id="keys"
        ),
        pytest.param(
            {"registry": ECR, "username": "AWS", "password": "t"}, ("AWS", "t", False), id="a token"
        ),
        pytest.param(
            {"registry": ECR, "username": "me", "password": "p", "ecr": "false"},
            ("me", "p", False),
            id="not Amazon's after all",
        ),
        pytest.param({"registry": "public.ecr.aws"}, ("", "", True), id="the public one"),
        pytest.param({"registry": "r.io", "ecr": "true"}, ("", "", True), id="by another name"),
        pytest.param({"image": f"{ECR}/app", "ecr": "true"}, ("", "", True), id="the image's"),
    ],
)
def test_what_is_aws(given: dict[str, str], expected: tuple[str, str, bool]) -> None:
    (found,) = parsing.parse({"image": "app"} | given, {}).logins
    assert (found.username, found.password, found.is_ecr) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({"ecr": "yes"}, [("ecr", "'yes' is not accepted; use auto, true or false.")]),
        pytest.param(
            {"registry": ECR, "ecr": "true", "password": "hunter2"},
            [
                (
                    "username",
                    MISSING_AT_ECR,
                )
            ],
        ),
        pytest.param(
            {"registry": ECR, "username": "AKIA"},
            [
                (
                    "password",
                    MISSING_AT_ECR,
                )
            ],
        ),
        pytest.param({"scope": "@push"}, [("scope", "needs a login: set username and password.")]),
        pytest.param(
            {"username": "me", "password": "hunter2", "scope": "a@b@c"},
            [("scope", "is not accepted; use PATH, PATH@push or @push.")],
        ),
        pytest.param(
            {"logout": "maybe"}, [("logout", "'maybe' is not accepted; use true or false.")]
        ),
        pytest.param(
            {"registry-auth": "- {username: a, password: b}", "username": "c", "password": "d"},
            [("registry-auth", ONE_OR_THE_OTHER)],
        ),
        pytest.param(
            {"registry-auth": "- {username: a, password: b}", "ecr": "true"},
            [("registry-auth", ONE_OR_THE_OTHER)],
        ),
    ],
)
def test_a_login_that_is_wrong(given: dict[str, str], expected: list[tuple[str, str]]) -> None:
    assert problems(given) == expected


class TestRegistryAuth:
    """The list, as docker/login-action reads it."""

    def test_all_there_is(self) -> None:
        text = """
        # Comments and anchors are YAML's.
        - registry: ghcr.io
          username: &me octocat
          password: 0123
        - username: *me
          password: "no: yes"
          ecr: false
        - registry: 123456789012.dkr.ecr.eu-west-1.amazonaws.com
        - registry: r.io
          username: on
          password: |
            two
            lines
          scope: me/app@push
          ecr: ~
        """
        assert parsing.parse({"image": "app", "registry-auth": text}, {}).logins == (
            Login(host="ghcr.io", username="octocat", password="0123"),
            Login(host="docker.io", username="octocat", password="no: yes"),
            Login(host=ECR, username="", password="", is_ecr=True),
            Login(host="r.io", username="on", password="two\nlines\n", scope="me/app@push"),
        )

    def test_keys_that_are_merged(self) -> None:
        text = "- &a {registry: a.io, username: me, password: x}\n- {<<: *a, registry: b.io}"
        found = parsing.parse({"image": "app", "registry-auth": text}, {}).logins
        assert short(found) == [("a.io", "me", "x"), ("b.io", "me", "x")]

    def test_a_login_may_be_for_parts(self) -> None:
        text = json.dumps(
            [
                {"registry": "r.io", "username": "a", "password": "x"},
                {"registry": "r.io", "username": "b", "password": "x", "scope": "@push"},
                {"registry": "r.io", "username": "c", "password": "x", "scope": "me/app"},
            ]
        )
        found = parsing.parse({"image": "app", "registry-auth": text}, {}).logins
        assert [login.scope for login in found] == ["", "@push", "me/app"]

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("- password: 'hunter2", ["is not YAML, at line 1, column 21."]),
            ("- password: *hunter2", ["is not YAML, at line 1, column 13."]),
            ("- password: %hunter2", ["is not YAML, at line 1, column 13."]),
            ("- a: b\n hunter2: c", ["is not YAML, at line 2, column 2."]),
            ("- hunter2\n---\n- b", ["is not YAML, at line 2, column 1."]),
            ("hunter2\0", ["is not YAML."]),
            ("[" * 5000 + "hunter2", ["is nested too deeply."]),
            (
                "hunter2",
                ["is not a list; write each login as an item, such as - registry: ghcr.io"],
            ),
            (
                "hunter2: a",
                ["is not a list; write each login as an item, such as - registry: ghcr.io"],
            ),
            (
                "# hunter2",
                ["is not a list; write each login as an item, such as - registry: ghcr.io"],
            ),
            (
                "- hunter2",
                [
                    "item 1 is not a login; use registry, username, password, scope and ecr.",
                    "item 1 has neither username nor password.",
                ],
            ),
            (
                "- {registry: a.io, passwd: hunter2, username: me, password: x}",
                [NO_SUCH_KEY],
            ),
            (
                "- {registry: a.io, username: me, password: [hunter2]}",
                [
                    "item 1: password is not a text.",
                    "item 1: password is missing: a login needs a user name and a password.",
                ],
            ),
            (
                "- {registry: a.io, username: me, password: !!python/name:hunter2 x}",
                [
                    "item 1: password is not a text.",
                    "item 1: password is missing: a login needs a user name and a password.",
                ],
            ),
            (
                "- {registry: a.io, username: me, password: hunter2, password: hunter2}",
                ["item 1 has password more than once."],
            ),
            (
                "- {registry: hunter2 x, username: me, password: x}",
                ["item 1: registry is not a registry's host, such as ghcr.io."],
            ),
            (
                "- {username: a, password: x}\n- {registry: b.io, username: hunter2}",
                ["item 2: password is missing: a login needs a user name and a password."],
            ),
            (
                "- {registry: b.io, password: hunter2}",
                ["item 1: username is missing: a login needs a user name and a password."],
            ),
            ("- {registry: b.io}", ["item 1 has neither username nor password."]),
            (
                "- {username: a, password: x, ecr: hunter2}",
                ["item 1: ecr is not accepted; use auto, true or false."],
            ),
            (
                "- {username: a, password: x, scope: ../hunter2}",
                ["item 1: scope is not accepted; use PATH, PATH@push or @push."],
            ),
        ],
    )
    def test_what_is_wrong_is_named_by_its_place_alone(
        self, text: str, expected: list[str]
    ) -> None:
        found = problems({"registry-auth": text})
        assert found == [("registry-auth", said) for said in expected]

    def test_the_last_login_for_a_place_is_used(self) -> None:
        text = (
            "- {username: a, password: x}\n- {registry: b.io, username: b, password: x}\n"
            "- {registry: index.docker.io, username: c, password: x}"
        )
        found = parsing.parse({"image": "app", "registry-auth": text}, {})
        assert [login.username for login in found.logins] == ["c", "b"]
        assert found.warnings == (
            "registry-auth has several logins for docker.io, and the last one is used",
        )

    def test_an_item_that_is_part_of_itself(self) -> None:
        assert problems({"registry-auth": "- &a\n  <<: *a"}) == [
            ("registry-auth", "item 1 has neither username nor password.")
        ]

    def test_its_passwords_are_hidden(self) -> None:
        text = json.dumps([{"username": "me", "password": "hunter2"}, {"registry": ECR}])
        found = parsing.parse({"image": "app", "registry-auth": text}, {})
        assert found.secret_values == ("hunter2",)
        assert "hunter2" not in repr(found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("me/app", True),
        ("me/app@push", True),
        ("me/app@pull,push", True),
        ("@push", True),
        ("app", True),
        ("", False),
        ("@", False),
        ("me/app@", False),
        ("me/app@Push", False),
        ("me/app@push,", False),
        ("a@b@c", False),
        ("../../x", False),
        ("/etc", False),
        ("me//app", False),
        ("Me/app", False),
    ],
)
def test_scopes(text: str, expected: bool) -> None:  # noqa: FBT001 (a table)
    assert logins.is_scope(text) is expected


@pytest.mark.parametrize(
    ("given", "asked", "expected"),
    [
        pytest.param(["me/app"], "repository:me/app:pull", "me/app", id="a path"),
        pytest.param(["me/app"], "repository:me/app2:pull", "", id="another path"),
        pytest.param(["me"], "repository:me/app:pull", "", id="a path is no prefix"),
        pytest.param(["me/app@push"], "repository:me/app:pull,push", "me/app@push", id="to push"),
        pytest.param(["me/app@push"], "repository:me/app:pull", "", id="not to pull"),
        pytest.param(["@push"], "repository:a:pull,push", "@push", id="to push anything"),
        pytest.param(["@push"], "repository:a:pull", "", id="not to pull anything"),
        pytest.param(["@push", "a"], "repository:a:pull,push", "a", id="a path before none"),
        pytest.param(["a", "a@push"], "repository:a:pull,push", "a@push", id="more before fewer"),
        pytest.param(
            ["a@push", "a@push,pull"], "repository:a:pull,push", "a@push,pull", id="most of all"
        ),
        pytest.param(["a"], "", "", id="no token"),
        pytest.param(["a"], "repository:a:pull repository:b:pull", "", id="several at once"),
        pytest.param([""], "repository:a:pull", "", id="a login for all"),
        pytest.param(["a"], "repository:a:", "a", id="no actions"),
    ],
)
def test_the_scope_that_fits_as_buildx_has_it(given: list[str], asked: str, expected: str) -> None:
    assert scopes.nearest_scope(given, asked) == expected
    assert scopes.nearest_scope(reversed(given), asked) == expected


@pytest.mark.parametrize(
    ("host", "scope", "directory"),
    [
        ("ghcr.io", "me/app", "ghcr.io/me/app"),
        ("ghcr.io", "me/app@pull,push", "ghcr.io/me/app@pull,push"),
        ("127.0.0.1:5001", "@push", "127.0.0.1:5001@push"),
        ("docker.io", "me/app@push", "registry-1.docker.io/me/app@push"),
    ],
)
def test_where_buildx_looks_for_a_scope(host: str, scope: str, directory: str) -> None:
    assert scopes.directory(host, scope) == directory
    assert scopes.of_directory(directory) == (host, scope)


@pytest.mark.parametrize(
    ("scope", "asked"),
    [
        ("", ""),
        ("@push", ""),
        ("me/app", "repository:me/app:pull"),
        ("me/app@pull,push", "repository:me/app:pull,push"),
    ],
)
def test_what_a_scoped_login_may_ask_for(scope: str, asked: str) -> None:
    assert scopes.token_scope(scope) == asked


def place(region: str, *, fips: bool = False, dual: bool = False) -> ecr.Place:
    return ecr.Place(account="123456789012", region=region, is_fips=fips, is_dual_stack=dual)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("dkr.ecr.eu-west-1.amazonaws.com", place("eu-west-1")),
        ("dkr.ecr.us-gov-west-1.amazonaws.com", place("us-gov-west-1")),
        ("dkr.ecr-fips.us-gov-west-1.amazonaws.com", place("us-gov-west-1", fips=True)),
        ("dkr.ecr-fips.us-east-1.amazonaws.com", place("us-east-1", fips=True)),
        ("dkr.ecr.cn-north-1.amazonaws.com.cn", place("cn-north-1")),
        ("dkr.ecr.cn-northwest-1.amazonaws.com.cn", place("cn-northwest-1")),
        ("dkr-ecr.eu-west-1.on.aws", place("eu-west-1", dual=True)),
        ("dkr-ecr-fips.us-east-2.on.aws", place("us-east-2", fips=True, dual=True)),
        (
            "dkr-ecr.cn-north-1.on.amazonwebservices.com.cn",
            place("cn-north-1", dual=True),
        ),
        ("dkr.ecr.eusc-de-east-1.amazonaws.eu", place("eusc-de-east-1")),
        ("dkr.ecr.us-iso-east-1.c2s.ic.gov", place("us-iso-east-1")),
        ("dkr.ecr.us-isob-east-1.sc2s.sgov.gov", place("us-isob-east-1")),
        ("dkr.ecr.eu-west-1.amazonaws.com.evil.io", None),
        ("dkr.ecr.eu-west-1.example.com", None),
        ("dkr.ecr.amazonaws.com", None),
    ],
)
def test_where_a_registry_of_amazon_is(host: str, expected: ecr.Place | None) -> None:
    assert ecr.place(f"123456789012.{host}") == expected


@pytest.mark.parametrize("host", ["public.ecr.aws", "ghcr.io", "1234.dkr.ecr.x.amazonaws.com"])
def test_what_is_no_private_registry_of_amazon(host: str) -> None:
    assert ecr.place(host) is None
