from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.plans import planned
from tests.runs import PUSH
from warmbuild.report import plain_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.inputs.values import Inputs

GRANT = "--allow-insecure-entitlement"


@pytest.mark.parametrize(
    ("given", "opts"),
    [
        ("", ("image=moby/buildkit:v0.34.2",)),
        ("network=host", ("image=moby/buildkit:v0.34.2", "network=host")),
        ("image=me/buildkit", ("image=me/buildkit",)),
        ("network=host,image=me/buildkit", ("network=host,image=me/buildkit",)),
        ('"image=me/buildkit"', ('"image=me/buildkit"',)),
    ],
)
def test_buildkit_is_pinned_unless_the_user_names_one(
    parsed: Callable[..., Inputs], given: str, opts: tuple[str, ...]
) -> None:
    assert planned(parsed(driver_opts=given), PUSH).builder.driver_opts == opts


@pytest.mark.parametrize(
    ("values", "flags"),
    [
        pytest.param({}, f"{GRANT} device", id="nothing is granted"),
        pytest.param({"driver": "kubernetes"}, f"{GRANT} device", id="nor in a cluster"),
        pytest.param({"allow": "network.host"}, f"{GRANT} network.host", id="but what is allowed"),
        pytest.param({"allow": "device"}, f"{GRANT} device", id="which a daemon has anyway"),
        pytest.param({"driver": "docker"}, "", id="a daemon that runs"),
        pytest.param({"driver_opts": "image=me/old"}, "", id="an image that may not know it"),
        pytest.param({"buildkit_image_mirrors": "me/old"}, "", id="a mirror that may not"),
        pytest.param({"buildkitd_config": "a.toml"}, "", id="a file that may grant something"),
        pytest.param(
            {"buildkitd_config_inline": 'insecure-entitlements = ["network.host"]'},
            "",
            id="a configuration that does",
        ),
        pytest.param(
            {"buildkitd_config_inline": "debug = true"}, f"{GRANT} device", id="one that does not"
        ),
        pytest.param({"buildkitd_flags": "--debug"}, "--debug", id="flags of the user's own"),
    ],
)
def test_a_daemon_grants_what_is_allowed(
    parsed: Callable[..., Inputs], values: dict[str, str], flags: str
) -> None:
    assert planned(parsed(**values), PUSH).builder.flags == flags


@pytest.mark.parametrize(
    ("values", "text", "is_fresh"),
    [
        ({}, "a docker-container builder of this run", True),
        ({"driver": "kubernetes"}, "a kubernetes builder of this run", True),
        ({"name": "mine"}, "mine", False),
        ({"driver": "docker"}, "the engine's own", False),
        (
            {"driver": "remote", "endpoint": "tcp://a:1", "append": "- endpoint: tcp://b:1"},
            "tcp://a:1 and tcp://b:1",
            False,
        ),
    ],
)
def test_a_plan_names_its_builder(
    parsed: Callable[..., Inputs],
    values: dict[str, str],
    text: str,
    is_fresh: bool,  # noqa: FBT001
) -> None:
    decided = planned(parsed(**values), PUSH)
    assert f"builder     {text}" in plain_text.plan_text(decided).splitlines()
    assert decided.builder.is_fresh is is_fresh


def test_a_plan_notes_what_depends_on_the_image_store(parsed: Callable[..., Inputs]) -> None:
    said = "the driver docker writes this cache only if the engine has the containerd image store"
    assert said in planned(parsed(driver="docker"), PUSH).notes
    inline = planned(parsed(driver="docker", cache_backend="inline"), PUSH)
    assert not [note for note in inline.notes if said in note]
