from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from tests.plans import planned
from tests.runs import PUSH
from warmbuild.buildkit import builder_commands
from warmbuild.buildkit.builder_commands import Own

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.inputs.values import Inputs

STARGZ = "--oci-worker-snapshotter=stargz"


def test_removal_is_forced() -> None:
    assert builder_commands.remove("b", keep_state=False) == ("rm", "--force", "b")


def test_the_arguments_that_ask_for_nodes() -> None:
    assert builder_commands.inspect("b", bootstrap=False) == ("inspect", "b")
    assert builder_commands.inspect("b", bootstrap=True) == ("inspect", "--bootstrap", "b")


def flags(inputs: Inputs) -> list[str]:
    """Return the flags of the daemon of each node."""
    argvs = builder_commands.creation(planned(inputs, PUSH).builder, Own(name="b"), mirror="")
    return [argv[argv.index("--buildkitd-flags") + 1] for argv in argvs]


def test_each_node_leaves_layers_packed_unless_it_names_a_snapshotter(
    parsed: Callable[..., Inputs],
) -> None:
    native = "--oci-worker-snapshotter=native"
    append = f"[endpoint: a, buildkitd-flags: --debug, buildkitd-flags: {native}]"
    assert flags(parsed(lazy="true", append=append)) == [
        f"--allow-insecure-entitlement device {STARGZ}",
        f"--allow-insecure-entitlement device {STARGZ}",
        f"--debug {STARGZ}",
        native,
    ]
    image = {"driver_opts": "image=me/old", "lazy": "true"}
    assert flags(parsed(**image)) == [STARGZ]


@pytest.mark.parametrize(
    ("own", "given", "expected"),
    [
        pytest.param(
            Own(name="b", in_memory=True, processors=2),
            "",
            ["env.CONTAINERD_DISABLE_PIGZ=1", "restart-policy=no"],
            id="memory and few processors",
        ),
        pytest.param(
            Own(name="b", in_memory=True, processors=4), "", ["restart-policy=no"], id="more"
        ),
        pytest.param(Own(name="b", processors=2), "", [], id="a disk, which is slower than both"),
        pytest.param(
            Own(name="b", in_memory=True, processors=1),
            "env.CONTAINERD_DISABLE_PIGZ=",
            [
                "env.CONTAINERD_DISABLE_PIGZ=1",
                "env.CONTAINERD_DISABLE_PIGZ=",
                "restart-policy=no",
            ],
            id="the user's own option comes last",
        ),
    ],
)
def test_a_builder_on_few_processors_unpacks_by_itself(
    parsed: Callable[..., Inputs], own: Own, given: str, expected: list[str]
) -> None:
    plan = planned(parsed(driver_opts=given), PUSH).builder
    (argv,) = builder_commands.creation(plan, own, mirror="")
    options = [value for flag, value in pairwise(argv) if flag == "--driver-opt"]
    assert [option for option in options if not option.startswith("image=")] == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("ID:\t\tabc\nCreated at:\tnow\nType:\t\texec.cachemount\n\nTotal:\t10kB\n", True),
        ("Total:\t0B\n", False),
        ("", False),
    ],
)
def test_whether_mounts_are_left(said: str, *, expected: bool) -> None:
    assert builder_commands.has_mounts(said) is expected


@pytest.mark.parametrize(
    ("config", "given", "expected"),
    [
        pytest.param("a.toml", {}, "--config=/etc/buildkit/buildkitd.toml", id="buildx's place"),
        pytest.param("a.toml", {"buildkitd_flags": "--config=/b"}, "--config=/b", id="the user's"),
        pytest.param("", {}, "", id="there is none"),
        pytest.param(
            "a.toml", {"driver_opts": "rootless=false"}, "", id="with root it looks there"
        ),
    ],
)
def test_a_daemon_without_root_is_told_where_its_configuration_is(
    parsed: Callable[..., Inputs], config: str, given: dict[str, str], expected: str
) -> None:
    inputs = parsed(**{"driver": "kubernetes", "driver_opts": "rootless=true", **given})
    own = Own(name="b", config=config)
    (argv,) = builder_commands.creation(planned(inputs, PUSH).builder, own, mirror="")
    flags = argv[argv.index("--buildkitd-flags") + 1]
    assert flags.replace("--allow-insecure-entitlement device", "").strip() == expected
