"""What docker/build-push-action takes, as BuildKit carries it out."""

from __future__ import annotations

import json
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.git_server import committed, served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import docker

    from tests.integration.conftest import Arm64, Registry, Warmbuild

ONCE = "cat /proc/sys/kernel/random/uuid > /once"
# Two of BuildKit's own rules find something here.
ODD = "FROM busybox:1.37\nENV A 1\nCMD echo hi\n"
RULES = "https://docs.docker.com/go/dockerfile/rule"
SPELLING = (
    'LegacyKeyValueFormat: "ENV key=value" should be used instead of legacy "ENV key value" '
    f"format {RULES}/legacy-key-value-format/"
)
EXEC = (
    "JSONArgsRecommended: JSON arguments recommended for CMD to prevent unintended behavior "
    f"related to OS signals {RULES}/json-args-recommended/"
)
TOKEN = "ghs_lab0123456789"


class TestCall:
    def test_a_check_that_finds_something_fails(
        self,
        warmbuild: Warmbuild,
        registry: Registry,
        repository: str,
        project: Callable[..., Path],
    ) -> None:
        ended = warmbuild.build(project(ODD), image=repository, call="check", push="true")
        assert ended.code == 4
        assert ended.errors == ["error: Check complete, 2 warnings have been found!"]
        assert ended.warnings == [
            f"warning: Dockerfile:2: {SPELLING}",
            f"warning: Dockerfile:3: {EXEC}",
        ]
        assert "   3 | >>> CMD echo hi" in ended.log
        # buildx itself would push an empty image.
        assert registry.tags(repository) == []

    def test_a_check_that_finds_nothing(
        self, warmbuild: Warmbuild, registry: Registry, repository: str, small: Path
    ) -> None:
        ended = warmbuild.succeed(small, image=repository, call="check")
        assert "Check complete, no warnings found." in ended.log
        assert (ended.outputs["digest"], ended.outputs["cache-written"]) == ("", "")
        assert registry.tags(repository) == []

    @pytest.mark.parametrize(
        ("call", "expected"), [("outline", "BUILD ARG"), ("targets", "TARGET"), ("lint", "Check ")]
    )
    def test_an_answer_is_printed(
        self, warmbuild: Warmbuild, project: Callable[..., Path], call: str, expected: str
    ) -> None:
        place = project("FROM busybox:1.37 AS base\nARG VERSION=1\n")
        ended = warmbuild.succeed(place, call=call)
        assert any(text.startswith(expected) for _, text in ended.lines), ended.log
        assert ended.steps == {}

    def test_a_dockerfile_that_cannot_be_read(
        self, warmbuild: Warmbuild, project: Callable[..., Path]
    ) -> None:
        ended = warmbuild.build(project("FROM busybox:1.37\nRUM x\n"), call="check")
        assert ended.code == 4
        assert "unknown instruction: RUM" in ended.errors[0]


class TestWarnings:
    def test_stand_in_the_line_they_are_about(
        self,
        warmbuild: Warmbuild,
        github: Callable[..., dict[str, str]],
        repository: str,
        project: Callable[..., Path],
    ) -> None:
        ci = github("push", "github-push.json", "refs/heads/main")
        ended = warmbuild.succeed(project(ODD), ci=ci, image=repository)
        shown = [text for _, text in ended.lines if text.startswith("::warning ")]
        assert [text.partition(",col=")[0] for text in shown] == [
            "::warning title=warmbuild,file=Dockerfile,line=2,endLine=2",
            "::warning title=warmbuild,file=Dockerfile,line=3,endLine=3",
        ]
        assert [text.rpartition("::")[2] for text in shown] == [SPELLING, EXEC]
        assert len(json.loads(ended.outputs["metadata"])["buildx.build.warnings"]) == 2

    def test_can_be_switched_off(
        self, warmbuild: Warmbuild, repository: str, project: Callable[..., Path]
    ) -> None:
        off = {"DOCKER_BUILD_CHECKS_ANNOTATIONS": "false"}
        assert warmbuild.succeed(project(ODD), image=repository, extra=off).warnings == []

    def test_are_told_of_a_build_that_fails(
        self, warmbuild: Warmbuild, repository: str, project: Callable[..., Path]
    ) -> None:
        ended = warmbuild.build(project(f"{ODD}RUN false\n"), image=repository)
        assert ended.code == 4
        assert f"warning: Dockerfile:2: {SPELLING}" in ended.warnings


