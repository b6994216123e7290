"""The targets of bake and compose files are built in one call, each with a cache of its own."""

from __future__ import annotations

import json
import re
import secrets
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.conftest import gitlab
from warmbuild import retries

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import docker

    from tests.integration.conftest import Ended, Lab, Registry, Warmbuild
    from tests.integration.faults import Proxy

ONCE = "RUN cat /proc/sys/kernel/random/uuid > "
DOCKERFILE = f"""FROM busybox:1.37 AS common
{ONCE}/common
FROM common AS web
COPY --from=base /base /base
{ONCE}/web
FROM common AS worker
COPY --from=base /base /base
COPY source.txt /
"""
BASE = f"FROM busybox:1.37\n{ONCE}/base\n"
HCL = """
variable "REGISTRY" {}
variable "TAG" { default = "none" }
group "default" { targets = ["web", "worker"] }
target "base" {
  dockerfile = "base.Dockerfile"
}
target "common" {
  contexts = { base = "target:base" }
  labels = { price = "$${5} %%{x}" }
}
target "web" {
  inherits = ["common"]
  target = "web"
  tags = ["${REGISTRY}/web:${TAG}"]
}
target "worker" {
  inherits = ["common"]
  target = "worker"
}
"""


@pytest.fixture
def pair(project: Callable[..., Path]) -> Path:
    """Return a project of two targets that share a stage, and a target that both are made of."""
    files = {"base.Dockerfile": BASE, "docker-bake.hcl": HCL, "source.txt": "one"}
    return project(DOCKERFILE, files)


def targets(ended: Ended) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ended.outputs["targets"])
    return found


def calls(ended: Ended) -> list[str]:
    return [text for _, text in ended.lines if text.startswith("+ docker buildx bake ")]


# How often the bare buildx tries a build.
ATTEMPTS = 4


def ran(plain: str) -> list[str]:
    """Return the steps of a plain progress that ran, and were not begun for nothing."""
    steps = re.findall(r"^#(\d+) \[.*\d+/\d+\] ((?:RUN|COPY) .*)$", plain, re.MULTILINE)
    # BuildKit cancels what it has begun before it finds the cache of a later step.
    spared = re.findall(r"^#(\d+) (?:CACHED|CANCELED)$", plain, re.MULTILINE)
    return [step for number, step in dict(steps).items() if number not in spared]


def bake(repository: str) -> dict[str, Any]:
    return {
        "image": repository,
        "bake_files": "docker-bake.hcl",
        "vars": f"REGISTRY={repository}\nTAG=7",
    }


def test_two_targets_are_built_in_one_call_and_are_warm_on_the_next_branch(
    warmbuild: Warmbuild, registry: Registry, repository: str, pair: Path
) -> None:
    cold = warmbuild.succeed(pair, **bake(repository))
    image, cache = calls(cold)
    assert image.endswith("metadata.json -- web worker")
    assert cache.endswith("metadata.json -- web worker")
    names = ("/web:7", ":worker-main", ":worker-latest")
    assert cold.outputs["tags"] == ",".join(f"{repository}{name}" for name in names)
    # What both targets are made of ran once, and is a step of each.
    assert (cold.outputs["cache-steps"], cold.outputs["cache-hits"]) == ("5", "0")
    found = targets(cold)
    assert [found[name]["cache-steps"] for name in ("web", "worker")] == [4, 4]
    for name, tag in (("web", "/web:7"), ("worker", ":worker-main")):
        assert found[name]["digest"] == registry.digest(f"{repository}{tag}")
        assert found[name]["cache-written"] == f"{repository}:cache-{name}--main"
        registry.check_cache(f"{repository}:cache-{name}--main")
        registry.check_image(f"{repository}{tag}")
    assert set(json.loads(cold.outputs["metadata"])) >= {"web", "worker"}
    again = warmbuild.succeed(pair, **bake(repository))
    assert again.outputs["cache-hit-ratio"] == "1.00"
    assert again.executed == []
    assert "the cache is not written: it is up to date" in again.log
    (pair / "source.txt").write_text("two")
    branch = warmbuild.succeed(pair, branch="feature/x", **bake(repository))
    assert set(branch.executed) == {"COPY source.txt /"}
    found = targets(branch)
    assert found["web"]["cache-hit-ratio"] == 1
    assert (found["worker"]["cache-hits"], found["worker"]["cache-steps"]) == (3, 4)
    assert found["worker"]["cache-read"] == [
        f"{repository}:cache-worker--main@" + registry.digest(f"{repository}:cache-worker--main")
    ]
    assert registry.manifest(f"{repository}/web:7")["config"]


