"""A builder's nodes as they are asked for, and the commands that make them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.plans import planned
from warmbuild import platforms, trust
from warmbuild.builder import environment
from warmbuild.buildkit import answers, builder_commands
from warmbuild.buildkit.answers import Inspected, Running
from warmbuild.buildkit.builder_commands import Own
from warmbuild.drivers import DRIVERS
from warmbuild.errors import InputError
from warmbuild.inputs import parsing
from warmbuild.inputs.builders import Node
from warmbuild.run_context import RunContext

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from warmbuild.inputs.values import Inputs
    from warmbuild.plan.build_plan import BuilderPlan


PUSH = RunContext(ci="github", event="push", branch="x", default_branch="main", trust=trust.TRUSTED)
IMAGE = ["--driver-opt", "image=moby/buildkit:v0.34.2"]
# What keeps buildx from having a daemon grant network.host.
NO_RIGHTS = ["--buildkitd-flags", "--allow-insecure-entitlement device"]
BOTH = """
- endpoint: tcp://b:1234
  name: second
  platforms: linux/arm64, linux/arm/v7
- endpoint: tcp://c:1234
  driver-opts: |
    servername=buildkitd
"""


def builder_of(asked: Inputs) -> BuilderPlan:
    return planned(asked, PUSH).builder


@pytest.mark.parametrize(
    ("values", "own", "mirror", "commands"),
    [
        pytest.param(
            {},
            Own(name="b"),
            "",
            [
                [
                    *["create", "--name", "b", "--driver", "docker-container", *IMAGE],
                    *[*NO_RIGHTS, "--bootstrap"],
                ]
            ],
            id="a builder of this run needs little",
        ),
        pytest.param(
            {"driver_opts": "network=host", "buildkitd_flags": "--debug"},
            Own(name="b", config="/c.toml", endpoint="tls"),
            "",
            [
                [
                    *["create", "--name", "b", "--driver", "docker-container", *IMAGE],
                    *["--driver-opt", "network=host", "--buildkitd-flags", "--debug"],
                    *["--buildkitd-config", "/c.toml", "--bootstrap", "tls"],
                ]
            ],
            id="an engine behind TLS, flags and a configuration",
        ),
        pytest.param(
            {"driver_opts": '"env.no_proxy=a,b"\nimage=r.io/buildkit:1'},
            Own(name="b"),
            "",
            [
                [
                    *["create", "--name", "b", "--driver", "docker-container"],
                    *["--driver-opt", '"env.no_proxy=a,b"', "--driver-opt"],
                    *["image=r.io/buildkit:1", "--bootstrap"],
                ]
            ],
            id="quotes are kept, and an image is not named twice",
        ),
        pytest.param(
            {"driver_opts": "network=host,image=a.io/buildkit"},
            Own(name="b"),
            "b.io/buildkit",
            [
                [
                    *["create", "--name", "b", "--driver", "docker-container"],
                    *["--driver-opt", "network=host,image=a.io/buildkit"],
                    *["--driver-opt", "image=b.io/buildkit", "--bootstrap"],
                ]
            ],
            id="a mirror's image comes last, for the last one counts",
        ),
        pytest.param(
            {"endpoint": "arm-machine", "node_platforms": "linux/arm64,linux/arm/v7"},
            Own(name="b", endpoint="tls"),
            "",
            [
                [
                    *["create", "--name", "b", "--driver", "docker-container", *IMAGE],
                    *[*NO_RIGHTS, "--platform", "linux/arm64,linux/arm/v7"],
                    *["--bootstrap", "arm-machine"],
                ]
            ],
            id="an endpoint that was given wins",
        ),
        pytest.param(
            {"allow": "network.host,security.insecure,device"},
            Own(name="b"),
            "",
            [
                [
                    *["create", "--name", "b", "--driver", "docker-container", *IMAGE],
                    "--buildkitd-flags",
                    (
                        "--allow-insecure-entitlement security.insecure "
                        "--allow-insecure-entitlement network.host"
                    ),
                    "--bootstrap",
                ]
            ],
            id="a daemon grants what the build is allowed",
        ),
        pytest.param(
            {"allow": "network.host", "buildkitd_flags": "--debug"},
            Own(name="b"),
            "",
            [
                [
                    *["create", "--name", "b", "--driver", "docker-container", *IMAGE],
                    *["--buildkitd-flags", "--debug", "--bootstrap"],
                ]
            ],
            id="flags that were given are all that there are",
        ),
        pytest.param(
            {"driver": "remote", "endpoint": "unix:///run/b.sock", "allow": "network.host"},
            Own(name="b", config="/c.toml"),
            "",
            [
                [
                    *["create", "--name", "b", "--driver", "remote", "--bootstrap"],
                    "unix:///run/b.sock",
                ]
            ],
            id="a daemon that runs already has its configuration",
        ),
        pytest.param(
            {"driver": "remote", "endpoint": "tcp://a:1234", "append": BOTH},
            Own(
                name="b",
                certificates={
                    0: {"cacert": "/0/ca.pem", "cert": "/0/cert.pem", "key": "/0/key.pem"},
                    2: {"cacert": "/a,b/ca.pem"},
                },
            ),
            "",
            [
                [
                    *["create", "--name", "b", "--driver", "remote"],
                    *["--driver-opt", "cacert=/0/ca.pem", "--driver-opt", "cert=/0/cert.pem"],
                    *["--driver-opt", "key=/0/key.pem", "tcp://a:1234"],
                ],
                [
                    *["create", "--name", "b", "--append", "--node", "second"],
                    *["--platform", "linux/arm64,linux/arm/v7", "tcp://b:1234"],
                ],
                [
                    *["create", "--name", "b", "--append"],
                    *["--driver-opt", "servername=buildkitd"],
                    *["--driver-opt", '"cacert=/a,b/ca.pem"', "--bootstrap", "tcp://c:1234"],
                ],
            ],
            id="three daemons, two of them behind TLS",
        ),
        pytest.param(
            {
                "driver": "docker-container",
                "append": "- {endpoint: ssh://me@arm, buildkitd-flags: --debug}",
            },
            Own(name="b", config="/c.toml"),
            "m.io/buildkit",
            [
                [
                    *["create", "--name", "b", "--driver", "docker-container", *IMAGE],
                    *["--driver-opt", "image=m.io/buildkit", *NO_RIGHTS],
                    *["--buildkitd-config", "/c.toml"],
                ],
                [
                    *["create", "--name", "b", "--append", *IMAGE],
                    *["--driver-opt", "image=m.io/buildkit", "--buildkitd-flags", "--debug"],
                    *["--buildkitd-config", "/c.toml", "--bootstrap", "ssh://me@arm"],
                ],
            ],
            id="a container on another machine, of the same image and configuration",
        ),
        pytest.param(
            {
                "driver": "kubernetes",
                "driver_opts": 'namespace=ci\nreplicas=2\n"nodeselector=kubernetes.io/arch=amd64"',
                "node_platforms": "linux/amd64",
                "append": """
                    - platforms: [linux/arm64]
                      driver-opts:
                        - namespace=ci
                        - '"nodeselector=kubernetes.io/arch=arm64"'
                """,
            },
            Own(name="b"),
            "",
            [
                [
                    *["create", "--name", "b", "--driver", "kubernetes", *IMAGE],
                    *["--driver-opt", "namespace=ci", "--driver-opt", "replicas=2"],
                    *["--driver-opt", '"nodeselector=kubernetes.io/arch=amd64"'],
                    *[*NO_RIGHTS, "--platform", "linux/amd64"],
                ],
                [
                    *["create", "--name", "b", "--append", *IMAGE],
                    *["--driver-opt", "namespace=ci"],
                    *["--driver-opt", '"nodeselector=kubernetes.io/arch=arm64"'],
                    *[*NO_RIGHTS, "--platform", "linux/arm64", "--bootstrap"],
                ],
            ],
            id="pods of two processors",
        ),
        pytest.param(
            {"driver": "kubernetes", "driver_opts": "rootless=true", "buildkitd_flags": "--debug"},
            Own(name="b", config="/c.toml"),
            "",
            [
                [
                    *["create", "--name", "b", "--driver", "kubernetes", "--driver-opt"],
                    *["image=moby/buildkit:v0.34.2-rootless", "--driver-opt", "rootless=true"],
                    *["--buildkitd-flags", "--debug --config=/etc/buildkit/buildkitd.toml"],
                    *["--buildkitd-config", "/c.toml", "--bootstrap"],
                ]
            ],
            id="a pod with flags and a configuration",
        ),
    ],
)
def test_a_builder_is_made_node_by_node(
    parsed: Callable[..., Inputs],
    values: dict[str, str],
    own: Own,
    mirror: str,
    commands: list[list[str]],
) -> None:
    found = builder_commands.creation(builder_of(parsed(**values)), own, mirror=mirror)
    assert [list(command) for command in found] == commands


def test_a_builder_is_removed_with_its_state_or_without() -> None:
    assert builder_commands.remove("b", keep_state=False) == ("rm", "--force", "b")
    assert builder_commands.remove("b", keep_state=True) == ("rm", "--force", "--keep-state", "b")


@pytest.mark.parametrize("name", ["builder", "name"])
def test_both_names_of_a_builder_mean_one(parsed: Callable[..., Inputs], name: str) -> None:
    assert builder_of(parsed(**{name: "mine"})).name == "mine"
    assert builder_of(parsed(builder="mine", name="mine")).name == "mine"


def problems(**values: str) -> list[str]:
    given = {"image": "app"} | {name.replace("_", "-"): text for name, text in values.items()}
    with pytest.raises(InputError) as raised:
        parsing.parse(given, {})
    return [f"{problem.name}: {problem.text}" for problem in raised.value.problems]


@pytest.mark.parametrize(
    ("values", "marked"),
    [
        ({}, False),
        ({"name": "mine"}, True),
        ({"name": "mine", "endpoint": "tcp://e:1"}, True),
        ({"name": "mine", "endpoint": "a-context"}, False),
        ({"name": "mine", "cleanup": "false"}, False),
        ({"name": "mine", "driver": "kubernetes"}, False),
    ],
)
def test_a_builder_that_its_last_job_removes_is_marked(
    parsed: Callable[..., Inputs], values: dict[str, str], *, marked: bool
) -> None:
    plan = builder_of(parsed(**values))
    (argv,) = builder_commands.creation(plan, Own(name="mine"), mirror="")
    assert ("env.WARMBUILD_TEMPORARY=true" in argv) is marked


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (
            {"name": "a", "builder": "b"},
            "name: 'a' conflicts with builder: b; set only one of them.",
        ),
        (
            {"name": "warmbuild-0a1b2c3d"},
            (
                "name: 'warmbuild-0a1b2c3d' has the form of warmbuild's own names, whose "
                "builders are removed."
            ),
        ),
        (
            {"builder": "warmbuild-0a1b2c3d"},
            (
                "builder: 'warmbuild-0a1b2c3d' has the form of warmbuild's own names, whose "
                "builders are removed."
            ),
        ),
        (
            {"name": "-x"},
            ("name: '-x' is not accepted; use a letter, followed by letters, digits and . _ -."),
        ),
        (
            {"driver": "remote"},
            "endpoint: is missing: driver 'remote' needs the address of a BuildKit daemon.",
        ),
        (
            {"driver": "remote", "endpoint": "buildkitd:1234"},
            (
                "endpoint: 'buildkitd:1234' is not an address of a BuildKit daemon; use "
                "tcp://HOST:PORT or unix:///path/to/socket, for example."
            ),
        ),
        (
            {"driver": "kubernetes", "endpoint": "there"},
            "endpoint: is not supported by driver 'kubernetes', which has an endpoint of its own.",
        ),
        (
            {"driver": "docker", "append": "- {}"},
            "append: is not supported by driver 'docker'.",
        ),
        (
            {"driver": "remote", "endpoint": "tcp://a:1", "buildkitd_flags": "--debug"},
            "buildkitd-flags: is not supported by driver 'remote'.",
        ),
        ({"driver": "docker", "lazy": "true"}, "lazy: is not supported by driver 'docker'."),
        (
            {"driver": "kubernetes", "keep_state": "true", "name": "b"},
            "keep-state: is not supported by driver 'kubernetes'.",
        ),
        (
            {"driver": "docker", "keep_state": "true"},
            "keep-state: is not supported by driver 'docker'.",
        ),
        (
            {"node_platforms": "arm64"},
            "node-platforms: 'arm64' is not accepted; use os/arch, such as linux/amd64.",
        ),
        ({"append": "a: ["}, "append: is not YAML, at line 1, column 5."),
        ({"append": "\0"}, "append: is not YAML."),
        (
            {"append": "endpoint: a"},
            (
                "append: is not a list of nodes; begin each node with a hyphen, such as "
                "- endpoint: tcp://…"
            ),
        ),
        (
            {"append": "- {end-point: a}"},
            (
                "append: node 1 has the unknown key 'end-point'; use name, endpoint, driver-opts, "
                "buildkitd-flags, platforms."
            ),
        ),
        (
            {"append": "- {name: 1x}"},
            (
                "append: node 1: '1x' is not accepted; use a letter, followed by letters, digits "
                "and . _ -."
            ),
        ),
        (
            {"append": "- {}\n- {driver-opts: host}"},
            "append: node 2: 'host' is not accepted; use name=value.",
        ),
        (
            {"append": "- {platforms: arm64}"},
            "append: node 1: 'arm64' is not accepted; use os/arch, such as linux/amd64.",
        ),
        (
            {"driver": "remote", "endpoint": "tcp://a:1", "append": "- {platforms: linux/arm64}"},
            (
                "append: node 1: endpoint is missing: driver 'remote' needs the address of a "
                "BuildKit daemon."
            ),
        ),
        (
            {
                "driver": "remote",
                "endpoint": "tcp://a:1",
                "append": "- {endpoint: 'tcp://b:1', buildkitd-flags: --debug}",
            },
            "append: node 1: buildkitd-flags is not supported by driver 'remote'.",
        ),
        (
            {"version": "https://github.com/docker/buildx.git#master"},
            (
                "version: 'https://github.com/docker/buildx.git#master' is not a version such as "
                "0.38.2; warmbuild neither downloads nor builds buildx."
            ),
        ),
        (
            {"qemu_platforms": "arm64,linux arm"},
            (
                "qemu-platforms: 'linux arm' is not accepted; use a processor or os/arch, such "
                "as arm64, or all."
            ),
        ),
        (
            {"qemu_image": "A B"},
            "qemu-image: 'A B' is not an image: 'a b' is not a repository's name.",
        ),
    ],
)
def test_what_does_not_go_together_is_said(values: dict[str, str], text: str) -> None:
    assert problems(**values) == [text]


def test_a_node_may_list_as_inputs_do_or_as_yaml_does(parsed: Callable[..., Inputs]) -> None:
    text = """
