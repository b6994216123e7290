from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warmbuild.ci import github, gitlab, local
from warmbuild.errors import InputError
from warmbuild.finding import Finding
from warmbuild.inputs import parsing, table
from warmbuild.lint import rules
from warmbuild.lint.sources import OddModes, Sources
from warmbuild.log import Log
from warmbuild.run_context import RunContext

if TYPE_CHECKING:
    from pathlib import Path

    from warmbuild.ci.base import Provider

COMMIT = "5f0c3a1e9b7d42d8a6c1f4e2b3d59780c6e1a2f4"
MAIN = RunContext(ci="github", branch="main", default_branch="main", commit=COMMIT)
GIT = frozenset({".git", "Dockerfile"})


def check(
    text: str,
    given: dict[str, str] | None = None,
    sources: Sources | None = None,
    context: RunContext = MAIN,
    env: dict[str, str] | None = None,
) -> tuple[Finding, ...]:
    asked = parsing.parse({"image": "r.io/a", **(given or {})}, {})
    found = replace(sources or Sources(), file="Dockerfile", text=text)
    return rules.check(asked, context, found, env or {})


def lines(rule: str, found: tuple[Finding, ...]) -> list[int]:
    return [finding.line for finding in found if finding.rule == rule]


def test_the_rules_are_those_that_an_input_may_name() -> None:
    assert tuple(rule.name for rule in rules.RULES) == table.LINT_RULES


def test_a_rule_that_there_is_not_is_a_wrong_input() -> None:
    with pytest.raises(InputError) as raised:
        parsing.parse({"image": "a", "lint-ignore": "early-arg, early-copies"}, {})
    assert str(raised.value) == (
        "one input is not usable, so nothing was started:\n"
        "  lint-ignore: 'early-copies' is no rule's name. Did you mean 'early-copy'?"
    )


class TestSecretBuildArg:
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
    def test_a_name_or_a_value_that_is_a_secrets(self, name: str, value: str) -> None:
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
    def test_a_name_that_only_looks_so(self, name: str, value: str) -> None:
        assert check(f"FROM a\nARG {name}\nRUN x", {"build-args": f"{name}={value}"}) == ()

    def test_a_value_that_is_a_build_secret_too(self) -> None:
        given = {"build-args": "LABEL=hunter22", "secrets": "ID=hunter22"}
        assert lines("secret-build-arg", check("FROM a\nARG LABEL", given)) == [2]

    def test_a_value_that_comes_from_the_environment(self) -> None:
        text, given = "FROM a\nARG NPM_TOKEN", {"build-args": "NPM_TOKEN"}
        assert check(text, given) == ()
        assert lines("secret-build-arg", check(text, given, env={"NPM_TOKEN": "hunter2"})) == [2]

    def test_a_default_in_the_dockerfile(self) -> None:
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
                "is in the cache where a step writes it.",
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
    def test_where_it_can_be_read_is_said(self, text: str, provenance: str, where: str) -> None:
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
    def test_a_value_that_goes_nowhere(self, text: str, provenance: str) -> None:
        assert check(text, {"build-args": "NPM_TOKEN=hunter2", "provenance": provenance}) == ()