def test_a_name_without_a_registry_is_what_the_engine_calls_it(
    warmbuild: Warmbuild, engine: docker.DockerClient, project: Callable[..., Path], name: str
) -> None:
    compose = {"services": {"web": {"image": name, "build": "."}}}
    place = project("FROM busybox:1.37\n", {"compose.yaml": json.dumps(compose)})
    ended = warmbuild.succeed(place, compose_files="compose.yaml", load="true")
    assert "web: it is not pushed: it has no tag" in ended.log
    engine.images.remove(f"{name}:latest")


def test_a_json_file_is_read_too_and_set_has_the_last_word(
    warmbuild: Warmbuild, registry: Registry, repository: str, project: Callable[..., Path]
) -> None:
    definition = {
        "target": {
            name: {"target": name, "args": {"PRICE": "${VALUE}"}, "labels": {"a": "$${b} %%{c}"}}
            for name in ("first", "second")
        },
        "group": {"default": {"targets": ["all"]}, "all": {"targets": ["first", "second"]}},
        "variable": {"VALUE": {"default": "1"}},
    }
    dockerfile = (
        "FROM busybox:1.37 AS first\nARG PRICE\nRUN echo $PRICE > /price\nFROM first AS second\n"
    )
    place = project(dockerfile + "RUN cat /price > /again\n", {"bake.json": json.dumps(definition)})
    ended = warmbuild.succeed(
        place,
        image=repository,
        bake_files="bake.json",
        vars='VALUE=two "words"',
        set="second.labels.own=${x}",
    )
    assert list(targets(ended)) == ["first", "second"]
    config = registry.config(f"{repository}:second-main")
    assert config["config"]["Labels"] == {"a": "${b} %{c}", "own": "${x}"}
    again = warmbuild.succeed(
        place, image=repository, bake_files="bake.json", vars='VALUE=two "words"', targets="second"
    )
    assert again.executed == []
    assert list(targets(again)) == ["second"]


def test_the_services_of_the_example_are_warm_on_the_next_branch(
    warmbuild: Warmbuild, registry: Registry, repository: str, flask: Path
) -> None:
    inputs: dict[str, Any] = {
        "compose_files": "docker-compose.yml",
        "vars": f"REGISTRY={repository}\nTAG=1",
    }
    cold = warmbuild.succeed(flask, **inputs)
    assert cold.outputs["tags"] == f"{repository}/flask-slim:1,{repository}/flask-web:1"
    found = targets(cold)
    # Without an image among the inputs a cache is where its own image is.
    assert found["web"]["cache-written"] == f"{repository}/flask-web:cache-web--main"
    assert found["slim"]["cache-written"] == f"{repository}/flask-slim:cache-slim--main"
    assert cold.outputs["cache-hits"] == "0"
    assert "#### slim: 0 of" in cold.summary
    for number in range(5):
        warm = warmbuild.succeed(flask, branch=f"feature/{'xy'[number % 2]}", **inputs)
        assert warm.executed == [], warm.log
        assert warm.outputs["cache-steps"] == cold.outputs["cache-steps"]
        # They share WORKDIR, which BuildKit finds in both caches. No cache is exported.
        assert len(calls(warm)) == 1
        is_first = number in {0, 1}
        found = {name: one["cache-written"] for name, one in targets(warm).items()}
        assert [bool(found[name]) for name in ("web", "slim")] == [is_first] * 2
    (flask / "app" / "__init__.py").write_text("def create_app(): ...\n")
    changed = warmbuild.succeed(flask, branch="feature/x", **inputs)
    assert set(changed.executed) == {"COPY . .", "COPY app app"}
    registry.check_image(f"{repository}/flask-slim:1")


