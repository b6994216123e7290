"""Where scenes touch what is likely to move: the only module that knows signatures."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final
from unittest import mock

from warmbuild import files, refs, stores, vendors
from warmbuild.backends import BACKENDS
from warmbuild.build import outcomes
from warmbuild.build.outcomes import Outcome
from warmbuild.build.timeline import Timeline
from warmbuild.builder import engine_calls, leftovers, memory
from warmbuild.builder.engine_calls import Volume
from warmbuild.builder.state import Memory
from warmbuild.cache import directory
from warmbuild.cache.cache_plan import CachePlan
from warmbuild.commands import mounted
from warmbuild.errors import EngineError, RegistryError
from warmbuild.inputs import table
from warmbuild.phases import Phase
from warmbuild.registry import exchange
from warmbuild.registry.client import Registry
from warmbuild.report import note
from warmbuild.report import outputs as report
from warmbuild.report import page as html
from warmbuild.stores import artifact
from warmbuild.vendors import refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


# What a machine has other than a true one.
PATCHED: Final[Mapping[str, object]] = {
    # It is a thing of the process and not of a scene.
    "warmbuild.signals.install": mock.Mock(),
    # Where buildx may be installed on the true machine.
    "warmbuild.builder.environment._PLUGIN_DIRECTORIES": (),
    # Most scenes need no engine, but for what their buildx says.
    "warmbuild.builder.engine_calls.listens": lambda _at: True,
    # How often it is looked whether a build waits for its cache alone, in seconds.
    "warmbuild.build.patience._GLANCE": 0.01,
    # How long a build waits for the clean-up beside it, in seconds: here to its end.
    "warmbuild.commands.cleanup._PATIENCE": 10.0,
}


@contextlib.contextmanager
def engine_near(
    *,
    gigabytes: Sequence[float] = (16,),
    error: str = "",
    mute: str = "",
    says: str = "kernel",
    starts: bool = True,
    others: int = 0,
    daemon: str = "",
) -> Iterator[None]:
    """Have an engine at the socket of a machine with so much free memory, later with so much.

    `error` is why it makes no volume, `mute` why it attaches no command, `says` what that prints,
    `starts` whether containers start, `others` the number of other builders, which have no memory
    yet, and `daemon` what the builder's daemon says. Without amounts the machine does not tell.
    """
    amounts = list(gigabytes)

    def read_memory() -> Memory | None:
        if not amounts:
            return None
        found = amounts.pop(0) if len(amounts) > 1 else amounts[0]
        free = int(found * 1000**3)
        grown = 0 if found == gigabytes[0] else 8 * 1000**3
        return Memory(total=20 * 1000**3, available=free, in_files=grown)

    seen: list[str] = []

    def volumes(_at: object, _label: str = "") -> list[Volume]:
        seen.append("")
        # They appear after this one has been made.
        count = others if len(seen) > 1 else 0
        now = datetime.now(UTC)
        return [
            Volume(name=f"v{at}", labels={leftovers.MEMORY: str(16 * 1000**3)}, created=now)
            for at in range(count)
        ]

    calls: dict[str, object] = {
        "create_volume": _failing(error),
        "volumes": volumes,
        "running": lambda _at: _Everything() if starts else (),
        "attached": _failing(mute),
        "said": lambda *_arguments, **_options: says,
        "daemon_said": lambda *_arguments: daemon,
        "remove_container": lambda *_arguments, **_options: None,
        "remove_volume": lambda *_arguments, **_options: True,
    }
    with contextlib.ExitStack() as stack:
        for name, call in calls.items():
            stack.enter_context(mock.patch.object(engine_calls, name, call))
        stack.enter_context(mock.patch.object(memory, "read_memory", read_memory))
        stack.enter_context(mock.patch.object(memory, "read_text", return_value="kernel"))
        stack.enter_context(mock.patch.object(memory, "_PATIENCE", 0.0))
        yield


@contextlib.contextmanager
def unreached() -> Iterator[None]:
    """Have a machine that connects to no private registry."""
    with mock.patch.object(exchange, "unreached", lambda known, _patience: {*known}):
        yield


class _Everything:
    """A set that has every container, whatever its random name is."""

    def __contains__(self, _name: str) -> bool:
        return True


@contextlib.contextmanager
def in_container(*, is_mounted: bool, error: str = "") -> Iterator[None]:
    """Be in warmbuild's image, with the working directory mounted or not.

    With an `error`, that is why a file there cannot be given to the owner of the directory.
    """

    def points(_mountinfo: str) -> tuple[str, ...]:
        return (os.path.realpath("."),) if is_mounted else ()

    def made(place: str, *_: object) -> Iterator[str]:
        yield place

    patches: dict[str, object] = {
        "_OF_IMAGE": "PATH",
        "_FIRST": os.getpid(),
        "points": points,
        "_made": made,
        "_owner": lambda _mounts: (1, 1) if error else None,
    }
    with contextlib.ExitStack() as stack:
        for name, stand_in in patches.items():
            stack.enter_context(mock.patch.object(mounted, name, stand_in))
        refused = PermissionError(errno.EPERM, error)
        stack.enter_context(mock.patch.object(os, "chown", mock.Mock(side_effect=refused)))
        yield


def _failing(error: str) -> mock.Mock:
    return mock.Mock(side_effect=EngineError(error) if error else None)


def note_of_many() -> str:
    """Return the note of a run that has built an image more than a note has rows."""
    images = [
        Outcome(name=f"t{at}", metadata="{}", notes=(), tags=(f"a:{at}",)) for at in range(51)
    ]
    done = replace(
        outcomes.together(images, metadata="{}", steps=()),
        timeline=Timeline(phases={Phase.PULL: 2.0, Phase.STEPS: 1.0}),
    )
    text = note.text(done, "", "")
    return "\n".join(line for line in text.splitlines() if not line.startswith("|"))


def secret_inputs() -> dict[str, str]:
    """Return the help of the inputs that no flag has."""
    secret = (row for row in table.TABLE if row.secret)
    return {row.name: row.help for row in (*secret, *table.VARIABLES)}


def kinds_of_inputs() -> list[str]:
    """Return how the docs call the kinds of inputs."""
    return [kind.value for kind in table.Kind]


def outputs() -> dict[str, str]:
    """Return the descriptions of the outputs."""
    return {name: str(getattr(row, "help", row)) for name, row in report.OUTPUTS.items()}


# A repository in each registry, and how the ones are known that a host does not tell.
_REPOSITORIES: Final = (
    "123456789012.dkr.ecr.eu-west-1.amazonaws.com/app",
    "public.ecr.aws/me/app",
    "docker.io/me/app",
    "ghcr.io/me/app",
    "registry.gitlab.com/me/app",
    "europe-docker.pkg.dev/project/repository/app",
    "gcr.io/project/app",
    "me.azurecr.io/app",
    "quay.io/me/app",
    "harbor.example.com/project/app",
    "me.jfrog.io/docker/app",
    "registry.example.com/app",
)
_CHALLENGES: Final = {
    "harbor.example.com": 'Bearer realm="https://harbor.example.com/",service="harbor-registry"'
}


def advice(status: int, words: str, *, writing: bool) -> Iterator[tuple[str, str]]:
    """Return what to do about a refusal, by how the advice calls the registry."""
    said = refusal.Refusal(status=status, words=words)
    for repository in _REPOSITORIES:
        ref = refs.parse(f"{repository}:cache-main")
        headers = {"www-authenticate": _CHALLENGES.get(ref.host, "")}
        vendor = vendors.detect(ref.host, headers)
        text = refusal.advice(vendor, ref, said, writing=writing)
        yield vendor.name if vendor.hosts else ref.host, text


def record(
    backend: str, *options: str, env: Mapping[str, str], place: str = "", content: bytes | None
) -> str:
    """Return why the record beside a cache cannot be written, or read if it has no content."""
    cache = CachePlan(backend=replace(BACKENDS["local"], name=backend, store=None))
    if backend in BACKENDS:
        cache = CachePlan(backend=BACKENDS[backend], options=options)
    home = refs.parse("ghcr.io/me/app:cache-main") if cache.backend.is_in_registry else place
    of = (cache, home, env, lambda host: Registry(host, None, None))
    try:
        if content is None:
            return "a record" if stores.read(*of) else "no record"
        stores.write(*of, content)
    except RegistryError as error:
        return str(error)
    return "it is written"


def record_manifest() -> str:
    """Return the manifest of a record."""
    return artifact.pack(b"a record").manifest.decode()


def page(done: Outcome) -> str:
    """Return the report of an outcome as a page."""
    return html.page(outcomes.shown(done, str), str)


def unread_pipe() -> str:
    """Return why a pipe cannot be written that a process has open and does not read."""
    with tempfile.TemporaryDirectory() as root:
        pipe = Path(root, "pipe")
        os.mkfifo(pipe)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        try:
            with mock.patch.object(files, "_PIPE_TIMEOUT", 0.0):
                files.write_through(pipe, "x" * 1_000_000)
        except OSError as error:
            return str(error.strerror)
        finally:
            os.close(reader)
    raise ValueError("everything was written")


def unreplaced_cache() -> str:
    """Return why a cache that was written to a directory cannot take its place."""
    with tempfile.TemporaryDirectory() as root:
        layout = Path(root, ".cache-main.0a1b2c3d")
        (layout / "blobs" / "sha256").mkdir(parents=True)
        index = {"manifests": [{"digest": "sha256:m", "mediaType": ""}]}
        kind = "application/vnd.buildkit.cacheconfig.v0"
        manifest = {"config": {"mediaType": kind, "digest": "sha256:c"}, "layers": []}
        (layout / "index.json").write_text(json.dumps(index), encoding="utf-8")
        (layout / "blobs" / "sha256" / "m").write_text(json.dumps(manifest), encoding="utf-8")
        (layout / "blobs" / "sha256" / "c").write_text("{}", encoding="utf-8")
        denied = mock.Mock(side_effect=PermissionError(13, "Permission denied"))
        with mock.patch.object(Path, "rename", denied):
            said = directory.swap(str(layout), f"{root}/cache-main", prefix="cache-", keep=())
    return said.replace(root, "/cache")
