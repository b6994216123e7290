from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests import plans
from warmbuild import trust
from warmbuild.bake import bake_file
from warmbuild.buildkit import command_line
from warmbuild.image import naming, tags
from warmbuild.plan import calls
from warmbuild.run_context import RunContext
from warmbuild.secret_texts import redactor

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.inputs.values import Inputs
    from warmbuild.plan.build_plan import BuildPlan


PUSH = RunContext(ci="github", event="push", branch="x", default_branch="main", trust=trust.TRUSTED)
KEY = {"AZURE_STORAGE_KEY"}
AZURE = {"cache_backend": "azblob", "cache_options": "account_url=https://a"}


def planned(inputs: Inputs, known: set[str]) -> BuildPlan:
    return plans.planned(inputs, PUSH, variables=known)


@pytest.mark.parametrize(
    ("values", "known", "expected"),
    [
        pytest.param(AZURE, KEY, True, id="a key that may be no argument"),
        pytest.param(AZURE, set[str](), False, id="an account that needs none"),
        pytest.param(AZURE | {"cache": "read-only"}, KEY, True, id="a cache that is only read"),
        pytest.param(AZURE | {"cache": "write-only"}, KEY, True, id="a cache that is only written"),
        pytest.param({}, KEY, False, id="a backend that has no use for it"),
        pytest.param(AZURE | {"cache": "off"}, KEY, False, id="no cache"),
    ],
)
def test_a_definition_is_for_secrets_alone(
    parsed: Callable[..., Inputs],
    values: dict[str, str],
    known: set[str],
    expected: bool,  # noqa: FBT001
) -> None:
    assert bake_file.is_needed([planned(parsed(**values), known)], str) is expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param({"build_args": "A=<hunter2>"}, True, id="a value that the log hides"),
        pytest.param({"context": "https://a:b@c/d.git"}, True, id="an address with a password"),
        pytest.param({"cache_to": "type=s3,token=hunter2"}, True, id="a key in an entry"),
        pytest.param({"secrets": "A=hunter2"}, False, id="a secret that is in a file"),
        pytest.param({"build_args": "A=secret"}, False, id="a value that is as a flag"),
    ],
)
def test_a_definition_is_for_arguments_that_nobody_may_see(
    parsed: Callable[..., Inputs],
    values: dict[str, str],
    expected: bool,  # noqa: FBT001
) -> None:
    redact = redactor(["hunter2"])
    decided = planned(parsed(cgroup_parent="x", **values), set())
    assert bake_file.is_needed([decided], redact) is expected
    assert bake_file.misfits([decided], redact) == (["cgroup-parent"] if expected else ())


def test_a_build_whose_cache_was_given_up_needs_none(parsed: Callable[..., Inputs]) -> None:
    decided = planned(parsed(cache="write-only", **AZURE), KEY)
    assert not bake_file.is_needed([calls.image_alone(decided)], str)


def test_a_definition_has_all_of_a_build_and_no_secret(parsed: Callable[..., Inputs]) -> None:
    decided = planned(
        parsed(
            tags="1",
            context="services/api",
            file="services/api/Containerfile",
            target="final",
            platforms="linux/amd64,linux/arm64",
            build_args="A=1\nB=${C} %{d}\nTAKEN",
            labels="price=${5}",
            secrets="TOKEN=hunter2",
            no_cache_filters="build",
            provenance="false",
            cache_fallback="develop",
            **AZURE,
        ),
        KEY,
    )
    end = ",account_url=https://a,secret_access_key=${AZURE_STORAGE_KEY}"
    names = (
        "cache-x",
        "cache-linux-amd64-2cc5a1d177b1915e6022--x",
        "cache-linux-arm64-69b36453fd86d1ebe073--x",
        "cache-develop",
        "cache-linux-amd64-2cc5a1d177b1915e6022--develop",
        "cache-linux-arm64-69b36453fd86d1ebe073--develop",
        "cache-main",
        "cache-linux-amd64-2cc5a1d177b1915e6022--main",
        "cache-linux-arm64-69b36453fd86d1ebe073--main",
    )
    text = bake_file.definition([decided], command_line.PLACEHOLDERS)
    assert json.loads(text) == {
        "variable": {"AZURE_STORAGE_KEY": {}, "TAKEN": {}},
        "target": {
            "image": {
                "context": "services/api",
                "dockerfile": "cwd://services/api/Containerfile",
                "target": "final",
                "args": {"A": "1", "B": "$${C} %%{d}", "TAKEN": "${TAKEN}"},
                "labels": {"price": "$${5}"},
                "tags": ["ghcr.io/me/app:1"],
                "platforms": ["linux/amd64", "linux/arm64"],
                "secret": ["id=TOKEN,src=<secret:TOKEN>"],
                "attest": ["type=provenance,disabled=true"],
                "output": [{"type": "registry"}],
                "no-cache-filter": ["build"],
                "cache-from": [f"type=azblob,name={name}{end}" for name in names],
                "cache-to": [
                    (
                        "type=azblob,name=cache-x,mode=max,ignore-error=true,account_url=https://a,"
                        "secret_access_key=${AZURE_STORAGE_KEY}"
                    )
                ],
            }
        },
    }
    assert "hunter2" not in text


