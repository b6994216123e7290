"""Provides the builder of a run: reaches the engine, boots, and removes what it made."""

from __future__ import annotations

import os
import time
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild import lazy, process, retries, sizes
from warmbuild.builder import (
    emulation,
    engine,
    engine_calls,
    environment,
    private_directory,
    removal,
)
from warmbuild.builder.memory import State
from warmbuild.builder.private_directory import Private
from warmbuild.buildkit import answers, builder_commands
from warmbuild.buildkit.builder_commands import Own
from warmbuild.errors import EngineError
from warmbuild.frozen import frozen
from warmbuild.process import LateError
from warmbuild.registry import docker_config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from warmbuild.builder import fleet
    from warmbuild.builder.environment import Buildx
    from warmbuild.builder.fleet import Fleet
    from warmbuild.buildkit.answers import Boot, Inspected
    from warmbuild.log import Log
    from warmbuild.plan.build_plan import BuilderPlan, BuildPlan
    from warmbuild.process import Running
else:
    # Most builders are no pods.
    fleet = lazy.module("warmbuild.builder.fleet")

# Limit of a builder's boot with the pull of its image, in seconds; the pull has none of its own.
BOOT_TIMEOUT: Final = 180.0
# Limit of what buildx reports of itself or of a builder that is up, in seconds.
_ANSWER_TIMEOUT: Final = 30.0
_PAUSE: Final = 1.0
# Seconds that buildx has to finish a boot after the run has failed. If buildx is stopped earlier,
# its nameless container, which looks for GPUs, may stay, and the engine may still create the
# builder's container after the run has removed the builder.
_LINGER: Final = 10.0


@frozen
class Made:
    """A builder that is booting."""

    up: Callable[[], str]  # waits until the builder is up, and returns its name
    boot: Callable[[int | None], str]
    """Waits until the builder is up, and returns its name.

    The argument is the size of the caches unpacked, in bytes, or None if it is unknown. If they do
    not fit into memory, the builder boots again with its state on disk.
    """
    inspected: Callable[[], Inspected]  # what buildx reports of the builder once it is up
    state: State  # where its state is
    restart: Callable[[], None]
    """Restarts the daemon if it belongs to this run alone; otherwise waits until it is up."""
    lost: Callable[[], str]
    """Says why the connection to a daemon was lost; empty if no other one may take its place."""


@contextmanager
def booted(plan: BuilderPlan, buildx: Buildx, private: Private, log: Log) -> Iterator[Made]:
    """Provide a builder for the block, with the emulation that the plan asks for.

    A builder that exists already, in buildx's state or as a container, is used and kept, unless
    another run created it for the runs that share it.
    """
    # No clean-up takes a builder that is to stay, for its name is not that of a builder of one run.
    kind = "warmbuild" if plan.cleanup else "warmbuild-kept"
    name = plan.name or f"{kind}-{os.urandom(4).hex()}"
    at = engine_calls.address(buildx.env)
    state = State(plan, name, at, log, lambda: _boot_again(plan, name, buildx))
    is_known = (private.buildx_config / "instances" / name).is_file()
    pods: Fleet | None = None
    with ExitStack() as stack:
        # buildx always has a builder "default", the engine's own; the driver does not matter.
        if is_known or plan.driver.is_engines_own or name == docker_config.DEFAULT_CONTEXT:
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
            if plan.driver.in_cluster:
                pods = fleet.fleet(plan, name, buildx.env, private, log)
                wait = stack.enter_context(_in_cluster(plan, own, buildx, log, pods))
            else:
                wait = stack.enter_context(_created(plan, own, buildx, log, state))
        seen: list[Running] = []

        wait = cache(wait)

        def boot(need: int | None) -> str:
            up = wait()
            state.settle(need)
            if plan.emulated:
                nodes = buildx.run(
                    builder_commands.inspect(up, bootstrap=True), patience=BOOT_TIMEOUT
                )
                emulation.provide(plan, answers.inspected(nodes.output), buildx.env, log)
            # It takes as long as a build step, and its output is read after the build.
            inspection = buildx.started(builder_commands.inspect(up, bootstrap=False))
            seen.append(stack.enter_context(inspection))
            return up

        def restart() -> None:
            if pods:
                pods.boot()
            elif plan.driver.connects:
                _reconnect(plan, wait(), buildx)
            else:
                _restart(plan, buildx.env, wait(), log)
                state.watch()

        def lost() -> str:
            where = f"the daemon at {plan.endpoint} went away" if plan.driver.connects else ""
            return pods.lost() if pods else where

        yield Made(
            up=wait,
            boot=boot,
            inspected=cache(lambda: _inspected(seen[0])),
            restart=restart,
            lost=lost,
            state=state,
        )


