"""Has a builder for a run: finds buildx, reaches the engine, boots, and removes what it made."""

from __future__ import annotations

import os
import time
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from warmbuild import process
from warmbuild.builder import emulation, engine, images
from warmbuild.buildkit import answers, builder_commands
from warmbuild.buildkit.builder_commands import Own
from warmbuild.errors import EngineError
from warmbuild.process import LateError
from warmbuild.registry import docker_config
from warmbuild.signals import shielded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from warmbuild.builder.environment import Buildx
    from warmbuild.builder.private_directory import Private
    from warmbuild.buildkit.answers import Boot, Inspected
    from warmbuild.log import Log
    from warmbuild.plan.build_plan import BuilderPlan
    from warmbuild.process import Running

# How long a builder may take to come up, its image included; in seconds. A pull has no limit of
# its own.
BOOT_TIMEOUT: Final = 180.0
# buildx makes a nameless container to look for GPUs, and leaves it behind when it is stopped in
# that moment; in seconds.
_LINGER: Final = 2.0
_DEFAULT_CONTEXT: Final = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A builder that is on its way: `boot` waits until it is up and returns its name.

    `inspected` is what buildx finds of it then.
    """

    boot: Callable[[], str]
    inspected: Callable[[], Inspected]


@contextmanager
def booted(plan: BuilderPlan, buildx: Buildx, private: Private, log: Log) -> Iterator[Made]:
    """Have a builder for the block, which serves what is emulated for it too.

    One that is there already, known to buildx or as a container, is used and stays.
    """
    name = plan.name or f"warmbuild-{os.urandom(4).hex()}"
    is_known = (private.buildx_config / "instances" / name).is_file()
    with ExitStack() as stack:
        # buildx has one of this name, the engine's own, whatever driver another one would have.
        if is_known or plan.driver.is_engines_own or name == _DEFAULT_CONTEXT:
            _check_version(plan, buildx.program, buildx.run(["version"]).output)
            found = name if is_known else _of_engine(plan, buildx.env, private, log)
            wait: Callable[[], str] = lambda: found  # noqa: E731
        else:
            own = Own(
                name=name,
                config=_buildkitd_config(plan, private),
                endpoint=_endpoint(plan, buildx.env, private, log),
                certificates=_certificates(private),
            )
            wait = stack.enter_context(_created(plan, own, buildx, log))
        seen: list[Running] = []

        def boot() -> str:
            up = wait()
            if plan.emulated:
                nodes = buildx.run(builder_commands.inspect(up, bootstrap=True))
                emulation.provide(plan, answers.inspected(nodes.output), buildx.env, log)
            # It takes as long as a step, and is read when the build is over.
            inspection = buildx.started(builder_commands.inspect(up, bootstrap=False))
            seen.append(stack.enter_context(inspection))
            return up

        yield Made(boot=boot, inspected=lambda: answers.inspected(seen[0].finish().output))


@contextmanager
def _created(plan: BuilderPlan, own: Own, buildx: Buildx, log: Log) -> Iterator[Callable[[], str]]:
    """Make a builder for the block; what it yields waits until it is up and returns its name."""
    remove = builder_commands.remove(own.name, keep_state=plan.keep_state)
    keep = not plan.cleanup or bool(plan.name and _is_there(plan, buildx.env))
    begun, up = time.monotonic(), False

    def left() -> float:
        return begun + BOOT_TIMEOUT - time.monotonic()

    def started(mirror: str) -> AbstractContextManager[Running]:
        return _started(builder_commands.creation(plan, own, mirror=mirror), buildx, log)

    def again(mirror: str) -> Boot:
        # What could not be pulled has left a name behind.
        buildx.run(remove)
        with started(mirror) as creation:
            return _ended(creation)

    def boot() -> str:
        nonlocal up
        _check_version(plan, buildx.program, version.finish().output)
        boots = [_ended(creation)]
        while another := images.next_image(boots, plan.image_mirrors, left=left()):
            mirror, pause = another
            log.line(_unpulled(boots[-1], pause))
            time.sleep(pause)
            boots.append(again(mirror))
        if not boots[-1].up:
            raise _no_builder(plan, buildx.env, boots)
        up = True
        took = time.monotonic() - begun
        log.line(f"builder {own.name} is up after {took:.1f} s{_of(plan, boots)}")
        return own.name

    try:
        with started("") as creation, buildx.started(["version"]) as version:
            yield boot
    finally:
        if not keep:
            with shielded():
                removal = buildx.run(remove)
            # What never came up has been reported already, and may leave nothing to remove.
            if removal.code and up:
                log.warning(f"the builder {own.name} is left behind: {removal.output}")


@contextmanager
def _started(commands: Sequence[Sequence[str]], buildx: Buildx, log: Log) -> Iterator[Running]:
    """Run the last of some commands while the block runs, when the others have ended well."""
    for command in commands:
        log.line(f"+ docker buildx {process.shown(command, log.redact)}")
        with buildx.started(command, linger=_LINGER) as running:
            if command == commands[-1]:
                yield running
                return
            done = running.finish()
        if done.code:
            raise EngineError(f"the builder cannot be made. buildx says:\n{_quoted(done.output)}")


def _of_engine(plan: BuilderPlan, env: Mapping[str, str], private: Private, log: Log) -> str:
    """Return the name of the engine's own builder: that of the Docker context in use."""
    context = _endpoint(plan, env, private, log) or plan.name
    if context or env.get("DOCKER_HOST"):
        return context or _DEFAULT_CONTEXT
    current = docker_config.read_config(env).get("currentContext")
    return env.get("DOCKER_CONTEXT") or str(current or _DEFAULT_CONTEXT)


