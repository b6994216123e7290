"""Targets of bake and compose files: plans, builds, and files that cannot be used."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from tests.golden import machine, made_up
from tests.golden.made_up import lines, vertex
from tests.golden.scene import Scene, Subject
from tests.golden.scenes.ci_systems import github

if TYPE_CHECKING:
    from collections.abc import Iterator

_FILES: Final = {"docker-bake.hcl": "", "compose.yaml": "", "Dockerfile": machine.DOCKERFILE}
_BAKE: Final = ("--bake-files=docker-bake.hcl", "--image=ghcr.io/me/app")
_API: Final = {"context": ".", "tags": ["ghcr.io/me/app:api"]}
_WEB: Final = {"context": ".", "contexts": {"base": "target:base"}}


def _printed(*wanted: str, **targets: object) -> dict[str, Any]:
    """Return a buildx that reads targets of files, of which some are wanted."""
    definition = {"group": {"default": {"targets": list(wanted)}}, "target": targets}
    return {"print": json.dumps(definition, indent=2), "version": machine.VERSION}


_TWO: Final = _printed("api", "web", api=_API, web=_WEB, base={"context": "."})
_STRANGE: Final = _printed(
    "api",
    api={
        "context": ".",
        "tags": ["ghcr.io/me/app:cache-main"],
        "secret": [{"type": "env", "id": "NPM_TOKEN", "env": "NPM_TOKEN"}],
        "cache-from": [{"type": "gha", "scope": "x", "url": "https://example.com"}],
        "cache-to": [{"type": "registry", "ref": "ghcr.io/me/app:c"}],
        "output": [{"type": "registry"}],
        "ssh": [{"id": "default"}],
    },
)
# Files that cannot be used, and a run of a fork or of our own.
_WRONG: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "a file that buildx cannot read": (
        "a push to another branch",
        {"print": (1, "ERROR: docker-bake.hcl:1,1-2: Argument or block definition required.")},
    ),
    "a buildx that prints no definition": ("a push to another branch", {"print": "hello"}),
    "a buildx that prints half a definition": ("a push to another branch", {"print": "{"}),
    "a definition that is nested too deeply": (
        "a push to another branch",
        {"print": '{\n"a":' + "[" * 200_000},
    ),
    "a group without targets": ("a push to another branch", _printed()),
    "a tag that is none": (
        "a push to another branch",
        _printed("api", api=_API | {"tags": ["ghcr.io/me/app:a b"]}),
    ),
    "a path outside of the checkout": (
        "a pull request of a fork",
        _printed("api", api=_API | {"contexts": {"etc": "/etc"}}),
    ),
    "a context over SSH": (
        "a pull request of a fork",
        _printed("api", api=_API | {"context": "git@github.com:me/app.git"}),
    ),
    "an output that would hide a repository": (
        "a pull request of a fork",
        _printed("api", api=_API | {"output": [{"type": "tar", "dest": ".git/config"}]}),
    ),
    "a target that looks like a flag": (
        "a push to another branch",
        _printed("--push", **{"--push": _API}),
    ),
    "a target that grants itself something": (
        "a push to another branch",
        _printed("api", api=_API | {"network": "host", "ssh": [{"id": "default"}]}),
    ),
}
_URL: Final = "https://github.com/me/app.git#main"
# Definitions that are in a repository, which a remote daemon fetches.
_FETCHED: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "a definition in a repository": ("a push to another branch", (f"--source={_URL}",)),
    "a definition in a repository, of a fork": (
        "a pull request of a fork",
        (f"--source={_URL}", "--files=docker-bake.hcl"),
    ),
    "a definition in a repository, of a fork that names no file": (
        "a pull request of a fork",
        (f"--source={_URL}",),
    ),
    "a definition in a repository over SSH, of a fork": (
        "a pull request of a fork",
        ("--source=git@github.com:me/app.git", "--files=docker-bake.hcl"),
    ),
}
_CHECKED: Final = """api

Check complete, no warnings found.

web

