from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

from tests.unit.fake_runner import FakeRunner
from warmbuild import ci, process, trust
from warmbuild.bake.targets import Target
from warmbuild.commands import definitions, images
from warmbuild.commands.run import Run
from warmbuild.errors import InputError
from warmbuild.image import tags
from warmbuild.log import Log
from warmbuild.mounts import Mounts
from warmbuild.run_context import RunContext

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from warmbuild.inputs.values import Inputs
    from warmbuild.process import Runner

PUSH = RunContext(ci="github", event="push", branch="x", default_branch="main", trust=trust.TRUSTED)
FOUND = [
    Target(name=name, definition={"labels": {"for": name}}, linked=False) for name in ("web", "job")
]


def made(
    inputs: Inputs, env: Mapping[str, str] = MappingProxyType({}), runner: Runner = process.started
) -> Sequence[images.Image]:
    """Return the images of a push."""
    local = ci.named("local")
    run = Run(
        inputs=inputs,
        context=PUSH,
        env=env,
        log=Log(local),
        provider=local,
        runner=runner,
        mounts=Mounts(),
    )
    return images.images(run, Mounts())


@pytest.mark.parametrize("found", [[], FOUND], ids=["one image", "two targets"])
def test_rules_for_tags_are_applied_once_a_run(
    parsed: Callable[..., Inputs], monkeypatch: pytest.MonkeyPatch, found: list[Target]
) -> None:
    applied: list[object] = []
    apply = tags.apply

    def counted(*arguments: object) -> object:
        applied.append(arguments)
        return apply(*arguments)  # type: ignore[arg-type]  # as it was called

    monkeypatch.setattr(tags, "apply", counted)
    monkeypatch.setattr(definitions, "read", lambda *_arguments: found)
    files = "docker-bake.hcl" if found else ""
    inputs = parsed(tags="type=ref,event=branch", bake_files=files)
    wanted = made(inputs)
    decided = images.decide(wanted)
    assert len(applied) == 1
    expected = [f"ghcr.io/me/app:{one.name}-x" for one in found] or ["ghcr.io/me/app:x"]
    assert [tag for one in decided for tag in one.tags] == expected


