"""Inputs that cannot be used stop a run before it starts anything, with the reason."""

from __future__ import annotations

import json
import os
import socket
from typing import TYPE_CHECKING

import pytest

from tests.faults.case import Case

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.conftest import Warmbuild

DEEP = 20_000
# An input, its value, and what is said of it.
VALUES = [
    ("shm_size", "lots", "shm-size: 'lots' is not a size; use a number and k, m or g"),
    ("shm_size", "-1g", "shm-size: '-1g' is not a size"),
    ("shm_size", "1x", "shm-size: '1x' is not a size"),
    ("network", "hots", r"network: 'hots' is not accepted; .*Did you mean 'host'\?"),
    ("network", "bridge", "network: 'bridge' is not accepted; use default, host or none"),
    ("allow", "network.hosts", r"allow: 'network.hosts' .*Did you mean 'network.host'\?"),
    ("allow", "everything", "allow: 'everything' is not accepted; use network.host,"),
    ("outputs", "type=locl,dest=x", r"outputs: .* has the type 'locl', .*Did you mean 'local'\?"),
    ("outputs", "type=local", "outputs: 'type=local' has no dest"),
    ("outputs", "type=tar,dest=", "outputs: 'type=tar,dest=' has no dest"),
    ("outputs", "dest=x,tar=false", "outputs: .* has no type"),
    ("outputs", "type=local,x", "outputs: 'type=local,x' has a part without a value"),
    ("ssh", "default", "ssh: 'default' needs an SSH agent, and SSH_AUTH_SOCK is not set"),
    ("ssh", "key=/no/such/key", "ssh: there is no file or socket '/no/such/key'"),
    ("endpoint", "http//x y", "endpoint: 'http//x y' is neither a Docker context nor an address"),
    ("endpoint", "tcp://", "endpoint: 'tcp://' is neither"),
    ("cache_from", "type=registri,ref=x", r"cache-from: item 1 .*Did you mean 'registry'\?"),
    ("cache_from", "type=registry", "cache-from: item 1 needs a ref"),
    ("cache_from", "ref=x,mode=max", "cache-from: item 1 has no type"),
    ("cache_to", "type=gh", r"cache-to: item 1 has an unknown type. Did you mean 'gha'\?"),
    ("cache_to", "mode=max", "cache-to: item 1 has no type"),
    ("cache_to", "type=registry,ref=", "cache-to: item 1 needs a ref"),
    ("push_timeout", "soon", "push-timeout: 'soon' is not a duration"),
    ("retry_timeout", "-5s", "retry-timeout: '-5s' is not a duration"),
    ("cache_timeout", "1000000m", "cache-timeout: '1000000m' is not a duration"),
    ("secrets", "..=hunter2", "secrets: item 1 is not of the form ID=value"),
    ("secrets", ".=hunter2", "secrets: item 1 is not of the form ID=value"),
    ("secrets", f"{'a' * 300}=hunter2", "secrets: item 1 is not of the form ID=value"),
    ("secrets", "../../etc/cron.d/x=hunter2", "secrets: item 1 is not of the form ID=value"),
    ("append", "- endpoint: 2026-99-99", "append: is not YAML"),
    ("append", "- 2026-01-01: x", "append: node 1 has the unknown key"),
    ("append", "- !!python/object/apply:os.system [true]", "append: is not YAML"),
    ("append", "- !!timestamp x", "append: is not YAML"),
    ("append", "[" * DEEP, "append: is nested too deeply"),
    ("append", "{" * DEEP, "append: is nested too deeply"),
    ("append", "- {[]: x}", "append: is not YAML"),
    ("append", "name: x", "append: is not a list of nodes"),
    ("append", "- &a [*a]", "append: is not"),
    ("append", "- driver-opts: {a: 2026-01-01}", "append: node 1: "),
    ("registry_auth", "[" * DEEP, "registry-auth: is nested too deeply"),
    ("registry_auth", "- !!python/name:os.system x", "registry-auth: item 1 is not a login"),
    ("registry_auth", "- registry: 2026-99-99", "registry-auth: "),
    ("registry_auth", "- []", "registry-auth: item 1 is not a login"),
    ("registry_auth", "- {[]: x}", "registry-auth: item 1 has an unknown key"),
    (
        "tags",
        r"type=match,pattern=/((a+)+)+$/,value=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!",
        "tags: ",
    ),
    ("tags", "type=match,pattern=/[/,value=a", "tags: "),
    ("build_contexts", "x", "build-contexts: 'x' "),
    ("builder", "../x", "builder: '../x' is not accepted"),
    ("driver", "dockr", r"driver: 'dockr' .*Did you mean 'docker'\?"),
    ("driver_opts", "image", "driver-opts: 'image' is not accepted"),
    ("compression", "zst", "compression: 'zst' "),
    ("cache_backend", "registri", r"cache-backend: .*Did you mean 'registry'\?"),
    ("cache_history", "1" * 5000, "cache-history: "),
    ("cache_max_age", "9" * 5000 + "d", "cache-max-age: "),
    ("platforms", "linux", "platforms: 'linux' "),
    ("image", "x" * 5000, "its name is longer than 255 characters"),
    ("image", "a//b", "image: 'a//b' "),
    ("ulimit", "nofile", "ulimit: 'nofile' is not accepted; use NAME=soft:hard"),
]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [pytest.param(*one, id=f"{one[0]}-{number}") for number, one in enumerate(VALUES)],
)
def test_a_value_that_buildx_or_nobody_accepts(
    warmbuild: Warmbuild, small: Path, name: str, value: str, said: str
) -> None:
    inputs = {"image": "localhost/x", name: value}
    case = Case(code=2, said=said, not_said=("docker buildx", "hunter2"))
    ended = warmbuild.build(small, **inputs)  # type: ignore[arg-type]  # texts
    case.check(ended)