- {endpoint: e, driver-opts: "a=1\\nb=2,c", platforms: "linux/a,linux/b"}
- {driver-opts: [a=1, 'b=2,c'], platforms: [linux/a, linux/b]}
- {name: n, buildkitd-flags: --debug}
"""
    assert parsed(append=text).append == (
        Node(endpoint="e", driver_opts=("a=1", "b=2,c"), platforms=("linux/a", "linux/b")),
        Node(driver_opts=("a=1", "b=2,c"), platforms=("linux/a", "linux/b")),
        Node(name="n", flags="--debug"),
    )


@pytest.mark.parametrize(
    ("wanted", "served", "missing"),
    [
        (["linux/arm64"], ["linux/amd64", "linux/amd64/v2"], ["linux/arm64"]),
        (["linux/arm64/v8", "arm64", "aarch64"], ["linux/arm64"], []),
        (["linux/arm"], ["linux/arm/v7", "linux/arm/v6"], []),
        (["riscv64", "s390x", "riscv64"], ["linux/amd64"], ["linux/riscv64", "linux/s390x"]),
        (["linux/amd64"], ["linux/x86_64"], []),
        ([], [], []),
    ],
)
def test_a_platform_is_served_under_each_of_its_names(
    wanted: list[str], served: list[str], missing: list[str]
) -> None:
    assert list(platforms.unserved(wanted, served)) == missing


@pytest.mark.parametrize(
    ("values", "emulated"),
    [
        ({"qemu_platforms": "arm64,linux/riscv64"}, ["linux/arm64", "linux/riscv64"]),
        (
            {"qemu_platforms": "all", "platforms": "linux/amd64,linux/arm64"},
            ["linux/amd64", "linux/arm64"],
        ),
        ({"qemu_platforms": "all"}, []),
        ({"platforms": "linux/arm64"}, []),
    ],
)
def test_what_is_emulated_where_no_node_serves_it(
    parsed: Callable[..., Inputs], values: dict[str, str], emulated: list[str]
) -> None:
    assert list(builder_of(parsed(**values)).emulated) == emulated


_OF_ENGINE: Final = "is ignored: the daemon of driver 'docker' is the engine's own"


@pytest.mark.parametrize(
    ("values", "warnings"),
    [
        ({}, []),
        ({"driver": "docker", "driver_opts": "network=host"}, [f"driver-opts {_OF_ENGINE}"]),
        ({"driver": "docker", "buildkitd_flags": "--debug"}, [f"buildkitd-flags {_OF_ENGINE}"]),
        ({"driver": "docker", "node_platforms": "x y"}, [f"node-platforms {_OF_ENGINE}"]),
        ({"driver": "docker", "endpoint": "there"}, [f"endpoint {_OF_ENGINE}"]),
        ({"driver": "docker", "name": "mine"}, [f"name {_OF_ENGINE}"]),
        ({"driver": "docker", "builder": "a-context"}, []),
        ({"driver": "docker", "keep_state": "False", "cleanup": "false"}, []),
        (
            {"driver": "docker", "buildkitd_config": "a.toml", "buildkitd_config_inline": "a=1"},
            [
                "buildkitd-config-inline is ignored: buildkitd-config is set",
                (
                    "buildkitd-config only tells warmbuild how to reach registries: the daemon of "
                    "driver 'docker' is the engine's own"
                ),
            ],
        ),
        (
            {"driver": "remote", "endpoint": "tcp://a:1", "buildkit_image_mirrors": "me/b:1"},
            ["buildkit-image-mirrors is ignored: the daemon of driver 'remote' is running already"],
        ),
        (
            {"driver": "kubernetes", "builder_state": "memory"},
            ["builder-state is ignored: the daemon of driver 'kubernetes' is a pod"],
        ),
        (
            {"keep_state": "true"},
            [
                (
                    "keep-state is ignored: the next run finds a state by the name of its builder; "
                    "set builder"
                )
            ],
        ),
        ({"keep_state": "true", "name": "mine"}, []),
    ],
)
def test_what_the_actions_ignore_is_ignored_with_a_warning(
    parsed: Callable[..., Inputs], values: dict[str, str], warnings: list[str]
) -> None:
    asked = parsed(**values)
    assert list(asked.warnings) == warnings
    decided = planned(asked, PUSH)
    assert list(decided.warnings) == warnings
    ignored = {text.partition(" ")[0].replace("-", "_") for text in warnings if "ignored" in text}
    left = parsed(**{name: text for name, text in values.items() if name not in ignored})
    assert planned(left, PUSH).builder == decided.builder


def test_what_was_given_for_nothing_is_said(parsed: Callable[..., Inputs]) -> None:
    asked = parsed(use="true", install="false", cache_binary="false", qemu_platforms="all")
    assert planned(parsed(use="true", cleanup="false"), PUSH).notes[1:] == ()
    assert planned(asked, PUSH).notes[1:] == (
        "use has no effect: the builder exists for this run only",
        "install has no effect: the builder exists for this run only",
        "cache-binary has no effect: the builder exists for this run only",
        "qemu-platforms: all has no effect: platforms is not given",
    )


TLS = {
    f"BUILDER_NODE_{index}_AUTH_TLS_{end}": f"{end} of {index}"
    for index in (0, 1)
    for end in ("CACERT", "CERT", "KEY")
}


def test_certificates_are_those_of_docker_setup_buildx_action() -> None:
    assert environment.certificates(TLS | {"BUILDER_NODE_2_AUTH_TLS_KEY": "", "PATH": "/bin"}) == {
        0: {"cacert": "CACERT of 0", "cert": "CERT of 0", "key": "KEY of 0"},
        1: {"cacert": "CACERT of 1", "cert": "CERT of 1", "key": "KEY of 1"},
    }


@pytest.mark.parametrize(
    ("driver", "endpoints", "unused"),
    [
        ("remote", ["tcp://a:1", "tcp://b:1"], {}),
        (
            "remote",
            ["tcp://a:1"],
            {1: ("BUILDER_NODE_1_AUTH_TLS_* are ignored: the builder has 1 node, numbered from 0")},
        ),
        (
            "remote",
            ["tcp://a:1", "unix:///b.sock"],
            {
                1: (
                    "BUILDER_NODE_1_AUTH_TLS_* are ignored: the endpoint is unix:///b.sock, and "
                    "TLS needs tcp://"
                )
            },
        ),
        (
            "docker-container",
            [""],
            {
                number: (
                    f"BUILDER_NODE_{number}_AUTH_TLS_* are ignored: driver 'docker-container' "
                    "takes no certificates"
                )
                for number in (0, 1)
            },
        ),
    ],
)
def test_certificates_that_no_node_uses_are_ignored(
    driver: str, endpoints: Sequence[str], unused: Mapping[int, str]
) -> None:
    found = environment.certificates(TLS)
    assert environment.unused(DRIVERS[driver], endpoints, found) == unused


@pytest.mark.parametrize(
    ("left_out", "missing"),
    [
        ([], []),
        (["0_AUTH_TLS_CERT", "0_AUTH_TLS_KEY"], []),
        (["0_AUTH_TLS_CERT", "1_AUTH_TLS_KEY"], ["0_AUTH_TLS_CERT", "1_AUTH_TLS_KEY"]),
    ],
)
def test_a_certificate_needs_its_key(left_out: Sequence[str], missing: Sequence[str]) -> None:
    env = {name: text for name, text in TLS.items() if not name.endswith(tuple(left_out))}
    assert environment.incomplete(environment.certificates(env)) == {
        f"BUILDER_NODE_{name}": "is missing: a certificate and its key go together."
        for name in missing
    }


INSPECTED = """\
Name:          wb
Driver:        docker-container
Last Activity: 2026-11-21 11:45:37 +0000 UTC

