"""With skip-unchanged, nothing is built if nothing has changed, and only then."""

from __future__ import annotations

import json
import random
import re
import secrets
import shutil
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration import deciding
from tests.integration.conftest import ROOT
from tests.integration.github_cache import github_cache_service
from tests.integration.mutations import CHANGES, EXAMPLES, LINK, NULL, Example, State, git

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.integration.conftest import (
        S3,
        Azblob,
        Ended,
        GithubCache,
        Lab,
        Registry,
        Warmbuild,
    )
    from tests.integration.faults import Proxy
    from tests.integration.mutations import Change

BASE = b"the layer of a base image"


@pytest.mark.parametrize(
    "share", [pytest.param(3, id="a third"), pytest.param(1, id="all", marks=pytest.mark.long)]
)
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_no_change_is_skipped_and_each_null_change_is(
    example: Example, share: int, *, lab: Lab, registry: Registry, repository: str, tmp_path: Path
) -> None:
    seed = secrets.randbits(32)
    print(f"seed {seed}")
    chance = random.Random(seed)  # noqa: S311 (it is printed)
    pristine = tmp_path / "pristine"
    begin = _begun(example, registry, repository, pristine, tmp_path)
    state = begin()
    deciding.built(lab, registry, state.root, state.inputs)
    # The record is then older than a cache may be.
    time.sleep(1)

    def outcomes(changes: list[Change]) -> dict[str, str]:
        found = {}
        for change in changes:
            state = begin()
            text = change(chance, state)
            found[text] = deciding.decided(lab, state.root, state.inputs, state.env)
        return found

    changes = [change for kind in CHANGES.values() for change in kind]
    chance.shuffle(changes)
    assert [text for text, why in outcomes(changes[::share]).items() if not why] == []
    null = outcomes(list(NULL))
    assert {text: why for text, why in null.items() if why} == {}


def _begun(
    example: Example, registry: Registry, repository: str, pristine: Path, directory: Path
) -> Callable[[], State]:
    """Return what gives a copy of an example as it was, upon a base image of its own."""
    base = f"{repository}/base:1"
    shutil.copytree(ROOT / "examples" / example.name, pristine)
    file = pristine / "Dockerfile"
    file.write_text(re.sub(r"^FROM \w+:\S+", f"FROM {base}", file.read_text(), flags=re.MULTILINE))
    (pristine / example.new).with_name(LINK).symlink_to("nowhere")
    for name in example.ignored:
        (pristine / name).touch()
        with (pristine / ".dockerignore").open("a") as ignore:
            ignore.write(f"\n{name}\n.dockerignore\n")
    git(pristine, "init", "--quiet")
    git(pristine, "add", "--all")
    git(pristine, "commit", "--quiet", "--message", "Begin")

    def begin() -> State:
        root = directory / "project"
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(pristine, root, symlinks=True)
        git(root, "update-index", "--refresh")
        state = State(root=root, example=example, registry=registry, base=base)
        state.push_base(BASE)
        state.give(image=repository)
        return state

    return begin


# What is not as in SMALL: nothing in it differs from build to build.
PLAIN = {"Dockerfile": "FROM scratch\nCOPY source.txt /\n", "source.txt": "one"}
ON: dict[str, Any] = {"skip_unchanged": "true"}


def skipped(ended: Ended, *, changed: str = "false") -> bool:
    """Return whether a run has built nothing, and said so everywhere."""
    is_skipped = "skip-unchanged: nothing is built: " in ended.log
    if is_skipped:
        assert "docker buildx" not in ended.log
        assert ": nothing was built, " in ended.summary.splitlines()[0]
        assert ended.outputs["changed"] == changed
        assert ended.outputs["cache-steps"] == "0"
    return is_skipped


