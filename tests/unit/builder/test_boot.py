from __future__ import annotations

import re
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.plans import planned
from warmbuild import ci, process, trust
from warmbuild.builder import boot, engine, engine_calls, environment
from warmbuild.builder.environment import Buildx
from warmbuild.builder.private_directory import Private
from warmbuild.buildkit.answers import Boot
from warmbuild.errors import EngineError
from warmbuild.log import Log
from warmbuild.run_context import RunContext

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from warmbuild.inputs.values import Inputs


HERE = ("DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """Return the directory that a docker-in-docker service shares; it is empty while it boots."""
    path = tmp_path / "certs"
    path.mkdir()
    return path


def engine_of(tmp_path: Path, **env: str) -> dict[str, str]:
    found = environment.environment(env, Private(root=tmp_path / "private"))
    return {name: found[name] for name in HERE if name in found}


def test_a_service_that_shares_certificates_is_the_engine(
    tmp_path: Path, certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "_SOCKET", str(tmp_path / "none.sock"))
    assert engine_of(tmp_path, DOCKER_TLS_CERTDIR=str(certificates)) == {
        "DOCKER_HOST": "tcp://docker:2376",
        "DOCKER_TLS_VERIFY": "1",
        "DOCKER_CERT_PATH": str(certificates / "client"),
    }


@pytest.mark.parametrize("reason", ["a socket", "a host of the user's own", "no certificates"])
def test_else_the_engine_is_where_it_always_is(
    tmp_path: Path, certificates: Path, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    socket = tmp_path / "docker.sock"
    monkeypatch.setattr(environment, "_SOCKET", str(socket))
    env = {"DOCKER_TLS_CERTDIR": str(certificates)}
    if reason == "a socket":
        socket.touch()
    elif reason == "a host of the user's own":
        env["DOCKER_HOST"] = "tcp://there:2375"
    else:
        env["DOCKER_TLS_CERTDIR"] = str(tmp_path / "nowhere")
    own = {"DOCKER_HOST": env["DOCKER_HOST"]} if "DOCKER_HOST" in env else {}
    assert engine_of(tmp_path, **env) == own


def test_certificates_are_the_users_where_nobody_says(tmp_path: Path) -> None:
    env = {"DOCKER_HOST": "tcp://there:2376", "DOCKER_TLS_VERIFY": "1", "HOME": "/somewhere"}
    assert engine_of(tmp_path, **env)["DOCKER_CERT_PATH"] == "/somewhere/.docker"


def test_buildx_gets_no_inputs_and_the_runs_own_configuration(tmp_path: Path) -> None:
    private = Private(root=tmp_path)
    given = {"INPUT_PASSWORD": "x", "DOCKER_AUTH_CONFIG": "{}", "NPM_TOKEN": "y", "PATH": "/none"}
    assert environment.environment(given, private) == {
        "NPM_TOKEN": "y",
        "PATH": "/none",
        # There is no git on this PATH, and buildx would warn of it.
        "BUILDX_GIT_INFO": "false",
        "BUILDX_METADATA_WARNINGS": "true",
        "DOCKER_CONFIG": str(private.docker_config),
        "BUILDX_CONFIG": str(private.buildx_config),
    }


# A buildx for whose engine one registry never answers.
HANGING = """
import sys, time
if sys.argv[1] == "create":
    image = [word for word in sys.argv if word.startswith("image=")][-1].removeprefix("image=")
    print("#1 pulling image", image, flush=True)
    if image.startswith("hangs.io/"):
        time.sleep(60)
    print("#1 creating container x", flush=True)
    if image.startswith("boots.not/"):
        time.sleep(60)
"""


@pytest.mark.processes
@pytest.mark.parametrize(
    ("image", "mirrors", "lines", "error"),
    [
        pytest.param(
            "hangs.io/b:1",
            "there.io/b:1",
            [
                "the BuildKit image hangs.io/b:1 cannot be pulled: timeout: not up after 1 s",
                "builder mine is up after N s, from the mirror there.io/b:1",
            ],
            "",
            id="a pull that hangs, and a mirror",
        ),
        pytest.param(
            "hangs.io/b:1",
            "",
            [],
            "no BuildKit image can be pulled, and the engine has no copy of one:\n"
            "  | hangs.io/b:1: timeout: not up after 1 s\n"
            "Name an image that the engine can pull, by image=REF in driver-opts or by "
            "buildkit-image-mirrors, or load one into the engine under one of these names.",
            id="a pull that hangs",
        ),
        pytest.param(
            "boots.not/b:1",
            "there.io/b:1",
            [],
            "the builder does not start. buildx says:\n"
            "  | #1 pulling image boots.not/b:1\n"
            "  | #1 creating container x\n"
            "  | ERROR: timeout: not up after 1 s",
            id="a daemon that hangs",
        ),
    ],
)
def test_a_builder_is_not_waited_for_without_limit(
    parsed: Callable[..., Inputs],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    image: str,
    mirrors: str,
    lines: list[str],
    error: str,
) -> None:
    monkeypatch.setattr(boot, "BOOT_TIMEOUT", 1.0)
    monkeypatch.setattr(boot, "_LINGER", 0.0)
    monkeypatch.setattr(engine, "container", lambda *_arguments: None)
    monkeypatch.setattr(engine, "connect", lambda *_arguments, **_options: None)
    monkeypatch.setattr(engine_calls, "listens", lambda _at: True)
    monkeypatch.setattr(engine_calls, "daemon_said", lambda *_arguments: "")
    monkeypatch.setattr(engine_calls, "create_volume", lambda *_arguments: None)
    fake = tmp_path / "buildx"
    fake.write_text(f"#!{sys.executable}\n{HANGING}")
    fake.chmod(0o755)
    asked = parsed(builder="mine", driver_opts=f"image={image}", buildkit_image_mirrors=mirrors)
    decided = planned(asked, RunContext(ci="local", trust=trust.LOCAL)).builder
    raised, place = "", Private(root=tmp_path)
    buildx = Buildx(
        program=str(fake), env={"BUILDX_CONFIG": str(place.buildx_config)}, runner=process.started
    )
    with boot.booted(decided, buildx, place, Log(ci.named("local"))) as made:
        try:
            assert made.boot(None) == "mine"
        except EngineError as known:
            raised = str(known)
    assert raised == error
    said = re.sub(r"after \d+\.\d s,", "after N s,", capsys.readouterr().out).splitlines()
    assert [line for line in said if not line.startswith("+ ")] == lines


OWN = Boot(up=True, image="own", local=False, container=True, error="", output="")
COPY = replace(OWN, local=True)
GONE = replace(OWN, up=False, container=False, error="manifest unknown")
BUSY = replace(GONE, error="received unexpected HTTP status: 503 Service Unavailable")
BROKEN = replace(OWN, up=False, error="exit code 1")
MIRROR, MIRROR_COPY = replace(OWN, image="a"), replace(COPY, image="a")
MIRROR_GONE, OTHER_GONE = replace(GONE, image="a"), replace(GONE, image="b")


@pytest.mark.parametrize(
    ("boots", "mirrors", "expected"),
    [
        pytest.param([OWN], ["a"], None, id="its own image is there"),
        pytest.param([BROKEN], ["a"], None, id="no other image would help"),
        pytest.param([COPY], [], None, id="a copy will do where there are no mirrors"),
        pytest.param([GONE], [], None, id="no image and no mirror"),
        pytest.param([GONE], ["a"], ("a", 0.0), id="a mirror follows"),
        pytest.param([COPY], ["a"], ("a", 0.0), id="a mirror is better than a copy"),
        pytest.param([GONE, MIRROR], ["a", "b"], None, id="the mirror has it"),
        pytest.param([GONE, MIRROR_GONE], ["a", "b"], ("b", 0.0), id="the next mirror follows"),
        pytest.param([COPY, MIRROR_GONE], ["a"], ("own", 0.0), id="a copy of its own is left"),
        pytest.param([COPY, MIRROR_GONE, COPY], ["a"], None, id="and stands"),
        pytest.param(
            [GONE, MIRROR_COPY, OTHER_GONE], ["a", "b"], ("a", 0.0), id="a mirror's copy is left"
        ),
        pytest.param([GONE, MIRROR_COPY], ["a"], None, id="the last one's copy stands"),
        pytest.param([GONE, MIRROR_GONE], ["a"], None, id="nobody has one"),
        pytest.param([BUSY], [], ("", 1.0), id="once more after a second"),
        pytest.param([BUSY, BUSY], [], ("", 2.0), id="and after two"),
        pytest.param([BUSY] * 9, [], ("", 8.0), id="and so on"),
        pytest.param([BUSY, MIRROR_GONE], ["a"], ("", 1.0), id="all of them once more"),
        pytest.param(
            [BUSY, MIRROR_GONE, GONE, MIRROR_GONE], ["a"], None, id="what passed left no hope"
        ),
    ],
)
def test_which_image_follows(
    boots: list[Boot], mirrors: list[str], expected: tuple[str, float] | None
) -> None:
    assert boot.next_image(boots, mirrors, left=60.0) == expected


def test_no_image_is_tried_again_when_the_time_is_up() -> None:
    assert boot.next_image([BUSY], [], left=0.5) is None
    assert boot.next_image([BUSY], ["a"], left=0.5) == ("a", 0.0)


@pytest.mark.parametrize(
    ("values", "last", "expected"),
    [
        pytest.param({"lazy": "true"}, BROKEN, True, id="it does not start"),
        pytest.param({"lazy": "true"}, OWN, False, id="it is up"),
        pytest.param({"lazy": "true"}, GONE, False, id="its image is missing"),
        pytest.param({}, BROKEN, False, id="it would not start without either"),
        pytest.param({"lazy": "true", "driver": "kubernetes"}, BROKEN, False, id="in a cluster"),
    ],
)
def test_a_builder_that_does_not_start_with_lazy_starts_without(
    parsed: Callable[..., Inputs],
    values: dict[str, str],
    last: Boot,
    expected: bool,  # noqa: FBT001
) -> None:
    builder = planned(parsed(**values), RunContext(ci="local", event="local")).builder
    assert boot.is_too_lazy(builder, last) is expected
