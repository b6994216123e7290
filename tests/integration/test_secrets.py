"""Passwords and build secrets reach whom they are for, and nobody and nothing else."""

from __future__ import annotations

import base64
import json
import shlex
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.integration.conftest import Ended, Lab, Registry, Warmbuild

# Long enough for the thread that watches command lines to see a build under way.
SLOW = "FROM busybox:1.37\nRUN cat /proc/sys/kernel/random/uuid > /once; sleep 1\n"
CERTIFICATE = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\n-----END KEY-----"
WORD = "npm_4f8Zk1Lq0w"
TOKEN = 'glpat-x9_Kq2 it\'s "quoted" $HOME'


class TestPassword:
    def test_is_used_and_seen_nowhere(
        self,
        warmbuild: Warmbuild,
        lab: Lab,
        auth_registry: Registry,
        secured: str,
        project: Callable[..., Path],
    ) -> None:
        with command_lines() as seen:
            ended = warmbuild.succeed(
                project(SLOW), image=secured, username=lab.username, password=lab.password
            )
        assert auth_registry.digest(f"{secured}:main") == ended.outputs["digest"]
        auth_registry.check_cache(f"{secured}:cache-main")
        assert any(secured in line and "--push" in line for line in seen), "nothing was watched"
        for line in seen:
            assert not has_any(line, spellings(lab)), line
        check_files(warmbuild.directory, spellings(lab))
        assert not has_any(ended.log, spellings(lab))

    def test_is_hidden_in_what_a_step_prints(
        self, warmbuild: Warmbuild, lab: Lab, secured: str, project: Callable[..., Path]
    ) -> None:
        place = project('FROM busybox:1.37\nARG SAID\nRUN echo "I know $SAID"\n')
        ended = warmbuild.succeed(
            place,
            image=secured,
            username=lab.username,
            password=lab.password,
            build_args=f"SAID={lab.password}",
        )
        assert lab.password not in ended.log
        assert "I know ***" in ended.log
        # It is in no argument either, but in a file of the run's own.
        assert "+ docker buildx bake" in ended.log


class TestBuildSecret:
    @pytest.mark.parametrize("value", [TOKEN, CERTIFICATE], ids=["one line", "several lines"])
    def test_reaches_a_step_and_is_hidden_where_it_prints_it(
        self, value: str, warmbuild: Warmbuild, repository: str, project: Callable[..., Path]
    ) -> None:
        place = project(
            "FROM busybox:1.37\n"
            "RUN --mount=type=secret,id=key cat /run/secrets/key; echo;"
            " echo it has $(wc -c < /run/secrets/key) bytes\n"
        )
        quoted = '"' + f"key={value}".replace('"', '""') + '"'
        with command_lines() as seen:
            ended = warmbuild.succeed(place, image=repository, secrets=quoted)
        assert f" it has {len(value)} bytes" in ended.log
        assert ended.log.count(" ***\n") == len(value.splitlines())
        check_hidden(ended, value.splitlines())
        for line in seen:
            assert not has_any(line, value.splitlines()), line
        check_files(warmbuild.directory, value.splitlines())

    def test_that_a_failed_step_prints_last_is_hidden_in_the_error(
        self, warmbuild: Warmbuild, repository: str, project: Callable[..., Path]
    ) -> None:
        place = project(
            "FROM busybox:1.37\nRUN --mount=type=secret,id=key cat /run/secrets/key; echo; exit 3\n"
        )
        ended = warmbuild.build(place, image=repository, secrets=f"key={WORD}")
        assert ended.code == 4
        assert "\n  | ***\n" in f"{ended.log}\n"
        check_hidden(ended, [WORD])

    def test_of_a_file_and_of_a_variable(
        self, warmbuild: Warmbuild, repository: str, project: Callable[..., Path], tmp_path: Path
    ) -> None:
        (tmp_path / "a, file").write_text("from a file")
        place = project(
            "FROM busybox:1.37\n"
            "RUN --mount=type=secret,id=a --mount=type=secret,id=b"
            " echo $(wc -c < /run/secrets/a) and $(wc -c < /run/secrets/b)\n"
        )
        ended = warmbuild.succeed(
            place,
            image=repository,
            secret_files=f'"a={tmp_path}/a, file"',
            secret_envs="b=NPM_TOKEN",
            extra={"NPM_TOKEN": "npm_secret"},
        )
        assert " 11 and 10" in ended.log


