from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from warmbuild.cluster import rights
from warmbuild.cluster.pool import Pool
from warmbuild.cluster.rights import Right

POOL = Pool(name="ci0", namespace="builders")
ACCOUNT = "system:serviceaccount:runners:ci"


def test_a_pool_that_is_there_needs_few_rights() -> None:
    assert [str(one) for one in rights.of_use(POOL)] == [
        "get deployments.apps",
        "list pods",
        "create pods/exec",
    ]


@pytest.mark.parametrize(
    ("configured", "removed", "more"),
    [
        (False, False, ["create deployments.apps", "patch deployments.apps"]),
        (
            False,
            True,
            ["create deployments.apps", "patch deployments.apps", "delete deployments.apps"],
        ),
        (
            True,
            True,
            [
                "create deployments.apps",
                "patch deployments.apps",
                "delete deployments.apps",
                "create configmaps",
                "update configmaps",
                "delete configmaps",
            ],
        ),
    ],
)
def test_what_creation_needs_beside_that(
    *, configured: bool, removed: bool, more: list[str]
) -> None:
    needed = rights.of_creation(POOL, configured=configured, removed=removed)
    assert [str(one) for one in needed] == [*map(str, rights.of_use(POOL)), *more]


def test_a_state_on_claims_needs_those_of_stateful_sets() -> None:
    needed = rights.of_creation(
        Pool(name="ci0", namespace="b", has_claims=True), configured=False, removed=False
    )
    assert {one.resource for one in needed} == {"statefulsets", "pods", "pods/exec"}


def test_a_question_names_the_object_for_a_role_may_allow_that_one_alone() -> None:
    asked = rights.review(rights.of_boot(POOL)[0], "builders")
    assert asked["spec"] == {
        "resourceAttributes": {
            "namespace": "builders",
            "verb": "patch",
            "group": "apps",
            "resource": "deployments",
            "subresource": "",
            "name": "ci0",
        }
    }
    exec_ = rights.review(Right(verb="create", resource="pods/exec"), "builders")
    attributes = exec_["spec"]["resourceAttributes"]  # type: ignore[index]  # an object
    assert (attributes["resource"], attributes["subresource"]) == ("pods", "exec")


def test_a_role_has_each_right_and_goes_to_the_account() -> None:
    needed = (*rights.of_creation(POOL, configured=True, removed=True), rights.EVENTS)
    role, binding = yaml.safe_load(rights.role(needed, "builders", ACCOUNT))["items"]
    assert role["metadata"] == {"name": "warmbuild", "namespace": "builders"}
    assert role["rules"] == [
        {
            "apiGroups": ["apps"],
            "resources": ["deployments"],
            "verbs": ["get", "create", "patch", "delete"],
        },
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
        {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"]},
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create", "update", "delete"]},
        {"apiGroups": [""], "resources": ["events"], "verbs": ["list"]},
    ]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    (subject,) = binding["subjects"]
    assert subject == {"kind": "ServiceAccount", "name": "ci", "namespace": "runners"}


@given(st.text(min_size=1).filter(str.isprintable))
def test_any_name_of_a_user_is_a_name_and_no_yaml(name: str) -> None:
    text = rights.role(rights.of_use(POOL), "builders", name)
    assert len(text.splitlines()) == len(rights.role((), "builders", "me").splitlines()) + 3
    (subject,) = yaml.safe_load(text)["items"][1]["subjects"]
    assert subject["name"] == name or subject["kind"] == "ServiceAccount"


def test_no_line_of_a_role_separates_documents() -> None:
    text = rights.role(rights.of_use(POOL), "builders", ACCOUNT)
    assert not any(line.startswith("---") for line in text.splitlines())