Nodes:
Name:                  wb0
Endpoint:              unix:///var/run/docker.sock
Driver Options:        network="host" env.no_proxy="a,b" image="moby/buildkit:v0.34.2"
Status:                running
BuildKit daemon flags: --debug --allow-insecure-entitlement=network.host
BuildKit version:      v0.34.2
Platforms:             linux/amd64, linux/amd64/v2, linux/386
Labels:
 org.mobyproject.buildkit.worker.executor:         oci
GC Policy rule#0:
 All:            false

Name:      second
Endpoint:  tcp://b:1234
Error:     no answer
Status:    inactive
Platforms: linux/arm64*, linux/amd64
"""


def test_what_buildx_says_of_a_builder_is_read() -> None:
    found = answers.inspected(INSPECTED)
    assert found == Inspected(
        name="wb",
        driver="docker-container",
        nodes=(
            Running(
                name="wb0",
                endpoint="unix:///var/run/docker.sock",
                driver_opts=("network=host", "env.no_proxy=a,b", "image=moby/buildkit:v0.34.2"),
                status="running",
                flags="--debug --allow-insecure-entitlement=network.host",
                buildkit="v0.34.2",
                platforms=("linux/amd64", "linux/amd64/v2", "linux/386"),
            ),
            Running(
                name="second",
                endpoint="tcp://b:1234",
                driver_opts=(),
                status="inactive",
                flags="",
                buildkit="",
                platforms=("linux/arm64", "linux/amd64"),
                chosen=("linux/arm64",),
            ),
        ),
    )
    first = ("linux/amd64", "linux/amd64/v2", "linux/386")
    assert found.platforms == (*first, "linux/arm64")
    # The second node serves a further platform, which the user did not set it for.
    assert [node.meant_for for node in found.nodes] == [first, ("linux/arm64",)]
    assert found.meant_for == (*first, "linux/arm64")


@pytest.mark.parametrize("text", ["", 'ERROR: no builder "x" found', "\nNodes:\n\n"])
def test_a_builder_that_buildx_does_not_find_is_none(text: str) -> None:
    assert answers.inspected(text) == Inspected()


@pytest.mark.parametrize(
    ("version", "wanted"), [("", ""), ("latest", ""), ("v0.38.2", "0.38.2"), ("0.38.2", "0.38.2")]
)
def test_a_version_of_buildx_is_wanted_or_any(
    parsed: Callable[..., Inputs], version: str, wanted: str
) -> None:
    assert builder_of(parsed(version=version)).version == wanted
