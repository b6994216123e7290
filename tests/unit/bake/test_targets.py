from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests import plans
from tests.plans import known, target_planned
from warmbuild import refs, trust
from warmbuild.bake import bake_file, targets
from warmbuild.bake.targets import Target
from warmbuild.build import attempts, outcomes
from warmbuild.build.attempts import Tried
from warmbuild.build.outcomes import Outcome
from warmbuild.buildkit import command_line
from warmbuild.buildkit.progress import Failure, Progress
from warmbuild.cache.cache_plan import CacheRef
from warmbuild.cache.probe import Found
from warmbuild.cache.problems import Kind, Problem
from warmbuild.errors import InputError
from warmbuild.report import markdown, outputs, plain_text, plan_json
from warmbuild.report.plain_text import hit_ratio
from warmbuild.run_context import RunContext

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from warmbuild.inputs.values import Inputs
    from warmbuild.plan.build_plan import BuildPlan


# Seconds left for other tries.
LEFT = 60.0


def tried(number: int = 1, *, left: float = LEFT, waited_for: str = "", lacking: str = "") -> Tried:
    return Tried(number=number, left=left, waited_for=waited_for, lacking=lacking)


DATA = Path(__file__).resolve().parents[2] / "data"
PUSH = RunContext(ci="github", event="push", branch="x", default_branch="main", trust=trust.TRUSTED)
FORK = replace(PUSH, trust=trust.FORK)
HERE = replace(PUSH, ci="local", event="local", trust=trust.LOCAL)
EXPORT = "image-manifest=true,oci-mediatypes=true,ignore-error=true"
PRINTED = """#1 [internal] load local bake definitions
{
  "group": {"default": {"targets": ["all", "web"]}, "all": {"targets": ["job", "all"]}},
  "target": {
    "base": {"context": "."},
    "job": {"args": {"A": "$${x}"}, "tags": ["r.io/${y}"]},
    "web": {"labels": {"b": "%%{z}"}, "annotations": ["k=$${v}", 1], "context": "w"}
}
}
WARNING: something is odd
"""


def target(**definition: object) -> Target:
    found = {name.replace("_", "-"): value for name, value in definition.items()}
    return Target(name="web", definition=found, linked=False)


def inputs_of(given: Inputs, context: RunContext, one: Target) -> Inputs:
    return targets.inputs(given, context, known(given, context).applied, one)


def planned(inputs: Inputs, one: Target, context: RunContext = PUSH) -> BuildPlan:
    return target_planned(inputs_of(inputs, context, one), context, one)


def written(plans: Sequence[BuildPlan]) -> Any:  # noqa: ANN401 (JSON)
    return json.loads(bake_file.definition(plans, command_line.PLACEHOLDERS))


class TestRead:
    def test_what_buildx_prints(self) -> None:
        found = targets.read(PRINTED.replace("\n}\n}", "\n  }\n}"))
        assert found == (
            Target(
                name="job", definition={"args": {"A": "${x}"}, "tags": ["r.io/${y}"]}, linked=False
            ),
            Target(
                name="web",
                definition={
                    "labels": {"b": "%{z}"},
                    "annotations": ["k=${v}", 1],
                    "context": "w",
                },
                linked=False,
            ),
            Target(name="base", definition={"context": "."}, linked=True),
        )

    @pytest.mark.parametrize("printed", ["", "nothing", "{\nnothing", "{\n[\n}"])
    def test_what_is_no_definition(self, printed: str) -> None:
        with pytest.raises(ValueError, match=r".+"):
            targets.read(printed)

    def test_a_definition_of_nothing(self) -> None:
        assert targets.read('{\n"group": {"default": {"targets": 1}}\n}') == ()


