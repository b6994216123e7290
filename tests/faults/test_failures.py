"""What goes wrong ends in a sentence and an exit code: 2 input, 3 engine, 4 build, 5 registry.

That no end shows a traceback is checked wherever a run ends.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.conftest import Lab, Registry, Warmbuild


def test_bad_inputs_are_all_named_and_nothing_is_started(
    warmbuild: Warmbuild,
    small: Path,
    program: Callable[[str, str], dict[str, str]],
    tmp_path: Path,
) -> None:
    called = tmp_path / "called"
    path = program("buildx", f"touch '{called}'\n")
    with socket.socket(socket.AF_UNIX) as engine:
        engine.bind(str(tmp_path / "engine"))
        engine.listen()
        engine.settimeout(0)
        ended = warmbuild.build(
            small,
            image="quay.io/Me/app:latest",
            cache_mode="maximal",
            push="maybe",
            imagge="x",
            strict_inputs="true",
            password="a secret of mine",
            extra=path | {"DOCKER_HOST": f"unix://{tmp_path}/engine"},
        )
        with pytest.raises(BlockingIOError):
            engine.accept()
    assert ended.code == 2
    assert not called.exists()
    lines = [text for _, text in ended.lines]
    assert lines[0] == "error: 5 inputs are not usable, so nothing was started:"
    assert "  imagge: is not an input. Did you mean 'image'?" in lines
    assert "  push: 'maybe' is not accepted; use true or false." in lines
    assert "  cache-mode: 'maximal' is not accepted; use max or min. Did you mean 'max'?" in lines
    assert any(line.startswith("  image: 'quay.io/Me/app:latest' has a tag") for line in lines)
    assert any(line.startswith("  username: is missing") for line in lines)
    assert "a secret of mine" not in ended.log


def test_files_that_are_not_there_are_named_and_nothing_is_started(
    warmbuild: Warmbuild, repository: str, small: Path
) -> None:
    ended = warmbuild.build(
        small,
        image=repository,
        context="no-such-directory",
        secret_files="key=no-such-file",
        secret_envs="token=NO_SUCH_VARIABLE",
        buildkitd_config="no-such.toml",
    )
    assert ended.code == 2
    assert "docker buildx" not in ended.log
    for name in ("no-such-directory", "no-such-file", "NO_SUCH_VARIABLE", "no-such.toml"):
        assert f"'{name}'" in ended.log


def test_no_engine(warmbuild: Warmbuild, repository: str, small: Path, tmp_path: Path) -> None:
    host = f"unix://{tmp_path}/no-engine.sock"
    ended = warmbuild.build(small, image=repository, extra={"DOCKER_HOST": host})
    assert ended.code == 3
    (error,) = ended.errors
    assert error.startswith(f"error: there is no Docker engine at {host}. Mount its socket ")
    assert "warmbuild: plan" not in ended.log


def test_no_buildx(warmbuild: Warmbuild, repository: str, small: Path, tmp_path: Path) -> None:
    ended = warmbuild.build(small, image=repository, extra={"PATH": str(tmp_path)})
    assert ended.code == 3
    assert ended.log.startswith("error: buildx is not installed. Install it ")


def test_a_buildx_that_is_too_old(
    warmbuild: Warmbuild,
    repository: str,
    small: Path,
    program: Callable[[str, str], dict[str, str]],
) -> None:
    old = program(
        "buildx",
        'if test "$1" = version; then echo github.com/docker/buildx v0.11.2 9872040; fi\n',
    )
    ended = warmbuild.build(small, image=repository, extra=old)
    assert ended.code == 3
    where = old["PATH"].partition(os.pathsep)[0]
    (error,) = ended.errors
    assert f"buildx 0.11.2 at {where}/buildx is too old; 0.15.0 or later is needed" in error


def test_a_buildkit_that_does_not_start(warmbuild: Warmbuild, repository: str, small: Path) -> None:
    ended = warmbuild.build(small, image=repository, buildkitd_flags="--no-such-flag")
    assert ended.code == 3
    assert ended.errors == ["error: the builder does not start. buildx says:"]
    assert "  | buildkitd: flag provided but not defined: -no-such-flag" in ended.log, ended.log
    # buildx prints hundreds of lines, some of them torn.
    assert len(ended.lines) < 40


def test_a_step_that_fails_is_shown_with_its_last_lines(
    warmbuild: Warmbuild, registry: Registry, repository: str, project: Callable[..., Path]
) -> None:
    place = project("FROM busybox:1.37\n\nRUN seq 1 30; echo it is broken; exit 7\n")
    ended = warmbuild.build(place, image=repository)
    assert ended.code == 4
    lines = [text for _, text in ended.lines]
    where = next(i for i, text in enumerate(lines) if text.startswith("error: "))
    assert lines[where].startswith("error: the build failed at Dockerfile:3 in [2/2] RUN seq")
    assert lines[where].endswith("exit code: 7")
    last = [*range(20, 31), "it is broken"]
    assert lines[where + 1 :] == [f"  | {text}" for text in last]
    assert registry.tags(repository) == []
    assert "failed after" in ended.summary.splitlines()[0]
    assert "it is broken" in ended.summary
    known = {name: ended.outputs[name] for name in ("digest", "cache-steps", "version")}
    assert known == {"digest": "", "cache-steps": "1", "version": "main"}


def test_a_dockerfile_that_cannot_be_read(
    warmbuild: Warmbuild, repository: str, project: Callable[..., Path]
) -> None:
    ended = warmbuild.build(project("FROM busybox:1.37\nRUNN true\n"), image=repository)
    assert ended.code == 4
    (error,) = ended.errors
    assert "Dockerfile:2" in error
    assert "unknown instruction: RUNN" in error


def test_a_login_that_is_refused(
    warmbuild: Warmbuild, lab: Lab, auth_registry: Registry, secured: str, small: Path
) -> None:
    ended = warmbuild.build(small, image=secured, username=lab.username, password="not the one")
    assert ended.code == 5
    (error,) = ended.errors
    assert f"the registry {lab.auth_registry} refuses the login of '{lab.username}': 401" in error
    assert "not the one" not in ended.log
    assert "docker buildx build" not in ended.log
    assert auth_registry.tags(secured) == []


def test_a_registry_that_cannot_be_reached(
    warmbuild: Warmbuild, small: Path, unused_port: int
) -> None:
    host = f"127.0.0.1:{unused_port}"
    ended = warmbuild.build(small, image=f"{host}/app", username="ci", password="secret")
    assert ended.code == 5
    (error,) = ended.errors
    assert error.startswith(
        f"error: the registry {host} cannot be reached, neither from here nor from the builder, "
        "and the image is pushed there"
    )
    assert "docker buildx build" not in ended.log


def test_a_push_to_a_registry_that_is_down(
    warmbuild: Warmbuild, small: Path, unused_port: int
) -> None:
    ended = warmbuild.build(small, image=f"127.0.0.1:{unused_port}/app")
    assert ended.code == 5
    assert "the image is built and was not pushed: " in ended.errors[0]


def test_a_push_that_is_forbidden(
    warmbuild: Warmbuild, auth_registry: Registry, secured: str, small: Path
) -> None:
    ended = warmbuild.build(small, image=secured)
    assert ended.code == 5
    (error,) = ended.errors
    assert error.startswith("error: the image is built and was not pushed: ")
    assert "username, password" in error
    assert not ended.outputs.get("digest")
    assert auth_registry.tags(secured) == []