def restart(plan: BuilderPlan, env: Mapping[str, str], name: str, log: Log) -> None:
    """Start the builder of this run anew, whose daemon waits without limit for a registry.

    One with a name may have others' builds in it, and stays as it is, and so do those that are
    not on the engine of this run alone.
    """
    is_here = plan.driver.has_container and not plan.endpoint and not plan.appended
    if plan.name or not is_here:
        return
    log.line(f"the builder {name} is started anew")
    engine.restart_builder(engine.connect(env, wait=False), name)


def has_image_store(plan: BuilderPlan, env: Mapping[str, str]) -> bool:
    """Say whether builds of this builder can have several platforms, and write caches.

    The engine's own BuildKit can where the engine keeps its images in containerd.
    """
    if not plan.driver.needs_image_store:
        return True
    return engine.has_containerd_store(engine.connect(env, wait=False))


def _ended(creation: Running) -> Boot:
    """Wait until a builder is up, or will not be."""
    try:
        result = creation.finish(BOOT_TIMEOUT)
    except LateError as late:
        creation.stop(0)
        overdue = f"timeout: not there after {BOOT_TIMEOUT:.0f} s"
        return answers.boot(f"{late.output}\nERROR: {overdue}", up=False)
    return answers.boot(result.output, up=result.code == 0)


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


def _endpoint(plan: BuilderPlan, env: Mapping[str, str], private: Private, log: Log) -> str:
    """Wait for an engine that boots beside the job; return the context that reaches it, if any."""
    host = env.get("DOCKER_HOST", "")
    if not plan.driver.runs_on_engine or plan.endpoint or not host.startswith("tcp://"):
        return ""
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


def _certificates(private: Private) -> Mapping[int, Mapping[str, str]]:
    """Return the files of the certificates, by a node's number and what its driver calls them."""
    return {
        int(node.name): {file.stem: str(file) for file in sorted(node.iterdir())}
        for node in sorted(private.certificates.glob("*"))
    }


def _is_there(plan: BuilderPlan, env: Mapping[str, str]) -> bool:
    """Say whether a builder's container is there; one that cannot be looked for is taken to be."""
    if plan.driver.connects:
        # Its removal makes buildx forget it, and no more.
        return False
    if not plan.driver.has_container or (plan.endpoint and "://" not in plan.endpoint):
        return True
    there = {**env, "DOCKER_HOST": plan.endpoint} if plan.endpoint else env
    return engine.has_builder(engine.connect(there, wait=False), plan.name)


def _check_version(plan: BuilderPlan, program: str, output: str) -> None:
    """Raise EngineError for a buildx that is not the one that was asked for, or too old."""
    found = answers.version(output)
    have, need = (".".join(map(str, version or ())) for version in (found, answers.OLDEST))
    if plan.version and have != plan.version.partition("-")[0]:
        message = (
            f"version asks for buildx {plan.version}, and {have or 'one that does not say'} is at "
            f"{program}. Nothing is downloaded: install that version, run an image that brings it, "
            "or leave the input out."
        )
        raise EngineError(message)
    if found and found < answers.OLDEST:
        message = (
            f"buildx {have} at {program} is too old; {need} or later is needed. Install a newer "
            "one, or run warmbuild's image, which brings it."
        )
        raise EngineError(message)


def _no_builder(plan: BuilderPlan, env: Mapping[str, str], boots: Sequence[Boot]) -> EngineError:
    """Say why buildx could not make a builder: no engine, no room, no image, or what it printed."""
    last = boots[-1]
    if plan.driver.connects:
        places = [plan.endpoint, *(node.endpoint for node in plan.appended)]
        return EngineError(
            f"no BuildKit daemon answers at {' or at '.join(places)} as it should: {last.error}. "
            "Check that it runs and listens there, and for TLS the certificates "
            "(BUILDER_NODE_0_AUTH_TLS_CACERT, _CERT and _KEY; 1 is the first that append names). "
            f"buildx says:\n{_quoted(last.output)}"
        )
    if plan.driver.has_container and not plan.endpoint:
        try:
            engine.connect(env, wait=False)
        except EngineError as error:
            return error
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