Check complete, 2 warnings have been found!"""
# Compose files of a fork that buildx does not come to see.
_COMPOSE: Final = {
    "a compose file that reads a file outside of the checkout": "include: [/srv/compose.yaml]\n",
    "a compose file that fills in a path": "services: {web: {env_file: '${HOME}/web.env'}}\n",
    "a compose file that leaves its directory to a key": (
        "include: [{path: more.yaml, project_directory: /srv}]\n"
    ),
    "a compose file with a tag": "services: {web: {env_file: !!binary YQ==}}\n",
    "a compose file that is no YAML": "services: [\n",
    "a compose file that is nested too deeply": "[" * 5_000,
    "a compose file that is too long to be checked": "services: {}\n" * 21_000,
}


def _scenes() -> Iterator[Scene]:
    push = "a push to another branch"
    fork = "a pull request of a fork"
    yield Scene(title="two targets, and one for others", said=_plan(push, _TWO))
    said = _plan(push, _TWO, "--lazy", "--driver=docker-container")
    notes = [line for line in said.splitlines() if "lazy" in line]
    yield Scene(title="the same, lazy", said="\n".join(notes))
    yield Scene(title="the same as JSON", said=_plan(push, _TWO, "--format=json"))
    yield Scene(title="targets of a fork", said=_plan(fork, _STRANGE, "--push"))
    own = _printed("api", api={"context": "."})
    said = _plan(push, own, "--image=", "--cache-repository=ghcr.io/me/app", "--push")
    yield Scene(title="a target without a tag", said=said)
    compose = {**_printed("web", web=_API), "print": (1, "ERROR: yaml: line 1: did not find")}
    said = machine.run(
        *("plan", "--compose-files=compose.yaml", "--image=ghcr.io/me/app"),
        files=_FILES,
        buildx=compose,
    )
    yield Scene(title="a compose file that buildx cannot read", said=said)
    for title, (event, buildx) in _WRONG.items():
        env, files = github(event)
        said = machine.run("plan", *_BAKE, env=env, files=_FILES | files, buildx=buildx)
        yield Scene(title=title, said=said)
    for title, (event, flags) in _FETCHED.items():
        env, files = github(event)
        said = machine.run(
            *("plan", "--image=ghcr.io/me/app", *flags, *machine.REMOTE),
            env=env,
            files=files,
            buildx=_TWO,
        )
        yield Scene(title=title, said=said)
    said = machine.run(
        *("plan", f"--source={_URL}", *machine.REMOTE),
        buildx=_TWO | {"version": "github.com/docker/buildx v0.31.1 0a1b2c3"},
    )
    yield Scene(title="a definition in a repository, and an old buildx", said=said)
    env, files = github(fork)
    for title, text in _COMPOSE.items():
        said = machine.run(
            *("plan", "--compose-files=compose.yaml", "--image=ghcr.io/me/app"),
            env=env,
            files=_FILES | files | {"compose.yaml": text},
        )
        yield Scene(title=title, said=said)
    said = machine.run(
        *("plan", "--context=app", "--image=ghcr.io/me/app"),
        env=env,
        files=_FILES | files,
        prepare=lambda job: (job / "app").symlink_to("/srv"),
    )
    yield Scene(title="a link of a fork in the place of a directory", said=said)
    with machine.late("--print"):
        said = _plan("a push to another branch", _TWO)
    yield Scene(title="files that buildx cannot read to their end", said=said)
    yield Scene(title="a build of two targets", said=_build(_TWO))
    warned = {"result.json": {"warnings": [{"ruleName": "A", "detail": "b"}] * 2}}
    metadata = json.dumps({"api": {}, "web": warned})
    said = machine.built(
        *(*_BAKE, "--call=check"),
        files=_FILES,
        buildx={**_TWO, "bake": (1, _CHECKED), "metadata": metadata},
    )
    yield Scene(title="a check of two targets", said=said)
    yield Scene(
        title="a build of two targets that share steps",
        said=_build(
            _TWO,
            made_up.cache("cache-api--feature", inputs=2)
            | made_up.cache("cache-web--feature", inputs=2),
        ),
    )
    lost = made_up.cache("cache-web--feature", has_results=False)
    asked = f"GET {made_up.HOME}/manifests/cache-web--feature"
    said = _build(_TWO, lost | {asked: [(404, {}, ""), lost[asked]]})
    again = [line for line in said.splitlines() if "exported again" in line]
    yield Scene(title="a cache that lost a step beside another", said="\n".join(again))


def _plan(event: str, buildx: dict[str, Any], *flags: str) -> str:
    env, files = github(event)
    return machine.run("plan", *_BAKE, *flags, env=env, files=_FILES | files, buildx=buildx)


def _build(buildx: dict[str, Any], registries: machine.Replies | None = None) -> str:
    progress = lines(
        vertex("[api 2/2] RUN apk add curl"),
        vertex("[web 2/2] RUN apk add curl", cached=True),
        vertex("[api] exporting cache to registry", error="no such host"),
        vertex("[web] exporting cache to registry", manifest=made_up.digest("new")),
    )
    return machine.built(
        *(*_BAKE, "--summary-file=summary.md", "--cache-export=with"),
        files=_FILES,
        buildx=buildx | {"bake": progress},
        registries=registries,
        shown=("summary.md",),
    )


SUBJECT = Subject(name="bake", about="Targets of bake and compose files.", scenes=_scenes)
