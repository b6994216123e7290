"""What `reproducible` makes of a build: argv, notes and warnings."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests import plans
from tests.runs import LOCAL, SHOP
from warmbuild.bake import bake_file, targets
from warmbuild.bake.targets import Target
from warmbuild.buildkit import command_line
from warmbuild.plan import calls, reproducibility

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.inputs.values import Inputs
    from warmbuild.plan.build_plan import BuildPlan
    from warmbuild.run_context import RunContext

AT = "source-date-epoch=1767225598"
REWRITTEN = "rewrite-timestamp=true"
BOTH = f"{AT},{REWRITTEN}"
OFF = "type=provenance,disabled=true"
BEFORE = "what the build makes has no time after the commit, 2025-12-31T23:59:58Z"
UNKNOWN = (
    "what the build makes has no time after 1970-01-01T00:00:00Z, because that of the commit is "
    "unknown"
)
GIVEN = "what the build makes has no time after SOURCE_DATE_EPOCH, which is given"
NO_PROVENANCE = (
    "there is no provenance by default: it holds times, and the digest would differ in each build"
)
PROVENANCE = replace(SHOP, provenance="mode=min")


def planned(inputs: Inputs, run: RunContext = SHOP, *variables: str) -> BuildPlan:
    return plans.planned(inputs, run, variables=variables)


def values(plan: BuildPlan, flag: str) -> list[str]:
    """Return the values of a flag in the arguments of a build."""
    argv = command_line.build(plan, command_line.PLACEHOLDERS)
    return [argv[number + 1] for number, part in enumerate(argv) if part == flag]


@pytest.mark.parametrize(
    ("run", "given", "outputs"),
    [
        pytest.param(SHOP, {}, [f"type=image,{BOTH}"], id="a push"),
        pytest.param(LOCAL, {"load": "true"}, ["type=docker,source-date-epoch=0,"], id="a load"),
        pytest.param(
            SHOP, {"load": "true"}, [f"type=docker,{BOTH}", f"type=image,{BOTH}"], id="both"
        ),
        pytest.param(
            SHOP,
            {"compression": "zstd"},
            [f"type=image,compression=zstd,{BOTH}"],
            id="with a compression",
        ),
        pytest.param(
            SHOP, {"outputs": "type=oci,dest=a"}, [f"type=oci,dest=a,{BOTH}"], id="an OCI layout"
        ),
        pytest.param(
            SHOP,
            {"outputs": "type=registry,name=a\ntype=docker"},
            [f"type=docker,{BOTH}", f"type=registry,name=a,{BOTH}"],
            id="two outputs",
        ),
        pytest.param(
            SHOP, {"outputs": "type=local,dest=a"}, [f"type=local,dest=a,{AT}"], id="files"
        ),
        pytest.param(SHOP, {"outputs": 'a"b'}, [f'type=local,"dest=a""b",{AT}'], id="a directory"),
        pytest.param(SHOP, {"outputs": "-"}, [f"type=tar,dest=-,{AT}"], id="a tar"),
        pytest.param(
            SHOP,
            {"outputs": "type=local,dest=a", "push": "true"},
            [f"type=local,dest=a,{AT}", f"type=image,{BOTH}"],
            id="files and a push",
        ),
        pytest.param(SHOP, {"outputs": "type=cacheonly"}, ["type=cacheonly"], id="nothing"),
        pytest.param(
            SHOP,
            {"outputs": "type=image,rewrite-timestamp=false,source-date-epoch=7"},
            ["type=image,rewrite-timestamp=false,source-date-epoch=7"],
            id="attributes of the user's own",
        ),
        pytest.param(
            SHOP,
            {"build_args": "SOURCE_DATE_EPOCH=7"},
            [f"type=image,{REWRITTEN}"],
            id="a build argument of the user's own",
        ),
        pytest.param(
            SHOP,
            {"build_args": "SOURCE_DATE_EPOCH="},
            [f"type=image,{BOTH}"],
            id="an empty build argument",
        ),
    ],
)
def test_every_export_has_the_time(
    parsed: Callable[..., Inputs], run: RunContext, given: dict[str, str], outputs: list[str]
) -> None:
    found = planned(parsed(reproducible="true", **given), run)
    outputs = [f"{one}{REWRITTEN}" if one.endswith(",") else one for one in outputs]
    assert values(found, "--output") == outputs
    assert "--build-arg" not in command_line.build(found, command_line.PLACEHOLDERS) or (
        "build_args" in given
    )


def test_a_variable_of_the_users_own_wins(parsed: Callable[..., Inputs]) -> None:
    found = planned(parsed(reproducible="true"), SHOP, "SOURCE_DATE_EPOCH")
    assert values(found, "--output") == [f"type=image,{REWRITTEN}"]
    assert GIVEN in found.notes


def test_the_time_is_that_of_the_commit_that_names_the_image(
    parsed: Callable[..., Inputs],
) -> None:
    head = replace(SHOP, committed=datetime.fromtimestamp(7.9, UTC))
    found = planned(parsed(reproducible="true"), replace(SHOP, named=head))
    assert values(found, "--output") == [f"type=image,source-date-epoch=7,{REWRITTEN}"]


@pytest.mark.parametrize(
    ("run", "given", "notes"),
    [
        pytest.param(SHOP, {}, [BEFORE, NO_PROVENANCE], id="the commit"),
        pytest.param(SHOP, {"provenance": "false"}, [BEFORE], id="no provenance"),
        pytest.param(LOCAL, {"load": "true"}, [UNKNOWN], id="a load"),
        pytest.param(SHOP, {"outputs": "type=local,dest=a"}, [BEFORE], id="files"),
        pytest.param(
            SHOP, {"build_args": "SOURCE_DATE_EPOCH=7"}, [GIVEN, NO_PROVENANCE], id="the user's own"
        ),
        pytest.param(
            replace(SHOP, committed=None),
            {},
            [UNKNOWN, NO_PROVENANCE],
            id="nobody knows",
        ),
        pytest.param(
            SHOP,
            {"push": "false"},
            ["reproducible has no effect: nothing is exported"],
            id="nothing is exported",
        ),
    ],
)
def test_a_note_says_which_time_it_is(
    parsed: Callable[..., Inputs], run: RunContext, given: dict[str, str], notes: list[str]
) -> None:
    found = planned(parsed(reproducible="true", **given), run)
    without = planned(parsed(**given), run)
    assert [one for one in found.notes if one not in without.notes] == notes


def test_nothing_changes_without_it(parsed: Callable[..., Inputs]) -> None:
    found = planned(parsed(), PROVENANCE)
    assert values(found, "--output") == []
    assert values(found, "--attest") == ["type=provenance,mode=min"]


@pytest.mark.parametrize(
    ("given", "attests", "warned"),
    [
        pytest.param({}, [OFF], "", id="none by default"),
        pytest.param({"load": "true"}, [OFF], "", id="nor beside a load, which buildx adds"),
        pytest.param({"provenance": "false"}, [OFF], "", id="turned off"),
        pytest.param(
            {"provenance": "mode=max"}, ["type=provenance,mode=max"], "provenance", id="asked for"
        ),
        pytest.param({"sbom": "true"}, ["type=sbom,disabled=false", OFF], "sbom", id="an SBOM"),
        pytest.param({"sbom": "false"}, ["type=sbom,disabled=true", OFF], "", id="no SBOM"),
        pytest.param(
            {"attests": "type=provenance\ntype=sbom"},
            ["type=provenance", "type=sbom"],
            "provenance, sbom",
            id="both in attests",
        ),
    ],
)
def test_attestations(
    parsed: Callable[..., Inputs], given: dict[str, str], attests: list[str], warned: str
) -> None:
    found = planned(parsed(reproducible="true", **given), PROVENANCE)
    assert values(found, "--attest") == attests
    assert found.default_attests == ()
    warning = (
        "reproducible: the digest of the index differs in each build, because attestations hold "
        f"times ({warned}); the digests of the images below it do not"
    )
    assert found.warnings == ((warning,) if warned else ())


@pytest.mark.parametrize(
    ("given", "is_warned"),
    [
        pytest.param({"cache_backend": "inline"}, True, id="the backend"),
        pytest.param({"cache_backend": "inline", "cache": "read-only"}, False, id="read alone"),
        pytest.param({"cache_to": "type=inline"}, True, id="of the user's own"),
        pytest.param({"cache_to": "type=gha"}, False, id="elsewhere"),
        pytest.param({"cache_to": "type=inline", "push": "false"}, False, id="no image"),
    ],
)
def test_an_inline_cache_is_warned_of(
    parsed: Callable[..., Inputs],
    given: dict[str, str],
    is_warned: bool,  # noqa: FBT001
) -> None:
    found = planned(parsed(reproducible="true", **given), SHOP)
    assert ("inline cache in it holds times" in " ".join(found.warnings)) is is_warned


def test_a_cache_alone_has_no_times(parsed: Callable[..., Inputs]) -> None:
    image, cache = calls.parts([planned(parsed(reproducible="true"))])
    assert values(image[0], "--output") == [f"type=image,{BOTH}"]
    assert values(cache[0], "--output") == ["type=cacheonly"]
    staged = planned(parsed(reproducible="true", cache_backend="inline", cache_stages="deps"))
    assert values(calls.stages(staged)[0], "--output") == []


@pytest.mark.parametrize(
    ("values", "linked", "output"),
    [
        pytest.param({}, False, [{"type": "registry"}], id="a push"),
        pytest.param(
            {"output": ["type=docker"]},
            False,
            [{"type": "docker"}, {"type": "registry"}],
            id="both",
        ),
        pytest.param(
            {"output": [{"type": "cacheonly"}]}, False, [{"type": "cacheonly"}], id="none"
        ),
        pytest.param({}, True, None, id="a part of others"),
    ],
)
def test_a_target(
    parsed: Callable[..., Inputs],
    values: dict[str, object],
    linked: bool,  # noqa: FBT001
    output: list[dict[str, str]] | None,
) -> None:
    given = parsed(reproducible="true", push="true", bake_files="a.hcl")
    target = Target(name="app", definition={**values, "tags": ["r.io/a:1"]}, linked=linked)
    own = targets.inputs(given, SHOP, plans.known(given, SHOP).applied, target)
    decided = plans.target_planned(own, SHOP, target)
    text = bake_file.definition([decided], command_line.PLACEHOLDERS)
    found = json.loads(text)["target"]["app"]
    epoch = {"source-date-epoch": "1767225598", "rewrite-timestamp": "true"}
    timed = [one if one["type"] == "cacheonly" else {**one, **epoch} for one in output or ()]
    assert found.get("output", []) == timed
    assert decided.warnings == ()


def test_what_an_output_lacks() -> None:
    times = (("source-date-epoch", "7"), ("rewrite-timestamp", "true"))
    assert reproducibility.missing({"type": "image"}, times) == dict(times)
    assert reproducibility.missing({"type": "tar"}, times) == {"source-date-epoch": "7"}
    assert reproducibility.missing({"type": "tar"}, times[1:]) == {}
    assert reproducibility.missing({}, times) == {}