class TestEarlyArg:
    @pytest.mark.parametrize(
        ("text", "found"),
        [
            pytest.param("FROM a\nARG GIT_COMMIT\nRUN npm ci", [2], id="above an install"),
            pytest.param("FROM a\nRUN npm ci\nARG GIT_COMMIT\nRUN make", [], id="below it"),
            pytest.param("FROM a\nARG GIT_COMMIT\nRUN make", [], id="above what may read it"),
            pytest.param(
                "FROM a\nARG GIT_COMMIT\nRUN pip install me==$GIT_COMMIT", [], id="read by it"
            ),
            pytest.param(
                "FROM a\nARG GIT_COMMIT\nRUN <<EOF\npip install me==${GIT_COMMIT}\nEOF",
                [],
                id="read by it in a heredoc",
            ),
            pytest.param(
                "FROM a\nARG GIT_COMMIT\nRUN echo $GIT_COMMIT >/v\nRUN apk add x", [2], id="between"
            ),
            pytest.param("ARG GIT_COMMIT\nFROM a\nRUN npm ci", [], id="above every stage"),
            pytest.param(
                "FROM a AS b\nARG GIT_COMMIT\nFROM a\nRUN npm ci\nCOPY --from=b / /",
                [],
                id="beside",
            ),
            pytest.param(
                "FROM a AS b\nARG GIT_COMMIT\nFROM b\nRUN npm ci", [2], id="in the stage's base"
            ),
            pytest.param(
                "FROM a AS b\nARG GIT_COMMIT\nRUN npm ci\nFROM c", [], id="in a stage not needed"
            ),
            pytest.param("FROM a\nARG VERSION\nRUN npm ci", [], id="of another name"),
            pytest.param("FROM a\nARG OPENSSL_COMMIT\nRUN npm ci", [], id="somebody else's"),
            pytest.param("FROM a\nARG GIT_COMMIT=none\nRUN npm ci", [], id="with a default"),
            pytest.param("FROM a\nARG A GIT_SHA B\nRUN npm ci", [2], id="among others"),
            pytest.param("FROM a\nARG BUILD_DATE\nRUN npm ci", [2], id="a date"),
            pytest.param("FROM a\nARG CI_PIPELINE_ID\nRUN npm ci", [2], id="a run"),
            pytest.param(
                "FROM a\nONBUILD ARG GIT_COMMIT\nRUN npm ci", [], id="of an image to come"
            ),
            pytest.param("FROM a\nARG GIT_COMMIT\nRUN echo npm ci", [], id="above words alone"),
        ],
    )
    def test_a_commit(self, text: str, found: list[int]) -> None:
        assert lines("early-arg", check(text)) == found

    @pytest.mark.parametrize(
        ("argument", "found"),
        [
            ("GIT_COMMIT=anything", [2]),
            (f"VERSION=1.0-{COMMIT[:7]}", [2]),
            (f"VERSION={COMMIT}", [2]),
            (f"VERSION=a{COMMIT}", []),
            ("VERSION=1.0", []),
        ],
    )
    def test_a_value_tells_more_than_a_name(self, argument: str, found: list[int]) -> None:
        name = argument.partition("=")[0]
        text = f"FROM a\nARG {name}=none\nRUN npm ci"
        assert lines("early-arg", check(text, {"build-args": argument})) == found

    def test_it_says_once_which_step_and_where(self) -> None:
        text = "FROM a\nARG GIT_COMMIT\nRUN npm ci\nRUN apk add x\nFROM 0"
        (found,) = check(text.replace("FROM a", "FROM a AS b").replace("FROM 0", "FROM b"))
        assert found.text.startswith("GIT_COMMIT is declared above npm ci (line 3), which does not")


class TestEarlyCopy:
    @pytest.mark.parametrize(
        ("text", "found"),
        [
            pytest.param("FROM a\nCOPY . .\nRUN npm ci", [2], id="above an install"),
            pytest.param("FROM a\nCOPY package.json .\nRUN npm ci\nCOPY . .", [], id="below it"),
            pytest.param("FROM a\nCOPY . .\nRUN npm run build", [], id="above a build"),
            pytest.param("FROM a\nCOPY . .\nRUN pip install .", [], id="above the project's own"),
            pytest.param("FROM a\nCOPY --from=b . .\nRUN npm ci", [], id="from a stage"),
            pytest.param("FROM a\nCOPY src .\nRUN npm ci", [], id="of a directory"),
            pytest.param("FROM a\nCOPY --exclude=src . .\nRUN npm ci", [], id="but for some"),
            pytest.param("FROM a\nCOPY --chown=x ./ /app\nRUN npm ci", [2], id="with a flag"),
            pytest.param('FROM a\nADD ["/", "/app"]\nRUN npm ci', [2], id="as JSON"),
            pytest.param("FROM a\nCOPY * .\nRUN npm ci", [2], id="by a star"),
            pytest.param("FROM a\nCOPY a ./* /app/\nRUN npm ci", [2], id="among others"),
            pytest.param("FROM a\nCOPY <<. .\nx\n.\nRUN npm ci", [], id="of a heredoc"),
            pytest.param("FROM a\nADD https://x.io/. .\nRUN npm ci", [], id="of a URL"),
            pytest.param("FROM a\nONBUILD COPY . .\nRUN npm ci", [], id="of an image to come"),
            pytest.param("FROM a AS b\nCOPY . .\nFROM b\nRUN npm ci", [2], id="in the base"),
            pytest.param(
                "FROM a AS b\nCOPY . .\nRUN make\nFROM a\nRUN npm ci\nCOPY --from=b / /",
                [],
                id="in another stage",
            ),
            pytest.param(
                "FROM a AS b\nCOPY . .\nRUN npm ci\nFROM c\nRUN x", [], id="in a stage not needed"
            ),
            pytest.param(
                "FROM a\nCOPY uv.lock .\nRUN uv sync --no-install-project\nCOPY . .\nRUN uv sync",
                [],
                id="between two of the same",
            ),
            pytest.param(
                "FROM a\nRUN pip install -U pip\nCOPY . .\nRUN pip install -r requirements.txt",
                [3],
                id="below its tool's own update",
            ),
            pytest.param(
                "FROM a\nCOPY r.txt .\nRUN pip install -r r.txt\nCOPY . .\nRUN pip install x",
                [4],
                id="above a package by name",
            ),
            pytest.param(
                "FROM a\nCOPY . .\nRUN apt-get install -y x", [2], id="above the system's"
            ),
        ],
    )
    def test_all_sources(self, text: str, found: list[int]) -> None:
        assert lines("early-copy", check(text)) == found

    @pytest.mark.parametrize(
        ("ignore", "found"), [("*\n!package.json", []), ("node_modules", [2]), (None, [2])]
    )
    def test_an_ignore_file_may_make_it_few_files(
        self, ignore: str | None, found: list[int]
    ) -> None:
        sources = Sources(ignore=ignore)
        text = "FROM a\nCOPY . .\nRUN npm ci"
        assert lines("early-copy", check(text, sources=sources)) == found


