"""Talks to the Docker engine through the docker SDK, which knows neither buildx nor BuildKit."""

from __future__ import annotations

import json
import math
import shutil
import time
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild import lazy
from warmbuild.builder import leftovers, owner
from warmbuild.buildkit import builder_commands
from warmbuild.errors import EngineError
from warmbuild.frozen import frozen
from warmbuild.registry.credential_helpers import sdk_failures
from warmbuild.signals import held, shielded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import docker
    import docker.context.config
    import docker.errors

    from warmbuild.builder.leftovers import Candidate
else:
    docker = lazy.module("docker", "context.config", "errors")

# How long an engine that boots beside the job may take, in seconds.
BOOT_TIMEOUT: Final = 60
_RETRY_INTERVAL: Final = 0.5
_ANSWER_TIMEOUT: Final = 10
# How long a daemon whose state is kept may take to end, in seconds.
_STOP_TIMEOUT: Final = 3
# Something is gone, or is being removed, or has another user: other jobs do the same.
_TAKEN: Final = (404, 409)
CONTEXT: Final = "warmbuild"


@frozen
class Container:
    """The container of a builder, as the engine has it."""

    identity: str
    env: tuple[str, ...]
    connections: int  # Commands that run in it; buildx connects by one


def connect(
    env: Mapping[str, str], *, wait: bool, patience: float = _ANSWER_TIMEOUT
) -> docker.DockerClient:
    """Return a client of the engine that DOCKER_HOST or the Docker context names.

    `wait` gives the engine BOOT_TIMEOUT to boot, as a docker-in-docker service needs. `patience` is
    how long each answer may take, in seconds. Raises EngineError with advice if no engine answers.
    """
    deadline = time.monotonic() + (BOOT_TIMEOUT if wait else 0)
    while True:
        try:
            client = docker.from_env(environment=dict(env), timeout=math.ceil(patience))
            client.ping()
        except sdk_failures() as error:
            if time.monotonic() >= deadline:
                raise EngineError(_advice(env, error)) from error
            time.sleep(_RETRY_INTERVAL)
        else:
            return client


def container(client: docker.DockerClient, builder: str) -> Container | None:
    """Return a builder's container, running or not; raises EngineError if the engine fails."""
    try:
        found = client.api.inspect_container(leftovers.container(builder))
        return Container(
            identity=found["Id"],
            env=tuple(found["Config"].get("Env") or ()),
            connections=sum(_is_running(client, one) for one in found.get("ExecIDs") or ()),
        )
    except docker.errors.NotFound:
        return None
    except sdk_failures() as error:
        raise EngineError(f"the engine does not report the builder {builder}: {error}") from error


def _is_running(client: docker.DockerClient, command: str) -> bool:
    try:
        return bool(client.api.exec_inspect(command)["Running"])
    except docker.errors.NotFound:
        return False


def left_behind(client: docker.DockerClient, now: datetime) -> Iterator[Candidate]:
    """Yield the builders that runs remove, by their volumes; raises EngineError if that fails.

    A volume is there before its container, and stays until the container has gone.
    """
    try:
        volumes = client.api.volumes(filters={"name": leftovers.VOLUMES}).get("Volumes") or ()
        found = [
            (one["Name"], datetime.fromisoformat(one.get("CreatedAt", "")), one.get("Labels") or {})
            for one in volumes
        ]
    except sdk_failures() as error:
        raise EngineError(f"the engine does not list its volumes: {error}") from error
    for volume, when, labels in found:
        is_dead = owner.is_dead(str(labels.get(owner.LABEL, "")))
        builder, named = leftovers.builder_of(volume), leftovers.named_builder(volume)
        if not builder and not (named and is_dead):
            continue
        used = container(client, builder or named)
        if named and used and builder_commands.TEMPORARY not in used.env:
            continue
        leftover = leftovers.builder(
            builder or named,
            now - when,
            used.connections if used else 0,
            is_dead=is_dead,
            is_named=bool(named),
        )
        yield leftover, partial(remove, client, builder or named, used, keep_state=False)


def remove(
    client: docker.DockerClient, builder: str, found: Container | None, *, keep_state: bool
) -> None:
    """Remove a container of a builder, not one that has its name by now, and the volume.

    Raises EngineError if the engine refuses.
    """
    try:
        if found and keep_state:
            client.api.stop(found.identity, timeout=_STOP_TIMEOUT)
        if found:
            client.api.remove_container(found.identity, force=True)
        if not keep_state:
            client.api.remove_volume(leftovers.volume(builder))
    except sdk_failures() as error:
        if getattr(error, "status_code", None) not in _TAKEN:
            raise EngineError(f"the engine refuses: {error}") from error