class TestOutputs:
    def test_a_directory(
        self,
        warmbuild: Warmbuild,
        registry: Registry,
        repository: str,
        project: Callable[..., Path],
    ) -> None:
        place = project(
            "FROM busybox:1.37 AS make\nRUN echo made > /file\n"
            "FROM scratch\nCOPY --from=make /file /\n"
        )
        ended = warmbuild.succeed(place, image=repository, outputs="type=local,dest=out")
        assert (place / "out" / "file").read_text() == "made\n"
        assert ended.outputs["imageid"] == ""
        assert registry.tags(repository) == ["cache-main"]
        again = warmbuild.succeed(place, image=repository, outputs="type=local,dest=again")
        assert again.executed == []
        assert (place / "again" / "file").read_text() == "made\n"

    def test_a_tarball_and_a_push(
        self, warmbuild: Warmbuild, registry: Registry, repository: str, small: Path
    ) -> None:
        ended = warmbuild.succeed(
            small, image=repository, push="true", outputs="type=oci,dest=image.tar"
        )
        assert (small / "image.tar").stat().st_size
        assert registry.digest(f"{repository}:main") == ended.outputs["digest"]
        registry.check_cache(f"{repository}:cache-main")

    def test_an_entry_that_pushes_under_two_names(
        self, warmbuild: Warmbuild, registry: Registry, repository: str, small: Path
    ) -> None:
        names = f"{repository}:one,{repository}:two"
        ended = warmbuild.succeed(
            small,
            outputs=f'type=image,"name={names}",push=true',
            cache_repository=repository,
        )
        assert registry.tags(repository) == ["cache-main", "one", "two"]
        assert registry.digest(f"{repository}:two") == ended.outputs["digest"]


class TestCommands:
    def test_run_as_they_are_told_to(
        self, warmbuild: Warmbuild, repository: str, project: Callable[..., Path]
    ) -> None:
        place = project(
            "FROM busybox:1.37\n"
            "RUN grep -E '^10.1.2.3\\s+nexus' /etc/hosts\n"
            "RUN grep -E '^10.1.2.4\\s+mirror' /etc/hosts\n"
            "RUN test $(ulimit -Sn) = 123 && test $(ulimit -Hn) = 456\n"
            "RUN test $(df -k /dev/shm | awk 'NR == 2 {print $2}') = 32768\n"
        )
        warmbuild.succeed(
            place,
            image=repository,
            add_hosts="nexus:10.1.2.3,mirror:10.1.2.4",
            ulimit="nofile=123:456",
            shm_size="32m",
        )

    def test_have_the_network_that_is_allowed(
        self, warmbuild: Warmbuild, repository: str, project: Callable[..., Path]
    ) -> None:
        place = project("FROM busybox:1.37\nRUN cat /proc/net/dev | grep -c : > /count\n")
        host = warmbuild.succeed(
            place, image=repository, network="host", allow="network.host", cache="off"
        )
        assert "--allow network.host" in host.command
        assert "--network host" in host.command
        none = project("FROM busybox:1.37\nRUN test $(grep -c : /proc/net/dev) = 1\n")
        warmbuild.succeed(none, image=repository, network="none", cache="off")

    def test_read_secrets_as_they_were_given(
        self, warmbuild: Warmbuild, repository: str, project: Callable[..., Path]
    ) -> None:
        place = project(
            "FROM busybox:1.37\n"
            "RUN --mount=type=secret,id=PADDED cat /run/secrets/PADDED > /padded\n"
            "RUN test \"$(cat /padded; echo .)\" = '  x .'\n"
            'RUN --mount=type=secret,id=LINES test "$(wc -l < /run/secrets/LINES)" = 2\n'
            "RUN --mount=type=secret,id=QUOTE grep -Fx 'it\"s, 1' /run/secrets/QUOTE\n"
        )
        ended = warmbuild.succeed(
            place,
            image=repository,
            secrets='PADDED=  x \n"LINES=first line\nsecond line\n"\nQUOTE=it"s, 1',
        )
        assert "first line" not in ended.log

    def test_can_use_an_ssh_agent(
        self, warmbuild: Warmbuild, repository: str, project: Callable[..., Path], tmp_path: Path
    ) -> None:
        place = project('FROM busybox:1.37\nRUN --mount=type=ssh test -S "$SSH_AUTH_SOCK"\n')
        with agent(tmp_path / "agent.sock") as socket:
            by_path = warmbuild.succeed(place, image=repository, ssh=f"default={socket}")
            by_name = warmbuild.succeed(
                place, image=repository, ssh="default", extra={"SSH_AUTH_SOCK": socket}
            )
        assert f"--ssh default={socket}" in by_path.command
        assert "--ssh default " in by_name.command

    def test_find_further_contexts(
        self, warmbuild: Warmbuild, repository: str, project: Callable[..., Path], tmp_path: Path
    ) -> None:
        (tmp_path / "lib").mkdir()
        (tmp_path / "lib" / "file").write_text("from the library")
        place = project("FROM base\nCOPY --from=lib file /file\nRUN grep library /file\n")
        warmbuild.succeed(
            place,
            image=repository,
            build_contexts="lib=../lib\nbase=docker-image://busybox:1.37",
        )