class TestDockerignore:
    @pytest.mark.parametrize(
        ("text", "ignore", "in_context", "found"),
        [
            pytest.param("FROM a\nCOPY . .", None, GIT, [2], id="no file"),
            pytest.param("FROM a\nCOPY . .", "", GIT, [2], id="an empty file"),
            pytest.param("FROM a\nCOPY . .", "dist", GIT, [2], id="a file without .git"),
            pytest.param("FROM a\nCOPY . .", ".git", GIT, [], id="a file with .git"),
            pytest.param(
                "FROM a\nCOPY . .", "**/.git*", GIT, [], id="a file with a pattern for it"
            ),
            pytest.param(
                "FROM a\nCOPY . .", ".git\n!.git/HEAD", GIT, [], id="a file that lets HEAD in"
            ),
            pytest.param(
                "FROM a\nCOPY . .", "*\n!src", GIT, [], id="a file that names what it wants"
            ),
            pytest.param("FROM a\nCOPY src .", None, GIT, [], id="nothing but named files"),
            pytest.param("FROM a\nCOPY --from=b . .", None, GIT, [], id="another stage's files"),
            pytest.param(
                "FROM a AS b\nCOPY . .\nFROM c", None, GIT, [], id="a stage that is not needed"
            ),
            pytest.param(
                "FROM a\nCOPY . .", None, {"Dockerfile"}, [2], id="no .git, but the Dockerfile"
            ),
            pytest.param("FROM a\nCOPY . .", "dist", {"Dockerfile"}, [], id="a file, and no .git"),
            pytest.param("FROM a\nCOPY . .", None, (), [], id="neither in the context"),
        ],
    )
    def test_what_is_copied_with_everything(
        self, text: str, ignore: str | None, in_context: frozenset[str], found: list[int]
    ) -> None:
        sources = Sources(ignore=ignore, in_context=frozenset(in_context))
        assert lines("dockerignore", check(text, sources=sources)) == found

    @pytest.mark.parametrize(
        ("ignore", "in_context", "text"),
        [
            (
                None,
                GIT,
                (
                    "there is no .dockerignore, so COPY . . copies .git, which no two checkouts "
                    "have alike: it runs in every build. Add one that names .git and whatever else "
                    "the image does not need."
                ),
            ),
            (
                None,
                frozenset({"Dockerfile"}),
                (
                    "there is no .dockerignore, so COPY . . copies the Dockerfile too, and runs "
                    "again with every change of it. Add one that names .git and whatever else the "
                    "image does not need."
                ),
            ),
            (
                "dist",
                GIT,
                (
                    "web/.dockerignore lets .git in, so COPY . . copies .git, which no two "
                    "checkouts have alike: it runs in every build. Add .git to web/.dockerignore."
                ),
            ),
        ],
    )
    def test_it_says_what_is_in_the_way(
        self, ignore: str | None, in_context: frozenset[str], text: str
    ) -> None:
        sources = Sources(ignore=ignore, ignore_file="web/.dockerignore", in_context=in_context)
        (found,) = check("FROM a\nCOPY . .", sources=sources)
        assert found.text == text