class TestInputs:
    def test_a_target_is_a_build_of_its_own_inputs(self, parsed: Callable[..., Inputs]) -> None:
        given = parsed(cache_scope="shop", build_args="B=2", no_cache_filters="deps", tags="1")
        found = inputs_of(
            given,
            PUSH,
            target(
                context="services/web",
                dockerfile="Containerfile",
                target="final",
                platforms=["linux/amd64"],
                args={"A": "1", "NONE": None},
                labels={"l": "x"},
                attest=[{"type": "sbom", "disabled": "true"}],
                output=[{"type": "docker"}],
                **{"no-cache-filter": ["build"], "no-cache": True, "pull": True},
            ),
        )
        assert found == replace(
            given,
            image=(),
            tags=("ghcr.io/me/app:web-1",),
            context="services/web",
            file="services/web/Containerfile",
            target="final",
            platforms=("linux/amd64",),
            build_args=("A=1", "B=2"),
            labels=("l=x",),
            attests=("type=sbom,disabled=true",),
            outputs=("type=docker",),
            no_cache=True,
            pull=True,
            no_cache_filters=("build", "deps"),
            cache_repository=refs.parse("ghcr.io/me/app"),
            cache_scope="shop/web",
        )

    @pytest.mark.parametrize(
        ("definition", "file"),
        [
            pytest.param({}, "./Dockerfile", id="none"),
            pytest.param({"dockerfile": "/a/b"}, "/a/b", id="absolute"),
            pytest.param({"context": "https://a/b.git"}, "Dockerfile", id="elsewhere"),
        ],
    )
    def test_the_dockerfile_is_looked_for_where_the_build_runs(
        self, parsed: Callable[..., Inputs], definition: dict[str, object], file: str
    ) -> None:
        assert inputs_of(parsed(), PUSH, target(**definition)).file == file

    @pytest.mark.parametrize(
        ("definition", "values", "expected"),
        [
            pytest.param({}, {}, ("ghcr.io/me/app:web-x",), id="none: the image and the target"),
            pytest.param(
                {}, {"tags": "1,r.io/b:2"}, ("ghcr.io/me/app:web-1", "r.io/b:web-2"), id="named"
            ),
            pytest.param({"tags": ["r.io/own:1"]}, {"tags": "1"}, ("r.io/own:1",), id="its own"),
            pytest.param({}, {"image": "", "bake_files": "b.hcl"}, (), id="neither"),
        ],
    )
    def test_tags(
        self,
        parsed: Callable[..., Inputs],
        definition: dict[str, object],
        values: dict[str, str],
        expected: tuple[str, ...],
    ) -> None:
        assert inputs_of(parsed(**values), PUSH, target(**definition)).tags == expected

    def test_a_tag_that_is_none(self, parsed: Callable[..., Inputs]) -> None:
        with pytest.raises(InputError, match=r"a tag of the target web cannot be used: "):
            inputs_of(parsed(), PUSH, target(tags=["UPPER:${}"]))

    def test_what_is_linked_has_neither_tag_nor_cache(self, parsed: Callable[..., Inputs]) -> None:
        linked = replace(target(tags=["r.io/base:1"]), linked=True)
        found = inputs_of(parsed(), PUSH, linked)
        assert (found.tags, found.cache, found.push, found.load) == ((), "off", False, False)
        own = replace(linked, definition={"cache-to": [{"type": "inline"}]})
        assert inputs_of(parsed(), PUSH, own).cache_to == ("type=inline",)
        decided = planned(parsed(), own)
        assert (decided.linked, decided.notes, decided.cache.notes) == (True, (), ())


