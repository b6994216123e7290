from __future__ import annotations

import pytest

from tests.unit.lint.checked import check, lines


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NPM_TOKEN", "hunter2"),
        ("DB_PASSWORD", "correct horse"),
        ("github_token", "abcdef"),
        ("personalAccessToken", "abcdef"),
        ("TOKEN", "abcdef"),
        ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG"),
        ("API_KEY", "0a1b2c3d4e"),
        ("RAILS_MASTER_KEY", "0a1b2c3d4e"),
        ("SECRET_KEY_BASE", "0a1b2c3d4e"),
        ("MYSQL_PWD", "0a1b2c3d4e"),
        ("GH_PAT", "0a1b2c3d4e"),
        ("COMPOSER_AUTH", '{"github-oauth": {"github.com": "x"}}'),
        ("X", "ghp_" + "a1" * 18),
        ("X", "glpat-" + "a1" * 10),
        ("X", "-----BEGIN OPENSSH PRIVATE KEY-----\nabc"),
        ("X", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NSJ9.c2lnbmF0dXJl"),
        ("PIP_INDEX_URL", "https://me:s3cr3t-enough@pypi.corp/simple"),
    ],
)
def test_a_name_or_a_value_that_is_a_secrets(name: str, value: str) -> None:
    arguments = f'"{name}={value.replace(chr(34), chr(34) * 2)}"'
    (found,) = check(f"FROM a\nARG {name}\nRUN x", {"build-args": arguments})
    assert (found.rule, found.line, found.severity) == ("secret-build-arg", 2, "critical")
    assert f"build argument {name} looks like a secret" in found.text
    assert value not in found.text
    assert value not in found.about


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NPM_TOKEN", ""),
        ("PASSWORD_FILE", "abcdef"),
        ("KMS_KEY_ALIAS", "abcdef"),
        ("AWS_ACCESS_KEY_ID", "AKIAABCDEFGH"),
        ("AUTH_MODE", "oidc-strict"),
        ("SSH_PUBLIC_KEY", "ssh-ed25519 AAAAC3Nz"),
        ("CACHE_KEY", "0a1b2c3d4e"),
        ("SORT_KEY", "created_at"),
        ("PWD", "workspace"),
        ("BYPASS", "abcdef"),
        ("USE_TOKEN", "true"),
        ("TOKEN", "0"),
        ("DB_PASSWORD", "changeme"),
        ("DB_PASSWORD", "password"),
        ("SECRET_KEY_BASE", "dummy-for-assets"),
        ("SECRET_KEY_BASE_DUMMY", "1"),
        ("NPM_TOKEN", "/run/secrets/npm"),
        ("NPM_TOKEN", "$NPM_TOKEN"),
        ("NEXT_PUBLIC_MAPBOX_TOKEN", "pk.abcdef"),
        ("VITE_API_KEY", "abcdef"),
        ("STRIPE_PUBLISHABLE_KEY", "pk_live_abcdef"),
        ("DATABASE_URL", "postgres://postgres:postgres@localhost:5432/app"),
        ("DATABASE_URL", "postgres://app:s3cr3t-enough@localhost/app"),
        ("PIP_INDEX_URL", "https://pypi.corp/simple"),
        ("PIP_INDEX_URL", "https://me:${TOKEN}@pypi.corp/simple"),
        ("VERSION", "1.2.3"),
    ],
)
def test_a_name_that_only_looks_so(name: str, value: str) -> None:
    assert check(f"FROM a\nARG {name}\nRUN x", {"build-args": f"{name}={value}"}) == ()


def test_a_value_that_is_a_build_secret_too() -> None:
    given = {"build-args": "LABEL=hunter22", "secrets": "ID=hunter22"}
    assert lines("secret-build-arg", check("FROM a\nARG LABEL", given)) == [2]


def test_a_value_that_comes_from_the_environment() -> None:
    text, given = "FROM a\nARG NPM_TOKEN", {"build-args": "NPM_TOKEN"}
    assert check(text, given) == ()
    assert lines("secret-build-arg", check(text, given, env={"NPM_TOKEN": "hunter2"})) == [2]


def test_a_default_in_the_dockerfile() -> None:
    assert lines("secret-build-arg", check("FROM a\nARG DB_PASSWORD=hunter2")) == [2]
    assert check("FROM a\nARG DB_PASSWORD=changeme") == ()
    assert check("FROM a\nARG DB_PASSWORD") == ()


@pytest.mark.parametrize(
    ("text", "provenance", "where"),
    [
        ("FROM a\nARG NPM_TOKEN", "", "is in the image's history."),
        ("FROM a AS b\nARG NPM_TOKEN\nFROM b", "", "is in the image's history."),
        ("FROM a\nARG NPM_TOKEN", "true", "is in the image's history and in its provenance."),
        (
            "FROM a AS b\nARG NPM_TOKEN\nFROM c\nCOPY --from=b /x /x",
            "",
            "is in the cache if a step writes it to a file.",
        ),
        (
            "FROM a AS b\nARG NPM_TOKEN\nFROM c\nARG NPM_TOKEN\nCOPY --from=b /x /x",
            "mode=min",
            "is in the image's history.",
        ),
        ("FROM a", "mode=max", "is in its provenance."),
        ("ARG NPM_TOKEN\nFROM a", "builder-id=x", "is in its provenance."),
    ],
)
def test_where_it_can_be_read_is_said(text: str, provenance: str, where: str) -> None:
    given = {"build-args": "NPM_TOKEN=hunter2", "provenance": provenance}
    (found,) = check(text, given)
    assert f"its value {where}" in found.text


@pytest.mark.parametrize(
    ("text", "provenance"),
    [
        ("FROM a", ""),
        ("FROM a", "mode=min"),
        ("FROM a", "false"),
        ("ARG NPM_TOKEN\nFROM a", ""),
        ("FROM a AS unneeded\nARG NPM_TOKEN\nFROM b", ""),
    ],
)
def test_a_value_that_goes_nowhere(text: str, provenance: str) -> None:
    assert check(text, {"build-args": "NPM_TOKEN=hunter2", "provenance": provenance}) == ()