class TestProvenance:
    @pytest.mark.parametrize("private", [False, True])
    def test_is_there_unasked_on_github(
        self,
        warmbuild: Warmbuild,
        registry: Registry,
        github: Callable[..., dict[str, str]],
        repository: str,
        project: Callable[..., Path],
        tmp_path: Path,
        private: bool,  # noqa: FBT001
    ) -> None:
        place = project(f"FROM busybox:1.37\nARG SAID\nRUN {ONCE}\n")
        ci = with_payload(
            github("push", "github-push.json", "refs/heads/main"),
            tmp_path / "event.json",
            {"private": private},
        )
        given = {"ci": ci, "image": repository, "build_args": "SAID=x"}
        first = warmbuild.succeed(place, **given)  # type: ignore[arg-type]
        said = provenance(registry, f"{repository}:main")
        builder = "https://github.com/octo-org/shop/actions/runs/7/attempts/2"
        assert said["runDetails"]["builder"]["id"] == builder
        arguments = said["buildDefinition"]["externalParameters"]["request"].get("args", {})
        assert (arguments.get("build-arg:SAID") == "x") is not private
        # It has the time of the build in it, and the cache has not.
        again = warmbuild.succeed(place, **given)  # type: ignore[arg-type]
        assert again.executed == []
        assert again.outputs["digest"] == registry.digest(f"{repository}:main")
        assert first.outputs["digest"] != again.outputs["digest"]

    def test_of_two_platforms(
        self,
        warmbuild: Warmbuild,
        registry: Registry,
        github: Callable[..., dict[str, str]],
        repository: str,
        project: Callable[..., Path],
        arm64: Arm64,
    ) -> None:
        place = project(f"FROM {arm64.image}\nRUN {ONCE}\n")
        ci = github("push", "github-push.json", "refs/heads/main")
        given = {"ci": ci, "image": repository, "platforms": "linux/amd64,linux/arm64"}
        warmbuild.succeed(place, **given)  # type: ignore[arg-type]
        assert len(index(registry, f"{repository}:main")) == 4
        assert warmbuild.succeed(place, **given).executed == []  # type: ignore[arg-type]

    def test_is_not_in_what_is_loaded(
        self,
        warmbuild: Warmbuild,
        engine: docker.DockerClient,
        github: Callable[..., dict[str, str]],
        repository: str,
        small: Path,
    ) -> None:
        ci = github("push", "github-push.json", "refs/heads/main")
        ended = warmbuild.succeed(small, ci=ci, image=repository, push="false", load="true")
        try:
            assert engine.images.get(f"{repository}:main").id == ended.outputs["imageid"]
        finally:
            engine.images.remove(f"{repository}:main")
            engine.images.remove(f"{repository}:latest")
        assert "--attest" not in ended.command
        assert ended.outputs["cache-written"] == f"{repository}:cache-main"

    def test_is_done_without_where_a_builder_has_none(
        self,
        warmbuild: Warmbuild,
        engine: docker.DockerClient,
        github: Callable[..., dict[str, str]],
        repository: str,
        small: Path,
    ) -> None:
        ci = github("push", "github-push.json", "refs/heads/main")
        ended = warmbuild.succeed(
            small, ci=ci, builder="default", image=repository, push="false", cache="off"
        )
        engine.images.remove(f"{repository}:main")
        engine.images.remove(f"{repository}:latest")
        assert "the image has no provenance: this builder does not support it; " in ended.log
        assert "::warning " not in ended.log