class TestCaches:
    def test_a_target_has_its_name_in_the_scope(self, parsed: Callable[..., Inputs]) -> None:
        decided = planned(parsed(cache_fallback="develop"), target())
        assert [str(read.ref) for read in decided.cache.read] == [
            "ghcr.io/me/app:cache-web--x",
            "ghcr.io/me/app:cache-web--develop",
            "ghcr.io/me/app:cache-web--main",
        ]
        assert decided.cache.write is not None
        assert str(decided.cache.write.ref) == "ghcr.io/me/app:cache-web--x"

    def test_a_cache_stands_beside_the_own_image_where_none_is_given(
        self, parsed: Callable[..., Inputs]
    ) -> None:
        decided = planned(parsed(image="", bake_files="b.hcl"), target(tags=["r.io/own:1"]))
        assert decided.cache.write is not None
        assert str(decided.cache.write.ref) == "r.io/own:cache-web--x"

    def test_those_of_the_file_win(self, parsed: Callable[..., Inputs]) -> None:
        one = target(
            cache_from=[{"type": "registry", "ref": "r.io/c:1"}, "r.io/d"],
            cache_to=[{"type": "inline"}],
        )
        decided = planned(parsed(), one)
        found = written([decided])["target"]["web"]
        assert found["cache-from"] == ["type=registry,ref=r.io/c:1", "ref=r.io/d"]
        assert found["cache-to"] == ["type=inline"]
        assert bake_file.override([decided]) == {"target": {}}

    def test_code_that_is_not_trusted_has_no_say(self, parsed: Callable[..., Inputs]) -> None:
        one = target(
            cache_to=[{"type": "registry", "ref": "r.io/c:1"}],
            tags=["r.io/a:1", "r.io/a:cache-main"],
        )
        one = replace(one, left_out=("something is ignored",))
        decided = planned(parsed(push="true"), one, FORK)
        assert decided.warnings == (
            "cache-to type=registry,ref=r.io/c:1 is ignored: the code comes from a fork",
            "something is ignored",
            "r.io/a:cache-main is not pushed: it is a cache's name, and the code comes from a fork",
        )
        found = written([decided])["target"]["web"]
        assert "cache-to" not in found
        assert found["tags"] == ["r.io/a:1"]
        (left,) = bake_file.left_to_files([decided])
        assert left.startswith("bake-file cannot remove cache-to from the target web")
        assert bake_file.left_to_files([planned(parsed(), one)]) == []


@pytest.mark.parametrize(
    ("values", "output", "expected"),
    [
        pytest.param({"load": "true"}, [], ("r.io/a:1", "docker.io/library/app:latest"), id="load"),
        pytest.param(
            {}, ["type=oci,dest=a"], ("r.io/a:1", "docker.io/library/app:latest"), id="oci"
        ),
        pytest.param({"push": "true"}, [], ("r.io/a:1",), id="push"),
        pytest.param({}, ["type=image,push=true"], ("r.io/a:1",), id="an output that pushes"),
    ],
)
def test_a_name_alone_is_for_the_engine(
    parsed: Callable[..., Inputs],
    values: dict[str, str],
    output: list[str],
    expected: tuple[str, ...],
) -> None:
    one = target(tags=["r.io/a:1", "app"], output=output)
    given = parsed(**{"image": "", "bake_files": "b.hcl", "push": "false", **values})
    assert planned(given, one).tags == expected


def test_a_name_alone_is_neither_pushed_nor_a_place_for_a_cache(
    parsed: Callable[..., Inputs],
) -> None:
    decided = planned(parsed(image="", bake_files="b.hcl", push="true"), target(tags=["app"]), PUSH)
    assert decided.tags == ("docker.io/library/app:latest",)
    assert not decided.push
    assert decided.cache.write is None


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        pytest.param({}, [], id="none"),
        pytest.param(
            {"entitlements": ["network.host", "device=kvm"], "network": "host"},
            ["network.host", "device=kvm"],
            id="named, and named again by the network",
        ),
        pytest.param({"network": "none"}, [], id="another network"),
        pytest.param({"network": "host"}, ["network.host"], id="the network alone"),
        pytest.param({"ssh": ["default", {"id": "a"}]}, ["ssh"], id="an agent"),
        pytest.param({"ssh": ["a=key", {"id": "b", "paths": ["key"]}]}, [], id="keys in files"),
    ],
)
def test_what_a_target_needs_to_be_allowed(
    definition: dict[str, object], expected: list[str]
) -> None:
    assert list(targets.entitlements(target(**definition))) == expected


