from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.plans import planned
from tests.runs import FORK, LOCAL, PUSH
from warmbuild.errors import InputError
from warmbuild.inputs.builders import Node
from warmbuild.plan import builders
from warmbuild.report import plain_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.inputs.values import Inputs
    from warmbuild.run_context import RunContext

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
    ("given", "image"),
    [
        ("rootless=true", "image=moby/buildkit:v0.34.2-rootless"),
        ("namespace=ci,rootless=1", "image=moby/buildkit:v0.34.2-rootless"),
        ("rootless=false", "image=moby/buildkit:v0.34.2"),
        ("rootless=true\nrootless=false", "image=moby/buildkit:v0.34.2"),
    ],
)
def test_pods_without_root_have_the_image_that_is_made_for_them(
    parsed: Callable[..., Inputs], given: str, image: str
) -> None:
    builder = planned(parsed(driver="kubernetes", driver_opts=given), PUSH).builder
    assert builder.driver_opts[0] == image


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


REMOTE = {"driver": "remote", "endpoint": "tcp://ours:1"}
POOL = {"driver": "kubernetes", "builder": "ci", "driver_opts": "namespace=ci"}
THEIRS = """
- name: theirs
  driver-opts: namespace=strangers
  buildkitd-flags: --debug
  platforms: linux/amd64
- platforms: linux/arm64
"""


@pytest.mark.parametrize(
    ("values", "daemon"),
    [(REMOTE, "the daemon at tcp://ours:1"), (POOL, "the pods of ci")],
    ids=["remote", "pods with a name"],
)
def test_untrusted_code_shares_no_daemon_that_stays(
    parsed: Callable[..., Inputs], values: dict[str, str], daemon: str
) -> None:
    with pytest.raises(InputError, match=f"untrusted-builder: is missing: .*{daemon} too"):
        builders.of_run(parsed(**values), FORK.trust)


@pytest.mark.parametrize("run", [PUSH, LOCAL], ids=["trusted", "local"])
def test_who_may_use_the_builder_has_it(parsed: Callable[..., Inputs], run: RunContext) -> None:
    given = parsed(**REMOTE, untrusted_builder="endpoint: tcp://theirs:1")
    assert builders.of_run(given, run.trust) == replace(given, untrusted_builder=())


@pytest.mark.parametrize(
    "values",
    [{}, {"driver": "kubernetes"}, {"driver": "docker"}, {"builder": "mine"}],
    ids=["a container of the run", "pods of the run", "the engine's own", "this machine's"],
)
def test_what_is_of_this_run_or_machine_is_everybodys(
    parsed: Callable[..., Inputs], values: dict[str, str]
) -> None:
    assert builders.of_run(parsed(**values), FORK.trust) == parsed(**values)


def test_the_builder_of_strangers_takes_the_place_of_ours(parsed: Callable[..., Inputs]) -> None:
    ours = {**POOL, "node_platforms": "linux/riscv64", "append": "- driver-opts: namespace=ci"}
    found = builders.of_run(parsed(**ours, untrusted_builder=THEIRS), FORK.trust)
    assert (found.builder, found.driver_opts) == ("theirs", ("namespace=strangers",))
    assert (found.buildkitd_flags, found.node_platforms) == ("--debug", ("linux/amd64",))
    assert found.append == (Node(platforms=("linux/arm64",)),)
    assert "untrusted-builder is used: the code comes from a fork" in planned(found, FORK).notes


def test_what_it_does_not_name_is_as_for_others(parsed: Callable[..., Inputs]) -> None:
    found = builders.of_run(parsed(**POOL, untrusted_builder="name: theirs"), FORK.trust)
    assert (found.builder, found.driver_opts) == ("theirs", ("namespace=ci",))


@pytest.mark.parametrize(
    ("theirs", "is_wrong"),
    [
        ("name: ci", True),
        ("driver-opts: nodeselector=a=b", False),
        ("driver-opts: namespace=strangers", False),
        ('driver-opts: ["namespace=ci,nodeselector=a=b"]', True),
        ("name: strangers", False),
    ],
)
def test_it_is_not_our_own_pool(
    parsed: Callable[..., Inputs], theirs: str, *, is_wrong: bool
) -> None:
    if not is_wrong:
        assert parsed(**POOL, untrusted_builder=theirs).untrusted_builder
        return
    with pytest.raises(InputError, match="leads to the pool of trusted runs"):
        parsed(**POOL, untrusted_builder=theirs)


@pytest.mark.parametrize(
    ("values", "is_one"),
    [
        ({}, True),
        ({"append": "- endpoint: tcp://b:1"}, False),
        ({"driver": "kubernetes"}, True),
        ({"driver": "kubernetes", "driver_opts": "replicas=1"}, True),
        ({"driver": "kubernetes", "driver_opts": "namespace=ci,replicas=2"}, False),
    ],
)
def test_a_call_reaches_the_daemon_of_the_one_before_it_if_there_is_one(
    parsed: Callable[..., Inputs], values: dict[str, str], *, is_one: bool
) -> None:
    assert planned(parsed(**values), PUSH).builder.is_one_daemon is is_one
