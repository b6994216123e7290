"""Has a builder for a run: finds buildx, reaches the engine, boots, and removes what it made."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild import buildx, credentials, process, retries
from warmbuild.errors import EngineError
from warmbuild.signals import shielded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from warmbuild.buildx import Boot
    from warmbuild.credentials import Private
    from warmbuild.log import Log
    from warmbuild.plan import BuilderPlan
    from warmbuild.process import Running

# How long a builder may take to come up, its image included; in seconds. A pull has no limit of
# its own.
BOOT_TIMEOUT: Final = 180.0
# buildx makes a nameless container to look for GPUs, and leaves it behind when it is stopped in
# that moment; in seconds.
_LINGER: Final = 2.0
# Where Docker's packages put the plugin, beside the PATH.
_PLUGIN_DIRECTORIES: Final = (
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
)
# Where the engine of this machine listens, and where one of a docker-in-docker service does.
_SOCKET: Final = "/var/run/docker.sock"
_DIND: Final = "tcp://docker:2376"
# Where such a service shares its client certificates with the job, unless the job says.
_DIND_CERTIFICATES: Final = "/certs"


def program(env: Mapping[str, str]) -> str:
    """Return buildx's path: a program of its own, or the Docker CLI's plugin."""
    search = env.get("PATH", os.defpath)
    plugins = [str(credentials.user_directory(env) / "cli-plugins"), *_PLUGIN_DIRECTORIES]
    found = shutil.which("buildx", path=search) or shutil.which(
        "docker-buildx", path=os.pathsep.join([*plugins, search])
    )
    if not found:
        message = (
            "there is no buildx here. Install it (Docker's packages call it docker-buildx-plugin) "
            "or run warmbuild's image, which brings it."
        )
        raise EngineError(message)
    return found


def environment(env: Mapping[str, str], private: Private) -> dict[str, str]:
    """Return the environment of buildx: no inputs in it, and the run's own configuration."""
    child = {name: value for name, value in env.items() if not name.startswith("INPUT_")}
    child.pop("DOCKER_AUTH_CONFIG", None)
    shared = Path(child.get("DOCKER_TLS_CERTDIR") or _DIND_CERTIFICATES, "client")
    if "DOCKER_HOST" not in child and not Path(_SOCKET).exists() and shared.parent.is_dir():
        # What the entrypoint of the image docker:cli does in a job beside docker-in-docker. The
        # certificates themselves may come later: the service is still booting.
        child["DOCKER_HOST"] = _DIND
        child["DOCKER_TLS_VERIFY"] = "1"
        child["DOCKER_CERT_PATH"] = str(shared)
    if child.get("DOCKER_TLS_VERIFY") and not child.get("DOCKER_CERT_PATH"):
        child["DOCKER_CERT_PATH"] = str(credentials.user_directory(env))
    if shutil.which("git", path=child.get("PATH")) is None:
        # buildx would warn at every build that it cannot record the commit.
        child["BUILDX_GIT_INFO"] = "false"
    child.setdefault("BUILDX_METADATA_WARNINGS", "true")
    child["DOCKER_CONFIG"] = str(private.docker_config)
    child["BUILDX_CONFIG"] = str(private.buildx_config)
    return child


@contextmanager
def booted(
    plan: BuilderPlan, program: str, env: Mapping[str, str], private: Private, log: Log
) -> Iterator[Callable[[], str]]:
    """Have a builder for the block; what it yields waits until it is up and returns its name.

    One that is there already, known to buildx or as a container, is used and stays.
    """
    name = plan.name or f"warmbuild-{secrets.token_hex(4)}"
    if (private.buildx_config / "instances" / name).is_file():
        _check_version(program, process.run([program, "version"], env).output)
        yield lambda: name
        return
    endpoint = _endpoint(env, private, log)
    keep = not plan.cleanup or bool(plan.name and _is_there(env, name))
    create = partial(
        buildx.create, plan, name=name, config=_buildkitd_config(plan, private), endpoint=endpoint
    )
    begun, up = time.monotonic(), False

    def left() -> float:
        return begun + BOOT_TIMEOUT - time.monotonic()

    def started(mirror: str) -> AbstractContextManager[Running]:
        argv = create(mirror=mirror)
        log.line(f"+ docker buildx {process.shown(argv, log.redact)}")
        return process.started([program, *argv], env, linger=_LINGER)

    def again(mirror: str) -> Boot:
        # What could not be pulled has left a name behind.
        process.run([program, *buildx.remove(name)], env)
        with started(mirror) as creation:
            return _ended(creation)

    def boot() -> str:
        nonlocal up
        _check_version(program, version.finish().output)
        boots = [_ended(creation)]
        while another := retries.next_image(boots, plan.image_mirrors, left=left()):
            mirror, pause = another
            log.line(_unpulled(boots[-1], pause))
            time.sleep(pause)
            boots.append(again(mirror))
        if not boots[-1].up:
            raise _no_builder(env, boots)
        up = True
        log.line(f"builder {name} is up after {time.monotonic() - begun:.1f} s{_of(plan, boots)}")
        return name

    try:
        with started("") as creation, process.started([program, "version"], env) as version:
            yield boot
    finally:
        if not keep:
            with shielded():
                removal = process.run([program, *buildx.remove(name)], env)
            # What never came up has been reported already, and may leave nothing to remove.
            if removal.code and up:
                log.warning(f"the builder {name} is left behind: {removal.output}")