class TestFiles:
    """What buildx prints of files is checked before anything is planned."""

    @pytest.fixture
    def read(
        self, parsed: Callable[..., Inputs], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Callable[..., Sequence[images.Image]]:
        """Have buildx print targets, and read them."""
        monkeypatch.chdir(tmp_path)
        (tmp_path / "bake.json").touch()
        buildx = tmp_path / "buildx"
        buildx.touch(mode=0o755)

        def run(found: dict[str, object], **inputs: str) -> Sequence[images.Image]:
            group = {"default": {"targets": list(found)}}
            printed = json.dumps({"group": group, "target": found}, indent=1).splitlines()
            runner = FakeRunner()
            runner.answer(str(buildx), "bake", "--print", lines=printed)
            env = {"PATH": str(tmp_path), "HOME": str(tmp_path)}
            given = parsed(bake_files="bake.json", **inputs)
            return made(given, env, runner)

        return run

    @pytest.mark.parametrize(
        ("definition", "allow", "wanted"),
        [
            pytest.param({"entitlements": ["network.host"]}, {}, "network.host", id="a network"),
            pytest.param({"network": "host"}, {"allow": "ssh"}, "network.host", id="by its key"),
            pytest.param({"entitlements": ["device=a"]}, {}, "device=a", id="a device"),
            pytest.param({"ssh": ["default"]}, {}, "ssh", id="an agent"),
            pytest.param({"network": "host"}, {"allow": "network.host"}, "", id="it is allowed"),
            pytest.param({"entitlements": ["device=a"]}, {"allow": "device"}, "", id="all are"),
            pytest.param({"ssh": ["default"]}, {"allow": "ssh"}, "", id="the agent is"),
            pytest.param({"ssh": ["default"]}, {"ssh": "default"}, "", id="and given"),
        ],
    )
    def test_a_file_allows_itself_nothing(
        self,
        read: Callable[..., Sequence[images.Image]],
        definition: dict[str, object],
        allow: dict[str, str],
        wanted: str,
    ) -> None:
        if not wanted:
            assert len(read({"web": definition}, **allow)) == 1
            return
        with pytest.raises(InputError) as caught:
            read({"web": definition}, **allow)
        said = (
            f"allow: the target web asks for {wanted}; add {wanted} to allow if it may have that."
        )
        assert said in str(caught.value)

    def test_a_target_is_no_flag(self, read: Callable[..., Sequence[images.Image]]) -> None:
        with pytest.raises(InputError, match="the target '--push' looks like a flag; rename it"):
            read({"--push": {}})

    def test_variables_that_inputs_name_are_theirs_alone(
        self, read: Callable[..., Sequence[images.Image]]
    ) -> None:
        wanted = read({"web": {"args": {"A": "1"}}}, secret_envs="x=B", build_args="C\nD=1")
        assert images.variables(images.decide(wanted)) == {"B", "C"}


def test_what_the_engine_cannot_do_is_decided_again(parsed: Callable[..., Inputs]) -> None:
    inputs = parsed(driver="docker")
    wanted = made(inputs)
    assert images.decide(wanted)[0].cache.write is not None
    assert images.decide(wanted, has_image_store=False)[0].cache.write is None


CHAIN = "FROM busybox AS below\nRUN true\nFROM below\nCOPY a /\n"


@pytest.mark.parametrize(
    ("dockerfile", "target", "why"),
    [
        pytest.param(CHAIN, "", "", id="each stage lies upon the other"),
        pytest.param(
            "FROM busybox AS made\nRUN true\nFROM busybox\nCOPY --from=made /a /\n",
            "",
            "files are copied or mounted from made, whose steps would be lost from the cache",
            id="a stage beside",
        ),
        pytest.param(CHAIN, "none", "the Dockerfile has no stage of that name", id="no stage"),
        pytest.param(None, "", "Dockerfile cannot be read", id="no Dockerfile"),
    ],
)
def test_layers_stay_packed_if_the_dockerfile_lets_them(
    parsed: Callable[..., Inputs],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    dockerfile: str | None,
    target: str,
    why: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    if dockerfile is not None:
        (tmp_path / "Dockerfile").write_text(dockerfile)
    inputs = parsed(lazy="true", context=".", target=target)
    wanted = made(inputs)
    (decided,) = images.decide(wanted)
    assert decided.builder.lazy is decided.cache.lazy is (not why)
    assert any("estargz" in output for output in decided.outputs) is (not why)
    said = [note for note in decided.notes if note.startswith("lazy has no effect: ")]
    assert said == ([f"lazy has no effect: {why}"] if why else [])


def test_layers_of_several_images_do_not_stay_packed(parsed: Callable[..., Inputs]) -> None:
    inputs = parsed(lazy="true")
    (image,) = made(inputs)
    decided = images.decide([image, image])
    assert not any(one.builder.lazy or one.cache.lazy for one in decided)
    assert decided[0].notes[-1].startswith("lazy has no effect: the images share a builder")


def test_what_is_left_to_build_without_some_targets(
    parsed: Callable[..., Inputs], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Target(name="whole", definition={"contexts": {"part": "target:web"}}, linked=False)
    monkeypatch.setattr(definitions, "read", lambda *_arguments: [*FOUND, whole])
    wanted = made(parsed(bake_files="docker-bake.hcl"))
    decided = images.decide(wanted)
    left = images.decide(images.without(wanted, decided, {"web", "job"}))
    # What another target is made of is built with it.
    assert [(one.name, one.linked, one.tags) for one in left] == [
        ("web", True, ()),
        ("whole", False, ("ghcr.io/me/app:whole-x",)),
    ]
    assert not left[0].push
    assert images.without(wanted, decided, {one.name for one in decided}) == []
