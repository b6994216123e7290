"""The jobs with which docker/build-push-action tests itself, with warmbuild in its place.

A test has the name of a job, and its first line says what the job asserts. As CI pushes by default
here, `push: false` stands where a job names an image and does not push it.
"""

from __future__ import annotations

import json
import re
import tarfile
from typing import TYPE_CHECKING

import pytest

from tests.integration.faults import proxied
from tests.integration.git_server import served
from tests.integration.peers import pushed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import docker

    from tests.integration.conftest import Arm64, GithubCache, Lab, Registry
    from tests.integration.peers.conftest import Step

HELLO = "FROM busybox:1.37\nRUN echo hello from $(uname)\n"
BOTH = "linux/amd64,linux/arm64"
TOKEN = "ghs_lab0123456789"


class TestGitContext:
    """Without `context` the commit is built as its server has it."""

    def test_minimal(self, uses: Step, project: Callable[..., Path]) -> None:
        """A Dockerfile of the commit alone is built, and goes nowhere."""
        place = project("FROM none\n", {"docker/Dockerfile": HELLO})
        with served(place) as server:
            step = uses.of_commit(place, server)
            ended = step(place, file="./docker/Dockerfile", github_token=TOKEN)
        assert ended.outputs["digest"] == ended.outputs["tags"] == ""
        assert "hello from Linux" in ended.log

    @pytest.mark.parametrize(
        ("variables", "secrets"),
        [
            pytest.param({}, "", id="git-context"),
            pytest.param({"BUILDX_SEND_GIT_QUERY_AS_INPUT": "true"}, "", id="git-context-query"),
            pytest.param(
                {},
                f'GIT_AUTH_TOKEN={TOKEN}\n"LINES=aa\nbb\ncc"\nONE=bar\n"EMPTY=aa\n\nbb\ncc"\n',
                id="git-context-secret",
            ),
        ],
    )
    def test_git_context(
        self,
        variables: Mapping[str, str],
        secrets: str,
        *,
        uses: Step,
        registry: Registry,
        repository: str,
        project: Callable[..., Path],
        arm64: Arm64,
    ) -> None:
        """The image of two platforms is at its second tag too, and has a digest."""
        text = f"FROM {arm64.image}\nRUN uname -m\n"
        if secrets:
            text += (
                "RUN --mount=type=secret,id=LINES test $(wc -l < /run/secrets/LINES) = 2\n"
                "RUN --mount=type=secret,id=EMPTY test $(wc -l < /run/secrets/EMPTY) = 3\n"
                "RUN --mount=type=secret,id=ONE test $(cat /run/secrets/ONE) = bar\n"
            )
        place = project("FROM none\n", {"docker/Dockerfile": text})
        token = {"secrets": secrets} if secrets else {"github_token": TOKEN}
        with served(place) as server:
            step = uses.of_commit(place, server)
            ended = step.where(**variables)(
                place,
                file="./docker/Dockerfile",
                platforms=BOTH,
                push="true",
                tags=f"{repository}:latest\n{repository}:1.0.0",
                **token,
            )
        assert ended.outputs["digest"] == registry.digest(f"{repository}:1.0.0")
        assert pushed.processors(registry, f"{repository}:1.0.0") == ["amd64", "arm64"]
        assert server.users == {("x-access-token", TOKEN)}
        assert ("?" in ended.command) == bool(variables)


def test_path_context(
    uses: Step, registry: Registry, repository: str, project: Callable[..., Path]
) -> None:
    """The image of a directory is at its second tag too, and has a digest."""
    place = project("FROM none\n", {"app/Dockerfile": f"{HELLO}COPY file /\n", "app/file": ""})
    ended = uses(
        place,
        context="./app",
        file="./app/Dockerfile",
        push="true",
        tags=f"{repository}:latest\n{repository}:1.0.0",
    )
    assert ended.outputs["digest"] == registry.digest(f"{repository}:1.0.0")


