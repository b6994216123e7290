from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.plans import planned, target_planned
from tests.runs import FORK, PUSH
from warmbuild import ci
from warmbuild.bake.targets import Target
from warmbuild.builder import network
from warmbuild.builder.network import Network
from warmbuild.commands import logins, reach
from warmbuild.commands.logins import Registries
from warmbuild.errors import EngineError
from warmbuild.inputs.logins import Login
from warmbuild.log import Log
from warmbuild.registry import client
from warmbuild.registry.keyring import Keyring
from warmbuild.registry.transports import Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from warmbuild.builder.engine_calls import Address
    from warmbuild.inputs.values import Inputs
    from warmbuild.plan.build_plan import BuilderPlan

LOGIN = Login(host="login:1", username="me", password="hunter2")


class _Made:
    """A builder of which only its name is wanted, once something needs it."""

    def __init__(self) -> None:
        self.waited = 0

    def up(self) -> str:
        self.waited += 1
        return "b"


@pytest.fixture
def registries(tmp_path: Path) -> Registries:
    transports = {"registry:5000": Transport(scheme="http", verify="ca.pem")}
    keyring = Keyring([LOGIN, replace(LOGIN, host="ci:1", is_known=True)], {"HOME": str(tmp_path)})
    return Registries(keyring=keyring, transports=transports, retry_timeout=1.0)


def routed(
    registries: Registries, inputs: Inputs, made: _Made, log: Log | None = None
) -> Registries:
    return reach.routed(
        registries,
        [planned(inputs, PUSH)],
        made,  # type: ignore[arg-type]  # no more of it is needed
        {"DOCKER_HOST": "unix:///d.sock"},
        log or Log(ci.named("local")),
    )


def nothing_is_reached(known: Mapping[str, Transport]) -> set[str]:
    return set(known)


@pytest.mark.parametrize(
    ("image", "tried"),
    [
        pytest.param("ghcr.io/me/app", {"login:1": Transport()}, id="a public one"),
        pytest.param(
            "localhost:5000/app",
            {"login:1": Transport(), "localhost:5000": Transport(scheme="http")},
            id="this machine's",
        ),
        pytest.param(
            "registry:5000/app",
            {"login:1": Transport(), "registry:5000": Transport(scheme="http", verify="ca.pem")},
            id="a service, as the configuration has it",
        ),
    ],
)
def test_only_private_registries_are_tried_and_nothing_waits_for_one_that_is_there(
    monkeypatch: pytest.MonkeyPatch,
    parsed: Callable[..., Inputs],
    registries: Registries,
    image: str,
    tried: dict[str, Transport],
) -> None:
    seen: dict[str, Transport] = {}

    def all_are_reached(known: Mapping[str, Transport]) -> set[str]:
        seen.update(known)
        return set()

    monkeypatch.setattr(client, "unreached", all_are_reached)
    made = _Made()
    assert routed(registries, parsed(image=image, push="true"), made) is registries
    assert seen == tried
    assert made.waited == 0


@pytest.mark.parametrize(
    ("host", "options", "told"),
    [
        pytest.param("localhost:5000", "network=host", "", id="the engine's own network"),
        pytest.param(
            "localhost:5000",
            "",
            ", which has a localhost of its own; set driver-opts: network=host if it is there",
            id="a network of its own",
        ),
        pytest.param("registry:5000", "", "", id="a name"),
    ],
)
def test_what_is_not_reached_is_asked_through_the_builder(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    parsed: Callable[..., Inputs],
    registries: Registries,
    host: str,
    options: str,
    told: str,
) -> None:
    asked = []

    def of(builder: BuilderPlan, name: str, at: Address | None) -> Network:
        assert (builder.driver.name, name) == ("docker-container", "b")
        assert at
        return Network(at=at, container="c")

    monkeypatch.setattr(client, "unreached", lambda known: known.keys() - {"login:1"})
    monkeypatch.setattr(network, "of", of)
    monkeypatch.setattr(Network, "connect", lambda _, *server: asked.append(server))
    made = _Made()
    found = routed(registries, parsed(image=f"{host}/app", push="true", driver_opts=options), made)
    way = found.transports[host]
    assert (way.scheme, way.verify) == ("http", "ca.pem" if host == "registry:5000" else True)
    assert way.connect
    way.connect()
    assert asked == [(host.removesuffix(":5000"), 5000)]
    assert found.unasked == frozenset()
    assert made.waited == 1
    assert capsys.readouterr().out == (
        f"the registry {host} cannot be reached from here; asking through the builder{told}\n"
    )


def test_what_nothing_but_buildkit_reaches_is_said_once(
    monkeypatch: pytest.MonkeyPatch, parsed: Callable[..., Inputs], registries: Registries
) -> None:
    def of(*_: object) -> Network:
        raise EngineError("the driver remote has no container for that")

    monkeypatch.setattr(client, "unreached", nothing_is_reached)
    monkeypatch.setattr(network, "of", of)
    log = Log(ci.named("local"))
    found = routed(registries, parsed(image="localhost:5000/app", push="true"), _Made(), log)
    assert found.unasked == {"localhost:5000", "login:1"}
    assert log.warnings == [
        (
            "the registries localhost:5000 and login:1 cannot be reached from here, and not "
            "through the builder: the driver remote has no container for that. So BuildKit is the "
            "first to use the login and the caches there"
        )
    ]
    # Nothing is asked, and nothing fails.
    plan = planned(parsed(image="localhost:5000/app", push="true"), PUSH)
    logins.check(found, [plan], log)
    assert len(log.warnings) == 1


def test_no_file_of_untrusted_code_names_what_is_asked(
    parsed: Callable[..., Inputs], registries: Registries
) -> None:
    inputs = parsed(image="10.0.0.1:22/app", push="true")
    target = Target(name="app", definition={}, linked=False)
    asked = {
        context: logins.hosts(registries, [target_planned(inputs, context, target)])
        for context in (PUSH, FORK)
    }
    assert asked == {PUSH: {"login:1", "10.0.0.1:22"}, FORK: {"login:1"}}
    assert logins.hosts(registries, [planned(inputs, FORK)]) == {"login:1", "10.0.0.1:22"}