class TestGitContext:
    def test_is_the_default_on_github(
        self,
        warmbuild: Warmbuild,
        registry: Registry,
        github: Callable[..., dict[str, str]],
        repository: str,
        project: Callable[..., Path],
    ) -> None:
        place = project(
            f"{ODD}RUN {ONCE}\nCOPY file /\nRUN grep committed /file\n", {"file": "committed"}
        )
        commit = committed(place)
        # What the job changes is not in the context, and neither is what lies around.
        (place / "file").write_text("changed by the job")
        with served(place) as server:
            ci = github("push", "github-push.json", "refs/heads/main") | {
                "GITHUB_SERVER_URL": server.url,
                "GITHUB_SHA": commit,
            }
            given = {"ci": ci, "image": repository, "context": "", "github_token": TOKEN}
            first = warmbuild.succeed(place, **given)  # type: ignore[arg-type]
            again = warmbuild.succeed(place, **given)  # type: ignore[arg-type]
        assert first.command.endswith(f" '{server.url}/octo-org/shop.git#{commit}'")
        registry.check_image(f"{repository}:main")
        assert again.executed == []
        # The checkout has the Dockerfile that was built, so its lines can be shown.
        assert sum("file=Dockerfile,line=2" in text for _, text in first.lines) == 1
        told = [text for _, text in first.lines if TOKEN in text]
        assert {*told} == {f"::add-mask::{TOKEN}"}
        assert server.users == {("x-access-token", TOKEN)}

    def test_links_only_what_the_commit_has(
        self,
        warmbuild: Warmbuild,
        github: Callable[..., dict[str, str]],
        repository: str,
        project: Callable[..., Path],
    ) -> None:
        text = f"{ODD}WORKDIR /srv\nCOPY app app\n"
        files = {"docker/Dockerfile": text, "app/a": "committed", "app/b": ""}
        ignored = {"docker/Dockerfile.dockerignore": "**/b\n"}
        place = project("FROM scratch\n", files | ignored)
        commit = committed(place)
        (place / "app" / "a").write_text("changed by the job")
        with served(place) as server:
            ci = github("push", "github-push.json", "refs/heads/main") | {
                "GITHUB_SERVER_URL": server.url,
                "GITHUB_SHA": commit,
            }
            given = {
                "ci": ci,
                "image": repository,
                "context": "",
                "github_token": TOKEN,
                "file": "docker/Dockerfile",
                "link": "true",
                "cache": "off",
            }
            linked = warmbuild.succeed(place, **given)  # type: ignore[arg-type]
            (place / "docker" / "Dockerfile").write_text(f"{text}RUN false\n")
            changed = warmbuild.succeed(place, **given)  # type: ignore[arg-type]
        lines = len(text.splitlines())
        assert f"link: the step on line {lines} is built with --link" in linked.log
        assert "COPY --link app app" in linked.executed
        assert "link has no effect: docker/Dockerfile is not the file of the commit" in changed.log
        assert "COPY app app" in changed.executed

    def test_a_directory_of_it_and_one_more(
        self,
        warmbuild: Warmbuild,
        github: Callable[..., dict[str, str]],
        repository: str,
        project: Callable[..., Path],
    ) -> None:
        place = project(
            "FROM scratch\n",
            {
                "docker/app.Dockerfile": "FROM busybox:1.37\nCOPY file /\nCOPY --from=lib f /\n",
                "docker/file": "",
                "lib/f": "",
            },
        )
        commit = committed(place)
        with served(place) as server:
            ci = github("push", "github-push.json", "refs/heads/main") | {
                "GITHUB_SERVER_URL": server.url,
                "GITHUB_SHA": commit,
            }
            warmbuild.succeed(
                place,
                ci=ci,
                image=repository,
                context="{{defaultContext}}:docker",
                file="app.Dockerfile",
                build_contexts="lib={{defaultContext}}:lib",
                github_token=TOKEN,
                push="false",
                cache="off",
            )


def provenance(registry: Registry, ref: str) -> Mapping[str, Any]:
    """Return the provenance of the one image of an index."""
    repository = ref.rpartition(":")[0].removeprefix(f"{registry.host}/")
    (attached,) = [
        item for item in index(registry, ref) if item["platform"]["architecture"] == "unknown"
    ]
    manifest = registry.get(f"{repository}/manifests/{attached['digest']}").json()
    statement = registry.get(f"{repository}/blobs/{manifest['layers'][0]['digest']}").json()
    return dict(statement["predicate"])


def index(registry: Registry, ref: str) -> list[dict[str, Any]]:
    """Return what an index lists."""
    path, _, tag = ref.removeprefix(f"{registry.host}/").partition(":")
    return list(registry.get(f"{path}/manifests/{tag}").json()["manifests"])


def with_payload(ci: dict[str, str], place: Path, change: dict[str, object]) -> dict[str, str]:
    """Have an event of a repository that differs."""
    payload = json.loads(Path(ci["GITHUB_EVENT_PATH"]).read_text())
    payload["repository"] |= change
    place.write_text(json.dumps(payload))
    run = {"GITHUB_RUN_ID": "7", "GITHUB_RUN_ATTEMPT": "2"}
    return ci | run | {"GITHUB_EVENT_PATH": str(place)}


@contextmanager
def agent(socket: Path) -> Iterator[str]:
    """Have an SSH agent, without a key."""
    running = subprocess.Popen(  # noqa: S603 (a list of arguments, no shell)
        ["ssh-agent", "-D", "-a", str(socket)],  # noqa: S607 (where it lies differs)
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        # It says where it listens once it does.
        assert running.stdout is not None
        assert running.stdout.readline()
        yield str(socket)
    finally:
        running.terminate()
        running.communicate()