@pytest.mark.parametrize(
    ("definition", "values", "context", "expected"),
    [
        pytest.param({}, {}, PUSH, [{"type": "registry"}], id="a push"),
        pytest.param({}, {"push": "false"}, PUSH, None, id="none"),
        pytest.param({}, {"load": "true"}, HERE, [{"type": "docker"}], id="a load"),
        pytest.param(
            {},
            {"push": "true", "load": "true"},
            PUSH,
            [{"type": "docker"}, {"type": "registry"}],
            id="both, and the digest is that of what is pushed",
        ),
        pytest.param(
            {"output": [{"type": "image"}, {"type": "oci", "dest": "a.tar"}]},
            {"push": "true"},
            PUSH,
            [{"type": "oci", "dest": "a.tar"}, {"type": "image", "push": "true"}],
            id="an image of the file beside an archive",
        ),
        pytest.param(
            {"output": [{"type": "docker"}]},
            {"push": "true", "load": "true"},
            PUSH,
            [{"type": "docker"}, {"type": "registry"}],
            id="both, and the file has one",
        ),
        pytest.param(
            {"output": [{"type": "image", "name": "${n}"}]},
            {"push": "true"},
            PUSH,
            [{"type": "image", "name": "$${n}", "push": "true"}],
            id="an image of the file",
        ),
        pytest.param(
            {"output": [{"type": "docker", "dest": "a.tar"}]},
            {"load": "true"},
            PUSH,
            [{"type": "docker", "dest": "a.tar"}, {"type": "docker"}],
            id="a tarball beside a load",
        ),
        pytest.param(
            {"output": ["type=local,dest=out"]},
            {"push": "true", "load": "true"},
            PUSH,
            [{"type": "local", "dest": "out"}],
            id="a directory in the place of both",
        ),
    ],
)
def test_where_an_image_goes(
    parsed: Callable[..., Inputs],
    definition: dict[str, object],
    values: dict[str, str],
    context: RunContext,
    expected: object,
) -> None:
    decided = planned(parsed(**values), target(**definition), context)
    assert written([decided])["target"]["web"].get("output") == expected


def test_what_has_no_tag_is_not_pushed(parsed: Callable[..., Inputs]) -> None:
    given = parsed(image="", bake_files="b.hcl", push="true")
    decided = planned(given, target())
    assert not decided.push
    assert decided.notes == ("it is not pushed: it has no tag",)
    named = target(output=[{"type": "image", "name": "r.io/a"}])
    assert planned(given, named).push


def test_a_definition_has_what_the_file_says_and_what_was_decided(
    parsed: Callable[..., Inputs],
) -> None:
    given = parsed(
        push="true",
        secrets="TOKEN=hunter2",
        ssh="default",
        ulimit="nofile=1:2",
        build_contexts="two=b",
        add_hosts="six:::1,four=1.1.1.1",
        allow="network.host",
        network="host",
        shm_size="1g",
        provenance="false",
    )
    one = target(
        context="w",
        dockerfile="D",
        contexts={"one": "${a}"},
        extra_hosts={"three": "2.2.2.2"},
        secret=[{"id": "a", "env": "A"}],
        ssh=[{"id": "k"}],
        attest=[{"type": "provenance", "mode": "max"}, {"type": "sbom"}],
        call="build",
        dockerfile_inline="FROM ${B}",
        annotations=["${x}"],
        unheard_of=[1, True],
        **{"shm-size": "1m", "no-cache": False, "tags": ["r.io/a:1"]},
    )
    linked = replace(target(context="."), name="base", linked=True)
    plans = [planned(given, one), planned(given, linked)]
    assert written(plans) == {
        "target": {
            "web": {
                "context": "w",
                "dockerfile": "D",
                "call": "build",
                "dockerfile-inline": "FROM $${B}",
                "annotations": ["$${x}"],
                "unheard-of": [1, True],
                "network": "host",
                "shm-size": "1g",
                "tags": ["r.io/a:1"],
                "contexts": {"one": "$${a}", "two": "b"},
                "extra-hosts": {"three": "2.2.2.2", "six": "::1", "four": "1.1.1.1"},
                "secret": [{"id": "a", "env": "A"}, "id=TOKEN,src=<secret:TOKEN>"],
                "ssh": [{"id": "k"}, "default"],
                "ulimits": ["nofile=1:2"],
                "entitlements": ["network.host"],
                "attest": ["type=provenance,disabled=true", "type=sbom"],
                "output": [{"type": "registry"}],
                "cache-from": [
                    "type=registry,ref=ghcr.io/me/app:cache-web--x",
                    "type=registry,ref=ghcr.io/me/app:cache-web--main",
                ],
                "cache-to": [f"type=registry,ref=ghcr.io/me/app:cache-web--x,mode=max,{EXPORT}"],
            },
            "base": {
                "context": ".",
                "contexts": {"two": "b"},
                "extra-hosts": {"six": "::1", "four": "1.1.1.1"},
                "network": "host",
                "secret": ["id=TOKEN,src=<secret:TOKEN>"],
                "shm-size": "1g",
                "ssh": ["default"],
                "ulimits": ["nofile=1:2"],
                "entitlements": ["network.host"],
            },
        }
    }
    assert bake_file.argv(plans, command_line.PLACEHOLDERS, "/d.json") == (
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
        "web",
    )