def test_a_cache_of_the_file_wins_for_its_target(
    warmbuild: Warmbuild, registry: Registry, repository: str, pair: Path
) -> None:
    own = f"type=registry,ref={repository}/own:1"
    (pair / "docker-bake.override.hcl").write_text(
        f'target "web" {{\n  cache-from = ["{own}"]\n  cache-to = ["{own},mode=max"]\n}}\n'
    )
    inputs = bake(repository) | {"bake_files": "docker-bake.hcl,docker-bake.override.hcl"}
    cold = warmbuild.succeed(pair, **inputs)
    assert "web: cache-from or cache-to is given, so warmbuild chooses no cache refs" in cold.log
    found = targets(cold)
    assert found["web"]["cache-written"] == f"{repository}/own:1"
    assert found["worker"]["cache-written"] == f"{repository}:cache-worker--main"
    registry.check_cache(f"{repository}/own:1")
    assert "cache-web--main" not in registry.tags(repository)
    warm = warmbuild.succeed(pair, branch="feature/x", **inputs)
    assert warm.executed == []
    assert targets(warm)["web"]["cache-read"] == [f"{repository}/own:1"]


def test_a_fork_writes_no_cache_that_its_file_names(
    warmbuild: Warmbuild,
    registry: Registry,
    repository: str,
    pair: Path,
    github: Callable[..., dict[str, str]],
) -> None:
    warmbuild.succeed(pair, **bake(repository))
    before = {tag: registry.digest(f"{repository}:{tag}") for tag in registry.tags(repository)}
    cache = f"{repository}:cache-worker--main"
    (pair / "docker-bake.hcl").write_text(
        HCL.replace(
            'target = "worker"',
            f"""target = "worker"
  tags = ["{cache}", "{repository}:mine"]
  output = ["type=registry,name={cache}"]
  cache-to = ["type=registry,ref={cache},mode=max"]""",
        ).replace(
            'dockerfile = "base.Dockerfile"',
            f"""dockerfile = "base.Dockerfile"
  cache-to = ["type=registry,ref={cache},mode=max"]""",
        )
    )
    fork = github("pull_request", "github-pull-request-from-fork.json", "refs/pull/42/merge")
    told = warmbuild.succeed(pair, ci=fork, push="true", **bake(repository))
    # What names a cache to write has no other one to read either.
    assert told.executed == ["COPY source.txt /"]
    assert "is ignored: the code comes from a fork" in told.log
    assert f"{cache} is not pushed: it is a cache's name" in told.log
    after = {tag: registry.digest(f"{repository}:{tag}") for tag in registry.tags(repository)}
    assert after.pop("mine") == targets(told)["worker"]["digest"]
    assert after == before
    assert told.outputs["cache-written"] == ""


def test_a_fork_gets_nothing_of_the_environment(
    warmbuild: Warmbuild,
    repository: str,
    project: Callable[..., Path],
    github: Callable[..., dict[str, str]],
) -> None:
    dockerfile = """FROM busybox:1.37
ARG STOLEN
RUN --mount=type=secret,id=x echo "<$STOLEN$(cat /run/secrets/x)>"
"""
    hcl = """
variable "TOKEN" { default = "none" }
target "default" {
  args = { STOLEN = TOKEN }
  secret = ["type=env,id=x,env=TOKEN"]
}
"""
    place = project(dockerfile, {"docker-bake.hcl": hcl})
    fork = github("pull_request", "github-pull-request-from-fork.json", "refs/pull/42/merge")
    ended = warmbuild.succeed(
        place,
        ci=fork,
        image=repository,
        bake_files="docker-bake.hcl",
        extra={"TOKEN": "hunter2"},
    )
    assert "<none>" in ended.log
    assert "the secret x is not given: the code comes from a fork" in ended.log


