"""The jobs with which docker/bake-action tests itself, with warmbuild in its place.

A test has the name of a job, and its first line says what the job asserts. As CI pushes by default
here, `push: false` stands where a job does not push. The definition is read in the checkout where
a job names no source; the action reads it at the commit's server.
"""

from __future__ import annotations

import json
import re
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.faults import proxied
from tests.integration.git_server import served
from tests.integration.peers import pushed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import docker

    from tests.integration.conftest import Arm64, Ended, GithubCache, Lab, Registry
    from tests.integration.peers.conftest import Step


TOKEN = "ghs_lab0123456789"
FILE = "./shop/shop.hcl"
SHOP = """
group "default" { targets = ["store", "till"] }
group "release" { targets = ["store", "till-everywhere"] }
target "docker-metadata-action" {}
target "store" { context = "./shop" }
target "till" {
  inherits = ["docker-metadata-action"]
  context = "./shop"
  args = { WHO = "the till" }
}
target "everywhere" { platforms = ["linux/amd64", "linux/arm64"] }
target "till-everywhere" { inherits = ["till", "everywhere"] }
target "till-behind-a-proxy" {
  inherits = ["till"]
  dockerfile = "proxy.Dockerfile"
}
target "till-with-rights" {
  inherits = ["till"]
  dockerfile-inline = "FROM busybox:1.37\\nRUN --network=host grep -c : /proc/net/dev"
  entitlements = ["network.host"]
}
"""
TOOL = """
variable "OUT" { default = "out" }
group "default" { targets = ["binary"] }
target "binary" {
  target = "binary"
  output = [OUT]
}
target "image" { target = "image" }
"""
TOOL_DOCKERFILE = """FROM busybox:1.37 AS make
RUN echo made > /tool
FROM scratch AS binary
COPY --from=make /tool /
FROM busybox:1.37 AS image
COPY --from=make /tool /
"""
# Each of them is told what BuildKit's own rules find.
ODD = "FROM busybox:1.37\nENV A 1\nCMD echo hi\n"
OTHER = "FROM busybox:1.37\nMAINTAINER me\n"
ODDITIES = """
group "default" { targets = ["odd", "other", "inline"] }
target "odd" { dockerfile = "odd.Dockerfile" }
target "other" { dockerfile = "other.Dockerfile" }
target "inline" { dockerfile-inline = "FROM busybox:1.37\\nENV B 2" }
"""


@pytest.fixture
def shop(project: Callable[..., Path], name: str, arm64: Arm64) -> Path:
    text = (
        f'FROM {arm64.image}\nARG WHO="the store"\n'
        f"RUN echo hello from $WHO on $(uname -m) > /{name} && cat /{name}\n"
    )
    files = {"shop/Dockerfile": text, "shop/shop.hcl": SHOP}
    return project("FROM none\n", files)


@pytest.fixture
def tool(project: Callable[..., Path]) -> Path:
    return project(
        "FROM none\n", {"tool/Dockerfile": TOOL_DOCKERFILE, "tool/docker-bake.hcl": TOOL}
    )


@pytest.fixture
def odd(project: Callable[..., Path]) -> Path:
    files = {"odd.Dockerfile": ODD, "other.Dockerfile": OTHER, "odd.hcl": ODDITIES}
    return project("FROM none\n", {f"odd/{name}": text for name, text in files.items()})


def targets(ended: Ended) -> list[str]:
    return list(json.loads(ended.outputs["targets"]))


@pytest.mark.parametrize(
    ("asked", "built"),
    [("default", ["store", "till"]), ("release", ["store", "till-everywhere"])],
)
def test_bake(asked: str, built: list[str], *, uses: Step, shop: Path) -> None:
    """The targets of a group are built."""
    ended = uses(shop, source=".", files=FILE, targets=asked, push="false")
    assert targets(ended) == built
    assert "hello from the store on x86_64" in ended.log
    assert "hello from the till on x86_64" in ended.log
    assert ("hello from the till on aarch64" in ended.log) == (asked == "release")


