"""Asks the Docker engine through the docker SDK: is it there, whose builder is this, who is user.

The SDK knows neither buildx nor BuildKit; it answers for the daemon, contexts and credentials.
"""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild import lazy
from warmbuild.errors import EngineError
from warmbuild.registry.credential_helpers import sdk_failures
from warmbuild.signals import held, shielded

if TYPE_CHECKING:
    from collections.abc import Mapping

    import docker
    import docker.context.config
    import docker.errors
else:
    docker = lazy.module("docker", "context.config", "errors")

# How long an engine that boots beside the job may take; in seconds.
BOOT_TIMEOUT: Final = 60
_RETRY_INTERVAL: Final = 0.5
_ANSWER_TIMEOUT: Final = 10
CONTEXT: Final = "warmbuild"
# A driver's first node is the builder's name and 0; container and volume are called after it.
_CONTAINER: Final = "buildx_buildkit_{builder}0"


def connect(env: Mapping[str, str], *, wait: bool) -> docker.DockerClient:
    """Return a client of the engine that DOCKER_HOST or the Docker context names.

    With `wait` it is given time to boot, as a docker-in-docker service needs it. Raises
    EngineError with what to do where there is none.
    """
    deadline = time.monotonic() + (BOOT_TIMEOUT if wait else 0)
    while True:
        try:
            client = docker.from_env(environment=dict(env), timeout=_ANSWER_TIMEOUT)
            client.ping()
        except sdk_failures() as error:
            if time.monotonic() >= deadline:
                raise EngineError(_advice(env, error)) from error
            time.sleep(_RETRY_INTERVAL)
        else:
            return client


def has_builder(client: docker.DockerClient, builder: str) -> bool:
    """Say whether a builder's container is there, running or not."""
    name = _CONTAINER.format(builder=builder)
    found = client.containers.list(all=True, filters={"name": name})
    return any(container.name == name for container in found)


def has_containerd_store(client: docker.DockerClient) -> bool:
    """Say whether the engine keeps its images in containerd, and not in a graph driver."""
    try:
        status = client.info().get("DriverStatus") or []
    except sdk_failures() as error:
        raise EngineError(f"the engine does not say how it keeps its images: {error}") from error
    return ["driver-type", "io.containerd.snapshotter.v1"] in status


def run_privileged(client: docker.DockerClient, image: str, command: list[str]) -> tuple[int, str]:
    """Run a command in a privileged container; return its exit code and its standard output.

    An image that is not there is pulled. Raises EngineError where it cannot be run.
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
    """Start the BuildKit daemon of a builder anew and wait until it answers.

    What it has built stays. Raises EngineError where the engine cannot.
    """
    deadline = time.monotonic() + BOOT_TIMEOUT
    try:
        container = client.containers.get(_CONTAINER.format(builder=builder))
        container.restart(timeout=1)
        while container.exec_run(["buildctl", "debug", "workers"]).exit_code:
            if time.monotonic() > deadline:
                raise EngineError(f"the builder {builder} does not come up again")
            time.sleep(_RETRY_INTERVAL)
    except sdk_failures() as error:
        raise EngineError(f"the builder {builder} cannot be started anew: {error}") from error


def write_tls_context(directory: Path, env: Mapping[str, str]) -> None:
    """Write a Docker context for the engine that DOCKER_HOST names, with its certificates.

    buildx takes TLS from a context and refuses it from the environment (docker/buildx#413).
    `directory` is the contexts folder of a Docker configuration.
    """
    certificates = Path(env["DOCKER_CERT_PATH"])
    context = docker.context.Context(CONTEXT, host=env["DOCKER_HOST"], tls=True)
    # The SDK makes https:// of it, which Docker's own clients cannot dial.
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
            message = (
                f"the engine's certificate {certificates / name} cannot be read: "
                f"{error.strerror}. Share the certificates of the docker-in-docker service with "
                "the job, or set DOCKER_CERT_PATH."
            )
            raise EngineError(message) from error


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
            f"{env['DOCKER_CERT_PATH']}. Share those of the docker-in-docker service with the job "
            "(DOCKER_TLS_CERTDIR: /certs), or set DOCKER_CERT_PATH."
        )
    return (
        f"there is no Docker engine at {where}. Mount its socket "
        "(-v /var/run/docker.sock:/var/run/docker.sock), start a docker-in-docker service, or set "
        "DOCKER_HOST."
    )