def test_example(
    uses: Step,
    engine: docker.DockerClient,
    registry: Registry,
    repository: str,
    project: Callable[..., Path],
    loaded: str,
) -> None:
    """What the metadata step says is loaded by one step and pushed by the next."""
    place = project(HELLO)
    rules = ["type=schedule", "type=ref,event=branch", "type=ref,event=pr", "type=sha"]
    rules += [f"type=semver,pattern={{{{{part}}}}}" for part in ("version", "major")]
    meta = uses(place, images=repository, tags="\n".join(rules), plan_only="true").outputs
    given = {"context": ".", "tags": meta["tags"], "labels": meta["labels"]}
    uses(place, load="true", push="false", **given)
    ref = f"{repository}:{meta['version']}"
    assert loaded in ref
    labels = engine.images.get(ref).labels
    pushed = uses(place, push="true", **given)
    assert registry.digest(ref) == pushed.outputs["digest"]
    assert registry.config(ref)["config"]["Labels"] == labels
    revision = labels["org.opencontainers.image.revision"]
    assert meta["version"] == "main"
    assert f"{repository}:sha-{revision[:7]}" in meta["tags"]


def test_annotations(
    uses: Step, registry: Registry, repository: str, project: Callable[..., Path]
) -> None:
    """What is pushed has the annotations, each at its level."""
    place = project(HELLO)
    meta = uses(place, images=repository, tags="type=sha", plan_only="true").outputs
    uses(
        place,
        context=".",
        push="true",
        tags=meta["tags"],
        annotations="index:com.example.key=value\n"
        "index:com.example.key2=value2\n"
        "manifest:com.example.key3=value3",
    )
    ref = f"{repository}:{meta['version']}"
    path = repository.removeprefix(f"{registry.host}/")
    found = registry.get(f"{path}/manifests/{meta['version']}").json()["annotations"]
    expected = {"com.example.key": "value", "com.example.key2": "value2"}
    assert {key: found.get(key) for key in expected} == expected
    assert registry.manifest(ref)["annotations"]["com.example.key3"] == "value3"