def test_an_unchanged_image_gets_its_tags_without_a_builder(
    warmbuild: Warmbuild, registry: Registry, repository: str, small: Path
) -> None:
    cold = warmbuild.succeed(small, image=repository, **ON)
    assert not skipped(cold)
    assert cold.outputs["changed"] == "true"
    warm = warmbuild.succeed(small, image=repository, tags="one\ntwo", **ON)
    assert skipped(warm)
    assert warm.outputs["tags"] == f"{repository}:one,{repository}:two"
    same = ("digest", "imageid")
    assert [warm.outputs[name] for name in same] == [cold.outputs[name] for name in same]
    metadata, before = (json.loads(ended.outputs["metadata"]) for ended in (warm, cold))
    assert metadata.pop("image.name") == warm.outputs["tags"]
    assert metadata == {name: before[name] for name in metadata}
    for tag in ("one", "two"):
        assert registry.digest(f"{repository}:{tag}") == cold.outputs["digest"]
    (small / "source.txt").write_text("two")
    edited = warmbuild.succeed(small, image=repository, **ON)
    assert not skipped(edited)
    assert "because line 3 differs from the build of branch main in its files" in edited.log
    assert edited.outputs["changed"] == "true"
    # Without the input nothing is skipped, and the output is the same.
    built = warmbuild.succeed(small, image=repository)
    assert built.executed == []
    assert built.outputs["changed"] == "false"


def test_a_merge_takes_the_image_the_cache_and_the_record_of_its_branch(
    warmbuild: Warmbuild, registry: Registry, repository: str, small: Path
) -> None:
    warmbuild.succeed(small, image=repository)
    (small / "source.txt").write_text("two")
    feature = warmbuild.succeed(small, branch="feature", image=repository, **ON)
    assert not skipped(feature)
    given: dict[str, Any] = {"image": repository, "cache_trust_merged": "true", **ON}
    message = {"CI_COMMIT_MESSAGE": "Merge branch 'feature' into 'main'\n"}
    # Without trust in the message, main knows nothing of the branch.
    distrusting = given | {"cache_trust_merged": "false", "cache": "read-only"}
    assert not skipped(warmbuild.succeed(small, extra=message, **distrusting))
    merged = warmbuild.succeed(small, extra=message, **given)
    assert skipped(merged, changed="true")
    assert registry.digest(f"{repository}:main") == feature.outputs["digest"]
    assert merged.outputs["cache-written"] == f"{repository}:cache-main"
    caches = [registry.digest(f"{repository}:cache-{branch}") for branch in ("main", "feature")]
    assert caches[0] == caches[1]
    assert skipped(warmbuild.succeed(small, **given))
    assert warmbuild.succeed(small, image=repository).executed == []


def test_every_repository_needs_the_image(
    warmbuild: Warmbuild,
    lab: Lab,
    registry: Registry,
    repository: str,
    project: Callable[..., Path],
) -> None:
    root = project(PLAIN["Dockerfile"], PLAIN)
    both = f"{repository}/a\n{repository}/b"
    digest = warmbuild.succeed(root, image=both).outputs["digest"]
    assert skipped(warmbuild.succeed(root, image=both, tags="new", **ON))
    assert {registry.digest(f"{one}:new") for one in both.split()} == {digest}
    # The record of a build that skips nothing has the repositories of that build too.
    assert warmbuild.succeed(root, image=f"{both}\n{repository}/d").executed == []
    assert skipped(warmbuild.succeed(root, image=f"{both}\n{repository}/d", **ON))
    third = warmbuild.succeed(root, image=f"{both}\n{repository}/c", **ON)
    assert not skipped(third)
    assert f"did not push its image to the repository of {repository}/c:main" in third.log
    assert skipped(warmbuild.succeed(root, image=f"{both}\n{repository}/c", **ON))
    digest = third.outputs["digest"]
    # What the registry has lost is built, and not only tagged.
    registry.get(f"{repository}/b/manifests/{digest}".removeprefix(f"{lab.registry}/"), "DELETE")
    lost = warmbuild.succeed(root, image=both, **ON)
    assert not skipped(lost)
    registry.check_image(f"{repository}/b:main")
    assert lost.outputs["changed"] == "false"
    # The record is now of the image that is there.
    again = warmbuild.succeed(root, image=both, **ON)
    assert skipped(again)
    assert again.outputs["digest"] == lost.outputs["digest"]


