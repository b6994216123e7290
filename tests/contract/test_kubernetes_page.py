"""The recipes of docs/kubernetes.md are what their readers take, and fit the manifests."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests import recipes
from warmbuild import __version__
from warmbuild.inputs.parsing import gather, parse
from warmbuild.inputs.table import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


@pytest.fixture
def runners(documents: Callable[[str], list[dict[str, Any]]]) -> Mapping[str, dict[str, Any]]:
    found = documents("examples/kubernetes/runners.yaml")
    return {f"{one['kind']}/{one['metadata']['name']}": one for one in found}


def test_the_workflow_is_one_that_github_takes(run: Callable[..., str], tmp_path: Path) -> None:
    workflow = tmp_path / "image.yml"
    workflow.write_text(recipes.recipes()[".github/workflows/image.yml"])
    run("check-jsonschema", "--builtin-schema=vendor.github-workflows", workflow)


def test_inputs_are_of_the_table_and_go_together() -> None:
    of_component = [recipes.recipe(".gitlab-ci.yml")["include"][0]["inputs"]]
    of_component.append(recipes.recipe("inputs: "))
    for inputs in of_component:
        assert inputs.pop("dind") is False
        assert set(inputs) <= set(BY_NAME)
        parse({**inputs, "image": "x"}, {})
    given = [recipes.step_of_github()["env"]]
    given.append({one["name"]: one.get("value", "x") for one in recipes.recipe("env: ")})
    for env in given:
        named = {name: text for name, text in env.items() if name.startswith("INPUT_")}
        assert set(gather({}, named)) <= set(BY_NAME)


def test_versions_are_the_newest(read: Callable[[str], str]) -> None:
    text = read("docs/kubernetes.md") + read("examples/kubernetes/job.yaml")
    versions = re.findall(r"warmbuild(?::v|/build@)(\d[\w.]*)", text)
    assert versions == [__version__] * 3


def test_runners_have_the_namespace_and_the_account_of_the_manifests(
    runners: Mapping[str, dict[str, Any]],
) -> None:
    (namespace,) = [one for kind, one in runners.items() if kind.startswith("Namespace/")]
    account = runners["ServiceAccount/warmbuild"]["metadata"]
    assert account["namespace"] == namespace["metadata"]["name"]
    gitlab, hook = recipes.of_gitlab(), recipes.recipe("hook.yaml")
    assert (gitlab["namespace"], gitlab["service_account"]) == (account["namespace"], "warmbuild")
    assert hook["metadata"]["namespace"] == account["namespace"]
    pod = yaml.safe_load(hook["data"]["job.yaml"])
    assert pod["spec"] == {"serviceAccountName": "warmbuild"}
    # What the network policy of remote.yaml lets in.
    assert pod["metadata"]["labels"] == gitlab["pod_labels"] == {"buildkit": "client"}


def test_no_runner_gives_its_jobs_a_privilege() -> None:
    gitlab = recipes.of_gitlab()
    assert (gitlab["privileged"], gitlab["allow_privilege_escalation"]) == (False, False)
    assert [name for name in gitlab if name.endswith("overwrite_allowed")] == []
    everything = "".join(recipes.recipes().values())
    assert re.findall(r"privileged\W+true|docker\.sock|hostPath", everything) == []


def test_the_runner_finds_the_template_of_its_hooks() -> None:
    spec = recipes.recipe("values.yaml of the chart gha-runner-scale-set")["template"]["spec"]
    (container,), (volume,) = spec["containers"], spec["volumes"]
    hook = recipes.recipe("hook.yaml")
    assert volume["configMap"]["name"] == hook["metadata"]["name"]
    (mount,), (variable,) = container["volumeMounts"], container["env"]
    (file,) = hook["data"]
    assert variable["value"] == f"{mount['mountPath']}/{file}"


def test_roles_that_accounts_are_bound_to_are_those_of_jobs_yaml(
    runners: Mapping[str, dict[str, Any]], documents: Callable[[str], list[dict[str, Any]]]
) -> None:
    roles = {
        one["metadata"]["name"]
        for one in documents("examples/kubernetes/jobs.yaml")
        if one["kind"] == "Role"
    }
    bindings = [one for kind, one in runners.items() if kind.startswith("RoleBinding/")]
    assert {one["roleRef"]["name"] for one in bindings} == roles
    subject = {"kind": "ServiceAccount", "name": "warmbuild", "namespace": "ci-jobs"}
    assert [one["subjects"] for one in bindings] == [[subject]] * len(roles)
    assert {one["metadata"]["namespace"] for one in bindings} == {"buildkit"}


def test_links_lead_somewhere(root: Path, read: Callable[[str], str]) -> None:
    for page in ("docs/kubernetes.md", "docs/scaling.md"):
        targets = re.findall(r"\]\((?!http|#)([^)#]+)", read(page))
        assert targets
        assert [one for one in targets if not (root / "docs" / one).exists()] == []