class TestErrors:
    def test_error(self, uses: Step, project: Callable[..., Path], tmp_path: Path) -> None:
        """Without an engine the step is red."""
        nowhere = {"DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
        ended = uses.where(**nowhere).fail(project(HELLO), context=".", builder="", push="false")
        assert ended.code == 3

    def test_error_buildx(self, uses: Step, project: Callable[..., Path], unused_port: int) -> None:
        """A push to a registry that is not there is red."""
        ended = uses.fail(
            project("FROM scratch\nCOPY . /\n"),
            context=".",
            platforms="linux/386,linux/amd64,linux/arm/v7,linux/arm64,linux/ppc64le,linux/s390x",
            push="true",
            tags=f"127.0.0.1:{unused_port}/name/app:latest",
            retry_timeout="1s",
        )
        assert ended.code == 5


class TestSecrets:
    """A line without a value is an error here, before anything starts; the jobs are warned."""

    @pytest.mark.parametrize(
        ("given", "variables"),
        [
            pytest.param({"secrets": "MINE=foo"}, {}, id="secret"),
            pytest.param({"secret_files": "MINE=./secret.txt"}, {}, id="secret-files"),
            pytest.param({"secret_envs": "MINE=THEIRS"}, {"THEIRS": "foo"}, id="secret-envs"),
        ],
    )
    def test_secret(
        self,
        given: dict[str, str],
        variables: Mapping[str, str],
        *,
        uses: Step,
        project: Callable[..., Path],
    ) -> None:
        """A step reads the secret."""
        text = (
            "FROM busybox:1.37\nRUN --mount=type=secret,id=MINE"
            f" echo $(wc -c < /run/secrets/MINE) bytes of {next(iter(given))}\n"
        )
        place = project(text, {"secret.txt": "foo"})
        ended = uses.where(**variables)(place, context=".", push="false", **given)
        assert " 3 bytes of " in ended.log
        more = {name: f"{lines}\nINVALID=" for name, lines in given.items()}
        refused = uses.where(**variables).fail(place, context=".", push="false", **more)
        assert refused.code == 2


class TestCommands:
    def test_network(self, uses: Step, project: Callable[..., Path]) -> None:
        """A build with the machine's network is green, on a builder that has another one."""
        place = project("FROM scratch\nCOPY . /\n")
        ended = uses(place, context=".", builder="", driver_opts="", network="host", push="false")
        assert "--network host" in ended.command

    def test_ulimit(self, uses: Step, project: Callable[..., Path]) -> None:
        """Two limits are given, one of them without a hard one."""
        # The shell itself reads them, because it may start no further process.
        text = (
            "FROM busybox:1.37\nRUN while read -r limit; do echo $limit; done < /proc/self/limits\n"
        )
        limits = "nofile=1024:1024\nnproc=3"
        ended = uses(project(text), context=".", push="false", ulimit=limits)
        assert "Max open files 1024 1024 files" in ended.log
        assert "Max processes 3 3 processes" in ended.log

    def test_cgroup_parent(self, uses: Step, project: Callable[..., Path]) -> None:
        """A step runs in a group below the one that is given."""
        text = "FROM busybox:1.37\nRUN cat /proc/self/cgroup\n"
        ended = uses(project(text), context=".", push="false", cgroup_parent="foo")
        assert re.search(r"^#\d+ [\d.]+ .*/foo/", ended.log, re.MULTILINE), ended.log

    def test_no_cache_filters(
        self, uses: Step, project: Callable[..., Path], github_cache: GithubCache, name: str
    ) -> None:
        """One stage runs again, and what it is made of comes from the cache."""
        text = (
            "FROM busybox:1.37 AS base\nRUN echo base > /base\n"
            "FROM base AS build\nRUN uname -a\nFROM build\n"
        )
        given = {
            "context": ".",
            "no_cache_filters": "build",
            "push": "false",
            "cache_from": f"type=gha,scope={name}",
            "cache_to": f"type=gha,scope={name},mode=max",
        }
        place = project(text)
        step = uses.where(**github_cache.environment)
        step(place, **given)
        again = step(place, **given)
        assert again.steps == {"RUN echo base > /base": True, "RUN uname -a": False}


class TestAttestations:
    TEXT = (
        "FROM busybox:1.37 AS make\nRUN echo made > /file\n"
        "FROM scratch AS binary\nCOPY --from=make /file /\n"
        "FROM busybox:1.37 AS image\nCOPY --from=make /file /\n"
    )

    def test_attests_compat(
        self, uses: Step, project: Callable[..., Path], registry: Registry, repository: str
    ) -> None:
        """A build that goes nowhere is green with what is attested by default."""
        ended = uses(project(self.TEXT), context=".", outputs="type=cacheonly")
        assert ended.outputs["digest"] == ""
        assert registry.tags(repository) == []

    @pytest.mark.parametrize("attribute", ["mode=max", ""])
    @pytest.mark.parametrize("target", ["image", "binary"])
    def test_provenance(
        self,
        target: str,
        attribute: str,
        *,
        uses: Step,
        registry: Registry,
        repository: str,
        project: Callable[..., Path],
        tmp_path: Path,
    ) -> None:
        """It is beside the image, and in the directory that is exported."""
        ref, out = f"{repository}:latest", tmp_path / "out"
        outputs = {"image": f"type=image,name={ref},push=true", "binary": str(out)}
        uses(
            project(self.TEXT),
            context=".",
            target=target,
            outputs=outputs[target],
            provenance=attribute,
        )
        if target == "image":
            found = pushed.statements(registry, ref)[pushed.PROVENANCE]
        else:
            assert (out / "file").read_text() == "made\n"
            found = json.loads((out / "provenance.json").read_text())["predicate"]
        # A repository that is not said to be private is public.
        assert "runDetails" in found or "buildConfig" in found

    @pytest.mark.parametrize("target", ["image", "binary"])
    def test_sbom(
        self,
        target: str,
        *,
        uses: Step,
        registry: Registry,
        repository: str,
        project: Callable[..., Path],
        tmp_path: Path,
        scanner: str,
        github_cache: GithubCache,
    ) -> None:
        """It is beside the image, and in the directory that is exported."""
        ref, out = f"{repository}:latest", tmp_path / "out"
        outputs = {"image": f"type=image,name={ref},push=true", "binary": str(out)}
        uses.where(**github_cache.environment)(
            project(self.TEXT),
            context=".",
            target=target,
            outputs=outputs[target],
            sbom=f"generator={scanner}",
            cache_from=f"type=gha,scope={target}",
            cache_to=f"type=gha,scope={target},mode=max",
        )
        if target == "image":
            found = pushed.statements(registry, ref)[pushed.SPDX]
        else:
            found = json.loads((out / "sbom.spdx.json").read_text())["predicate"]
        assert found["name"] == "scanned"

    def test_no_default_attestations(
        self, uses: Step, registry: Registry, repository: str, project: Callable[..., Path]
    ) -> None:
        """With the variable nothing is attested that was not asked for."""
        ended = uses.where(BUILDX_NO_DEFAULT_ATTESTATIONS="1")(
            project(HELLO),
            context=".",
            tags=f"{repository}:1",
        )
        assert "--attest" not in ended.command
        assert (
            "manifests"
            not in registry.get(
                f"{repository.removeprefix(f'{registry.host}/')}/manifests/1"
            ).json()
        )


@pytest.mark.parametrize("user", [0, 1200], ids=["multi", "multi-sudo"])
def test_multi(
    user: int,
    *,
    uses: Step,
    registry: Registry,
    repository: str,
    project: Callable[..., Path],
    arm64: Arm64,
) -> None:
    """What is made where the build runs is in the image of both platforms, which has a digest."""
    text = (
        f"FROM --platform=$BUILDPLATFORM {arm64.image} AS make\n"
        "ARG TARGETPLATFORM\nARG BUILDPLATFORM\n"
        f'RUN echo "$BUILDPLATFORM for $TARGETPLATFORM" > /log && chown {user} /log\n'
        f"USER {user}\nRUN echo $(id -u) >> /log\n"
        f"FROM {arm64.image}\nCOPY --from=make /log /log\nRUN ls -l /log\n"
    )
    ended = uses(
        project(text),
        context=".",
        platforms=BOTH,
        push="true",
        tags=f"{repository}:latest\n{repository}:1.0.0",
    )
    assert ended.outputs["digest"] == registry.digest(f"{repository}:1.0.0")
    assert pushed.processors(registry, f"{repository}:1.0.0") == ["amd64", "arm64"]


@pytest.mark.parametrize(
    ("driver", "load", "push"),
    [
        pytest.param("docker", "true", "false"),
        pytest.param("docker", "false", "true"),
        pytest.param("docker", "false", "false"),
        ("docker-container", "true", "false"),
        ("docker-container", "false", "true"),
        ("docker-container", "false", "false"),
    ],
)
def test_digest(
    driver: str,
    load: str,
    push: str,
    *,
    uses: Step,
    engine: docker.DockerClient,
    registry: Registry,
    repository: str,
    loaded: str,
    project: Callable[..., Path],
) -> None:
    """A digest is there after a push, and an ID after anything but a build that goes nowhere."""
    own = {"builder": "", "driver": driver, "driver_opts": "network=host"}
    ref = f"{repository}:latest"
    assert loaded in ref
    ended = uses(
        project(HELLO),
        context=".",
        load=load,
        push=push,
        tags=ref,
        **(own if driver == "docker" else {}),
    )
    digest, image_id = ended.outputs["digest"], ended.outputs["imageid"]
    if (driver, load, push) == ("docker-container", "false", "false"):
        assert digest == image_id == ""
        return
    assert image_id
    if push == "true":
        assert registry.digest(ref) == digest
    if load == "true":
        assert engine.images.get(image_id).tags == [ref]


class TestCaches:
    """`cache-from` and `cache-to` as the actions have them."""

    TEXT = (
        "FROM {image} AS make\nRUN echo $(uname -m) > /log\nFROM {image}\nCOPY --from=make /log /\n"
    )

    @pytest.fixture
    def both(self, project: Callable[..., Path], arm64: Arm64) -> Path:
        return project(self.TEXT.format(image=arm64.image))

    def test_registry_cache(
        self, uses: Step, registry: Registry, repository: str, both: Path
    ) -> None:
        """The image has a digest, and is the cache that it is read from."""
        ended = uses(
            both,
            context=".",
            platforms=BOTH,
            push="true",
            tags=f"{repository}:latest\n{repository}:1.0.0",
            cache_from=f"type=registry,ref={repository}",
            cache_to="type=inline",
        )
        assert ended.outputs["digest"] == registry.digest(f"{repository}:latest")
        assert pushed.processors(registry, f"{repository}:latest") == ["amd64", "arm64"]
        assert "moby.buildkit.cache.v0" in registry.config(f"{repository}:latest")
        assert registry.tags(repository) == ["1.0.0", "latest"]

    def test_github_cache(
        self, uses: Step, registry: Registry, repository: str, both: Path, github_cache: GithubCache
    ) -> None:
        """The image of both platforms is pushed, with a cache at GitHub."""
        ended = uses.where(**github_cache.environment)(
            both,
            context=".",
            platforms=BOTH,
            push="true",
            tags=f"{repository}:latest\n{repository}:1.0.0",
            cache_from="type=gha,scope=ci-",
            cache_to="type=gha,scope=ci-",
        )
        assert pushed.processors(registry, f"{repository}:1.0.0") == ["amd64", "arm64"]
        assert ended.warnings == []
        assert registry.tags(repository) == ["1.0.0", "latest"]

    def test_local_cache(
        self, uses: Step, registry: Registry, repository: str, both: Path, tmp_path: Path
    ) -> None:
        """The cache of a directory that is not there yet is written to another one."""
        old, new = tmp_path / "cache", tmp_path / "cache-new"
        for _ in range(2):
            uses(
                both,
                context=".",
                platforms=BOTH,
                push="true",
                tags=f"{repository}:latest\n{repository}:1.0.0",
                cache_from=f"type=local,src={old}",
                cache_to=f"type=local,dest={new}",
            )
            assert pushed.processors(registry, f"{repository}:1.0.0") == ["amd64", "arm64"]
            if old.exists():
                old.rename(tmp_path / "older")
            new.rename(old)
        assert (old / "index.json").is_file()


def test_standalone(uses: Step, lab: Lab, project: Callable[..., Path], tmp_path: Path) -> None:
    """Without a docker CLI, with buildx alone, the build is green."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "buildx").symlink_to(lab.env["WARMBUILD_LAB_BUILDX"])
    uses.where(PATH=str(programs))(project(HELLO), context=".", push="false")


class TestNamedContext:
    def test_named_context_pin(self, uses: Step, project: Callable[..., Path]) -> None:
        """What the Dockerfile is made from is another image."""
        place = project("FROM of-the-shelf\nRUN busybox | head -1\n")
        ended = uses(
            place,
            context=".",
            push="false",
            build_contexts="of-the-shelf=docker-image://busybox:1.37",
        )
        assert "BusyBox v1.37" in ended.log

    def test_named_context_docker(
        self, uses: Step, project: Callable[..., Path], loaded: str
    ) -> None:
        """One step loads an image, and the next one builds upon it, in the engine."""
        own = {"context": ".", "builder": "", "driver": "docker", "driver_opts": ""}
        base = f"{loaded}:local"
        text = f"FROM busybox:1.37\nRUN echo of {base} > /base\n"
        place = project("FROM base\nRUN cat /base\n", {"base.Dockerfile": text})
        uses(place, file="base.Dockerfile", load="true", push="false", tags=base, **own)
        ended = uses(place, push="false", build_contexts=f"base=docker-image://{base}", **own)
        assert f" of {base}" in ended.log

    def test_named_context_container(
        self, uses: Step, project: Callable[..., Path], repository: str
    ) -> None:
        """One step pushes an image, and the next one builds upon it."""
        base = f"{repository}:latest"
        text = f"FROM busybox:1.37\nRUN echo of {base} > /base\n"
        place = project("FROM alpine\nRUN cat /base\n", {"base.Dockerfile": text})
        uses(place, context=".", file="base.Dockerfile", push="true", tags=base)
        ended = uses(
            place, context=".", push="false", build_contexts=f"alpine=docker-image://{base}"
        )
        assert f" of {base}" in ended.log


def test_docker_config_malformed(uses: Step, project: Callable[..., Path], tmp_path: Path) -> None:
    """A Docker configuration that is no JSON fails no build."""
    (tmp_path / "config.json").write_text("foo_bar\n")
    uses.where(DOCKER_CONFIG=str(tmp_path))(project(HELLO), context=".", push="false")


class TestProxies:
    def test_proxy_docker_config(
        self, uses: Step, lab: Lab, project: Callable[..., Path], tmp_path: Path
    ) -> None:
        """The proxies of the Docker configuration are arguments of the build, and are used."""
        with proxied(lab.registry) as proxy:
            url = f"http://{proxy.host}"
            config = {"proxies": {"default": {"httpProxy": url, "httpsProxy": url}}}
            (tmp_path / "config.json").write_text(json.dumps(config))
            text = (
                "FROM busybox:1.37\nARG HTTP_PROXY\nARG HTTPS_PROXY\n"
                f"RUN test $HTTP_PROXY = {url} && test $HTTPS_PROXY = {url}\n"
                "RUN wget -O - http://registry.test/v2/\n"
            )
            uses.where(DOCKER_CONFIG=str(tmp_path))(project(text), context=".", push="false")
            assert proxy.count("GET", "^http://registry.test/v2/$") == 1

    def test_proxy_buildkitd(
        self,
        uses: Step,
        lab: Lab,
        repository: str,
        project: Callable[..., Path],
    ) -> None:
        """The daemon pulls through the proxy that its environment names."""
        base = f"registry.test/{repository.partition('/')[2]}:base"
        uses(
            project("FROM scratch\nCOPY . /\n"), context=".", push="true", tags=f"{repository}:base"
        )
        with proxied(lab.registry) as proxy:
            url = f"http://{proxy.host}"
            opts = f"env.http_proxy={url}\nenv.https_proxy={url}"
            uses(
                project(f"FROM {base}\nCOPY Dockerfile /\n"),
                context=".",
                push="false",
                builder="",
                driver_opts=f"{lab.driver_opts}\n{opts}",
                buildkitd_flags="--debug",
                buildkitd_config="",
                buildkitd_config_inline='[registry."registry.test"]\n  http = true\n',
            )
            assert proxy.count("GET", "^http://registry.test/v2/.*/blobs/")


class TestOutputs:
    def test_multi_output(
        self,
        uses: Step,
        engine: docker.DockerClient,
        registry: Registry,
        repository: str,
        loaded: str,
        project: Callable[..., Path],
        tmp_path: Path,
    ) -> None:
        """One build is pushed, loaded and exported."""
        ref, local, archive = f"{repository}:latest", f"{loaded}:local", tmp_path / "oci.tar"
        ended = uses(
            project(HELLO),
            context=".",
            outputs=f"type=image,name={ref},push=true\n"
            f"type=docker,name={local}\n"
            f"type=oci,dest={archive}",
        )
        assert registry.digest(ref) == ended.outputs["digest"]
        assert engine.images.get(local).id
        with tarfile.open(archive) as found:
            assert "index.json" in found.getnames()

    def test_load_and_push(
        self,
        uses: Step,
        engine: docker.DockerClient,
        registry: Registry,
        repository: str,
        loaded: str,
        project: Callable[..., Path],
    ) -> None:
        """One build is pushed and loaded."""
        ref = f"{repository}:latest"
        assert loaded in ref
        ended = uses(project(HELLO), context=".", load="true", push="true", tags=ref)
        # What is loaded has another digest, which no registry knows.
        assert registry.digest(ref) == ended.outputs["digest"]
        assert engine.images.get(ended.outputs["imageid"]).tags == [ref]


def test_summary_disable(uses: Step, project: Callable[..., Path]) -> None:
    """No summary is written."""
    off = {"DOCKER_BUILD_SUMMARY": "false"}
    uses.where(**off)(project(HELLO), context=".", push="false", summary_file="")
    assert uses.summary == ""


@pytest.mark.parametrize(
    "variable",
    [
        pytest.param("DOCKER_BUILD_RECORD_UPLOAD=false", id="record-upload-disable"),
        pytest.param("DOCKER_BUILD_RECORD_RETENTION_DAYS=2", id="record-retention-days"),
        pytest.param("DOCKER_BUILD_RECORD_RETENTION_DAYS=0", id="record-retention-days-0"),
    ],
)
def test_record(variable: str, *, uses: Step, project: Callable[..., Path]) -> None:
    """The build is green. Here there is no record in any case."""
    variables = dict([variable.split("=")])
    uses.where(**variables)(project(HELLO), context=".", push="false")