class TestFileModes:
    ODD = Sources(
        odd_modes=OddModes(path="a.py", mode=0o666, stored=0o644, has_more=True), ignore=".git"
    )

    @pytest.mark.parametrize(
        ("text", "given", "found"),
        [
            pytest.param("FROM a\nCOPY src /x", {}, [2], id="copied"),
            pytest.param("FROM a\nRUN x\nADD . .", {}, [3], id="added"),
            pytest.param("FROM a\nCOPY --from=b /x /x", {}, [], id="copied from elsewhere"),
            pytest.param("FROM a\nCOPY <<E /x\nE\nADD https://x.io/a /a", {}, [], id="of no file"),
            pytest.param("FROM a\nRUN x", {}, [], id="not copied"),
            pytest.param("FROM a\nCOPY . .", {"normalize-modes": "true"}, [], id="to be set"),
        ],
    )
    def test_modes_matter_where_files_are_copied(
        self, text: str, given: dict[str, str], found: list[int]
    ) -> None:
        assert lines("file-modes", check(text, given, self.ODD)) == found

    def test_modes_that_are_gits_are_fine(self) -> None:
        assert check("FROM a\nCOPY src /x") == ()

    def test_it_says_which_mode(self) -> None:
        (found,) = check("FROM a\nCOPY src /x", sources=self.ODD)
        assert found.text.startswith(
            "a.py has mode 666 where git stores 644, and it is not the only one: a cache that"
        )


class TestCacheMount:
    RUN = "RUN --mount=type=cache,target=/var/cache"

    @pytest.mark.parametrize(
        ("text", "given", "found"),
        [
            pytest.param(f"FROM a\n{RUN} x", {}, [2], id="in a builder of the run"),
            pytest.param(f"FROM a\n{RUN} x", {"builder": "mine"}, [], id="in one that stays"),
            pytest.param(f"FROM a\n{RUN} x\nRUN y\n{RUN} z", {}, [2], id="said once"),
            pytest.param(f"FROM a AS b\n{RUN} x\nFROM c", {}, [], id="in a stage not needed"),
            pytest.param("FROM a\nRUN --mount=type=bind,target=/x y", {}, [], id="of another kind"),
            pytest.param("FROM a\nRUN --mount=target=/x,type=cache y", {}, [2], id="in any order"),
            pytest.param("FROM a\nRUN echo --mount=type=cache", {}, [], id="in words alone"),
        ],
    )
    def test_a_mount(self, text: str, given: dict[str, str], found: list[int]) -> None:
        assert lines("cache-mount", check(text, given)) == found

    def test_the_others_are_named(self) -> None:
        (found,) = check(f"FROM a\n{self.RUN} x\n{self.RUN} y\n{self.RUN} z")
        assert "in every run (as do those of line 3, 4):" in found.text


