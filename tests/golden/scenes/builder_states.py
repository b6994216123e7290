"""Where a builder keeps its state, and what becomes of a build for which memory is too small."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tests.golden import machine
from tests.golden.adapters import engine_near
from tests.golden.made_up import BUILT, EXPORT, STEP, cache, engine, lines, vertex
from tests.golden.scene import Scene, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator

_OWN: Final = "--driver=docker-container"
_MEMORY: Final = (_OWN, "--builder-state=memory")
_FULL: Final = lines(vertex("[2/2] RUN a", error="no space left on device"))
_KILLED: Final = lines(vertex("[2/2] RUN a", error="exit code: 137"))
_LOST_EXPORT: Final = lines(
    vertex("exporting cache to registry", error="write /a: no space left on device")
)
# By title: flags, what buildx prints, and the engine of the machine.
_CASES: Final[dict[str, tuple[tuple[str, ...], dict[str, Any], dict[str, Any]]]] = {
    "a state in memory": ((_OWN,), {}, {}),
    "no cache, and less memory": ((_OWN,), {}, {"gigabytes": (4,)}),
    "hardly any memory": (_MEMORY, {}, {"gigabytes": (0.1,)}),
    "an engine that makes no volume": (_MEMORY, {}, {"error": "the engine refuses: no"}),
    "an engine that starts no watch": ((_OWN,), {}, {"mute": "the engine refuses: no"}),
    "an engine that hangs up": (
        _MEMORY,
        {},
        {"error": "the engine does not answer: it closes the connection"},
    ),
    "an engine that lists nothing": (
        (_OWN,),
        {},
        {"mute": "the engine does not answer with a list"},
    ),
    "an engine that says nothing": (_MEMORY, {}, {"error": "the engine does not answer: late"}),
    "a machine that says nothing": (_MEMORY, {}, {"gigabytes": ()}),
    "a container that does not start": ((_OWN,), {}, {"starts": False}),
    "a daemon that does not start": (
        (_OWN,),
        {"create.1": (1, lines("#1 creating container a", "ERROR: no")), "build": BUILT},
        {},
    ),
    "an engine on another machine": ((_OWN,), {}, {"says": "another"}),
    "other builders at the same moment": ((_OWN,), {}, {"others": 2}),
    "memory that runs out": (
        (_OWN,),
        {"build.1": (machine.HANGS, STEP), "build": BUILT},
        {"gigabytes": (16, 16, 16, 0.5)},
    ),
    "a state that is full": ((_OWN,), {"build.1": (1, _FULL), "build": BUILT}, {}),
    "a step that is killed": ((_OWN,), {"build.1": (1, _KILLED), "build": BUILT}, {}),
    "an export for which there is no room": (
        (_OWN,),
        {"build.1": STEP, "build.2": _LOST_EXPORT, "build": EXPORT},
        {},
    ),
    "a remote daemon": (("--builder-state=memory",), {}, {}),
    "a name": ((*_MEMORY, "--builder=b"), {}, {}),
    "no clean-up": ((*_MEMORY, "--cleanup=false"), {}, {}),
    "several nodes": ((*_MEMORY, "--append=- endpoint: tcp://b:1"), {}, {}),
    "an endpoint": ((*_MEMORY, "--endpoint=tcp://b:1"), {}, {}),
    "a limit": ((*_MEMORY, "--driver-opts=memory=2g"), {}, {}),
}


def _scenes() -> Iterator[Scene]:
    usual = machine.built(buildx={"build": BUILT})
    for title, (flags, buildx, near) in _CASES.items():
        with engine_near(**near):
            said = machine.built(*flags, buildx={"build": BUILT, **buildx})
        yield Scene(title=title, said=machine.unusual(said, usual))
    with engine_near(gigabytes=(1,)):
        large = cache("cache-feature", weight=10**9)
        said = machine.built(_OWN, buildx={"build": BUILT}, registries=large)
    yield Scene(title="caches that do not fit", said=machine.unusual(said, usual))
    with engine_near(daemon="buildkitd: no such flag"):
        failed = {"create": (1, lines("#1 creating container a", "ERROR: exit code 1"))}
        said = machine.built(_OWN, buildx=failed, engine=engine())
    yield Scene(title="a daemon that says why it does not start", said=machine.unusual(said, usual))


SUBJECT = Subject(name="builder_states", about="Where builders keep their state.", scenes=_scenes)