def test_a_daemon_is_not_asked_for_what_buildx_grants(parsed: Callable[..., Inputs]) -> None:
    decided = planned(parsed(allow="ssh,device=a"), target(entitlements=["network.host"]))
    assert written([decided])["target"]["web"]["entitlements"] == ["network.host", "device=a"]
    found = bake_file.argv([decided], command_line.PLACEHOLDERS, "/d.json")
    assert {"--allow=ssh", "--allow=device=a"} <= {*found}
    assert "--allow=network.host" not in found


def test_what_code_that_is_not_trusted_may_read(parsed: Callable[..., Inputs]) -> None:
    given = parsed(
        secrets="TOKEN=hunter2",
        secret_files="FILE=/a/b",
        secret_envs="E=V",
        cache_backend="local",
        cache_dir="/c",
    )
    found = bake_file.argv([planned(given, target(), FORK)], command_line.PLACEHOLDERS, "/d.json")
    assert [item for item in found if item.startswith("--allow")] == [
        "--allow=fs.read=<secret:TOKEN>",
        "--allow=fs.read=/a/b",
        "--allow=fs.read=/c/cache-web--main",
    ]


def test_the_arguments_that_print_what_files_say() -> None:
    assert bake_file.resolve(["a.yml", "b.hcl"], ["web"], ["web.tags=x"]) == (
        "bake",
        "--print",
        "--progress=quiet",
        "--file",
        "a.yml",
        "--file",
        "b.hcl",
        "--set",
        "web.tags=x",
        "--",
        "web",
    )


def test_what_a_plan_of_one_image_hands_on(parsed: Callable[..., Inputs]) -> None:
    given = parsed(
        cache="write-only", cache_backend="azblob", cache_options="account_url=https://a"
    )
    decided = plans.planned(given, PUSH, variables={"AZURE_STORAGE_KEY"})
    to = "type=azblob,name=cache-x,mode=max,ignore-error=true,account_url=https://a"
    assert bake_file.override([decided]) == {
        "variable": {"AZURE_STORAGE_KEY": {}},
        "target": {"warmbuild": {"cache-to": [f"{to},secret_access_key=${{AZURE_STORAGE_KEY}}"]}},
    }
    assert outputs.plan_outputs([decided], {"bake-file": "/b.json"}, given) == {
        "tags": "ghcr.io/me/app:x",
        "version": "x",
        "tag-names": "x",
        "labels": "",
        "annotations": "",
        "json": '{"tags":["ghcr.io/me/app:x"],"tag-names":["x"],"labels":{},"annotations":[]}',
        "targets": "{}",
        "cache-from": "",
        "cache-to": to,
        "bake-file": "/b.json",
    }


def test_what_a_plan_of_targets_hands_on(parsed: Callable[..., Inputs]) -> None:
    plans = [
        planned(parsed(), target(contexts={"a": "target:base"})),
        planned(parsed(), replace(target(), name="base", linked=True)),
    ]
    caches = {
        "cache-from": [
            "type=registry,ref=ghcr.io/me/app:cache-web--x",
            "type=registry,ref=ghcr.io/me/app:cache-web--main",
        ],
        "cache-to": [f"type=registry,ref=ghcr.io/me/app:cache-web--x,mode=max,{EXPORT}"],
    }
    sources = {"cache-from": caches["cache-from"]}
    assert bake_file.override(plans) == {"target": {"web": caches, "base": sources}}
    found = outputs.plan_outputs(plans, {"bake-file": "/b.json"}, parsed())
    assert json.loads(found["targets"]) == {"web": caches}
    assert (found["cache-from"], found["cache-to"]) == ("", "")