class TestModeMin:
    TWO = "FROM a AS build\nRUN x\nFROM b\nCOPY --from=build /x /x"

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            pytest.param(TWO, [1], id="a stage that is copied from"),
            pytest.param("FROM a\nRUN x", [], id="one stage"),
            pytest.param("FROM a AS b\nRUN x\nFROM b\nRUN y", [], id="a stage that is built on"),
            pytest.param("FROM a AS b\nFROM c\nCOPY --from=b /x /x", [], id="a stage of no work"),
            pytest.param("FROM a AS b\nRUN x\nFROM c\nRUN y", [], id="a stage that is not needed"),
            pytest.param("FROM c\nCOPY --from=nginx /x /x", [], id="an image that is copied from"),
        ],
    )
    def test_what_it_leaves_out(self, text: str, found: list[int]) -> None:
        assert lines("mode-min", check(text, {"cache-mode": "min"})) == found

    @pytest.mark.parametrize(
        ("given", "why"),
        [
            ({"cache-mode": "min"}, "for cache-mode is min:"),
            ({"cache-to": "type=registry,ref=r.io/c,mode=min"}, "for cache-to has mode=min:"),
            ({"cache-to": "type=registry,ref=r.io/c"}, "for cache-to names no mode:"),
            ({"cache-to": "r.io/c"}, "for cache-to names no mode:"),
            ({"cache-to": "type=inline"}, "for an inline cache has mode=min:"),
            ({"cache-backend": "inline"}, "for cache-backend is inline:"),
        ],
    )
    def test_it_says_why(self, given: dict[str, str], why: str) -> None:
        (found,) = check(self.TWO, given)
        assert found.text.startswith(f"stage build is not in the cache that is written, {why}")

    @pytest.mark.parametrize(
        "given",
        [
            {},
            {"cache-backend": "inline", "cache-stages": "Build"},
            {"cache-mode": "min", "cache": "off"},
            {"cache-mode": "min", "cache": "read-only"},
            {"cache-to": "type=registry,ref=r.io/c,mode=max", "cache-mode": "min"},
        ],
    )
    def test_where_it_is_not_so(self, given: dict[str, str]) -> None:
        assert check(self.TWO, given) == ()

    def test_stages_without_a_name_have_a_number(self) -> None:
        text = "FROM a\nRUN x\nFROM a AS b\nRUN y\nFROM c\nCOPY --from=0 / /\nCOPY --from=b / /"
        (found,) = check(text, {"cache-mode": "min"})
        assert found.text.startswith("stages number 0, b are not in the cache")


class TestCacheFromOnly:
    FROM = "type=registry,ref=r.io/cache:main"
    PIPELINE = Sources(
        pipeline_file=".github/workflows/ci.yml",
        pipeline=f"on: push\n# cache-from\nwith:\n  cache-from: |\n    {FROM}\n",
    )

    def found(
        self, given: dict[str, str], context: RunContext = MAIN
    ) -> list[tuple[str, str, int]]:
        found = check("FROM a", given, self.PIPELINE, context)
        return [(finding.rule, finding.file, finding.line) for finding in found]

    def test_a_cache_that_nobody_writes(self) -> None:
        assert self.found({"cache-from": self.FROM}) == [
            ("cache-from-only", ".github/workflows/ci.yml", 5)
        ]

    @pytest.mark.parametrize(
        "given",
        [
            {},
            {"cache-to": FROM},
            {"cache-from": FROM, "cache-to": FROM + ",mode=max"},
            {"cache-from": FROM, "cache": "read-only"},
            {"cache-from": FROM, "cache": "off"},
            {"cache-from": FROM, "build-args": "BUILDKIT_INLINE_CACHE=1"},
        ],
    )
    def test_one_that_somebody_writes(self, given: dict[str, str]) -> None:
        assert [rule for rule, _, _ in self.found(given) if rule == "cache-from-only"] == []

    @pytest.mark.parametrize(
        "change",
        [
            {"pull_request": 7},
            {"tag": "v1"},
            {"branch": "feature/x"},
            {"untrusted": "the code comes from a fork"},
            {"passing": "a merge train's commit belongs to no branch yet"},
            {"ci": "local"},
        ],
    )
    def test_a_run_that_is_right_to_read_alone(self, change: dict[str, object]) -> None:
        context = replace(MAIN, **change)  # type: ignore[arg-type]
        assert self.found({"cache-from": self.FROM}, context) == []

    @pytest.mark.parametrize(
        ("pipeline", "line"),
        [
            ("a\nwith:\n  cache-from: ${{ vars.CACHE }}\n", 3),
            ("a:\n  variables:\n    INPUT_CACHE_FROM: $X\n", 3),
            ("a: b\n", 1),
        ],
    )
    def test_the_line_is_that_of_the_value_or_of_the_input(self, pipeline: str, line: int) -> None:
        sources = replace(self.PIPELINE, pipeline=pipeline)
        (found,) = check("FROM a", {"cache-from": self.FROM}, sources)
        assert (found.file, found.line) == (".github/workflows/ci.yml", line)

    def test_without_a_pipelines_file_the_dockerfile_is_named(self) -> None:
        (found,) = check("FROM a", {"cache-from": self.FROM})
        assert (found.file, found.line) == ("Dockerfile", 1)


