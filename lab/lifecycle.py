"""Start and stop the lab as a whole."""

from __future__ import annotations

import fcntl
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lab import (
    clients,
    cluster,
    emulation,
    engine,
    golang,
    images,
    registries,
    services,
    settings,
    versions,
)
from lab.apt import browser, install_browser, install_go, install_missing
from lab.clients import CLIENTS
from lab.errors import LabError
from lab.layout import link
from lab.registries import AUTH, HUB, PLAIN
from lab.services import SERVICES
from lab.tasks import Task, run_all, say

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from lab.images import Image
    from lab.layout import Layout
    from lab.registries import Registry
    from lab.services import Service

BROWSER = "browser"
KUBERNETES = "kubernetes"


@contextmanager
def locked(layout: Layout) -> Iterator[None]:
    """Let one `up` or `down` work at a time; the others wait."""
    layout.root.mkdir(parents=True, exist_ok=True)
    with layout.lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another lab command is at work; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def up(layout: Layout, parts: Collection[str] = ()) -> None:
    """Make the lab, or what is missing of it, with these parts and those that it has already."""
    with locked(layout):
        wanted = sorted({*parts, *settings.parts_of(settings.load(layout) or {})})
        address = engine.find_installed(layout)
        has_hub = address is None
        _write_buildkitd_config(layout, has_hub=has_hub)
        if address is None:
            address = engine.own_address(layout)
            run_all(_own_tasks(layout, address, wanted))
        else:
            run_all(_installed_tasks(layout, address, wanted))
        values = settings.settings(layout, engine=address, has_hub=has_hub, parts=wanted)
        settings.save(layout, values)
    say(f"up, with the engine at {address}")


def down(layout: Layout) -> None:
    """Stop what the lab started."""
    with locked(layout):
        values = settings.load(layout)
        for service in SERVICES:
            services.stop(layout, service)
        cluster.stop(layout)
        emulation.stop()
        for registry in (PLAIN, AUTH, HUB):
            registries.stop_process(layout, registry)
        engine.stop_own(layout)
        if values is not None and not values["WARMBUILD_LAB_HUB"]:
            for registry in (PLAIN, AUTH):
                registries.remove_container(registry, values["DOCKER_HOST"])
        layout.state.unlink(missing_ok=True)
    say("down")


def make_actionlint(layout: Layout) -> Path:
    """Return the path of actionlint; the rest of the lab need not be there."""
    with locked(layout):
        install_go(layout)
        return golang.build_actionlint(layout)


def parts(layout: Layout) -> dict[str, bool]:
    """Return each running part by name, and whether it answers; nothing when the lab is down."""
    values = settings.load(layout)
    if values is None:
        return {}
    kinds = [PLAIN, AUTH, *([HUB] if values["WARMBUILD_LAB_HUB"] else [])]
    found = {f"engine at {values['DOCKER_HOST']}": engine.answers(values["DOCKER_HOST"])}
    for registry in kinds:
        found[f"{registry.name} registry at {registry.host}"] = registries.answers(registry)
    has = settings.parts_of(values)
    for service in SERVICES:
        if service.name in has:
            found[f"{service.name} at {service.host}"] = services.answers(layout, service)
    for name in CLIENTS:
        if name in has:
            found[name] = clients.program(layout, name).exists()
    if BROWSER in has:
        found[BROWSER] = browser() is not None
    if KUBERNETES in has:
        found[f"cluster at {cluster.place(layout).address}"] = cluster.is_up(layout)
    if "arm64" in has and values["WARMBUILD_LAB_HUB"]:
        found["arm64"] = emulation.is_on()
    return found


def _own_tasks(layout: Layout, address: str, parts: Collection[str]) -> list[Task]:
    """Return the tasks of a lab that makes everything from packages."""
    go = () if shutil.which("go") else ("packages",)
    tasks = [
        Task(name="packages", action=lambda: install_missing(layout, parts)),
        Task(name="buildx", action=lambda: _link_buildx(layout, golang.build_buildx), needs=go),
        Task(name="BuildKit", action=lambda: golang.build_buildkit(layout), needs=go),
        Task(name="engine", action=lambda: engine.start_own(layout), needs=("packages",)),
        Task(name="registry", action=lambda: golang.build_registry(layout), needs=go),
        *(_process_task(layout, registry) for registry in (PLAIN, AUTH, HUB)),
        Task(
            name="Debian root", action=lambda: images.make_debian_root(layout), needs=("packages",)
        ),
    ]
    tasks += [_image_task(layout, image, address) for image in images.IMAGES]
    pull = Task(
        name="pull of BuildKit",
        action=lambda: engine.pull(address, versions.BUILDKIT_IMAGE),
        needs=(images.BUILDKIT.name,),
    )
    tasks += [pull, *_service_tasks(layout, parts, needs=("packages",))]
    tasks += _client_tasks(layout, parts, needs=("packages",))
    tasks += _browser_tasks(layout, parts, needs=("packages",))
    if clients.GITLAB_CI_LOCAL in parts:
        tasks.append(_image_task(layout, images.GITLAB_CI_LOCAL_UTIL, address))
    if KUBERNETES in parts:
        tasks += _cluster_tasks(layout, address, needs=go)
    return tasks + (_arm64_tasks(layout, address) if "arm64" in parts else [])