class TestErrors:
    def test_error_msg(self, uses: Step, shop: Path) -> None:
        """Platforms that no node serves are red."""
        elsewhere = "*.platform=linux/amd64,linux/ppc64le,linux/s390x"
        ended = uses.fail(shop, source=".", files=FILE, push="false", set=elsewhere)
        assert ended.code == 4

    def test_error_check(self, uses: Step, shop: Path, tmp_path: Path) -> None:
        """Without an engine the step is red."""
        nowhere = {"DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
        given = {"source": ".", "files": FILE, "push": "false", "builder": ""}
        assert uses.where(**nowhere).fail(shop, **given).code == 3

    def test_error_source(self, uses: Step, shop: Path) -> None:
        """A source that is not there is red."""
        ended = uses.fail(shop, source="./does-not-exist", push="false")
        assert ended.code == 2
        assert "does-not-exist" in ended.log


def test_standalone(uses: Step, lab: Lab, shop: Path, tmp_path: Path) -> None:
    """Without a docker CLI, with buildx alone, the build is green."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "buildx").symlink_to(lab.env["WARMBUILD_LAB_BUILDX"])
    uses.where(PATH=str(programs))(shop, source=".", files=FILE, push="false")


def test_remote(uses: Step, shop: Path, tmp_path: Path) -> None:
    """A definition of another repository is built with that repository for its context."""
    (shop / "shop" / "shop.hcl").rename(shop / "docker-bake.hcl")
    here = tmp_path / "here"
    here.mkdir()
    with served(shop) as server:
        step = uses.of_commit(shop, server)
        source = f"{server.url}/octo-org/shop.git#main"
        ended = step(here, source=source, targets="store", push="false", github_token=TOKEN)
    assert targets(ended) == ["store"]
    assert "hello from the store" in ended.log


class TestAttestations:
    @pytest.mark.parametrize("given", ["", "mode=max", "builder-id=foo", "false", "true"])
    def test_provenance(
        self, given: str, *, uses: Step, tool: Path, tmp_path: Path, github_cache: GithubCache
    ) -> None:
        """What is exported has it, but if it is not wanted."""
        archive = tmp_path / "build.tar"
        lines = [
            f"*.output=type=oci,dest={archive}",
            "*.cache-from=type=gha,scope=provenance",
            "*.cache-to=type=gha,scope=provenance,mode=max",
        ]
        uses.where(**github_cache.environment)(
            tool,
            source="./tool",
            targets="binary",
            provenance=given,
            set="\n".join(lines),
        )
        found = statement(archive)
        assert bool(found) == (given != "false")
        if given == "builder-id=foo":
            assert found["predicate"]["runDetails"]["builder"]["id"] == "foo"

    @pytest.mark.parametrize("target", ["image", "binary"])
    def test_sbom(
        self,
        target: str,
        *,
        uses: Step,
        registry: Registry,
        repository: str,
        tool: Path,
        tmp_path: Path,
        scanner: str,
        github_cache: GithubCache,
    ) -> None:
        """It is beside the image, and in the directory that is exported."""
        ref, out = f"{repository}:latest", tmp_path / "out"
        outputs = {"image": f"type=image,name={ref},push=true", "binary": str(out)}
        lines = [
            f"*.output={outputs[target]}",
            f"*.cache-from=type=gha,scope=attests-{target}",
            f"*.cache-to=type=gha,scope=attests-{target},mode=max",
        ]
        uses.where(**github_cache.environment, OUT=str(out))(
            tool,
            source="./tool",
            targets=target,
            sbom=f"generator={scanner}",
            set="\n".join(lines),
        )
        if target == "image":
            assert pushed.statements(registry, ref)[pushed.SPDX]["name"] == "scanned"
            return
        assert (out / "tool").read_text() == "made\n"
        assert json.loads((out / "sbom.spdx.json").read_text())["predicate"]["name"] == "scanned"
        assert json.loads((out / "provenance.json").read_text())["predicate"]

    def test_attest_override(
        self,
        uses: Step,
        registry: Registry,
        repository: str,
        project: Callable[..., Path],
        scanner: str,
    ) -> None:
        """What a target attests itself is left as it is; the others have what is the default."""
        hcl = f"""
group "default" {{ targets = ["plain", "little", "listed"] }}
target "plain" {{ target = "plain" }}
target "little" {{
  target = "little"
  attest = ["type=provenance,mode=min"]
}}
target "listed" {{
  target = "listed"
  attest = ["type=sbom,generator={scanner}"]
}}
"""
        names = ("plain", "little", "listed")
        stages = [f"FROM busybox:1.37 AS {name}\nRUN echo hello from {name}\n" for name in names]
        place = project("FROM none\n", {"a/Dockerfile": "".join(stages), "a/docker-bake.hcl": hcl})
        tags = "\n".join(f"{name}.tags={repository}:{name}" for name in names)
        uses(place, source="./a", push="true", set=tags)
        found = {name: pushed.statements(registry, f"{repository}:{name}") for name in names}
        assert [list(one) for one in found.values()] == [
            [pushed.PROVENANCE],
            [pushed.PROVENANCE],
            [pushed.SPDX, pushed.PROVENANCE],
        ]

    def test_no_default_attestations(self, uses: Step, tool: Path, tmp_path: Path) -> None:
        """With the variable nothing is attested that was not asked for."""
        archive = tmp_path / "build.tar"
        uses.where(BUILDX_NO_DEFAULT_ATTESTATIONS="1")(
            tool,
            source="./tool",
            set=f"*.output=type=oci,dest={archive}",
        )
        assert statement(archive) == {}


def statement(archive: Path) -> dict[str, Any]:
    """Return what is attested of the one image of an archive; nothing if that is nothing."""
    with tarfile.open(archive) as found:

        def read(descriptor: Mapping[str, str]) -> dict[str, Any]:
            file = found.extractfile(f"blobs/{descriptor['digest'].replace(':', '/')}")
            assert file
            return dict(json.load(file))

        index = json.load(found.extractfile("index.json"))  # type: ignore[arg-type]
        (top,) = index["manifests"]
        for item in read(top).get("manifests", []):
            if item["platform"]["architecture"] == "unknown":
                return read(read(item)["layers"][0])
    return {}


def test_set(uses: Step, registry: Registry, repository: str, tool: Path) -> None:
    """What is set has the last word: one platform, two names, and no further tag."""
    names = f"{repository}:v1.0.0,{repository}:latest"
    lines = ["*.platform=linux/amd64", f'*.output=type=image,"name={names}",push=true', "*.tags="]
    uses(tool, source="./tool", set="\n".join(lines))
    assert registry.digest(f"{repository}:v1.0.0") == registry.digest(f"{repository}:latest")


def test_group(
    uses: Step, registry: Registry, repository: str, project: Callable[..., Path]
) -> None:
    """Two stages are pushed, each under its own tag."""
    hcl = 'group "default" { targets = ["a", "b"] }\n'
    hcl += "".join(f'target "{name}" {{ target = "{name}" }}\n' for name in "ab")
    text = "".join(f"FROM busybox:1.37 AS {name}\nRUN echo hello {name}\n" for name in "ab")
    place = project("FROM none\n", {"group/Dockerfile": text, "group/docker-bake.hcl": hcl})
    tags = "\n".join(f"{name}.tags={repository}:{name}" for name in "ab")
    ended = uses(place, source="./group", push="true", set=tags)
    found = json.loads(ended.outputs["targets"])
    for name in "ab":
        assert registry.digest(f"{repository}:{name}") == found[name]["digest"]


def test_docker_config_malformed(uses: Step, shop: Path, tmp_path: Path) -> None:
    """A Docker configuration that is no JSON fails no build."""
    (tmp_path / "config.json").write_text("foo_bar\n")
    place = {"DOCKER_CONFIG": str(tmp_path)}
    uses.where(**place)(shop, source=".", files=FILE, push="false")


class TestProxies:
    def test_proxy_docker_config(self, uses: Step, lab: Lab, shop: Path, tmp_path: Path) -> None:
        """The proxies of the Docker configuration are arguments of the build, and are used."""
        with proxied(lab.registry) as proxy:
            url = f"http://{proxy.host}"
            config = {"proxies": {"default": {"httpProxy": url, "httpsProxy": url}}}
            (tmp_path / "config.json").write_text(json.dumps(config))
            (shop / "shop" / "proxy.Dockerfile").write_text(
                "FROM busybox:1.37\nARG HTTP_PROXY\nARG HTTPS_PROXY\n"
                f"RUN test $HTTP_PROXY = {url} && test $HTTPS_PROXY = {url}\n"
                "RUN wget -O - http://registry.test/v2/\n"
            )
            uses.where(DOCKER_CONFIG=str(tmp_path))(
                shop,
                source=".",
                files=FILE,
                targets="till-behind-a-proxy",
                push="false",
            )
            assert proxy.count("GET", "^http://registry.test/v2/$") == 1

    def test_proxy_buildkitd(self, uses: Step, lab: Lab, repository: str, tool: Path) -> None:
        """The daemon pulls through the proxy that its environment names."""
        base = f"{repository}:base"
        uses(tool, source="./tool", targets="image", push="true", set=f"*.tags={base}")
        (tool / "tool" / "Dockerfile").write_text(
            f"FROM registry.test/{base.partition('/')[2]} AS binary\nCOPY Dockerfile /\n"
        )
        with proxied(lab.registry) as proxy:
            url = f"http://{proxy.host}"
            uses(
                tool,
                source="./tool",
                set="*.output=type=cacheonly",
                builder="",
                driver_opts=f"{lab.driver_opts}\nenv.http_proxy={url}\nenv.https_proxy={url}",
                buildkitd_config="",
                buildkitd_config_inline='[registry."registry.test"]\n  http = true\n',
            )
            assert proxy.count("GET", "^http://registry.test/v2/.*/blobs/")


class TestGitContext:
    @pytest.mark.parametrize(
        "variables",
        [
            pytest.param({}, id="git-context"),
            pytest.param({"BUILDX_SEND_GIT_QUERY_AS_INPUT": "true"}, id="git-context-query"),
        ],
    )
    def test_git_context(self, variables: Mapping[str, str], *, uses: Step, shop: Path) -> None:
        """Without a source a definition by its path is built."""
        with served(shop) as server:
            step = uses.of_commit(shop, server)
            ended = step.where(**variables)(shop, files=FILE, push="false", github_token=TOKEN)
        assert targets(ended) == ["store", "till"]

    def test_git_context_and_local(self, uses: Step, shop: Path) -> None:
        """What the metadata step wrote is read beside it."""
        meta = uses(shop, plan_only="true", tags="type=sha").outputs
        with served(shop) as server:
            step = uses.of_commit(shop, server)
            files = f"{FILE}\ncwd://{meta['bake-file']}"
            ended = step(shop, files=files, push="false", github_token=TOKEN)
        assert targets(ended) == ["store", "till"]
        version = f"sha-{uses.ci['GITHUB_SHA'][:7]}"
        assert f'"build-arg:DOCKER_META_VERSION":"{version}"' in ended.outputs["metadata"]


class TestOutputs:
    def test_multi_output(
        self,
        uses: Step,
        engine: docker.DockerClient,
        registry: Registry,
        repository: str,
        loaded: str,
        tool: Path,
        tmp_path: Path,
    ) -> None:
        """One target is pushed, loaded and exported."""
        ref, local, archive = f"{repository}:latest", f"{loaded}:local", tmp_path / "oci.tar"
        lines = [
            f"*.output=type=image,name={ref},push=true",
            f"*.output=type=docker,name={local}",
            f"*.output=type=oci,dest={archive}",
        ]
        ended = uses(tool, source="./tool", set="\n".join(lines))
        assert registry.digest(ref) == json.loads(ended.outputs["targets"])["binary"]["digest"]
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
        tool: Path,
    ) -> None:
        """One target is pushed and loaded."""
        ref = f"{repository}:latest"
        assert loaded in ref
        given = {"targets": "image", "load": "true", "push": "true", "set": f"*.tags={ref}"}
        ended = uses(tool, source="./tool", **given)
        assert registry.digest(ref) == json.loads(ended.outputs["targets"])["image"]["digest"]
        assert engine.images.get(ref).id

    def test_var(self, uses: Step, tool: Path, tmp_path: Path) -> None:
        """A variable of the definition says where the result goes."""
        out = tmp_path / "build"
        uses(tool, source="./tool", targets="binary", vars=f"OUT={out}")
        assert (out / "tool").read_text() == "made\n"


def test_summary_disable(uses: Step, shop: Path) -> None:
    """No summary is written."""
    off = {"DOCKER_BUILD_SUMMARY": "false"}
    uses.where(**off)(shop, files=FILE, targets="till", push="false", summary_file="")
    assert uses.summary == ""


@pytest.mark.parametrize(
    "variable",
    [
        pytest.param("DOCKER_BUILD_RECORD_UPLOAD=false", id="record-upload-disable"),
        pytest.param("DOCKER_BUILD_RECORD_RETENTION_DAYS=2", id="record-retention-days"),
    ],
)
def test_record(variable: str, *, uses: Step, shop: Path) -> None:
    """The build is green. Here there is no record in any case."""
    variables = dict([variable.split("=")])
    uses.where(**variables)(shop, files=FILE, targets="till", push="false")


class TestChecks:
    @pytest.mark.parametrize(
        ("variables", "lines"),
        [
            pytest.param({}, ["", "odd/odd:2", "odd/odd:3", "odd/other:2"], id="checks"),
            pytest.param({"DOCKER_BUILD_CHECKS_ANNOTATIONS": "false"}, [], id="disabled"),
        ],
    )
    def test_checks(
        self, variables: Mapping[str, str], lines: list[str], *, uses: Step, odd: Path
    ) -> None:
        """What BuildKit's rules find in the targets is annotated, if that is wanted."""
        ended = uses.where(**variables)(odd, source="./odd", files="./odd.hcl", push="false")
        found = re.findall(r"^::warning .*,file=(.*),line=(\d*),", ended.log, re.MULTILINE)
        places = [file.replace(".Dockerfile", f":{line}") for file, line in found]
        # What is written in the definition itself is in no file.
        assert sorted(places) == lines

    @pytest.mark.parametrize(
        ("asked", "code"),
        [pytest.param("odd", 4, id="call-check"), pytest.param("", 4, id="call-check-multi")],
    )
    def test_call_check(self, asked: str, code: int, *, uses: Step, odd: Path) -> None:
        """A check that finds something is red."""
        given = {"source": "./odd", "files": "./odd.hcl", "call": "check", "targets": asked}
        ended = uses.fail(odd, **given)
        assert ended.code == code
        assert "LegacyKeyValueFormat" in ended.log

    def test_call_check_nowarning(self, uses: Step, shop: Path) -> None:
        """A check that finds nothing is green, and builds nothing."""
        ended = uses(shop, source=".", files=FILE, call="check")
        assert "hello from" not in ended.log


def test_allow(uses: Step, shop: Path) -> None:
    """A target that wants the machine's network has it if that is allowed."""
    given = {"files": FILE, "targets": "till-with-rights", "push": "false"}
    ended = uses(shop, allow="network.host", **given)
    assert targets(ended) == ["till-with-rights"]
