"""The jobs with which docker/metadata-action tests itself, with warmbuild in its place.

A test has the name of a job, and its first line says what the job asserts. Most of them are plans:
nothing is built for metadata alone. The jobs assert that the step is green; here the values are
compared, too, with what the action's documentation promises for them.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.integration.git_server import committed
from tests.integration.peers import pushed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.conftest import Arm64, Ended, Registry
    from tests.integration.peers.conftest import Step

IMAGES = ("localhost:5000/name/app", "ghcr.io/name/app")
BOTH = "\n".join(IMAGES)
REFS = ["type=schedule", "type=ref,event=branch", "type=ref,event=tag", "type=ref,event=pr"]
VERSIONS = ["{{version}}", "{{major}}.{{minor}}", "{{major}}"]
# The commit of the events.
SHA = "32387f66bcb7560e49bae80199b18bdf62fffd51"


def rules(*more: str) -> str:
    return "\n".join([*REFS, *more])


def semver(*patterns: str) -> list[str]:
    return [f"type=semver,pattern={pattern}" for pattern in patterns]


def tags(ended: Ended) -> list[str]:
    """Return what every image is tagged with; each of them with the same."""
    names = ended.outputs["tag-names"].split("\n")
    found = split(ended.outputs["tags"])
    assert found == [f"{image}:{name}" for image in IMAGES for name in names]
    return names


def split(outputs: str) -> list[str]:
    """Return the items of a list, in which later steps take lines and commas alike."""
    return re.split(r"[\n,]", outputs)


def labels(ended: Ended) -> dict[str, str]:
    found: dict[str, str] = json.loads(ended.outputs["json"])["labels"]
    lines = dict(line.split("=", 1) for line in ended.outputs["labels"].split("\n"))
    assert lines == found
    return found


@pytest.mark.parametrize("context", ["workflow", "git"])
def test_context(context: str, *, on: Callable[[str], Step], small: Path) -> None:
    """The commit is that of the run, or the one that is checked out."""
    commit = committed(small)
    ended = on("push-default-branch")(small, context=context, plan_only="true")
    expected = {"workflow": SHA, "git": commit}
    assert labels(ended)["org.opencontainers.image.revision"] == expected[context]


def test_multi_images(on: Callable[[str], Step], small: Path) -> None:
    """Each image has every tag."""
    ended = on("push-default-branch")(small, images=BOTH, tags=rules("type=sha"), plan_only="true")
    assert tags(ended) == ["main", f"sha-{SHA[:7]}"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("", ""),
        ("cron-{{date 'YYYYMMDD'}}", r"cron-\d{8}"),
        ("{{date 'YYYYMMDD-HHmmss'}}", r"\d{8}-\d{6}"),
        ("schedule", "schedule"),
    ],
)
def test_tag_schedule(
    pattern: str, expected: str, *, on: Callable[[str], Step], small: Path
) -> None:
    """A scheduled run has the tag of its pattern, and none if that is empty."""
    lines = [f"type=schedule,pattern={pattern}", *REFS[1:], "type=sha"]
    ended = on("schedule")(small, images=BOTH, tags="\n".join(lines), plan_only="true")
    found = tags(ended)
    assert found[-2:] == ["main", f"sha-{SHA[:7]}"]
    assert re.fullmatch(expected, "".join(found[:-2]))
    assert ended.outputs["version"] == found[0]


@pytest.mark.parametrize(
    ("pattern", "group", "expected"),
    [(r"\d.\d.\d", "0", "1.2.3"), (r"\d.\d", "0", "1.2"), ("v(.*)", "1", "1.2.3")],
)
def test_tag_match(
    pattern: str, group: str, expected: str, *, on: Callable[[str], Step], small: Path
) -> None:
    """A git tag is matched, in whole or by a group."""
    match = f'type=match,"pattern={pattern}",group={group}'
    ended = on("push-tag")(small, images=BOTH, tags=rules(match, "type=sha"), plan_only="true")
    assert tags(ended) == [expected, "v1.2.3", f"sha-{SHA[:7]}", "latest"]


@pytest.mark.parametrize("latest", ["auto", "true", "false"])
def test_tag_semver(latest: str, *, on: Callable[[str], Step], small: Path) -> None:
    """The parts of a version are tags, and so is latest, if that is wanted."""
    lines = semver("{{raw}}", "{{version}}", "{{major}}.{{minor}}.{{patch}}")
    ended = on("push-tag")(
        small,
        images=BOTH,
        tags=rules(*lines, "type=sha"),
        flavor=f"latest={latest}",
        plan_only="true",
    )
    expected = ["v1.2.3", "1.2.3", f"sha-{SHA[:7]}"]
    assert tags(ended) == [*expected, *(["latest"] if latest != "false" else [])]


def test_flavor(on: Callable[[str], Step], small: Path) -> None:
    """A prefix and a suffix are around the name."""
    flavor = "prefix=foo-\nsuffix=-bar"
    ended = on("push-default-branch")(small, images=BOTH, flavor=flavor, plan_only="true")
    assert tags(ended) == ["foo-main-bar"]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ("push-default-branch", ["localhost:5000/name/app:main"]),
        ("pull_request", ["localhost:5000/name/app:pr-42", "ghcr.io/name/app:pr-42"]),
        (
            "push-tag",
            [
                f"{image}:{name}"
                for image in ("localhost:5000/name/app", "ghcr.io/name/release")
                for name in ("v1.2.3", "latest")
            ],
        ),
    ],
)
def test_images(event: str, expected: list[str], *, on: Callable[[str], Step], small: Path) -> None:
    """An image can be switched off."""

    def when(is_so: bool) -> str:  # noqa: FBT001 (one value)
        return f"enable={str(is_so).lower()}"

    images = [
        "name=localhost:5000/name/app",
        f"name=ghcr.io/name/app,{when(event == 'pull_request')}",
        f"name=ghcr.io/name/release,{when(event == 'push-tag')}",
    ]
    ended = on(event)(small, images="\n".join(images), plan_only="true")
    assert split(ended.outputs["tags"]) == expected


def test_custom_labels_annotations(on: Callable[[str], Step], small: Path) -> None:
    """What is given stands in the place of what is known of the repository."""
    own = {
        "maintainer": "A User",
        "org.opencontainers.image.title": "Own Title",
        "org.opencontainers.image.description": 'one "good" shop',
        "org.opencontainers.image.vendor": "Own Company",
    }
    other = {key: f"other {value}" for key, value in own.items()}
    ended = on("push-default-branch")(
        small,
        images=BOTH,
        labels="\n".join(f"{key}={value}" for key, value in own.items()),
        annotations="\n".join(f"{key}={value}" for key, value in other.items()),
        plan_only="true",
    )
    found = labels(ended)
    assert {key: found[key] for key in own} == own
    assert found["org.opencontainers.image.licenses"] == "MIT"
    annotations = ended.outputs["annotations"].split("\n")
    assert {f"manifest:{key}={value}" for key, value in other.items()} <= set(annotations)
    assert f"manifest:org.opencontainers.image.revision={SHA}" in annotations
    assert json.loads(ended.outputs["json"])["annotations"] == annotations


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (
            "push-default-branch",
            ["gexp-branch-main", "gexp-tag-", "gexp-baseref-", "gexp-defbranch"],
        ),
        (
            "pull_request",
            ["gexp-branch-", "gexp-tag-", "gexp-baseref-develop", "gexp-notdefbranch"],
        ),
    ],
)
def test_global_exps(
    event: str, expected: list[str], *, on: Callable[[str], Step], small: Path
) -> None:
    """Expressions are filled in, in tags, in what enables them and in labels."""
    lines = ["type=sha", "type=raw,value=gexp-branch-{{branch}}"]
    lines += ["type=raw,value=gexp-date-{{date 'YYYYMMDD'}}"]
    lines += ["type=raw,value=gexp-tag-{{tag}}", "type=raw,value=gexp-baseref-{{base_ref}}"]
    lines += ["type=raw,value=gexp-defbranch,enable={{is_default_branch}}"]
    lines += ["type=raw,value=gexp-notdefbranch,enable={{is_not_default_branch}}"]
    created = "org.opencontainers.image.created"
    ended = on(event).at(committed(small))(
        small,
        images=BOTH,
        tags="\n".join(lines),
        labels=f"{created}={{{{commit_date 'YYYY-MM-DDTHH:mm:ss.SSS[Z]'}}}}",
        plan_only="true",
    )
    found = tags(ended)
    (date,) = [name for name in found if name.startswith("gexp-date-")]
    assert re.fullmatch(r"gexp-date-\d{8}", date)
    assert [name for name in found if name.startswith("gexp-") and name != date] == expected
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z", labels(ended)[created])


def test_docker_push(
    uses: Step, registry: Registry, repository: str, project: Callable[..., Path], arm64: Arm64
) -> None:
    """What the next step is handed is pushed for its platforms, and has the labels."""
    patterns = [f"v{pattern}" for pattern in VERSIONS]
    place = project(f"FROM {arm64.image}\nRUN echo hello\n")
    meta = uses(
        place, images=repository, tags=rules(*semver(*patterns), "type=sha"), plan_only="true"
    ).outputs
    uses(
        place,
        context=".",
        platforms="linux/amd64,linux/arm64",
        push="true",
        tags=meta["tags"],
        labels=meta["labels"],
    )
    ref = f"{repository}:{meta['version']}"
    assert pushed.processors(registry, ref) == ["amd64", "arm64"]
    found = registry.config(ref)["config"]["Labels"]
    assert "\n".join(f"{key}={found[key]}" for key in sorted(found)) == meta["labels"]


class TestBake:
    """A bake step reads what the metadata step wrote."""

    SHOP = """