def test_a_definition_has_how_commands_run(parsed: Callable[..., Inputs]) -> None:
    decided = planned(
        parsed(
            add_hosts="a:10.0.0.1,b=::1",
            allow="network.host",
            attests="type=sbom",
            build_contexts="lib=../lib",
            network="host",
            outputs="type=local,dest=${out}",
            shm_size="1g",
            ssh="default",
            ulimit="nofile=1:2",
            cache="write-only",
            tags="1",
            push="true",
            **AZURE,
        ),
        KEY,
    )
    target = json.loads(bake_file.definition([decided], command_line.PLACEHOLDERS))["target"][
        "image"
    ]
    del target["cache-to"]
    assert target == {
        "context": ".",
        "tags": ["ghcr.io/me/app:1"],
        "attest": ["type=sbom"],
        "output": [{"type": "local", "dest": "$${out}"}],
        "contexts": {"lib": "../lib"},
        "entitlements": ["network.host"],
        "extra-hosts": {"a": "10.0.0.1", "b": "::1"},
        "network": "host",
        "shm-size": "1g",
        "ssh": ["default"],
        "ulimits": ["nofile=1:2"],
    }
    assert bake_file.argv([decided], command_line.PLACEHOLDERS, "/d.json") == (
        "bake",
        "--progress=rawjson",
        "--file",
        "/d.json",
        "--allow=fs=*",
        "--allow=ssh",
        "--allow=network.host",
        "--metadata-file",
        "<metadata-file>",
        "--",
        "image",
    )


def test_a_definition_says_nothing_of_what_is_not_given(parsed: Callable[..., Inputs]) -> None:
    decided = calls.cache_alone(planned(parsed(cache="write-only", **AZURE), KEY))
    found = json.loads(bake_file.definition([decided], command_line.PLACEHOLDERS))["target"][
        "image"
    ]
    assert set(found) == {"context", "output", "cache-to"}
    assert found["output"] == [{"type": "cacheonly"}]


def test_the_arguments_beside_a_definition(parsed: Callable[..., Inputs]) -> None:
    decided = planned(parsed(builder="mine", **AZURE), KEY)
    assert bake_file.argv([decided], command_line.PLACEHOLDERS, "/d.json") == (
        "bake",
        "--progress=rawjson",
        "--file",
        "/d.json",
        "--allow=fs=*",
        "--builder",
        "mine",
        "--metadata-file",
        "<metadata-file>",
        "--",
        "image",
    )


def test_the_metadata_of_the_one_target_is_that_of_a_build() -> None:
    inside = {"containerimage.digest": "sha256:1"}
    assert bake_file.metadata({"image": inside, "buildx.build.warnings": []}, "image") == inside
    assert bake_file.metadata(inside, "image") == {}
    assert bake_file.metadata({"image": "no object"}, "image") == {}


def test_a_copy_of_the_dockerfile_replaces_it(parsed: Callable[..., Inputs]) -> None:
    plan = replace(planned(parsed(file="a"), set()), linked_file="/p/${x}/Dockerfile")
    found = {"dockerfile-inline": "FROM a", "dockerfile": "b", "context": "c"}
    of_file = replace(plan, name="web", definition=found)
    for one, name, context in ((plan, "image", "."), (of_file, "web", "c")):
        target = json.loads(bake_file.definition([one], command_line.PLACEHOLDERS))["target"][name]
        assert target["dockerfile"] == "/p/$${x}/Dockerfile"
        assert target["context"] == context
        assert "dockerfile-inline" not in target


def test_a_repository_comes_before_the_targets() -> None:
    assert bake_file.resolve(["a.hcl"], ["web"], ["web.a=b"], url="https://a.io/a.git") == (
        *("bake", "--print", "--progress=quiet", "--file", "a.hcl", "--set", "web.a=b"),
        *("--", "https://a.io/a.git", "web"),
    )
    assert bake_file.resolve([], [], []) == ("bake", "--print", "--progress=quiet", "--")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param({"image": ""}, {}, id="no names"),
        pytest.param(
            {"image": "r.io/a,r.io/b", "tags": "1"},
            {
                "tags": ["r.io/a:1", "r.io/b:1"],
                "args": {"DOCKER_META_IMAGES": "r.io/a,r.io/b", "DOCKER_META_VERSION": "1"},
            },
            id="names",
        ),
        pytest.param(
            {"image": "r.io/a", "tags": "type=ref,event=tag"},
            {"tags": [], "args": {"DOCKER_META_IMAGES": "", "DOCKER_META_VERSION": ""}},
            id="rules that make no name",
        ),
    ],
)
def test_the_runs_names_are_a_target(
    parsed: Callable[..., Inputs], values: dict[str, str], expected: dict[str, object]
) -> None:
    inputs = parsed(**values)
    applied = tags.apply(inputs.tag_rules, inputs.flavor, PUSH, None)
    text = bake_file.metadata_target(inputs, naming.decide(inputs, PUSH, applied))
    assert json.loads(text) == {"target": {"docker-metadata-action": expected}}
    assert bake_file.names_metadata(text, "docker-metadata-action")
    assert not bake_file.names_metadata(text, "other")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"target": {"web": {}}}', '{"target": []}'])
def test_other_json_does_not_name_them(text: str) -> None:
    assert not bake_file.names_metadata(text, "docker-metadata-action")
