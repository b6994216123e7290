"""Tags by rule, labels and annotations reach the registry, and cost no step its cache."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.conftest import Registry, Warmbuild

RULES = """# what it is called
type=semver,pattern={{version}}
type=semver,pattern={{major}}.{{minor}}
type=ref,event=branch
type=sha,format=long
"""


def test_a_release_is_tagged_labelled_and_annotated(
    warmbuild: Warmbuild,
    registry: Registry,
    repository: str,
    small: Path,
    github: Callable[..., dict[str, str]],
) -> None:
    inputs: dict[str, Any] = {
        "images": f"name={repository.upper()}",
        "tags": RULES,
        "labels": "org.opencontainers.image.title=Socks",
        "annotations": "manifest:com.example.shelf=7\ncom.example.row=2",
        "provenance": "false",
        "push": "true",
    }
    main = github("push", "github-push.json", "refs/heads/main")
    warmbuild.succeed(small, ci=main, **inputs)
    event = github("push", "github-push.json", "refs/tags/v1.2.3")
    commit = event["GITHUB_SHA"]
    released = warmbuild.succeed(small, ci=event, **inputs)
    # A label is no layer.
    assert released.executed == []
    assert released.outputs["version"] == "1.2.3"
    names = ["1.2", "1.2.3", "latest", "main", f"sha-{commit}"]
    tags = [tag for tag in registry.tags(repository) if not tag.startswith("cache-")]
    assert tags == names
    assert released.outputs["tag-names"].split("\n") == ["1.2.3", "1.2", f"sha-{commit}", "latest"]
    labels = registry.config(f"{repository}:1.2.3")["config"]["Labels"]
    assert labels["org.opencontainers.image.title"] == "Socks"
    assert labels["org.opencontainers.image.version"] == "1.2.3"
    assert labels["org.opencontainers.image.revision"] == commit
    assert labels["org.opencontainers.image.created"].endswith("Z")
    assert json.loads(released.outputs["json"])["labels"] == labels
    annotations = registry.manifest(f"{repository}:1.2.3")["annotations"]
    assert annotations["com.example.row"] == "2"
    assert annotations["org.opencontainers.image.version"] == "1.2.3"
    assert annotations["com.example.shelf"] == "7"
    # The same commit is the same image, whenever it is built.
    again = warmbuild.succeed(small, ci=event, **inputs)
    assert again.outputs["digest"] == released.outputs["digest"]


def test_a_plan_hands_on_what_bake_takes(
    warmbuild: Warmbuild, repository: str, small: Path
) -> None:
    planned = warmbuild.succeed(
        small, image=repository, tags="type=ref,event=branch", plan_only="true", branch="x"
    )
    outputs = planned.outputs
    found = json.loads(Path(outputs["bake-file-tags"]).read_text())
    args = {"DOCKER_META_IMAGES": repository, "DOCKER_META_VERSION": "x"}
    assert found == {
        "target": {"docker-metadata-action": {"tags": [f"{repository}:x"], "args": args}}
    }
    labels = json.loads(Path(outputs["bake-file-labels"]).read_text())["target"]
    combined = json.loads(Path(outputs["bake-file"]).read_text())["target"]
    assert (
        combined["docker-metadata-action"]["labels"] == (labels["docker-metadata-action"]["labels"])
    )
    assert "cache-to" in combined["warmbuild"]