def test_a_dependency_reads_the_caches_of_what_is_made_of_it(
    parsed: Callable[..., Inputs],
) -> None:
    contexts = {
        "web": {"a": "target:middle", "b": "docker-image://base", "c": "target:elsewhere"},
        "job": {"a": "target:base"},
        "other": {},
    }
    linked = {
        "middle": target(contexts={"a": "target:base", "b": "target:middle"}),
        "base": target(),
        "own": target(cache_from=["type=gha,scope=own"]),
    }
    plans = [
        *(
            planned(parsed(), replace(target(contexts=of), name=name))
            for name, of in contexts.items()
        ),
        *(planned(parsed(), replace(one, name=name, linked=True)) for name, one in linked.items()),
    ]
    found = written(plans)["target"]
    assert found["middle"]["cache-from"] == found["web"]["cache-from"]
    assert found["base"]["cache-from"] == found["web"]["cache-from"] + found["job"]["cache-from"]
    assert found["own"]["cache-from"] == ["type=gha,scope=own"]
    assert not any("cache-to" in found[name] for name in linked)


def test_a_target_without_a_cache_reads_those_of_the_others(parsed: Callable[..., Inputs]) -> None:
    plans = [planned(parsed(), replace(target(), name=name)) for name in ("web", "job", "x", "y")]
    plans[2:] = [replace(one, cache=replace(one.cache, read=())) for one in plans[2:]]
    plans[3] = replace(plans[3], no_cache=True)
    found = written(plans)["target"]
    assert [name for name in found if "cache-web--main" in str(found[name].get("cache-from"))] == [
        "web",
        "x",
    ]
    assert found["x"]["cache-from"] == found["web"]["cache-from"] + found["job"]["cache-from"]
    assert "cache-x--x" in found["x"]["cache-to"][0]
    assert "cache-from" not in found["y"]


def test_a_dependency_of_a_fork_writes_no_cache(parsed: Callable[..., Inputs]) -> None:
    base = target(cache_to=["type=registry,ref=ghcr.io/me/app:cache-web--main,mode=max"])
    plans = [
        planned(parsed(), target(contexts={"a": "target:base"}), FORK),
        planned(parsed(), replace(base, name="base", linked=True), FORK),
    ]
    found = written(plans)["target"]
    assert found["base"]["cache-from"] == found["web"]["cache-from"]
    assert "cache-to" not in found["base"]


def test_the_plan_of_targets(parsed: Callable[..., Inputs]) -> None:
    linked = replace(target(), name="base", linked=True)
    plans = [planned(parsed(), target()), planned(parsed(), linked)]
    assert plain_text.plan_text(*plans).splitlines() == [
        "run         github: push, branch x, default branch main",
        "trust       trusted",
        "target      web",
        "image       ghcr.io/me/app:web-x",
        "push        yes",
        "cache read  ghcr.io/me/app:cache-web--x (this branch's own cache)",
        "cache read  ghcr.io/me/app:cache-web--main (the default branch)",
        "cache write ghcr.io/me/app:cache-web--x (this branch's own cache)",
        "target      base, a dependency",
        "builder     a docker-container builder of this run",
    ]
    found = json.loads(plan_json.plan_json(*plans, redact=str))
    assert list(found["targets"]) == ["web", "base"]
    assert found["targets"]["web"]["tags"] == ["ghcr.io/me/app:web-x"]
    assert found["targets"]["base"]["cache"]["write"] is None
    assert found["commands"] == [found["argv"], found["argv"]]
    assert found["argv"][-1] == "web"


def test_what_may_be_in_no_log() -> None:
    one = target(
        cache_to=["type=azblob,name=a,secret_access_key=k1"],
        cache_from=[{"type": "gha", "token": "k2"}],
        secret=[{"id": "a", "env": "A"}, "id=b,env=B", "id=c,src=c"],
    )
    assert list(targets.secrets(one, {"A": "one", "B": "two"})) == ["k2", "k1", "one", "two"]
    assert list(targets.secret_files(one)) == ["c"]


def test_a_secret_with_an_id_alone_is_a_variable() -> None:
    one = target(secret=["id=a", {"id": "b", "source": "/b"}])
    assert list(targets.secrets(one, {"a": "one"})) == ["one"]
    assert list(targets.secret_files(one)) == ["/b"]