def test_a_fork_reads_no_file_of_the_machine(
    warmbuild: Warmbuild,
    repository: str,
    pair: Path,
    tmp_path: Path,
    github: Callable[..., dict[str, str]],
) -> None:
    (tmp_path / "config.json").write_text("a login")
    secret = f'secret = ["id=x,src={tmp_path}/config.json"]'
    (pair / "docker-bake.hcl").write_text(
        HCL.replace('dockerfile = "base.Dockerfile"', f'dockerfile = "base.Dockerfile"\n  {secret}')
    )
    warmbuild.succeed(pair, push="false", **bake(repository))
    fork = github("pull_request", "github-pull-request-from-fork.json", "refs/pull/42/merge")
    ended = warmbuild.build(pair, ci=fork, secrets="TOKEN=hunter2", **bake(repository))
    assert ended.code == 2
    assert f"the target base uses '{tmp_path}/config.json', which lies outside" in ended.log


def test_a_fork_builds_what_an_honest_file_defines(
    warmbuild: Warmbuild,
    repository: str,
    project: Callable[..., Path],
    github: Callable[..., dict[str, str]],
) -> None:
    dockerfile = """FROM busybox:1.37
ARG COLOR
COPY --from=more / /more
RUN --mount=type=secret,id=x echo "<$COLOR $(cat /run/secrets/x) $(cat /more/file)>"
"""
    base = {"services": {"base": {"build": {"context": ".."}, "env_file": "web.env"}}}
    web = {
        "extends": {"file": "lib/compose.yml", "service": "base"},
        "build": {
            "args": ["COLOR"],
            "secrets": ["x"],
            "additional_contexts": {"more": "lib"},
            "x-bake": {"output": ["type=local,dest=out"]},
        },
    }
    compose = {"services": {"web": web}, "secrets": {"x": {"file": "lib/secret"}}}
    files = {
        "compose.yml": json.dumps(compose),
        "lib/compose.yml": json.dumps(base),
        "lib/web.env": "COLOR=green\n",
        "lib/secret": "of the tests",
        "lib/file": "a file",
    }
    fork = github("pull_request", "github-pull-request-from-fork.json", "refs/pull/42/merge")
    place = project(dockerfile, files)
    ended = warmbuild.succeed(place, ci=fork, image=repository, compose_files="compose.yml")
    # What the secret holds is hidden.
    assert "<green *** a file>" in ended.log
    assert (place / "out" / "more" / "file").read_text() == "a file"
    assert "is ignored" not in ended.log


def test_a_cache_that_cannot_be_written_fails_no_target_and_no_other_cache(
    warmbuild: Warmbuild, registry: Registry, repository: str, pair: Path, proxy: Proxy
) -> None:
    broken = f"{proxy.host}/{repository.partition('/')[2]}/web:7"
    own = HCL.replace('"${REGISTRY}/web:${TAG}"', f'"{broken}"')
    own = own.replace('target = "worker"\n', f'target = "worker"\n  tags = ["{repository}:7"]\n')
    (pair / "docker-bake.hcl").write_text(own)
    proxy.answer("PUT", "/manifests/cache-", 403, times=None)
    lost = warmbuild.succeed(pair, bake_files="docker-bake.hcl", vars="REGISTRY=none")
    found = targets(lost)
    assert found["web"]["cache-written"] == ""
    assert "denied" in found["web"]["cache-write-error"]
    assert lost.outputs["cache-write-error"] == f"web: {found['web']['cache-write-error']}"
    assert found["worker"]["cache-written"] == f"{repository}:cache-worker--main"
    registry.check_cache(f"{repository}:cache-worker--main")
    assert registry.digest(f"{repository}/web:7") == found["web"]["digest"]
    assert registry.digest(f"{repository}:7") == found["worker"]["digest"]


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"cache_export": "with"}, id="beside the images"),
        pytest.param({"cache_backend": "local", "cache_dir": "../cache"}, id="in directories"),
        pytest.param({"cache_history": "2"}, id="with the generation before"),
    ],
)
def test_caches_are_kept_in_other_ways_too(
    warmbuild: Warmbuild, repository: str, pair: Path, options: dict[str, Any]
) -> None:
    inputs = bake(repository) | options
    cold = warmbuild.succeed(pair, **inputs)
    assert all(one["cache-written"] for one in targets(cold).values())
    assert cold.outputs["cache-write-error"] == ""
    (pair / "source.txt").write_text("two")
    warm = warmbuild.succeed(pair, **inputs)
    assert set(warm.executed) == {"COPY source.txt /"}
    assert warm.outputs["cache-hits"] == "4"
    assert [item for item in warm.warnings if "cache" in item] == []


