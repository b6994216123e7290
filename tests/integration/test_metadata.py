"""Tags by rule, labels and annotations reach the registry, and cost no step its cache."""

from __future__ import annotations

import json
import re
import subprocess
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


LATER = re.compile(r"^(\w+)<<(ghadelimiter_\S+)\n(.*?)\n\2$", re.MULTILINE | re.DOTALL)


def test_a_build_names_the_checkout_and_tells_later_steps(
    warmbuild: Warmbuild,
    registry: Registry,
    repository: str,
    small: Path,
    github: Callable[..., dict[str, str]],
    tmp_path: Path,
) -> None:
    def git(*arguments: str) -> str:
        return subprocess.run(  # noqa: S603 (each argument is written out here)
            ["git", "-c", "user.name=A", "-c", "user.email=a@example.com", *arguments],  # noqa: S607
            cwd=small,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    git("init", "-q", "-b", "release/2")
    git("add", ".")
    git("commit", "-q", "-m", "one")
    head = git("rev-parse", "HEAD")
    variables = tmp_path / "variables"
    env = {
        **github("push", "github-push.json", "refs/heads/main"),
        "GITHUB_ENV": str(variables),
        "DOCKER_METADATA_SHORT_SHA_LENGTH": "12",
        "DOCKER_METADATA_ANNOTATIONS_LEVELS": "manifest,index",
    }
    given: dict[str, Any] = {
        "images": repository,
        "tags": "type=ref,event=branch\ntype=sha\ntype=raw,value=now-{{date YYYY}}",
        "context": "git",
        "push": "true",
        "cache": "read-write",
        "sep_labels": "|",
    }
    done = warmbuild.succeed(small, ci=env, **given)
    tags = done.outputs["tags"].split("\n")
    assert tags[0] == f"{repository}:release-2"
    assert f"{repository}:sha-{head[:12]}" in tags
    # The names are HEAD's, and the cache is the event's.
    assert done.outputs["cache-written"].startswith(f"{repository}:cache-main")
    assert f"org.opencontainers.image.revision={head}" in done.outputs["labels"].split("|")
    told = done.outputs["annotations"].split("\n")
    revision = f"org.opencontainers.image.revision={head}"
    assert {f"manifest:{revision}", f"index:{revision}"} <= set(told)
    # Nobody asked for annotations of the image.
    assert "annotations" not in registry.manifest(f"{repository}:release-2")
    later = {name: value for name, _, value in LATER.findall(variables.read_text())}
    assert later["DOCKER_METADATA_OUTPUT_TAGS"] == done.outputs["tags"]
    assert later["DOCKER_METADATA_OUTPUT_VERSION"] == "release-2"
    assert json.loads(later["DOCKER_METADATA_OUTPUT_JSON"]) == json.loads(done.outputs["json"])
    off = {**env, "DOCKER_METADATA_SET_OUTPUT_ENV": "false"}
    variables.unlink()
    again = warmbuild.succeed(small, ci=off, **given, annotations="com.example.row=2")
    assert not variables.exists()
    assert again.executed == []
    index = registry.manifest(f"{repository}:release-2")
    assert index["annotations"]["com.example.row"] == "2"
    assert index["annotations"]["org.opencontainers.image.version"] == "release-2"


def test_metadata_alone_needs_no_image(
    warmbuild: Warmbuild, small: Path, github: Callable[..., dict[str, str]]
) -> None:
    main = github("push", "github-push.json", "refs/heads/main")
    planned = warmbuild.succeed(small, ci=main, plan_only="true", bake_target="meta", sep_tags=" ")
    assert (planned.outputs["tags"], planned.outputs["version"]) == ("main", "main")
    found = json.loads(Path(planned.outputs["bake-file-tags"]).read_text())
    args = {"DOCKER_META_IMAGES": "", "DOCKER_META_VERSION": "main"}
    assert found == {"target": {"meta": {"tags": ["main"], "args": args}}}
    assert "manifest:org.opencontainers.image.version=main" in planned.outputs["annotations"]