def has_containerd_store(client: docker.DockerClient) -> bool:
    """Return whether the engine stores images in containerd, not in a graph driver."""
    try:
        status = client.info().get("DriverStatus") or []
    except sdk_failures() as error:
        raise EngineError(f"the engine does not report how it stores images: {error}") from error
    return ["driver-type", "io.containerd.snapshotter.v1"] in status


def run_privileged(client: docker.DockerClient, image: str, command: list[str]) -> tuple[int, str]:
    """Run a command in a privileged container; return its exit code and its output.

    The image is pulled if it is missing. The output has standard error only if the command fails.
    Raises EngineError if the image cannot be run.
    """
    container = None
    try:
        client.api.timeout = BOOT_TIMEOUT
        try:
            client.images.get(image)
        except docker.errors.ImageNotFound:
            client.images.pull(image)
        try:
            with held():
                container = client.containers.create(image, command, privileged=True)
            container.start()
            code = int(container.wait()["StatusCode"])
            return code, container.logs(stdout=True, stderr=code != 0).decode(errors="replace")
        finally:
            if container is not None:
                with shielded():
                    container.remove(force=True)
    except sdk_failures() as error:
        raise EngineError(f"{image} cannot be run as a privileged container: {error}") from error


def restart_builder(client: docker.DockerClient, builder: str) -> None:
    """Restart a builder's BuildKit daemon and wait until it answers; its build cache stays.

    Raises EngineError if the engine cannot restart it.
    """
    deadline = time.monotonic() + BOOT_TIMEOUT
    try:
        container = client.containers.get(leftovers.container(builder))
        container.restart(timeout=1)
        while container.exec_run(["buildctl", "debug", "workers"]).exit_code:
            if time.monotonic() > deadline:
                raise EngineError(f"the builder {builder} does not come up after its restart")
            time.sleep(_RETRY_INTERVAL)
    except sdk_failures() as error:
        raise EngineError(f"the builder {builder} cannot be restarted: {error}") from error


def write_tls_context(directory: Path, env: Mapping[str, str]) -> None:
    """Write a Docker context for the engine that DOCKER_HOST names, with its certificates.

    buildx takes TLS from a context and refuses it from the environment (docker/buildx#413).
    `directory` is the folder "contexts" of a Docker configuration.
    """
    certificates = Path(env["DOCKER_CERT_PATH"])
    context = docker.context.Context(CONTEXT, host=env["DOCKER_HOST"], tls=True)
    # The SDK turns it into https://, which Docker's own clients cannot dial.
    context.endpoints["docker"]["Host"] = env["DOCKER_HOST"]
    context.endpoints["docker"]["SkipTLSVerify"] = not env.get("DOCKER_TLS_VERIFY")
    identity = docker.context.config.get_context_id(CONTEXT)
    meta, tls = directory / "meta" / identity, directory / "tls" / identity / "docker"
    meta.mkdir(parents=True, exist_ok=True)
    tls.mkdir(parents=True, exist_ok=True)
    (meta / docker.context.config.METAFILE).write_text(json.dumps(context.Metadata))
    for name in ("ca.pem", "cert.pem", "key.pem"):
        try:
            shutil.copy(certificates / name, tls / name)
        except OSError as error:
            raise EngineError(
                f"the engine's certificate {certificates / name} cannot be read: "
                f"{error.strerror}. Share the certificates of the docker-in-docker service with "
                "the job, or set DOCKER_CERT_PATH."
            ) from error


def _advice(env: Mapping[str, str], error: Exception) -> str:
    where = env.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    text = str(error)
    if "Permission denied" in text or "PermissionError" in text:
        return (
            f"this user may not use the Docker engine at {where}. Run as root, or as a member of "
            "the group that owns the socket."
        )
    if env.get("DOCKER_CERT_PATH") and isinstance(error, docker.errors.TLSParameterError):
        return (
            f"there are no certificates for the Docker engine at {where} in "
            f"{env['DOCKER_CERT_PATH']}. Share the certificates of the docker-in-docker service "
            "with the job (DOCKER_TLS_CERTDIR: /certs), or set DOCKER_CERT_PATH."
        )
    return (
        f"there is no Docker engine at {where}. Mount its socket "
        "(-v /var/run/docker.sock:/var/run/docker.sock), start a docker-in-docker service, or set "
        "DOCKER_HOST."
    )