def test_a_cache_in_the_images_lacks_what_they_are_made_of(
    warmbuild: Warmbuild, repository: str, pair: Path
) -> None:
    inputs = bake(repository) | {"cache_backend": "inline"}
    warmbuild.succeed(pair, **inputs)
    warm = warmbuild.succeed(pair, **inputs)
    # buildx runs the dependency before the images that have all steps upon it.
    assert warm.executed == [f"{ONCE}/base"]
    assert [item for item in warm.warnings if "cache" in item] == []


def test_a_target_that_fails_is_named(warmbuild: Warmbuild, repository: str, pair: Path) -> None:
    (pair / "Dockerfile").write_text(f"{DOCKERFILE}RUN echo no such luck && false\n")
    ended = warmbuild.build(pair, **bake(repository))
    assert ended.code == 4
    (error,) = ended.errors
    assert "in [worker worker 3/3] RUN echo no such luck && false" in error
    assert "| no such luck" in ended.log


def test_one_target_without_a_cache_leaves_the_other_its_own(
    warmbuild: Warmbuild, registry: Registry, repository: str, pair: Path, proxy: Proxy
) -> None:
    # A cache that holds a layer which is not there any more.
    path = repository.partition("/")[2]
    inputs = bake(f"{proxy.host}/{path}")
    warmbuild.succeed(pair, **inputs)
    (gone,) = set(registry.layers(f"{repository}:cache-worker--main")) - set(
        registry.layers(f"{repository}:cache-web--main")
    )
    proxy.answer("GET|HEAD", f"/blobs/{gone}", 404, times=None)
    (pair / "Dockerfile").write_text(f"{DOCKERFILE}RUN true\n")
    ended = warmbuild.succeed(pair, branch="feature/x", **inputs)
    found = targets(ended)
    assert "not read: a layer could not be fetched" in ended.log
    assert found["web"]["cache-hit-ratio"] == 1
    assert found["worker"]["cache-read"] == []
    registry.check_image(f"{repository}:worker-feature-x")


def test_nothing_of_the_environment_is_shown(
    warmbuild: Warmbuild, repository: str, project: Callable[..., Path]
) -> None:
    compose = """
services:
  web:
    build:
      context: .
      args: {PLAIN: "${PLAIN}"}
      secrets: [token]
secrets:
  token: {environment: TOKEN}
"""
    dockerfile = (
        "FROM busybox:1.37\nRUN --mount=type=secret,id=token cat /run/secrets/token | wc -c\n"
    )
    place = project(f"{dockerfile}RUN --mount=type=secret,id=token cat /run/secrets/token\n")
    (place / "compose.yaml").write_text(compose)
    ended = warmbuild.succeed(
        place,
        image=repository,
        compose_files="compose.yaml",
        extra={"TOKEN": "hunter2 and more", "PLAIN": "not so secret"},
    )
    assert "***" in ended.log
    assert "hunter2" not in f"{ended.log}{ended.summary}{ended.outputs}"
    assert "not so secret" not in ended.log


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        pytest.param(
            {"bake_files": "nowhere.hcl"},
            "bake-files: there is no file 'nowhere.hcl'.",
            id="no file",
        ),
        pytest.param(
            {"bake_files": "docker-bake.hcl", "targets": "nobody"},
            "bake-files: cannot be read: failed to find target nobody.",
            id="no target",
        ),
        pytest.param(
            {"bake_files": "https://github.com/octo-org/shop.git#main:docker-bake.hcl"},
            "is not a file; for one of another repository",
            id="not here",
        ),
    ],
)
def test_a_file_that_is_of_no_use(
    warmbuild: Warmbuild, repository: str, pair: Path, inputs: dict[str, Any], message: str
) -> None:
    ended = warmbuild.build(pair, image=repository, vars=f"REGISTRY={repository}", **inputs)
    assert ended.code == 2
    assert message in ended.log