def test_a_password_in_any_url_may_be_in_no_log() -> None:
    one = target(context="https://me:hunter2@a/b.git", args={"PROXY": "http://u:s%2Fsame@p"})
    assert list(targets.secrets(one, {})) == ["hunter2", "hunter2", "s%2Fsame", "s/same"]


class TestProgress:
    @pytest.fixture
    def cold(self) -> Progress:
        return replayed("bake-cold")

    @pytest.fixture
    def warm(self) -> Progress:
        return replayed("bake-warm")

    def test_what_targets_share_is_of_each(self, cold: Progress) -> None:
        assert len(cold.steps()) == 5
        assert sorted(step.title for step in cold.of("web").steps()) == [
            "[2/2] RUN cat /proc/sys/kernel/random/uuid > /base",
            "[common 2/2] RUN cat /proc/sys/kernel/random/uuid > /shared",
            "[web 2/2] RUN cat /proc/sys/kernel/random/uuid > /web",
            "[worker 1/2] COPY --from=base /base /base",
        ]
        assert len(cold.of("worker").steps()) == 4
        assert len(cold.of("base").steps()) == 1

    def test_caches_are_those_of_a_target(self, cold: Progress, warm: Progress) -> None:
        assert [done.name for done in cold.of("web").exports()] == ["registry"]
        assert [done.name for done in cold.exports()] == ["registry", "registry"]
        assert cold.of("web").exports() != cold.of("worker").exports()
        assert [done.name for done in warm.of("worker").imports()] == [
            "127.0.0.1:5000/bakex/worker:cache"
        ]
        assert hit_ratio(warm.of("web").steps()) == (4, 4, 1.0)

    def test_one_build_alone_has_all(self, cold: Progress) -> None:
        assert cold.of("") is cold
        assert cold.of("nobody") is cold

    def test_a_failure_is_said_without_the_target(self) -> None:
        found = Progress(["web"])
        found.take("ERROR: target web: failed to solve: it is so")
        assert found.failure().error == "it is so"

    def test_a_name_of_no_target_is_nobodys(self) -> None:
        found = Progress(["web"])
        for name in ("[auth] r.io", "plain"):
            item = {"digest": name, "name": name, "cached": True}
            found.take(json.dumps({"vertexes": [item]}))
        assert found.of("web").steps() == ()


def replayed(name: str) -> Progress:
    found = Progress(["base", "web", "worker"])
    for line in (DATA / f"buildx-0.36.1-{name}.jsonl").read_text().splitlines():
        found.take(line)
    return found


class TestAttempts:
    @pytest.fixture
    def pair(self, parsed: Callable[..., Inputs]) -> list[BuildPlan]:
        plans = []
        for name, blob in (("web", "sha256:1"), ("job", "sha256:2")):
            decided = planned(parsed(), replace(target(), name=name))
            found = Found(digest="sha256:0", blobs={blob: 1}, size=1, config="")
            ref = refs.parse(f"r.io/{name}:cache")
            read = (CacheRef(ref=ref, reason="", found=found),)
            plans.append(replace(decided, cache=replace(decided.cache, read=read)))
        return plans

    def test_only_the_cache_that_is_to_blame_is_lost(self, pair: list[BuildPlan]) -> None:
        error = "failed to copy: sha256:2: not found"
        failure = Failure(title="[job 2/2] RUN x", error=error, tail=(), source="")
        again = attempts.another_try(pair, failure, tried(1))
        assert again is not None
        assert again.reason.startswith("r.io/job:cache is not read: ")
        assert [len(one.cache.read) for one in again.plans] == [1, 0]

    def test_all_are_lost_that_a_registry_does_not_answer_for(self, pair: list[BuildPlan]) -> None:
        failure = Failure(title="", error="", tail=(), source="")
        again = attempts.another_try(pair, failure, tried(1, waited_for="import"))
        assert again is not None
        assert [len(one.cache.read) for one in again.plans] == [0, 0]
        assert again.restart

    def test_provenance_nobody_asked_for_is_done_without(self, pair: list[BuildPlan]) -> None:
        entry = "type=provenance,mode=max"
        plans = [replace(one, attests=(entry,), default_attests=(entry,)) for one in pair]
        failure = Failure(title="", error="Attestation is not supported", tail=(), source="")
        again = attempts.another_try(plans, failure, tried(1))
        assert again is not None
        assert again.is_note
        assert [one.attests for one in again.plans] == [(), ()]