@contextmanager
def _created(
    plan: BuilderPlan, own: Own, buildx: Buildx, log: Log, state: State
) -> Iterator[Callable[[], str]]:
    """Create a builder for the block; yield a function that waits for it and returns its name."""
    begun, up = time.monotonic(), False
    # Before a registry is asked, which may take long.
    is_here = plan.driver.has_container and not plan.endpoint
    at = engine_calls.address(buildx.env) if is_here else None
    if at and at.path and not engine_calls.listens(at):
        engine.connect(buildx.env, wait=False)

    def started(now: BuilderPlan, mirror: str) -> AbstractContextManager[Running]:
        here = replace(own, in_memory=bool(state.size), processors=os.cpu_count() or 0)
        return _started(builder_commands.creation(now, here, mirror=mirror), buildx, log)

    def again(now: BuilderPlan, mirror: str, *, in_memory: bool = True) -> Boot:
        # A container of the engine's copy may be there, and the builder's name is: it goes in any
        # case, but not a container that another job uses.
        removal.remove(now, own.name, buildx, log, up=False)
        buildx.run(builder_commands.forget(own.name))
        state.create(in_memory=in_memory)
        with started(now, mirror) as retry:
            state.watch()
            return _ended(retry)

    def boot() -> str:
        nonlocal up
        _check_version(plan, buildx.program, _said(version))
        boots = [_ended(creation)]
        deadline = min(begun + BOOT_TIMEOUT, time.monotonic() + plan.retry_timeout)
        while another := next_image(boots, plan.image_mirrors, left=deadline - time.monotonic()):
            mirror, pause = another
            why = f": {boots[-1].error}" if boots[-1].error else ""
            later = f"; retrying in {pause:.0f} s" if pause else ""
            log.line(f"the BuildKit image {boots[-1].image} cannot be pulled{why}{later}")
            time.sleep(pause)
            boots.append(again(plan, mirror))
        is_late = time.monotonic() > begun + BOOT_TIMEOUT
        if state.size and not (boots[-1].up or boots[-1].unpulled or is_late):
            log.line("the builder does not start with its state in memory; it is put on disk")
            boots.append(again(plan, boots[-1].image, in_memory=False))
        if is_too_lazy(plan, boots[-1]):
            log.warning("the builder does not start with lazy; it is started without")
            boots.append(again(replace(plan, lazy=False), boots[-1].image))
        if not boots[-1].up:
            raise _no_builder(plan, own.name, buildx.env, boots)
        up = True
        took = time.monotonic() - begun
        where = f", its state in memory, at most {sizes.shown(state.size)}" if state.size else ""
        log.line(f"builder {own.name} is up after {took:.1f} s{_source(plan, boots[-1])}{where}")
        return own.name

    try:
        state.create()
        with started(plan, "") as creation, buildx.started(["version"]) as version:
            state.watch()
            yield boot
    finally:
        removal.remove(plan, own.name, buildx, log, up=up)
        state.close()


@contextmanager
def _in_cluster(
    plan: BuilderPlan, own: Own, buildx: Buildx, log: Log, pods: Fleet
) -> Iterator[Callable[[], str]]:
    """Create a builder of pods for the block; yield what waits for it and returns its name."""
    begun, up = time.monotonic(), False

    def boot() -> str:
        nonlocal up
        _check_version(plan, buildx.program, _said(version))
        pods.watch(creation)
        made = _ended(creation)
        if not made.up and fleet.MADE_BY_ANOTHER in made.error:
            done = buildx.run(
                builder_commands.inspect(own.name, bootstrap=True), patience=BOOT_TIMEOUT
            )
            made = answers.boot(done.output, up=not done.code)
        if not made.up:
            raise pods.refusal(plan, made)
        pods.boot()
        up = True
        log.line(f"builder {own.name} is up after {time.monotonic() - begun:.1f} s")
        return own.name

    try:
        here = replace(own, is_held=pods.held)
        commands = builder_commands.creation(plan, here, mirror="")
        with _started(commands, buildx, log) as creation, buildx.started(["version"]) as version:
            yield boot
    finally:
        removal.remove(plan, own.name, buildx, log, up=up)


def _boot_again(plan: BuilderPlan, name: str, buildx: Buildx) -> None:
    """Boot a builder whose container has been removed; raises EngineError if it does not boot."""
    done = buildx.run(builder_commands.inspect(name, bootstrap=True), patience=BOOT_TIMEOUT)
    if done.code:
        raise _no_builder(plan, name, buildx.env, [answers.boot(done.output, up=False)])


