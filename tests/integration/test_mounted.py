"""Files that a container of warmbuild shares with the other steps of its job.

The runner's mounts and variables are those of actions/runner (ContainerActionHandler.cs). The next
step is another container, which has the runner's own paths and runs as its user.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.clients import (
    GITHUB_URL,
    GITLAB_HOST,
    ROOT,
    version,
    with_inputs,
)
from tests.integration.clients import repository as as_repository
from tests.integration.conftest import builders
from tests.integration.test_image import read_command_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import docker

    from tests.integration.clients import Act, GitlabCiLocal
    from tests.integration.conftest import Lab, Registry

BASE = "busybox:1.37"
USER, GROUP = 1001, 127
AS_USER = f"{USER}:{GROUP}"
# As the runner of GitHub has them.
WORK = "/home/runner/work"
WORKSPACE, TEMP = f"{WORK}/shop/shop", f"{WORK}/_temp"
# One directory and one file that only its owner may read, as in the image.
DOCKERFILE = f"""FROM {BASE} AS made
RUN --mount=type=secret,id=key mkdir -m 700 /out && cp /run/secrets/key /out/key && chmod 600 /out/*
COPY --from=extra extra.txt /out/
FROM scratch
COPY --from=made /out /out
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """A runner whose work directory is below `place`, and which is `USER`."""

    engine: docker.DockerClient
    lab: Lab
    image: str
    place: Path
    inputs: Mapping[str, str]
    env: Mapping[str, str]

    @property
    def workspace(self) -> Path:
        return self.place / "shop" / "shop"

    @property
    def temporary(self) -> Path:
        return self.place / "_temp"

    def step(self, script: str) -> str:
        """Run a step of the job beside the action, with the runner's paths."""
        code, log = self._run(BASE, {self.place: WORK}, ["sh", "-euxc", script], user=AS_USER)
        assert code == 0, log
        return log

    def action(self, **inputs: str) -> str:
        """Run warmbuild as the container of an action, to a good end; returns its log."""
        code, log = self._action(inputs)
        assert code == 0, log
        return log

    def refused(self, **inputs: str) -> str:
        """Run warmbuild with inputs that cannot be used; returns its log."""
        code, log = self._action(inputs)
        assert code == 2, log
        return log

    def _action(self, inputs: Mapping[str, str]) -> tuple[int, str]:
        given = {f"INPUT_{name.upper()}": value for name, value in inputs.items()}
        mounts: dict[Path | str, str] = {
            self.lab.engine_socket: "/var/run/docker.sock",
            self.workspace: "/github/workspace",
            self.temporary: "/github/runner_temp",
            self.temporary / "_github_home": "/github/home",
            self.temporary / "_github_workflow": "/github/workflow",
            self.temporary / "_runner_file_commands": "/github/file_commands",
        }
        return self._run(
            self.image,
            mounts,
            ["build"],
            working_dir="/github/workspace",
            environment={**self.env, **self.inputs, **given},
        )

    def outputs(self) -> dict[str, str]:
        file = self.temporary / "_runner_file_commands" / "output"
        found = read_command_file(file)
        file.write_text("")
        return found

    def _run(
        self,
        image: str,
        mounts: Mapping[Path | str, str],
        command: list[str],
        **options: Any,  # noqa: ANN401 (docker's)
    ) -> tuple[int, str]:
        volumes = {str(path): {"bind": place, "mode": "rw"} for path, place in mounts.items()}
        container = self.engine.containers.run(
            image, command, detach=True, network_mode="host", volumes=volumes, **options
        )
        try:
            code = int(container.wait()["StatusCode"])
            log = container.logs().decode()
        finally:
            container.remove(force=True, v=True)
        assert builders(self.engine, log) == []
        return code, log


@pytest.fixture
def runner(
    lab: Lab,
    engine: docker.DockerClient,
    image: str,
    of_the_lab: Mapping[str, str],
    github: Callable[..., dict[str, str]],
    tmp_path: Path,
) -> Runner:
    made = Runner(
        engine=engine,
        lab=lab,
        image=image,
        place=tmp_path / "work",
        inputs={f"INPUT_{name}": value for name, value in of_the_lab.items()},
        env={
            **github("push", "github-push.json", "refs/heads/main"),
            "HOME": "/github/home",
            "GITHUB_WORKSPACE": "/github/workspace",
            "GITHUB_EVENT_PATH": "/github/workflow/event.json",
            "GITHUB_OUTPUT": "/github/file_commands/output",
            "GITHUB_STEP_SUMMARY": "/github/file_commands/summary.md",
            "RUNNER_TEMP": "/github/runner_temp",
            "RUNNER_WORKSPACE": f"{WORK}/shop",
        },
    )
    for name in ("_github_home", "_github_workflow", "_runner_file_commands"):
        (made.temporary / name).mkdir(parents=True)
    for file in ("output", "summary.md"):
        (made.temporary / "_runner_file_commands" / file).touch()
    event = (ROOT / "tests" / "data" / "github-push.json").read_text()
    (made.temporary / "_github_workflow" / "event.json").write_text(event)
    made.workspace.mkdir(parents=True)
    (made.workspace / "Dockerfile").write_text(DOCKERFILE)
    (made.workspace / "extra").mkdir()
    (made.workspace / "extra" / "extra.txt").write_text("extra\n")
    (made.temporary / "key").write_text("9f2c71b4\n")
    engine.containers.run(
        BASE,
        ["chown", "-R", AS_USER, "/work"],
        remove=True,
        volumes={str(made.place): {"bind": "/work", "mode": "rw"}},
    )
    return made


class TestOnGithub:
    def test_every_file_of_a_build_is_the_next_steps(self, runner: Runner) -> None:
        runner.action(
            context=WORKSPACE,
            file=f"{WORKSPACE}/Dockerfile",
            build_contexts=f"extra={WORKSPACE}/extra",
            secret_files=f"key={TEMP}/key",
            provenance="mode=max",
            outputs=f"type=local,dest={WORKSPACE}/a/out\ntype=tar,dest={TEMP}/out.tar\n"
            f"type=oci,dest=oci.tar",
            cache_to=f"type=local,dest={TEMP}/cache",
            output_file=f"{TEMP}/outputs.json",
            summary_file="summary.md",
            report_file="report.html",
        )
        runner.step(
            f"cd {WORKSPACE}; cat a/out/out/key a/out/provenance.json; touch a/out/new\n"
            f"tar -tf {TEMP}/out.tar; tar -tf oci.tar\n"
            f"cat {TEMP}/cache/index.json {TEMP}/cache/blobs/sha256/* > /dev/null\n"
            f"cat {TEMP}/outputs.json summary.md; echo >> report.html; rm -r a {TEMP}/cache"
        )
        assert not (runner.workspace / "a").exists()
        # What was there before is whose it was.
        assert (runner.workspace / "Dockerfile").stat().st_uid == USER

    def test_paths_in_a_file_and_a_plan_that_is_fed_back(
        self, runner: Runner, registry: Registry, repository: str
    ) -> None:
        runner.step(
            f"cat > {TEMP}/bake.hcl <<'END'\n"
            'target "default" {\n'
            '  inherits = ["docker-metadata-action"]\n'
            f'  context = "{WORKSPACE}"\n'
            f'  contexts = {{ extra = "{WORKSPACE}/extra" }}\n'
            f'  secret = ["id=key,src={TEMP}/key"]\n'
            f'  output = ["type=local,dest={TEMP}/out"]\n'
            "}\n"
            'target "docker-metadata-action" {}\n'
            "END"
        )
        runner.action(plan_only="true", image=repository, labels="a=b")
        bake_file = runner.outputs()["bake-file"]
        assert bake_file.startswith(f"{TEMP}/warmbuild-")
        runner.step(f"cat {bake_file}")
        runner.action(bake_files=f"{TEMP}/bake.hcl,{bake_file}", push="false")
        runner.step(f"cat {TEMP}/out/out/key")
        assert registry.tags(repository) == ["cache-default--main"]

    @pytest.mark.parametrize(
        ("inputs", "problem"),
        [
            pytest.param(
                {"outputs": "/x/out"}, "outputs: '/x/out' would be lost with", id="a directory"
            ),
            pytest.param(
                {"outputs": "type=oci,dest=/tmp/oci.tar"},
                "outputs: '/tmp/oci.tar' would be lost with",
                id="a tarball",
            ),
            pytest.param(
                {"cache_to": "type=local,dest=/tmp/cache"},
                "cache-to: '/tmp/cache' would be lost with",
                id="a cache",
            ),
            pytest.param(
                {"secret_files": "key=/home/runner/key"},
                "secret-files: '/home/runner/key' of the job is not in",
                id="a secret",
            ),
            pytest.param(
                {"build_contexts": "certificates=/etc/ssl"},
                "build-contexts: '/etc/ssl' of the job is not in",
                id="a directory that the image has too",
            ),
        ],
    )
    def test_a_path_that_nobody_would_find(
        self, runner: Runner, inputs: dict[str, str], problem: str
    ) -> None:
        log = runner.refused(context=".", push="false", **inputs)
        place = problem.split("'")[1]
        assert (
            f"{problem} warmbuild's container, because no mount holds it; use a "
            f"path in the working directory, such as '{Path(place).name}'."
        ) in log
        assert "docker buildx" not in log

    def test_a_path_in_a_file_that_nobody_would_find(self, runner: Runner) -> None:
        runner.step(
            f"cd {WORKSPACE}; "
            """echo 'target "default" { output = ["/tmp/x"] }' > docker-bake.hcl"""
        )
        log = runner.refused(bake_files="docker-bake.hcl", push="false")
        assert "bake-files: '/tmp/x' would be lost with warmbuild's container" in log


WORKFLOW = """name: image
on: push
jobs:
  image:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v6
      - run: id -u | grep -qx 1001
      - uses: warmbuild/warmbuild@VERSION
        with:
          context: .
          push: false
          provenance: mode=max
          outputs: |
            type=local,dest=out
            type=oci,dest=${{ github.workspace }}/oci.tar
          cache-to: type=local,mode=max,dest=cache
          output-file: outputs.json
          summary-file: summary.md
          INPUTS
      - run: |
          cat out/once out/provenance.json outputs.json summary.md cache/index.json
          tar -tf oci.tar
          touch out/new && rm -r out cache
      - uses: warmbuild/warmbuild@VERSION
        id: lost
        continue-on-error: true
        with:
          context: .
          push: false
          outputs: type=oci,dest=/tmp/oci.tar
          INPUTS
      - run: test "${{ steps.lost.outcome }}" = failure
"""


class TestUnderClients:
    @pytest.fixture
    def checkout(self, project: Callable[..., Path]) -> Callable[[str], Path]:
        def make(remote: str) -> Path:
            place = project(f"FROM {BASE}\nRUN cat /proc/sys/kernel/random/uuid > /once\n", {})
            return as_repository(place, remote)

        return make

    def test_the_next_step_of_a_workflow_is_another_user(
        self,
        act: Act,
        action: str,
        engine: docker.DockerClient,
        checkout: Callable[[str], Path],
        of_the_lab: Mapping[str, str],
        name: str,
    ) -> None:
        user = f"FROM {act.image}\nUSER {AS_USER}\n".encode()
        engine.images.build(fileobj=BytesIO(user), tag=f"{name}:user", rm=True)
        workflow = WORKFLOW.replace("VERSION", f"v{version()}").replace("          INPUTS\n", "")
        workflow = with_inputs(workflow, of_the_lab)
        try:
            log = replace(act, image=f"{name}:user").push(
                checkout(GITHUB_URL), workflow, name, action
            )
        finally:
            engine.images.remove(f"{name}:user", force=True)
        assert "'/tmp/oci.tar' would be lost with warmbuild's container" in log

    def test_the_next_job_of_a_pipeline(
        self,
        gitlab_ci_local: GitlabCiLocal,
        image: str,
        checkout: Callable[[str], Path],
        of_the_lab: Mapping[str, str],
    ) -> None:
        place = checkout(f"https://{GITLAB_HOST}/team/app.git")
        pipeline = PIPELINE.replace("VERSION", version()).replace("IMAGE", image)
        (place / ".gitlab-ci.yml").write_text(pipeline)
        log = gitlab_ci_local.pipeline(place, {f"INPUT_{key}": v for key, v in of_the_lab.items()})
        assert "'/tmp/out' would be lost with warmbuild's container" in log
        assert re.search(r"read .*> found", log)


PIPELINE = """include:
  - component: $CI_SERVER_FQDN/warmbuild/warmbuild/build@VERSION
    inputs:
      dind: false
      warmbuild-image: IMAGE
      push: "false"
      outputs: type=local,dest=out

warmbuild:
  artifacts:
    paths: [out]

lost:
  extends: warmbuild
  allow_failure: true
  variables:
    INPUT_OUTPUTS: type=local,dest=/tmp/out

read:
  stage: deploy
  image: busybox:1.37
  needs: [warmbuild]
  script:
    - test -s out/once && echo found
"""


class TestAnywhereElse:
    @pytest.fixture
    def run(
        self,
        engine: docker.DockerClient,
        lab: Lab,
        image: str,
        of_the_lab: Mapping[str, str],
        small: Path,
    ) -> Callable[..., tuple[int, str]]:
        """Run the image on a checkout of `USER`, at its own path as the README has it."""
        volumes = {
            lab.engine_socket: {"bind": "/var/run/docker.sock", "mode": "rw"},
            str(small): {"bind": str(small), "mode": "rw"},
        }
        chown = ["chown", "-R", AS_USER, str(small)]
        engine.containers.run(BASE, chown, remove=True, volumes=volumes)

        def run(place: str, **inputs: str) -> tuple[int, str]:
            given = {**of_the_lab, "CONTEXT": str(small), "PUSH": "false", **inputs}
            container = engine.containers.run(
                image,
                detach=True,
                network_mode="host",
                environment={f"INPUT_{name.upper()}": text for name, text in given.items()},
                volumes=volumes,
                working_dir=place,
            )
            try:
                return int(container.wait()["StatusCode"]), container.logs().decode()
            finally:
                container.remove(force=True, v=True)

        return run

    def test_files_belong_to_the_owner_of_the_directory(
        self, run: Callable[..., tuple[int, str]], small: Path
    ) -> None:
        code, log = run(str(small), outputs="a/out", output_file="outputs.json")
        assert code == 0, log
        for name in ("a", "a/out", "a/out/once", "outputs.json"):
            made = (small / name).stat()
            assert (made.st_uid, made.st_gid) == (USER, GROUP)

    @pytest.mark.parametrize(
        ("is_mounted", "instead"),
        [
            pytest.param(True, "use a path in the working directory, such as 'out'", id="mounted"),
            pytest.param(
                False,
                'mount the working directory, as with -v "$PWD:$PWD" -w "$PWD"',
                id="not mounted",
            ),
        ],
    )
    def test_a_path_that_nobody_would_find(
        self,
        run: Callable[..., tuple[int, str]],
        small: Path,
        is_mounted: bool,  # noqa: FBT001
        instead: str,
    ) -> None:
        code, log = run(str(small) if is_mounted else "/", outputs="/tmp/out")  # noqa: S108
        assert code == 2
        what = "outputs: '/tmp/out' would be lost with warmbuild's container, because no "
        assert f"{what}mount holds it; {instead}." in log