def outcome(name: str, **values: Any) -> Outcome:  # noqa: ANN401 (for replace)
    empty = Outcome(
        name=name,
        digest=f"sha256:{name}",
        image_id="",
        metadata="",
        tags=(f"r.io/{name}:1",),
        steps=(),
        cache_read=("r.io/c:main",),
        cache_written="",
        cache_age=None,
        seconds=0.0,
        notes=("a note",),
        warnings=(),
        problems=(),
    )
    return replace(empty, **values)


def test_what_became_of_targets(parsed: Callable[..., Inputs]) -> None:
    steps = replayed("bake-warm").steps()
    both = (
        outcome("web", steps=steps[:2], cache_written="r.io/c:web"),
        outcome("job", steps=steps, problems=(Problem(kind=Kind.WRITE, text="no\nspace"),)),
    )
    found = outcomes.together(both, metadata="{}", steps=steps)
    values = outputs.outputs(found, parsed())
    assert (values["digest"], values["tags"]) == ("", "r.io/web:1,r.io/job:1")
    assert (values["cache-read"], values["cache-written"]) == ("r.io/c:main", "r.io/c:web")
    assert values["cache-write-error"] == "job: no space"
    assert values["cache-hits"] == "5"
    assert json.loads(values["targets"])["job"] == {
        "digest": "sha256:job",
        "imageid": "",
        "tags": ["r.io/job:1"],
        "changed": True,
        "cache-read": ["r.io/c:main"],
        "cache-written": "",
        "cache-write-error": "no space",
        "cache-hits": 5,
        "cache-steps": 5,
        "cache-hit-ratio": 1.0,
        "misses": [],
    }
    assert plain_text.outcome_text(found).splitlines()[:4] == [
        "warmbuild: built 2 images: 0 of 5 steps run, 5 cached, 0.0 s",
        "  target         web",
        "  steps          0 of 2 run, 2 cached",
        "  digest         sha256:web",
    ]
    summary = markdown.summary(found)
    assert "#### web: 2 of 2 steps cached" in summary
    assert "#### job: 5 of 5 steps cached\n\n" in summary
    assert "\n- a note\n" in summary
    alone = outcomes.together(both[:1], metadata="{}", steps=steps)
    assert outputs.outputs(alone, parsed())["digest"] == "sha256:web"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        pytest.param(
            {"bake_files": "b.hcl", "vars": "1A=secret"},
            "vars: item 1 is not of the form NAME=value.",
            id="no variable",
        ),
        pytest.param(
            {"bake_files": "b.hcl", "vars": "DOCKER_CONFIG=/x"},
            "vars: item 1 sets DOCKER_CONFIG, which configures buildx itself",
            id="buildx's own",
        ),
        pytest.param(
            {"bake_files": "b.hcl", "set": "web=hunter2"},
            "set: item 1 is not accepted; use TARGET.key=value.",
            id="no override",
        ),
        pytest.param(
            {"bake_files": "b.hcl", "targets": "https://a"},
            "targets: 'https://a' is not accepted",
            id="no target",
        ),
        pytest.param(
            {"bake_files": "b.hcl", "targets": "--push"},
            "targets: '--push' is not accepted",
            id="a flag",
        ),
        pytest.param(
            {"bake_files": "b.hcl", "set": "--push.a=b"},
            "set: item 1 is not accepted",
            id="a flag too",
        ),
        pytest.param(
            {"compose_files": "-"}, "compose-files: '-' is not a file; for one", id="no file"
        ),
        pytest.param(
            {"bake_files": "b.hcl", "file": "Dockerfile"},
            "file: conflicts with bake-files and compose-files: the file sets it",
            id="of one image",
        ),
    ],
)
def test_inputs_that_are_not_usable(
    parsed: Callable[..., Inputs], values: dict[str, str], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        parsed(**values)
    assert message in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_files_go_with_the_current_directory(parsed: Callable[..., Inputs]) -> None:
    assert parsed(bake_files="b.hcl", context=".", vars="DOCKER_TAG=1").vars == ("DOCKER_TAG=1",)