@contextmanager
def _started(commands: Sequence[Sequence[str]], buildx: Buildx, log: Log) -> Iterator[Running]:
    """Run some commands one after another, the last one while the block runs."""
    for command in commands:
        log.line(f"+ docker buildx {process.shown(command, log.redact)}")
        with buildx.started(command, linger=_LINGER) as running:
            if command == commands[-1]:
                yield running
                return
            done = _ended(running)
        if not done.up:
            raise EngineError(f"buildx cannot create the builder. It says:\n{_quoted(done.output)}")


def _of_engine(plan: BuilderPlan, env: Mapping[str, str], private: Private, log: Log) -> str:
    """Return the name of the engine's own builder, which is that of the current Docker context."""
    context = _endpoint(plan, env, private, log) or plan.name
    if context or env.get("DOCKER_HOST"):
        return context or docker_config.DEFAULT_CONTEXT
    current = docker_config.read_config(env).get("currentContext")
    return env.get("DOCKER_CONTEXT") or str(current or docker_config.DEFAULT_CONTEXT)


def _restart(plan: BuilderPlan, env: Mapping[str, str], name: str, log: Log) -> None:
    """Restart the builder of this run, whose daemon waits for a registry without a timeout.

    Builders with a name are not restarted, since others may use them, and neither are builders
    with nodes outside this run's engine.
    """
    is_here = plan.driver.has_container and not plan.endpoint and not plan.appended
    if is_here and not plan.name:
        log.line(f"restarting the builder {name}")
        engine.restart_builder(engine.connect(env, wait=False), name)


def _reconnect(plan: BuilderPlan, name: str, buildx: Buildx) -> None:
    """Wait until a daemon that is started elsewhere answers again; the build says if it does not.

    Whoever runs it may have to start another one first.
    """
    deadline = time.monotonic() + min(plan.retry_timeout, BOOT_TIMEOUT)
    command = builder_commands.inspect(name, bootstrap=True)
    while buildx.run(command, patience=BOOT_TIMEOUT).code and time.monotonic() < deadline:
        time.sleep(_PAUSE)


def has_image_store(plans: Sequence[BuildPlan], env: Mapping[str, str]) -> bool:
    """Return whether the engine stores images in containerd, if anything depends on it.

    The engine's own BuildKit needs that for several platforms and for caches, and the engine for
    images of several platforms.
    """
    if not any(one.builder.driver.needs_image_store or one.loads_several for one in plans):
        return True
    return engine.has_containerd_store(engine.connect(env, wait=False))


def _said(version: Running) -> str:
    """Return what `buildx version` prints; raises EngineError if it does not end."""
    try:
        return version.finish(_ANSWER_TIMEOUT).output
    except LateError as late:
        raise EngineError(environment.overdue("version", _ANSWER_TIMEOUT)) from late


def _inspected(inspection: Running) -> Inspected:
    """Return what buildx reports of the builder, which is nothing if it does not end."""
    try:
        return answers.inspected(inspection.finish(_ANSWER_TIMEOUT).output)
    except LateError:
        return answers.inspected("")


def _ended(creation: Running) -> Boot:
    try:
        result = creation.finish(BOOT_TIMEOUT)
    except LateError as late:
        creation.stop(0)
        overdue = f"timeout: not up after {BOOT_TIMEOUT:.0f} s"
        return answers.boot(f"{late.output}\nERROR: {overdue}", up=False)
    return answers.boot(result.output, up=result.code == 0)


def next_image(
    boots: Sequence[Boot], mirrors: Sequence[str], *, left: float
) -> tuple[str, float] | None:
    """Return the image to boot after these boots ("" is the default), and the pause before it.

    The order is: the default image, the mirrors, then an engine's local copy of any of them. If
    there is no copy and a failure is transient, all are tried again within `left` seconds. Returns
    None if the last boot is up or another one would not help.
    """
    images = ("", *mirrors)
    rounds, position = divmod(len(boots), len(images))
    last = boots[-1]
    if not last.unpulled and (rounds or not last.local):
        return None
    if position:
        return images[position], 0.0
    copy = next((boot.image for boot in boots if boot.local), None)
    if copy:
        return copy, 0.0
    wait = retries.pause(rounds, first=1.0, left=left)
    if wait is None or not any(retries.passes(boot.error) for boot in boots[-len(images) :]):
        return None
    return images[0], wait