def restart(plan: BuilderPlan, env: Mapping[str, str], name: str, log: Log) -> None:
    """Start the builder of this run anew, whose daemon waits without limit for a registry.

    One with a name may have others' builds in it, and stays as it is.
    """
    if plan.name:
        return
    from warmbuild import engine  # noqa: PLC0415 (only a daemon that hangs needs it)

    log.line(f"the builder {name} is started anew")
    engine.restart_builder(engine.connect(env, wait=False), name)


def _ended(creation: Running) -> Boot:
    """Wait until a builder is up, or will not be."""
    try:
        result = creation.finish(BOOT_TIMEOUT)
    except process.LateError as late:
        creation.stop(0)
        overdue = f"timeout: not there after {BOOT_TIMEOUT:.0f} s"
        return buildx.boot(f"{late.output}\nERROR: {overdue}", up=False)
    return buildx.boot(result.output, up=result.code == 0)


def _unpulled(boot: Boot, pause: float) -> str:
    """Say that an image could not be pulled, and why where buildx says so."""
    why = f": {boot.error}" if boot.error else ""
    again = f"; once more in {pause:.0f} s" if pause else ""
    return f"the BuildKit image {boot.image} cannot be pulled{why}{again}"


def _of(plan: BuilderPlan, boots: Sequence[Boot]) -> str:
    """Say which image a builder is made of, where it is not the one that was asked for."""
    last = boots[-1]
    if last.local:
        return f", made of the engine's own copy of {last.image}, which cannot be pulled"
    return f", made of the mirror {last.image}" if last.image in plan.image_mirrors else ""


def _endpoint(env: Mapping[str, str], private: Private, log: Log) -> str:
    """Wait for an engine that boots beside the job; return the context that reaches it, if any."""
    host = env.get("DOCKER_HOST", "")
    if not host.startswith("tcp://"):
        return ""
    from warmbuild import engine  # noqa: PLC0415 (100 ms that a socket does not need)

    log.line(f"the engine is at {host}; it gets {engine.BOOT_TIMEOUT} s to boot")
    engine.connect(env, wait=True)
    if not env.get("DOCKER_CERT_PATH"):
        return ""
    engine.write_tls_context(private.docker_config / "contexts", env)
    return engine.CONTEXT


def _buildkitd_config(plan: BuilderPlan, private: Private) -> str:
    if not plan.config_inline:
        return plan.config
    path = private.file("buildkitd.toml")
    private.write(path, plan.config_inline)
    return str(path)


def _is_there(env: Mapping[str, str], name: str) -> bool:
    from warmbuild import engine  # noqa: PLC0415 (only a builder with a name needs it)

    return engine.has_builder(engine.connect(env, wait=False), name)


def _check_version(program: str, output: str) -> None:
    """Raise EngineError for a buildx whose progress cannot be read line by line."""
    found = buildx.version(output)
    if found and found < buildx.OLDEST:
        have, need = (".".join(map(str, version)) for version in (found, buildx.OLDEST))
        message = (
            f"buildx {have} at {program} is too old; {need} or later is needed. Install a newer "
            "one, or run warmbuild's image, which brings it."
        )
        raise EngineError(message)


def _no_builder(env: Mapping[str, str], boots: Sequence[Boot]) -> EngineError:
    """Say why buildx could not make a builder: no engine, no room, no image, or what it printed."""
    from warmbuild import engine  # noqa: PLC0415 (only a failure needs it)

    try:
        engine.connect(env, wait=False)
    except EngineError as error:
        return error
    last = boots[-1]
    if "no space left on device" in last.output:
        return EngineError(
            "the builder cannot start, for the engine's disk is full. Free space on the engine's "
            "machine (docker system prune)."
        )
    if last.unpulled:
        tried = {boot.image: boot.error for boot in boots}
        reasons = "\n".join(f"{image}: {error}" for image, error in tried.items())
        return EngineError(
            "no BuildKit image can be pulled, and the engine has none of its own:\n"
            f"{_quoted(reasons)}\n"
            "Name one that the engine can pull, by image=REF in driver-opts or by "
            "buildkit-image-mirrors, or load one into the engine under such a name."
        )
    return EngineError(f"the builder does not start. buildx says:\n{_quoted(last.output)}")


def _quoted(text: str) -> str:
    return "\n".join(f"  | {line}" for line in text.splitlines())