BAD = """\
# syntax=docker/dockerfile:1
FROM node:22 AS build
ARG GIT_COMMIT
ARG NPM_TOKEN
COPY . .
RUN --mount=type=cache,target=/var/npm \\
    npm ci
FROM nginx
COPY --from=build /dist /usr/share/nginx/html
"""
BAD_INPUTS = {
    "build-args": f"GIT_COMMIT={COMMIT}\nNPM_TOKEN=hunter2",
    "cache-from": "r.io/cache",
    "cache-to": "",
}
BAD_SOURCES = Sources(
    in_context=GIT,
    odd_modes=OddModes(path="a.js", mode=0o664, stored=0o644, has_more=False),
    pipeline_file=".gitlab-ci.yml",
    pipeline="cache-from: r.io/cache",
)
BAD_FINDINGS = [
    (".gitlab-ci.yml", 1, "cache-from-only"),
    ("Dockerfile", 3, "early-arg"),
    ("Dockerfile", 4, "secret-build-arg"),
    ("Dockerfile", 5, "early-copy"),
    ("Dockerfile", 5, "dockerignore"),
    ("Dockerfile", 5, "file-modes"),
    ("Dockerfile", 6, "cache-mount"),
]


class TestTogether:
    def found(self, **given: str) -> list[tuple[str, int, str]]:
        asked = BAD_INPUTS | {name.replace("_", "-"): value for name, value in given.items()}
        found = check(BAD, asked, BAD_SOURCES)
        return [(finding.file, finding.line, finding.rule) for finding in found]

    def test_everything_is_said_in_the_order_of_its_place(self) -> None:
        assert self.found() == BAD_FINDINGS

    def test_all_rules_can_be_switched_off(self) -> None:
        assert self.found(lint="false") == []

    @pytest.mark.parametrize("rule", table.LINT_RULES)
    def test_each_rule_can_be_switched_off(self, rule: str) -> None:
        assert self.found(lint_ignore=rule) == [row for row in BAD_FINDINGS if row[2] != rule]

    @pytest.mark.parametrize(
        ("comment", "left"),
        [
            ("# warmbuild ignore=early-copy", ["dockerignore", "file-modes"]),
            ("# warmbuild ignore = dockerignore, file-modes", ["early-copy"]),
            (
                "# warmbuild ignore=early-copy\n# and another comment",
                ["dockerignore", "file-modes"],
            ),
            ("# hadolint ignore=early-copy", ["early-copy", "dockerignore", "file-modes"]),
        ],
    )
    def test_a_comment_switches_a_rule_off_for_one_instruction(
        self, comment: str, left: list[str]
    ) -> None:
        text = BAD.replace("COPY . .", f"{comment}\nCOPY . .")
        at = text.splitlines().index("COPY . .") + 1
        found = check(text, BAD_INPUTS, BAD_SOURCES)
        assert [finding.rule for finding in found if finding.line == at] == left

    @pytest.mark.parametrize(
        ("syntax", "is_read"),
        [
            ("docker/dockerfile:1", True),
            ("docker.io/docker/dockerfile-upstream:master-labs", True),
            ("mirror.corp/dockerfile@sha256:0", True),
            ("dockerfile", True),
            ("ghcr.io/someone/mockerfile:1", False),
        ],
    )
    def test_a_language_of_its_own_is_not_judged(
        self,
        syntax: str,
        is_read: bool,  # noqa: FBT001 (a row of the table)
    ) -> None:
        text = BAD.replace("docker/dockerfile:1", syntax)
        assert bool(check(text, sources=BAD_SOURCES)) is is_read

    @pytest.mark.parametrize(("target", "count"), [("build", 7), ("none", 1), ("1", 7)])
    def test_the_target_says_which_stages_count(self, target: str, count: int) -> None:
        assert len(check(BAD, {**BAD_INPUTS, "target": target}, BAD_SOURCES)) == count

    def test_no_finding_holds_a_secret(self) -> None:
        assert "hunter2" not in repr(check(BAD, BAD_INPUTS, BAD_SOURCES))

    @given(st.text(alphabet="FROMARGUNCPY -=.\n\\$\"'<&{}#npmciab_TKE", max_size=200))
    def test_no_dockerfile_is_too_strange(self, text: str) -> None:
        for finding in check(f"{BAD}{text}", BAD_INPUTS, BAD_SOURCES):
            assert finding.line >= 1


def finding(**change: object) -> Finding:
    base = Finding(
        rule="early-copy", severity="minor", file="Dockerfile", line=5, text="late", about="npm ci"
    )
    return replace(base, **change)  # type: ignore[arg-type]


