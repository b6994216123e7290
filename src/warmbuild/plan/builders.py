"""Decides on the builder of a run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from warmbuild import platforms
from warmbuild.errors import InputError, InputProblem
from warmbuild.inputs.builders import ALL
from warmbuild.inputs.table import DEFAULT_BUILDKIT_IMAGE
from warmbuild.plan.build_plan import BuilderPlan
from warmbuild.run_context import is_true
from warmbuild.trust import Right

if TYPE_CHECKING:
    from warmbuild.drivers import Driver
    from warmbuild.inputs.values import Inputs
    from warmbuild.trust import Trust

# Entitlements that a daemon grants only if its flags name them.
_ENTITLEMENTS: Final = ("security.insecure", "network.host")
_GRANTS_NOTHING: Final = "device"
_CONFIGURED: Final = "insecure-entitlements"


def of_run(inputs: Inputs, trust: Trust) -> Inputs:
    """Return the inputs with the builder of a run that is trusted, or of one that is not.

    Code that shares a daemon with other builds can fill its cache of layers and mounts, and read
    what they left there. Raises InputError if a run that is not trusted would do so.
    """
    untrusted = trust.refuses(Right.SHARE_DAEMON)
    if not untrusted:
        return replace(inputs, untrusted_builder=())
    if not inputs.untrusted_builder:
        if shared := _shared(inputs):
            daemon, advice = shared
            text = f"is missing: trusted runs use {daemon} too, and {untrusted}. {advice}"
            raise InputError([InputProblem(name="untrusted-builder", text=text)])
        return inputs
    first, *others = inputs.untrusted_builder
    return replace(
        inputs,
        builder=first.name or inputs.builder,
        endpoint=first.endpoint or inputs.endpoint,
        driver_opts=first.driver_opts or inputs.driver_opts,
        buildkitd_flags=first.flags or inputs.buildkitd_flags,
        node_platforms=first.platforms,
        append=tuple(others),
    )


def _shared(inputs: Inputs) -> tuple[str, str] | None:
    """Return which daemons serve several runs, and what a run does without them; None if none."""
    if inputs.driver.connects:
        advice = (
            "Name another daemon, as endpoint: tcp://HOST:1234; if this one serves only this job, "
            "name its endpoint once more."
        )
        return f"the daemon at {inputs.endpoint}", advice
    if inputs.driver.in_cluster and inputs.builder:
        advice = (
            "Name other pods, as name: untrusted; or leave out builder, so that the pods belong to "
            "one run."
        )
        return f"the pods of {inputs.builder}", advice
    return None


def planned(inputs: Inputs) -> BuilderPlan:
    """Return the builder that the inputs ask for."""
    wanted = inputs.qemu_platforms
    emulated = inputs.platforms if ALL in wanted else map(platforms.normalized, wanted)
    return BuilderPlan(
        name=inputs.builder,
        version=inputs.version,
        driver=inputs.driver,
        driver_opts=_with_image(inputs.driver, inputs.driver_opts),
        endpoint=inputs.endpoint,
        platforms=inputs.node_platforms,
        appended=tuple(
            replace(
                node,
                driver_opts=_with_image(inputs.driver, node.driver_opts),
                flags=node.flags or _flags(inputs, node.driver_opts),
            )
            for node in inputs.append
        ),
        image_mirrors=inputs.buildkit_image_mirrors,
        flags=inputs.buildkitd_flags or _flags(inputs, inputs.driver_opts),
        config=inputs.buildkitd_config,
        config_inline=inputs.buildkitd_config_inline,
        state=inputs.builder_state,
        keep_state=inputs.keep_state,
        cleanup=inputs.cleanup,
        use=inputs.use,
        retry_timeout=inputs.retry_timeout.total_seconds(),
        lazy=inputs.lazy,
        emulated=tuple(dict.fromkeys(emulated)),
        qemu_image=inputs.qemu_image,
        reset=inputs.reset,
    )


def _with_image(driver: Driver, opts: tuple[str, ...]) -> tuple[str, ...]:
    """Return the driver's options with a BuildKit image, the default one if none is given."""
    if _names_image(opts) or not driver.starts_daemon:
        return opts
    # The image without this suffix starts a daemon of root, which may not do what it needs.
    is_rootless = driver.in_cluster and any(map(is_true, _values(opts, "rootless")[-1:]))
    return (f"image={DEFAULT_BUILDKIT_IMAGE}{'-rootless' if is_rootless else ''}", *opts)


def _names_image(opts: tuple[str, ...]) -> bool:
    return bool(_values(opts, "image"))


def _values(opts: tuple[str, ...], name: str) -> tuple[str, ...]:
    """Return the values of an option, of which buildx takes the last one."""
    # One line may hold several options, for buildx reads it as CSV.
    fields = (opt.strip('" ') for line in opts for opt in line.split(","))
    return tuple(opt.removeprefix(f"{name}=") for opt in fields if opt.startswith(f"{name}="))


def _flags(inputs: Inputs, opts: tuple[str, ...]) -> str:
    """Return the flags by which a daemon with these options grants what `allow` names.

    buildx has a daemon grant network.host unless a flag names an entitlement. So one is named that
    grants nothing: BuildKit adds `device` by itself. A BuildKit before 0.20 does not know it, so
    only the default image is told. A configuration may grant more, which flags would undo.
    docker/setup-buildx-action has every daemon grant everything.
    """
    if not inputs.driver.starts_daemon:
        return ""
    granted = [name for name in _ENTITLEMENTS if name in inputs.passed.allow]
    is_configured = inputs.buildkitd_config or _CONFIGURED in inputs.buildkitd_config_inline
    is_default = not (_names_image(opts) or inputs.buildkit_image_mirrors)
    if is_default and not granted and not is_configured:
        return f"--allow-insecure-entitlement {_GRANTS_NOTHING}"
    return " ".join(f"--allow-insecure-entitlement {name}" for name in granted)


def notes(inputs: Inputs, trust: Trust) -> tuple[str, ...]:
    """Return what the builder is if inputs have no effect on it, and what its driver cannot write.

    The inputs are those of `of_run`.
    """
    idle = (*(("use",) if inputs.use and inputs.cleanup else ()), *inputs.idle)
    notes = [f"{name} has no effect: the builder exists for this run only" for name in idle]
    if inputs.untrusted_builder:
        notes.append(f"untrusted-builder is used: {trust.reason}")
    if inputs.driver.needs_image_store and not inputs.cache_backend.lies_in_image:
        notes.append(
            f"the driver {inputs.driver.name} writes this cache only if the engine has the "
            "containerd image store"
        )
    if ALL in inputs.qemu_platforms and not inputs.platforms:
        notes.append("qemu-platforms: all has no effect: platforms is not given")
    if inputs.reset and not inputs.qemu_platforms:
        notes.append("reset has no effect: qemu-platforms is not given")
    return tuple(notes)