class TestOwnLogin:
    """Where no password is given, the user's own Docker configuration is good for everything."""

    def test_in_the_docker_configuration(
        self, warmbuild: Warmbuild, lab: Lab, auth_registry: Registry, secured: str, small: Path
    ) -> None:
        config = {"auths": {lab.auth_registry: {"auth": lab.basic}}, "psFormat": "table"}
        directory = write_config(warmbuild.directory, config)
        check_pushes_and_reads(warmbuild, auth_registry, secured, small, directory, {})

    def test_in_a_credential_helper(
        self,
        warmbuild: Warmbuild,
        lab: Lab,
        auth_registry: Registry,
        secured: str,
        small: Path,
        program: Callable[[str, str], dict[str, str]],
        tmp_path: Path,
    ) -> None:
        answer = {"ServerURL": lab.auth_registry, "Username": lab.username, "Secret": lab.password}
        calls = tmp_path / "calls"
        script = (
            f'test "$1" = get || exit 1\n'
            f"read -r host\n"
            f'echo "$host" >> {shlex.quote(str(calls))}\n'
            f'test "$host" = {lab.auth_registry} || exit 1\n'
            f"printf %s {shlex.quote(json.dumps(answer))}\n"
        )
        path = program("docker-credential-safe", script)
        config = {"credHelpers": {lab.auth_registry: "safe"}}
        directory = write_config(warmbuild.directory, config)
        check_pushes_and_reads(warmbuild, auth_registry, secured, small, directory, path)
        assert set(calls.read_text().split()) == {lab.auth_registry}

    def test_in_the_variable_that_gitlab_has_for_it(
        self, warmbuild: Warmbuild, lab: Lab, auth_registry: Registry, secured: str, small: Path
    ) -> None:
        config = {"auths": {lab.auth_registry: {"auth": lab.basic}}}
        directory = write_config(warmbuild.directory, {})
        variable = {"DOCKER_AUTH_CONFIG": json.dumps(config)}
        check_pushes_and_reads(warmbuild, auth_registry, secured, small, directory, variable)

    def test_gives_way_to_the_one_that_is_given(
        self, warmbuild: Warmbuild, lab: Lab, auth_registry: Registry, secured: str, small: Path
    ) -> None:
        wrong = base64.b64encode(b"ci:wrong").decode()
        directory = write_config(
            warmbuild.directory,
            {"auths": {lab.auth_registry: {"auth": wrong}}, "credsStore": "not-installed"},
        )
        before = contents(directory)
        ended = warmbuild.succeed(
            small,
            image=secured,
            username=lab.username,
            password=lab.password,
            extra={"DOCKER_CONFIG": str(directory)},
        )
        assert auth_registry.digest(f"{secured}:main") == ended.outputs["digest"]
        assert contents(directory) == before


def check_pushes_and_reads(
    warmbuild: Warmbuild,
    registry: Registry,
    repository: str,
    project: Path,
    directory: Path,
    extra: dict[str, str],
) -> None:
    """Push twice with the user's own login alone, the second time from the cache."""
    before = contents(directory)
    extra = {"DOCKER_CONFIG": str(directory), **extra}
    warmbuild.succeed(project, image=repository, extra=extra)
    registry.check_cache(f"{repository}:cache-main")
    second = warmbuild.succeed(project, image=repository, extra=extra)
    assert second.executed == []
    assert second.outputs["cache-read"].startswith(f"{repository}:cache-main@")
    assert second.warnings == []
    assert contents(directory) == before


def write_config(directory: Path, config: Mapping[str, object]) -> Path:
    place = directory / "docker"
    place.mkdir()
    (place / "config.json").write_text(json.dumps(config, indent="\t"))
    return place


def contents(directory: Path) -> dict[str, tuple[int, bytes]]:
    """Return when each file was written and what is in it."""
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in (directory, *directory.rglob("*"))
    }


def spellings(lab: Lab) -> list[str]:
    """Return the password, and what a shell, JSON or a login makes of it."""
    return [
        lab.password,
        shlex.quote(lab.password),
        json.dumps(lab.password)[1:-1],
        lab.basic,
        base64.b64encode(lab.password.encode()).decode(),
    ]


def has_any(text: str, secrets: list[str]) -> bool:
    return any(secret in text for secret in secrets)


def check_hidden(ended: Ended, secrets: list[str]) -> None:
    assert not has_any(ended.log, secrets)
    assert not has_any(ended.summary, secrets)
    assert not has_any(json.dumps(dict(ended.outputs)), secrets)


def check_files(directory: Path, secrets: list[str]) -> None:
    """Fail where any file that a run could have written has a secret in it."""
    files = [path for path in directory.rglob("*") if path.is_file()]
    assert files
    guilty = [
        path for path in files if has_any(path.read_bytes().decode(errors="replace"), secrets)
    ]
    assert guilty == []


@contextmanager
def command_lines() -> Iterator[set[str]]:
    """Collect the command line of every process on this machine while the block runs."""
    seen: set[str] = set()
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(0.005):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
                except OSError:
                    continue

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        is_over.set()
        thread.join()