class TestCodeQuality:
    def test_it_is_of_gitlabs_format(self) -> None:
        (issue,) = json.loads(gitlab.code_quality([finding()]))
        fingerprint = issue.pop("fingerprint")
        assert len(fingerprint) == 64
        assert issue == {
            "description": "late",
            "check_name": "warmbuild/early-copy",
            "severity": "minor",
            "location": {"path": "Dockerfile", "lines": {"begin": 5}},
        }

    @pytest.mark.parametrize(
        ("other", "same"),
        [
            ({"line": 9, "text": "late (line 10)", "severity": "info"}, True),
            ({"about": "apt-get install"}, False),
            ({"file": "web/Dockerfile"}, False),
            ({"rule": "early-arg"}, False),
        ],
    )
    def test_a_finding_is_known_again_on_another_line(
        self,
        other: dict[str, object],
        same: bool,  # noqa: FBT001 (a row of the table)
    ) -> None:
        (one,) = json.loads(gitlab.code_quality([finding()]))
        (two,) = json.loads(gitlab.code_quality([finding(**other)]))
        assert (one["fingerprint"] == two["fingerprint"]) is same

    def test_two_alike_have_two_fingerprints(self) -> None:
        issues = json.loads(gitlab.code_quality([finding(), finding(line=9)]))
        assert len({issue["fingerprint"] for issue in issues}) == 2

    def test_every_severity_is_gitlabs(self) -> None:
        words = {"info", "minor", "major", "critical", "blocker"}
        assert {rule.severity for rule in rules.RULES} <= words

    def test_nothing_found_is_a_report_too(self) -> None:
        assert json.loads(gitlab.code_quality([])) == []
        assert json.loads(gitlab.code_quality([finding(file="")])) == []


class TestProviders:
    def test_gitlab_gets_a_report(self, tmp_path: Path) -> None:
        env = {"CI_PROJECT_DIR": str(tmp_path)}
        gitlab.publish_findings(env, [finding()])
        report = tmp_path / "gl-code-quality-report.json"
        assert json.loads(report.read_text())[0]["location"]["path"] == "Dockerfile"
        assert report in gitlab.output_files(env)

    def test_a_report_that_cannot_be_written_is_no_error(self, tmp_path: Path) -> None:
        gitlab.publish_findings({"CI_PROJECT_DIR": str(tmp_path / "gone")}, [finding()])
        gitlab.publish_findings({}, [finding()])
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("provider", [github, local])
    def test_others_have_the_warnings_alone(
        self, provider: Provider, capsys: pytest.CaptureFixture[str]
    ) -> None:
        provider.publish_findings({}, [finding()])
        assert capsys.readouterr().out == ""

    @pytest.mark.parametrize(
        ("provider", "said"),
        [
            (
                github,
                "::warning title=warmbuild,file=a,line=7,endLine=7,col=,endColumn=::careful\n",
            ),
            (gitlab, "warning: a:7: careful\n"),
            (local, "warning: a:7: careful\n"),
        ],
    )
    def test_a_warning_has_its_place(
        self, provider: Provider, said: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        log = Log(provider)
        log.hide(["hunter2"])
        log.warning("careful", file="a", line=7)
        log.warning("it is hunter2")
        assert capsys.readouterr().out.startswith(said)
        assert log.warnings == ["a:7: careful", "it is ***"]


@pytest.mark.parametrize(
    ("provider", "env", "file"),
    [
        (
            github,
            {
                "GITHUB_REPOSITORY": "me/app",
                "GITHUB_WORKFLOW_REF": "me/app/.github/workflows/ci.yml@refs/heads/main",
            },
            ".github/workflows/ci.yml",
        ),
        (github, {}, ""),
        (gitlab, {}, ".gitlab-ci.yml"),
        (gitlab, {"CI_CONFIG_PATH": "ci/build.yml"}, "ci/build.yml"),
        (gitlab, {"CI_CONFIG_PATH": "ci.yml@group/project"}, ""),
        (gitlab, {"CI_CONFIG_PATH": "https://x.io/ci.yml"}, ""),
        (local, {"CI_CONFIG_PATH": "ci/build.yml"}, ""),
    ],
)
def test_the_file_that_a_run_comes_from(provider: Provider, env: dict[str, str], file: str) -> None:
    assert provider.pipeline_file(env) == file