target "docker-metadata-action" {}
group "release" { targets = ["db", "app-plus"] }
target "db" { target = "db" }
target "app" {
  inherits = ["docker-metadata-action"]
  args = { NAME = "foo" }
}
target "app-plus" {
  inherits = ["app"]
  platforms = ["linux/amd64", "linux/arm64"]
}
"""

    @pytest.fixture
    def shop(self, project: Callable[..., Path], arm64: Arm64) -> Path:
        text = "FROM {0} AS db\nRUN echo db\nFROM {0}\nARG NAME\nRUN echo $NAME\n"
        return project(text.format(arm64.image), {"docker-bake.hcl": self.SHOP})

    @pytest.mark.parametrize("prefix", ["cwd://", ""], ids=["bake", "bake-path-context"])
    def test_bake(
        self, prefix: str, *, uses: Step, registry: Registry, repository: str, shop: Path
    ) -> None:
        """The target that inherits has the tags and labels, and the other one has not."""
        meta = uses(
            shop, images=repository, tags=rules(*semver(*VERSIONS), "type=sha"), plan_only="true"
        ).outputs
        own = [f"{prefix}{meta[name]}" for name in ("bake-file-tags", "bake-file-labels")]
        files = "\n".join(["./docker-bake.hcl", *own])
        source = {} if prefix else {"source": "."}
        ended = uses(
            shop,
            files=files,
            targets="release",
            set="db.output=type=cacheonly",
            push="true",
            **source,
        )
        found = json.loads(ended.outputs["targets"])
        assert set(found) == {"db", "app-plus"}
        assert split(ended.outputs["tags"]) == split(meta["tags"])
        config = registry.config(f"{repository}:{meta['version']}")["config"]
        assert config["Labels"] == json.loads(meta["json"])["labels"]

    def test_bake_annotations(
        self, uses: Step, registry: Registry, repository: str, shop: Path
    ) -> None:
        """The annotations are at the levels that the metadata step was told."""
        meta = uses.where(DOCKER_METADATA_ANNOTATIONS_LEVELS="manifest,index")(
            shop,
            images=repository,
            tags=rules(*semver(*VERSIONS), "type=sha"),
            plan_only="true",
        ).outputs
        own = [f"cwd://{meta[name]}" for name in ("bake-file-tags", "bake-file-annotations")]
        uses(
            shop,
            files="\n".join(["./docker-bake.hcl", *own]),
            targets="release",
            set="db.output=type=cacheonly",
            push="true",
        )
        path = repository.removeprefix(f"{registry.host}/")
        index = registry.get(f"{path}/manifests/{meta['version']}").json()
        manifest = registry.manifest(f"{repository}:{meta['version']}")
        for found in (index, manifest):
            assert found["annotations"]["org.opencontainers.image.version"] == meta["version"]


@pytest.mark.parametrize("separator", [" ", ","], ids=["blank", "comma"])
def test_sep_tags(separator: str, *, on: Callable[[str], Step], small: Path) -> None:
    """The tags are one text, and what is between them is given."""
    ended = on("push-default-branch")(small, images=BOTH, sep_tags=separator, plan_only="true")
    assert ended.outputs["tags"] == separator.join(f"{image}:main" for image in IMAGES)


def test_no_output_env(on: Callable[[str], Step], small: Path) -> None:
    """No variable is set for later steps if that is not wanted."""
    step = on("push-default-branch")
    off = {"DOCKER_METADATA_SET_OUTPUT_ENV": "false"}
    step.where(**off)(small, images=BOTH, labels="maintainer=A User", plan_only="true")
    assert step.variables == ""


def test_no_images(on: Callable[[str], Step], small: Path) -> None:
    """Without an image the tags are bare."""
    ended = on("push-default-branch")(small, tags=rules("type=sha"), plan_only="true")
    assert split(ended.outputs["tags"]) == ["main", f"sha-{SHA[:7]}"]


@pytest.mark.parametrize(("length", "expected"), [("", 7), ("16", 16)])
def test_sha_short(length: str, expected: int, *, on: Callable[[str], Step], small: Path) -> None:
    """The commit is as long as it is wanted."""
    given = {"DOCKER_METADATA_SHORT_SHA_LENGTH": length}
    ended = on("push-default-branch").where(**given)(
        small, images=BOTH, tags="type=sha", plan_only="true"
    )
    assert tags(ended) == [f"sha-{SHA[:expected]}"]