def is_too_lazy(plan: BuilderPlan, last: Boot) -> bool:
    """Return whether a builder may not be up because of the stargz snapshotter."""
    return plan.lazy and plan.driver.has_container and not (last.up or last.unpulled)


def _source(plan: BuilderPlan, boot: Boot) -> str:
    """Return a phrase that names the builder's image, unless it is the requested one."""
    if boot.local:
        return f", from the engine's copy of {boot.image}, which cannot be pulled"
    return f", from the mirror {boot.image}" if boot.image in plan.image_mirrors else ""


def _endpoint(plan: BuilderPlan, env: Mapping[str, str], private: Private, log: Log) -> str:
    """Wait for an engine that boots beside the job; return the context that reaches it, if any."""
    host = env.get("DOCKER_HOST", "")
    if not plan.driver.runs_on_engine or plan.endpoint or not host.startswith("tcp://"):
        return ""
    log.line(f"waiting up to {engine.BOOT_TIMEOUT} s for the engine at {host}")
    engine.connect(env, wait=True)
    if not env.get("DOCKER_CERT_PATH"):
        return ""
    engine.write_tls_context(private.docker_config / docker_config.CONTEXTS, env)
    return engine.CONTEXT


def _buildkitd_config(plan: BuilderPlan, private: Private) -> str:
    if not plan.config_inline:
        return plan.config
    path = private.file("buildkitd.toml")
    private.write(path, plan.config_inline)
    return str(path)


def _certificates(private: Private) -> Mapping[int, Mapping[str, str]]:
    """Return the certificate files by node number and by the driver's name for them."""
    return {
        int(node.name): {file.stem: str(file) for file in sorted(node.iterdir())}
        for node in sorted(private.certificates.glob("*"))
    }


def _check_version(plan: BuilderPlan, program: str, output: str) -> None:
    """Raise EngineError if buildx is not the requested version, or is too old."""
    found = answers.version(output)
    have, need = (".".join(map(str, version or ())) for version in (found, answers.OLDEST))
    if plan.version and have != plan.version.partition("-")[0]:
        raise EngineError(
            f"version asks for buildx {plan.version}, but {program} is "
            f"{have or 'of an unknown version'}. warmbuild downloads no buildx: install that "
            "version, run an image that contains it, or omit the input."
        )
    if found and found < answers.OLDEST:
        raise EngineError(
            f"buildx {have} at {program} is too old; {need} or later is needed. Install a newer "
            "version, or run warmbuild's image, which contains one."
        )


def _no_builder(
    plan: BuilderPlan, name: str, env: Mapping[str, str], boots: Sequence[Boot]
) -> EngineError:
    """Return the error that explains why buildx could not boot a builder."""
    last, daemon = boots[-1], ""
    if plan.driver.connects:
        places = [plan.endpoint, *(node.endpoint for node in plan.appended)]
        return EngineError(
            f"no working BuildKit daemon answers at {' or at '.join(places)}: {last.error}. Check "
            "that it runs and listens there and, for TLS, check the certificates "
            "(BUILDER_NODE_0_AUTH_TLS_CACERT, _CERT and _KEY; node 1 is the first in append). "
            f"buildx says:\n{_quoted(last.output)}"
        )
    if plan.driver.has_container and not plan.endpoint:
        try:
            engine.connect(env, wait=False)
            at = engine_calls.address(env)
            daemon = engine_calls.daemon_said(at, name) if at else ""
        except EngineError as error:
            return error
    if Private(root=Path(env["BUILDX_CONFIG"]).parent).is_full(last.output):
        return private_directory.unwritable("no space is left on it")
    if "no space left on device" in last.output:
        return EngineError(
            "the builder cannot start because the engine's disk is full. Free space on the "
            "engine's machine (docker system prune)."
        )
    if last.unpulled:
        tried = {boot.image: boot.error for boot in boots}
        reasons = "\n".join(f"{image}: {error}" for image, error in tried.items())
        return EngineError(
            "no BuildKit image can be pulled, and the engine has no copy of one:\n"
            f"{_quoted(reasons)}\n"
            "Name an image that the engine can pull, by image=REF in driver-opts or by "
            "buildkit-image-mirrors, or load one into the engine under one of these names."
        )
    said = _quoted(last.output)
    if daemon:
        said = f"{_quoted(last.error)}\nThe builder's daemon says:\n{_quoted(daemon)}"
    return EngineError(f"the builder does not start. buildx says:\n{said}")


def _quoted(text: str) -> str:
    return "\n".join(f"  | {line}" for line in text.splitlines())
