"""What docker/bake-action takes, in one step: where definitions are, and what is done with them."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.git_server import committed, served
from tests.integration.test_build_push_action import TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.conftest import Ended, Registry, Warmbuild

APP = "FROM busybox:1.37\nARG COLOR=red\nCOPY file /\nCOPY --from=more f /more\nRUN cat /file\n"
HCL = """
target "docker-metadata-action" {
  tags = ["app:local"]
}
target "default" {
  inherits = ["docker-metadata-action"]
  context = "app"
  contexts = { more = "more" }
}
"""
FILES = {
    "docker-bake.hcl": HCL,
    "app/Dockerfile": APP,
    "app/file": "committed",
    "more/f": "committed",
}
FORK = ("pull_request", "github-pull-request-from-fork.json", "refs/pull/42/merge")


def tags(ended: Ended) -> dict[str, list[str]]:
    found: dict[str, Any] = json.loads(ended.outputs["targets"])
    return {name: sorted(target["tags"]) for name, target in found.items()}


class TestSource:
    def test_a_repository_is_fetched_with_the_token(
        self,
        warmbuild: Warmbuild,
        registry: Registry,
        github: Callable[..., dict[str, str]],
        repository: str,
        project: Callable[..., Path],
        tmp_path: Path,
    ) -> None:
        place = project("FROM scratch\n", {f"sub/{name}": text for name, text in FILES.items()})
        commit = committed(place)
        empty = tmp_path / "empty"
        empty.mkdir()
        with served(place) as server:
            ci = github("push", "github-push.json", "refs/heads/main") | {
                "GITHUB_SERVER_URL": server.url,
                "GITHUB_SHA": commit,
            }
            given = {"image": repository, "source": "{{defaultContext}}:sub"}
            given |= {"context": "", "github_token": TOKEN}
            # There is no checkout.
            first = warmbuild.succeed(empty, ci=ci, extra={}, **given)
            again = warmbuild.succeed(empty, ci=ci, extra={}, **given)
        url = f"{server.url}/octo-org/shop.git#{commit}:sub"
        assert f"the definition is read from {url}" in first.log
        registry.check_image(f"{repository}:main")
        assert tags(first) == {"default": [f"{repository}:latest", f"{repository}:main"]}
        assert again.executed == []
        assert server.users == {("x-access-token", TOKEN)}
        told = [text for _, text in first.lines if TOKEN in text]
        assert {*told} == {f"::add-mask::{TOKEN}"}

    def test_another_server_gets_the_token_of_buildx_alone(
        self,
        warmbuild: Warmbuild,
        github: Callable[..., dict[str, str]],
        project: Callable[..., Path],
    ) -> None:
        place = project("FROM scratch\n", FILES)
        committed(place)
        ci = github("push", "github-push.json", "refs/heads/main")
        with served(place) as server:
            given = {
                "source": f"{server.url}/octo-org/shop.git#main",
                "files": "docker-bake.hcl",
                "github_token": secrets.token_hex(),
                "push": "false",
                "cache": "off",
            }
            refused = warmbuild.build(place, ci=ci, extra={}, **given)
            own = {"BUILDX_BAKE_GIT_AUTH_TOKEN": TOKEN}
            ended = warmbuild.succeed(place, ci=ci, extra=own, **given)
        assert refused.code == 2
        assert "files cannot be read" in refused.log.replace("bake-files: ", "files ")
        assert server.users == {("x-access-token", TOKEN)}
        assert all(text.startswith("::add-mask::") for _, text in ended.lines if TOKEN in text)

    def test_a_fork_gets_no_token_and_no_variable(
        self,
        warmbuild: Warmbuild,
        github: Callable[..., dict[str, str]],
        project: Callable[..., Path],
    ) -> None:
        hcl = HCL.replace("more = ", 'own = "target:own", more = ') + (
            'variable "STOLEN" { default = "none" }\n'
            'target "own" {\n  context = "more"\n  dockerfile-inline = "FROM scratch"\n}\n'
        )
        hcl = hcl.replace('  context = "app"', '  context = "app"\n  args = { COLOR = STOLEN }')
        files = FILES | {"docker-bake.hcl": hcl, "app/Dockerfile": f"{APP}RUN echo is-$COLOR\n"}
        place = project("FROM scratch\n", files)
        commit = committed(place)
        with served(place, is_public=True) as server:
            ci = github(*FORK) | {"GITHUB_SERVER_URL": server.url, "GITHUB_SHA": commit}
            extra = {"STOLEN": "hunter2", "BUILDX_BAKE_GIT_AUTH_TOKEN": TOKEN}
            given = {"source": "{{defaultContext}}", "github_token": TOKEN}
            refused = warmbuild.build(place, ci=ci, extra=extra, **given)
            ended = warmbuild.succeed(place, ci=ci, extra=extra, files="docker-bake.hcl", **given)
        assert refused.code == 2
        assert "source: is a repository, and needs bake-files that are all .hcl" in refused.log
        assert "is-none" in ended.log
        assert "hunter2" not in ended.log
        assert server.users == set()

    def test_a_directory_is_where_bake_runs(
        self,
        warmbuild: Warmbuild,
        repository: str,
        project: Callable[..., Path],
    ) -> None:
        hcl = HCL.replace(
            '  context = "app"',
            '  context = "app"\n  secret = ["id=x,src=key"]\n'
            '  output = ["type=local,dest=out"]\n  dockerfile = "cwd://own.Dockerfile"',
        )
        dockerfile = f"{APP}RUN --mount=type=secret,id=x test -s /run/secrets/x\n"
        files = FILES | {"docker-bake.hcl": hcl, "own.Dockerfile": dockerfile, "key": "a key"}
        place = project("FROM scratch\n", {f"sub/{name}": text for name, text in files.items()})
        ended = warmbuild.succeed(place, source="./sub", image=repository, push="false")
        assert (place / "sub" / "out" / "more").read_text() == "committed"
        assert ended.outputs["cache-written"] == f"{repository}:cache-default--main"

    def test_files_of_the_usual_names_are_read_together(
        self, warmbuild: Warmbuild, repository: str, project: Callable[..., Path]
    ) -> None:
        override = 'target "default" {\n  args = { COLOR = "green" }\n}\n'
        files = FILES | {"docker-bake.override.hcl": override}
        files |= {"app/Dockerfile": f"{APP}RUN echo is-$COLOR\n"}
        place = project("FROM scratch\n", files)
        ended = warmbuild.succeed(place, targets="default", image=repository, push="false")
        assert "is-green" in ended.log
        nothing = warmbuild.build(place, source="app", image=repository, push="false")
        assert nothing.code == 2
        assert "bake-files: is missing, and 'app' has none of compose.yaml, compose" in nothing.log


class TestNames:
    def test_a_target_inherits_the_runs(
        self,
        warmbuild: Warmbuild,
        registry: Registry,
        github: Callable[..., dict[str, str]],
        repository: str,
        project: Callable[..., Path],
    ) -> None:
        own = 'target "own" {\n  context = "app"\n  contexts = { more = "more" }\n}\n'
        group = 'group "default" {\n  targets = ["app", "own"]\n}\n'
        hcl = HCL.replace('target "default"', 'target "app"') + own + group
        place = project("FROM scratch\n", FILES | {"docker-bake.hcl": hcl})
        ci = github("push", "github-push.json", "refs/heads/main")
        ended = warmbuild.succeed(
            place,
            ci=ci,
            images=repository,
            tags="type=ref,event=branch\ntype=raw,value=9",
            labels="org.opencontainers.image.title=Mine",
            files="docker-bake.hcl",
        )
        names = {"app": ["9", "main"], "own": ["own-9", "own-main"]}
        assert tags(ended) == {
            name: [f"{repository}:{tag}" for tag in found] for name, found in names.items()
        }
        labels = registry.config(f"{repository}:9")["config"]["Labels"]
        assert labels["org.opencontainers.image.title"] == "Mine"
        assert labels["org.opencontainers.image.version"] == "main"

    @pytest.mark.parametrize("form", ["{}", "cwd://{}"])
    def test_a_plan_may_be_fed_back(
        self,
        warmbuild: Warmbuild,
        registry: Registry,
        github: Callable[..., dict[str, str]],
        repository: str,
        project: Callable[..., Path],
        form: str,
    ) -> None:
        place = project("FROM scratch\n", FILES)
        ci = github("push", "github-push.json", "refs/heads/main")
        plan = warmbuild.succeed(
            place, ci=ci, images=repository, tags="type=raw,value=9", plan_only="true"
        )
        ended = warmbuild.succeed(
            place,
            ci=ci,
            image=f"{repository}/other",
            files=f"docker-bake.hcl\n{form.format(plan.outputs['bake-file'])}",
        )
        assert tags(ended) == {"default": [f"{repository}:9"]}
        registry.check_image(f"{repository}:9")

    def test_without_names_the_files_own_stay(
        self, warmbuild: Warmbuild, project: Callable[..., Path], github: Callable[..., Any]
    ) -> None:
        place = project("FROM scratch\n", FILES)
        ci = github("push", "github-push.json", "refs/heads/main")
        ended = warmbuild.succeed(place, ci=ci, files="docker-bake.hcl", push="false")
        assert tags(ended) == {"default": ["docker.io/library/app:local"]}


class TestCall:
    LINT = 'target "{0}" {{\n  dockerfile-inline = "{1}"\n}}\n'
    GROUP = 'group "default" {\n  targets = ["one", "two"]\n}\n'

    def files(self, **targets: str) -> dict[str, str]:
        found = "".join(self.LINT.format(*item) for item in targets.items())
        return {"docker-bake.hcl": self.GROUP + found}

    def test_a_check_that_finds_something_is_an_error(
        self, warmbuild: Warmbuild, project: Callable[..., Path]
    ) -> None:
        files = self.files(one="FROM scratch AS Base", two="FROM scratch AS Base\\nmaintainer me")
        ended = warmbuild.build(
            project("FROM scratch\n", files), files="docker-bake.hcl", call="check"
        )
        assert ended.code == 4
        assert "warnings have been found: " in ended.log
        assert " in one, " in ended.errors[0]
        assert ended.errors[0].endswith(" in two")

    def test_a_check_that_finds_nothing_ends_well(
        self, warmbuild: Warmbuild, project: Callable[..., Path], repository: str
    ) -> None:
        place = project("FROM scratch\n", self.files(one="FROM scratch", two="FROM scratch"))
        ended = warmbuild.succeed(
            place, files="docker-bake.hcl", call="check", image=repository, push="true"
        )
        assert ended.log.count("Check complete, no warnings found.") == 2
        assert set(json.loads(ended.outputs["metadata"])) >= {"one", "two"}
        assert ended.outputs["tags"] == ""

    def test_a_file_that_cannot_be_checked_is_an_error(
        self, warmbuild: Warmbuild, project: Callable[..., Path]
    ) -> None:
        place = project("FROM scratch\n", self.files(one="FROM scratch", two="FRM scratch"))
        ended = warmbuild.build(place, files="docker-bake.hcl", call="check")
        assert ended.code == 4
        assert "FRM" in ended.errors[0]

    def test_an_outline_is_told_of_each(
        self, warmbuild: Warmbuild, project: Callable[..., Path]
    ) -> None:
        place = project("FROM scratch\n", self.files(one="FROM scratch AS a", two="FROM scratch"))
        ended = warmbuild.succeed(place, source=".", targets="one", call="targets")
        assert "TARGET" in ended.log


class TestGrants:
    def test_a_file_system_is_granted_as_buildx_has_it(
        self,
        warmbuild: Warmbuild,
        project: Callable[..., Path],
        github: Callable[..., dict[str, str]],
        tmp_path: Path,
    ) -> None:
        place = project("FROM scratch\n", FILES)
        for allow in ("fs=*", f"fs.read={tmp_path}\nfs.write={tmp_path}"):
            for ci in (github(*FORK), github("push", "github-push.json", "refs/heads/main")):
                warmbuild.succeed(
                    place, ci=ci, files="docker-bake.hcl", allow=allow, push="false", cache="off"
                )


class TestSummary:
    @pytest.mark.parametrize(
        ("value", "is_written"), [("", True), ("true", True), ("false", False)]
    )
    def test_it_may_be_turned_off(
        self,
        warmbuild: Warmbuild,
        small: Path,
        github: Callable[..., dict[str, str]],
        value: str,
        *,
        is_written: bool,
    ) -> None:
        ci = github("push", "github-push.json", "refs/heads/main")
        settings = {"DOCKER_BUILD_SUMMARY": value, "DOCKER_BUILD_RECORD_UPLOAD": "false"}
        settings |= {"DOCKER_BUILD_RECORD_RETENTION_DAYS": "0"}
        ended = warmbuild.succeed(small, ci=ci | settings)
        assert bool(Path(ci["GITHUB_STEP_SUMMARY"]).read_text()) is is_written
        # The file that an input names is written in any case.
        assert "### warmbuild" in ended.summary
        assert "DOCKER_BUILD" not in ended.log
        assert ended.outputs["digest"] == ""
        assert "the image is not pushed: it has no name; image or tags gives it one" in ended.log