def test_what_a_plan_hands_on_makes_buildx_warm(
    warmbuild: Warmbuild, repository: str, pair: Path, handed_on: HandedOn
) -> None:
    inputs = bake(repository)
    plan = handed_on.plan(pair, "main", plan_only="true", **inputs)
    assert list(json.loads(plan["targets"])) == ["web", "worker"]
    assert plan["cache-from"] == ""
    definition = json.loads(Path(plan["bake-file"]).read_text())
    assert set(definition["target"]) == {"web", "worker", "base"}
    files = ["--file", "docker-bake.hcl", "--file", plan["bake-file"], "--push"]
    tag = {"REGISTRY": repository, "TAG": "8"}
    worker = f"--set=worker.tags={repository}:worker-8"
    assert len(handed_on.buildx(pair, "bake", *files, worker, extra=tag)) == 5
    branch = handed_on.plan(pair, "feature/x", plan_only="true", probe="true", **inputs)
    files[3] = branch["bake-file"]
    assert handed_on.buildx(pair, "bake", *files, worker, extra=tag) == []
    built = warmbuild.succeed(pair, branch="feature/x", **inputs)
    assert built.executed == []


def test_what_a_plan_of_one_image_hands_on_is_taken_by_both(
    repository: str, small: Path, handed_on: HandedOn
) -> None:
    inputs = {"image": repository, "probe": "true"}
    plan = handed_on.plan(small, "main", **inputs)
    assert plan["cache-from"] == ""
    to = [part for entry in plan["cache-to"].split("\n") for part in ("--cache-to", entry)]
    cold = handed_on.buildx(small, "build", *to, "--tag", f"{repository}:1", "--push", ".")
    assert len(cold) == 2
    plan = handed_on.plan(small, "feature/x", **inputs)
    source = [part for entry in plan["cache-from"].split("\n") for part in ("--cache-from", entry)]
    warm = handed_on.buildx(small, "build", *source, "--tag", f"{repository}:2", "--push", ".")
    assert warm == []
    (small / "docker-bake.hcl").write_text(
        f'target "app" {{\n  inherits = ["warmbuild"]\n  tags = ["{repository}:3"]\n}}\n'
    )
    files = ("--file", "docker-bake.hcl", "--file", plan["bake-file"])
    assert handed_on.buildx(small, "bake", *files, "--push", "app") == []