def fifo(path: Path) -> None:
    os.mkfifo(path)


def directory(path: Path) -> None:
    path.mkdir()


def listened_to(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(200 * 1024**2)


def looping(path: Path) -> None:
    path.symlink_to(path.name)


def text(content: str | bytes) -> Callable[[Path], None]:
    raw = content if isinstance(content, bytes) else content.encode()
    return lambda path: path.write_bytes(raw) and None  # type: ignore[return-value]


# What is in the place of a file that an input names, what is said, and with which exit code.
FILES = [
    *(
        (name, made, rf"{name.replace('_', '-')}: '?x.{{0,40}}")
        for name in ("secret_files", "buildkitd_config", "bake_files", "compose_files")
        for made in (fifo, directory, listened_to, huge, looping)
    ),
    *(("file", made, "x") for made in (fifo, directory, listened_to, looping)),
    ("output_file", directory, "output-file: '.*x' is a directory"),
    ("output_file", listened_to, "output-file: '.*x' is neither a file nor a pipe"),
    ("output_file", looping, "output-file: '.*x' cannot be written"),
    ("summary_file", directory, "summary-file: '.*x' is a directory"),
    ("bake_files", text(""), "bake-files: "),
    ("bake_files", text("\0\0\0"), "bake-files: "),
    ("bake_files", text(b"\xff\xfe\x00"), "bake-files: "),
    ("bake_files", text("target"), "bake-files: "),
    ("bake_files", text('{"target": ' * 5000), "bake-files: "),
    ("bake_files", text('{"group": {"default": {"targets": []}}}'), "bake-files: "),
    ("bake_files", text('{"group": {"default": {"targets": ["none"]}}}'), "bake-files: "),
    ("bake_files", text('{"target": {"a": {"tags": ["A B"]}}}'), ""),
    ("bake_files", text('{"target": []}'), "bake-files: "),
    ("bake_files", text("[]"), "bake-files: "),
    ("compose_files", text(""), "compose-files: "),
    ("compose_files", text("services: {}"), "compose-files: "),
    ("compose_files", text("services: {a: {image: busybox}}"), "compose-files: "),
    ("compose_files", text("services: []"), "compose-files: "),
    ("compose_files", text("&a [*a]"), "compose-files: "),
    ("compose_files", text("[" * DEEP), "compose-files: "),
    ("compose_files", text(b"\xff\xfe"), "compose-files: "),
]


@pytest.mark.parametrize(
    ("name", "make", "said"),
    [pytest.param(*one, id=f"{one[0]}-{number}") for number, one in enumerate(FILES)],
)
def test_a_file_that_is_none(
    warmbuild: Warmbuild,
    small: Path,
    tmp_path: Path,
    name: str,
    make: Callable[[Path], None],
    said: str,
) -> None:
    place = small / ("x.json" if name == "bake_files" else "x")
    make(place)
    value = f"key={place.name}" if name == "secret_files" else place.name
    inputs = {"image": "localhost/x", "push": "false", name: value}
    if name in {"bake_files", "compose_files"}:
        inputs |= {"context": ""}
    ended = warmbuild.build(small, **inputs)  # type: ignore[arg-type]  # texts
    Case(code=2, said=said, not_said=("docker buildx create",), seconds=20).check(ended)
    assert place.is_symlink() or place.exists()
    assert tmp_path.exists()


def test_a_target_whose_context_is_not_there(warmbuild: Warmbuild, small: Path) -> None:
    """buildx knows best where the context of a target is, and names it."""
    (small / "x").write_text("services: {a: {build: {context: /no/such}}}")
    ended = warmbuild.build(small, image="localhost/x", push="false", compose_files="x")
    Case(code=4, said='error: .*path "/no/such" not found', seconds=20).check(ended)


@pytest.mark.parametrize(
    "name",
    [
        "file", "context", "target", "secret_files", "bake_files", "output_file", "summary_file",
        "buildkitd_config", "cache_dir", "branch",
    ],
)  # fmt: skip
def test_a_name_of_more_than_255_bytes(warmbuild: Warmbuild, small: Path, name: str) -> None:
    value = "é" * 200
    inputs = {"image": "localhost/x", name: f"key={value}" if name == "secret_files" else value}
    if name == "cache_dir":
        inputs["cache_backend"] = "local"
    ended = warmbuild.build(small, push="false", plan_only=str(name == "branch").lower(), **inputs)  # type: ignore[arg-type]  # texts
    assert ended.code in {0, 2, 4}, ended.log
    assert "Traceback" not in ended.log


@pytest.mark.parametrize("name", ["image", "tags", "labels", "build_args", "branch", "secrets"])
def test_bytes_that_are_not_utf_8(warmbuild: Warmbuild, small: Path, name: str) -> None:
    value = os.fsdecode(b"a=\xff\xfe")
    inputs = {"image": "localhost/x", name: value}
    ended = warmbuild.build(small, plan_only="true", **inputs)  # type: ignore[arg-type]  # texts
    Case(code=ended.code).check(ended)
    assert ended.code in {0, 2}


@pytest.mark.parametrize(
    "config",
    [
        "[" * 50_000, "{" * 50_000, "[]", "null", '"x"', '{"auths": []}', '{"auths": {"x": []}}',
        '{"auths": {"x": {"auth": 1}}}', '{"auths": {"x": {"auth": "!"}}}', '{"credHelpers": []}',
        '{"credsStore": {}}', '{"credHelpers": {"localhost": "none"}}', "\ufeff{}", "{'a': 1}",
        '{"auths": {"x": {"auth": "' + "QQ" * 100_000 + '"}}}', '{"currentContext": []}',
        '{"currentContext": "none"}', '{"proxies": []}', '{"plugins": {"-x": "y"}}',
    ],
    ids=range(19),
)  # fmt: skip
def test_a_docker_configuration_of_any_shape(
    warmbuild: Warmbuild, small: Path, tmp_path: Path, config: str
) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.json").write_text(config)
    ended = warmbuild.build(
        small,
        image="localhost/x",
        plan_only="true",
        extra={"DOCKER_CONFIG": str(tmp_path / "config")},
    )
    Case(code=0).check(ended)


@pytest.mark.parametrize(
    "event",
    [
        "", "[" * 50_000, "null", "[]", '{"repository": []}', '{"number": 1e999}', "\0",
        '{"a":' * 900,
    ],
    ids=range(8),
)  # fmt: skip
def test_an_event_of_any_shape(
    warmbuild: Warmbuild,
    small: Path,
    tmp_path: Path,
    github: Callable[..., dict[str, str]],
    event: str,
) -> None:
    path = tmp_path / "event.json"
    path.write_text(event)
    env = github("push", "x", "refs/heads/main") | {"GITHUB_EVENT_PATH": str(path)}
    ended = warmbuild.build(small, image="localhost/x", plan_only="true", ci=env)
    Case(code=0).check(ended)
    assert json.loads(json.dumps(ended.outputs))