def _service_tasks(
    layout: Layout, parts: Collection[str], *, needs: tuple[str, ...] = ()
) -> list[Task]:
    return [_service_task(layout, service, needs) for service in SERVICES if service.name in parts]


def _service_task(layout: Layout, service: Service, needs: tuple[str, ...]) -> Task:
    return Task(name=service.name, action=lambda: services.start(layout, service), needs=needs)


def _client_tasks(
    layout: Layout, parts: Collection[str], *, needs: tuple[str, ...] = ()
) -> list[Task]:
    return [_client_task(layout, name, needs) for name in CLIENTS if name in parts]


def _client_task(layout: Layout, name: str, needs: tuple[str, ...]) -> Task:
    return Task(name=name, action=lambda: CLIENTS[name](layout), needs=needs)


def _browser_tasks(
    layout: Layout, parts: Collection[str], *, needs: tuple[str, ...] = ()
) -> list[Task]:
    if BROWSER not in parts:
        return []
    return [Task(name=BROWSER, action=lambda: install_browser(layout), needs=needs)]


def _cluster_tasks(layout: Layout, address: str, *, needs: tuple[str, ...]) -> list[Task]:
    """Return what is to be done for a cluster; its nodes pull what the hub has."""
    build = Task(name="Kubernetes", action=lambda: golang.build_kubernetes(layout), needs=needs)
    pulled = (images.PAUSE, images.BUILDKIT, images.BUILDKIT_ROOTLESS)
    start = Task(
        name="cluster",
        action=lambda: cluster.start(layout),
        needs=("Kubernetes", "packages", "registry", *(image.name for image in pulled)),
    )
    own = (images.PAUSE, images.BUILDKIT_ROOTLESS)
    return [build, *(_image_task(layout, image, address) for image in own), start]


def _arm64_tasks(layout: Layout, address: str) -> list[Task]:
    """Return what is to be done for builds of two platforms.

    With an installed engine there is nothing: the published image of BuildKit has QEMU in it, and
    Docker Hub has images of both platforms.
    """
    return [
        Task(name="QEMU", action=lambda: emulation.start(layout), needs=("packages",)),
        _image_task(layout, images.BUSYBOX_ARM64, address),
        Task(
            name=images.BOTH_PLATFORMS,
            action=lambda: images.publish_index(layout, address),
            needs=(images.BUSYBOX_ARM64.name,),
        ),
    ]


def _process_task(layout: Layout, registry: Registry) -> Task:
    return Task(
        name=f"{registry.name} registry",
        action=lambda: registries.start_process(layout, registry),
        needs=("registry",),
    )


def _image_task(layout: Layout, image: Image, address: str) -> Task:
    before = ("buildx", "BuildKit", "Debian root", "engine", f"{HUB.name} registry")
    return Task(
        name=image.name,
        action=lambda: images.publish(layout, image, address),
        needs=(*before, *(base.name for base in image.bases)),
    )


def _installed_tasks(layout: Layout, address: str, parts: Collection[str]) -> list[Task]:
    """Return the tasks of a lab on an engine that was there already."""
    if KUBERNETES in parts:
        message = f"the part {KUBERNETES} pulls from the lab's own hub: stop Docker."
        raise LabError(message)
    return [
        Task(name="buildx", action=lambda: _link_buildx(layout, _find_or_build_buildx)),
        *(_container_task(layout, registry, address) for registry in (PLAIN, AUTH)),
        Task(
            name="pull of BuildKit",
            action=lambda: engine.pull(address, versions.BUILDKIT_IMAGE),
        ),
        *_service_tasks(layout, parts),
        *_client_tasks(layout, parts),
        *_browser_tasks(layout, parts),
    ]


def _container_task(layout: Layout, registry: Registry, address: str) -> Task:
    return Task(
        name=f"{registry.name} registry",
        action=lambda: registries.start_container(layout, registry, address),
    )


def _find_or_build_buildx(layout: Layout) -> Path:
    """Return the path of the installed buildx plugin, or of the lab's own when that is too old."""
    return engine.find_buildx_plugin() or golang.build_buildx(layout)


def _link_buildx(layout: Layout, find: Callable[[Layout], Path]) -> None:
    link(layout, find(layout), "buildx")


def _write_buildkitd_config(layout: Layout, *, has_hub: bool) -> None:
    hosts = [PLAIN, AUTH, *([HUB] if has_hub else [])]
    text = "".join(f'[registry."{registry.host}"]\nhttp = true\n' for registry in hosts)
    if has_hub:
        text = f'[registry."docker.io"]\nmirrors = ["{HUB.host}"]\n{text}'
    layout.buildkitd_config.write_text(text)