def test_a_plan_that_builds_nothing_is_an_action_too(
    warmbuild: Warmbuild,
    registry: Registry,
    repository: str,
    small: Path,
    github: Callable[..., Any],
) -> None:
    event = github("push", "github-push.json", "refs/heads/main")
    ended = warmbuild.succeed(small, ci=event, image=repository, plan_only="true")
    assert registry.tags(repository) == []
    assert "docker buildx" not in ended.log
    written = Path(event["GITHUB_OUTPUT"]).read_text()
    assert f"type=registry,ref={repository}:cache-main,mode=max" in written
    assert Path(ended.outputs["bake-file"]).parent == Path(event["RUNNER_TEMP"])
    assert ended.outputs["bake-file"] in written


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedOn:
    """Runs plans as steps, and buildx with what they hand on, a builder of its own each time."""

    warmbuild: Warmbuild
    lab: Lab

    def plan(self, project: Path, branch: str, **inputs: str) -> dict[str, str]:
        output = self.warmbuild.directory / f"plan-{secrets.token_hex(4)}.json"
        given = {f"INPUT_{name.upper()}": value for name, value in inputs.items()}
        subprocess.run(  # noqa: S603 (each argument is written out)
            [sys.executable, "-m", "warmbuild", "plan", f"--output-file={output}"],
            cwd=project,
            env={**self.warmbuild.environment, **gitlab(branch), **given},
            stdout=subprocess.PIPE,
            check=True,
        )
        found: dict[str, str] = json.loads(output.read_text())
        return found

    def buildx(
        self, project: Path, command: str, *argv: str, extra: Mapping[str, str] | None = None
    ) -> list[str]:
        """Build, and return the steps that ran."""
        home = self.warmbuild.directory / "buildx-home"
        home.mkdir(exist_ok=True)
        env = {
            "PATH": self.lab.env["PATH"],
            "DOCKER_HOST": self.lab.env["DOCKER_HOST"],
            "HOME": str(home),
            **(extra or {}),
        }
        buildx, name = self.lab.env["WARMBUILD_LAB_BUILDX"], f"plan-{secrets.token_hex(4)}"
        options = [f"--driver-opt={line}" for line in self.lab.driver_opts.splitlines()]
        config = f"--buildkitd-config={self.lab.buildkitd_config}"

        def run(*arguments: str) -> tuple[bool, str]:
            done = subprocess.run(  # noqa: S603 (each argument is written out in a test)
                [buildx, *arguments],
                cwd=project,
                env=env,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            return done.returncode == 0, done.stdout

        driver = "--driver=docker-container"
        is_up, said = run("create", "--name", name, driver, *options, config, "--bootstrap")
        assert is_up, said
        try:
            steps: list[str] = []
            for _ in range(ATTEMPTS):
                is_built, said = run(command, "--builder", name, "--progress=plain", *argv)
                steps += ran(said)
                if is_built:
                    return steps
                # Pushes and exports at once, without warmbuild's retries, now and then meet a
                # registry that is still linking a blob of another.
                assert retries.passes(said.rpartition("\nERROR: ")[2]), said
            pytest.fail(said)
        finally:
            run("rm", "--force", name)


@pytest.fixture
def handed_on(warmbuild: Warmbuild, lab: Lab) -> HandedOn:
    return HandedOn(warmbuild=warmbuild, lab=lab)


SHARED = """
FROM busybox:1.37 AS web
RUN cat /proc/sys/kernel/random/uuid > /once
COPY source.txt /
FROM web AS worker
RUN true
"""


@pytest.mark.parametrize("places", ["one repository", "a repository each"])
def test_targets_that_share_steps_miss_none(
    warmbuild: Warmbuild, repository: str, project: Callable[..., Path], places: str
) -> None:
    separator = "/" if places == "a repository each" else ":"
    tags = {"web": f"{repository}{separator}web", "worker": f"{repository}{separator}worker"}
    definition = {
        "group": {"default": {"targets": ["web", "worker"]}},
        "target": {name: {"target": name, "tags": [tag]} for name, tag in tags.items()},
    }
    files = {"source.txt": "one", "docker-bake.json": json.dumps(definition)}
    place = project(SHARED, files)
    cold = warmbuild.succeed(place, bake_files="docker-bake.json")
    assert "one after the other" not in cold.log
    for number in range(5):
        again = warmbuild.succeed(place, branch=f"f/{number}", bake_files="docker-bake.json")
        assert again.executed == [], again.log
        assert "one after the other" in again.log
        found = targets(again)
        assert [found[name]["cache-steps"] for name in ("web", "worker")] == [2, 3]
    (place / "source.txt").write_text("two")
    edited = warmbuild.succeed(place, branch="f/2", bake_files="docker-bake.json")
    assert set(edited.executed) == {"COPY source.txt /", "RUN true"}, edited.log
    found = targets(edited)
    # What ran for the one has run for the other, too.
    assert [found[name]["cache-hits"] for name in ("web", "worker")] == [1, 1]
    assert (edited.outputs["cache-steps"], edited.outputs["cache-hits"]) == ("3", "1")