def test_all_platforms_and_attestations_get_the_new_tag(
    warmbuild: Warmbuild, registry: Registry, repository: str, project: Callable[..., Path]
) -> None:
    root = project(PLAIN["Dockerfile"], PLAIN)
    given: dict[str, Any] = {
        "image": repository,
        "platforms": "linux/amd64,linux/arm64",
        "provenance": "mode=max",
    }
    warmbuild.succeed(root, **given)
    assert skipped(warmbuild.succeed(root, **given, tags="new", **ON))
    path = repository.removeprefix(f"{registry.host}/")
    index = registry.get(f"{path}/manifests/new").json()
    assert [one["platform"]["architecture"] for one in index["manifests"]] == [
        *("amd64", "arm64", "unknown", "unknown"),
    ]
    registry.get(f"{path}/manifests/{index['manifests'][1]['digest']}", "DELETE")
    gone = warmbuild.succeed(root, **given, **ON)
    assert not skipped(gone)
    assert "the registry no longer has the image of the build of branch main" in gone.log


def test_behind_a_login(
    warmbuild: Warmbuild,
    auth_registry: Registry,
    lab: Lab,
    secured: str,
    project: Callable[..., Path],
) -> None:
    root = project(PLAIN["Dockerfile"], PLAIN)
    login: dict[str, Any] = {"username": lab.username, "password": lab.password}
    cold = warmbuild.succeed(root, image=secured, **login)
    assert skipped(warmbuild.succeed(root, image=secured, tags="new", **login, **ON))
    assert auth_registry.digest(f"{secured}:new") == cold.outputs["digest"]


BAKE = """
group "default" { targets = ["one", "two", "whole"] }
target "base" { dockerfile-inline = "FROM scratch\\nCOPY base.txt /" }
target "one" { dockerfile-inline = "FROM scratch\\nCOPY one.txt /" }
target "two" { dockerfile-inline = "FROM scratch\\nCOPY two.txt /" }
target "whole" {
  dockerfile-inline = "FROM part\\nCOPY two.txt /more"
  contexts = { part = "target:one" }
}
"""


def test_targets_are_skipped_one_by_one(
    warmbuild: Warmbuild, registry: Registry, repository: str, project: Callable[..., Path]
) -> None:
    files = {"docker-bake.hcl": BAKE, "one.txt": "1", "two.txt": "2"}
    root = project("FROM scratch\n", files)
    given: dict[str, Any] = {"image": repository, "bake_files": "docker-bake.hcl"}
    cold = json.loads(warmbuild.succeed(root, **given).outputs["targets"])
    two = warmbuild.succeed(root, **given, targets="one,two", tags="new", **ON)
    assert skipped(two)
    assert registry.digest(f"{repository}:one-new") == cold["one"]["digest"]
    (root / "two.txt").write_text("3")
    mixed = warmbuild.succeed(root, **given, **ON)
    done = json.loads(mixed.outputs["targets"])
    # What another target is made of is part of that one's build, and not built for itself.
    assert "one: skip-unchanged: nothing is built: " in mixed.log
    assert "whole: skip-unchanged: the image is built, because a context takes the" in mixed.log
    assert {name: one["changed"] for name, one in done.items()} == {
        "one": False,
        "two": True,
        "whole": True,
    }
    assert mixed.outputs["changed"] == "true"
    assert done["one"]["digest"] == cold["one"]["digest"]
    assert done["two"]["digest"] != cold["two"]["digest"]
    assert registry.layers(f"{repository}:whole-main")[0] in registry.layers(
        f"{repository}:one-main"
    )
    assert json.loads(mixed.outputs["metadata"]).keys() == {"one", "two", "whole"}


def test_services_of_a_compose_file(
    warmbuild: Warmbuild, registry: Registry, repository: str, project: Callable[..., Path]
) -> None:
    compose = f"""
services:
  web: {{image: "{repository}/web", build: {{context: ., args: {{WHAT: one}}}}}}
  job: {{image: "{repository}/job", build: {{context: .}}}}
"""
    dockerfile = "FROM scratch\nARG WHAT\nCOPY source.txt /\nLABEL what=$WHAT\n"
    root = project(dockerfile, {"compose.yaml": compose, "source.txt": "one"})
    given: dict[str, Any] = {"compose_files": "compose.yaml", "push": "true"}
    warmbuild.succeed(root, **given, **ON)
    file = root / "compose.yaml"
    file.write_text(compose.replace("WHAT: one", "WHAT: two"))
    changed = json.loads(warmbuild.succeed(root, **given, **ON).outputs["targets"])
    assert (changed["web"]["changed"], changed["job"]["changed"]) == (True, False)
    assert registry.config(f"{repository}/web:latest")["config"]["Labels"]["what"] == "two"


def test_a_registry_that_refuses_the_tag_gets_a_build(
    warmbuild: Warmbuild, registry: Registry, proxy: Proxy, name: str, project: Callable[..., Path]
) -> None:
    root = project(PLAIN["Dockerfile"], PLAIN)
    image = f"{proxy.host}/{name}"
    warmbuild.succeed(root, image=image)
    proxy.answer("PUT", "/manifests/new", 403)
    ended = warmbuild.succeed(root, image=image, tags="new", **ON)
    assert not skipped(ended)
    assert "skip-unchanged: the image is built, because" in ended.log
    assert registry.digest(f"{registry.host}/{name}:new") == ended.outputs["digest"]


def test_two_runs_at_once(
    warmbuild: Warmbuild, registry: Registry, repository: str, small: Path
) -> None:
    digest = warmbuild.succeed(small, image=repository).outputs["digest"]
    runs = [
        warmbuild.start(small, branch=branch, image=repository, **ON)
        for branch in ("main", "main", "other")
    ]
    ended = [run.end() for run in runs]
    assert [one.code for one in ended] == [0, 0, 0]
    assert [skipped(one, changed=one.outputs["changed"]) for one in ended] == [True, True, True]
    assert {registry.digest(f"{repository}:{tag}") for tag in ("main", "other")} == {digest}


def test_a_base_image_that_moves_or_adds_steps_is_noticed(
    warmbuild: Warmbuild, repository: str, project: Callable[..., Path]
) -> None:
    def based(content: str) -> None:
        root = project(f"FROM busybox:1.37\n{content}\n")
        warmbuild.succeed(root, image=f"{repository}/base", tags="1")

    def build() -> Ended:
        root = project(f"FROM {repository}/base:1\nCOPY source.txt /a\n", {"source.txt": "one"})
        return warmbuild.succeed(root, image=repository, **ON)

    based("LABEL a=1")
    assert not skipped(build())
    assert skipped(build())
    based("LABEL a=2")
    moved = build()
    assert not skipped(moved)
    assert f"in its base {repository}/base:1" in moved.log
    # What such steps take is nowhere in the Dockerfile.
    for instruction in ("ONBUILD COPY . /all", "ONBUILD ARG X"):
        based(instruction)
        assert not skipped(build())
        assert not skipped(build())


@pytest.fixture
def backends(
    name: str, tmp_path: Path, s3: S3, azblob: Azblob, github_cache: GithubCache
) -> Iterator[dict[str, dict[str, Any]]]:
    """Return the inputs and the environment of each backend that is not a registry's."""
    of_s3 = (f"bucket={s3.bucket}", f"region={s3.region}", f"endpoint_url={s3.url}")
    of_azure = (f"account_url={azblob.url}", f"account_name={azblob.account}")
    with github_cache_service(azblob) as service:
        options = {
            "local": (),
            "s3": (*of_s3, "use_path_style=true", f"prefix={name}/"),
            "azblob": (*of_azure, f"container=c-{name[-6:]}"),
            "gha": (f"url_v2={service.url}",),
        }
        env = {
            "s3": dict(s3.environment),
            "azblob": {"AZURE_STORAGE_KEY": azblob.key},
            "gha": {"ACTIONS_RUNTIME_TOKEN": github_cache.token},
        }
        yield {
            backend: {
                "cache_backend": backend,
                "cache_options": "\n".join(given),
                "extra": env.get(backend, {}),
                **({"cache_dir": str(tmp_path / "cache")} if backend == "local" else {}),
            }
            for backend, given in options.items()
        }


@pytest.mark.parametrize("backend", ["local", "s3", "azblob", "gha"])
def test_records_elsewhere(
    backend: str,
    backends: dict[str, dict[str, Any]],
    warmbuild: Warmbuild,
    repository: str,
    small: Path,
) -> None:
    given: dict[str, Any] = {"image": repository, **backends[backend]}
    cold = warmbuild.succeed(small, **given)
    warm = warmbuild.succeed(small, **given, **ON)
    assert skipped(warm)
    assert warm.outputs["digest"] == cold.outputs["digest"]
    # A branch that has no cache of its own there gets one by a build.
    other = warmbuild.succeed(small, **given, **ON, branch="other")
    assert not skipped(other)
    assert other.executed == []
