"""Installs emulation of processors in the engine's kernel, as docker/setup-qemu-action does.

A privileged container registers the emulators, which stay until the machine reboots.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from warmbuild import platforms, untrusted_json
from warmbuild.builder import engine
from warmbuild.drivers import DRIVERS
from warmbuild.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warmbuild.buildkit.answers import Inspected
    from warmbuild.log import Log
    from warmbuild.plan.build_plan import BuilderPlan

_NEEDED: Final = "; add a node for it (append), or remove it from qemu-platforms"


def provide(plan: BuilderPlan, seen: Inspected, env: Mapping[str, str], log: Log) -> None:
    """Emulate the requested platforms that no node serves; raises EngineError if that fails.

    With `reset`, those that are emulated already are installed anew.
    """
    driver = DRIVERS.get(seen.driver)
    is_here = driver and driver.runs_on_engine and not (plan.endpoint or plan.appended)
    served = seen.platforms
    if plan.reset and is_here:
        served = _told(plan.qemu_image, ["--uninstall", "qemu-*"], env)
        log.line(f"{plan.qemu_image} has uninstalled the emulators of the engine's kernel")
    missing = platforms.unserved(plan.emulated, served)
    if not missing:
        log.line(f"emulation is not needed: the builder serves {', '.join(plan.emulated)}")
        return
    names = ", ".join(missing)
    if not is_here:
        raise EngineError(
            f"no node of the builder serves {names}, and emulation can be installed only on this "
            f"run's engine, but nodes of driver {seen.driver!r} may run elsewhere{_NEEDED}."
        )
    served = _told(plan.qemu_image, ["--install", names.replace(" ", "")], env)
    still = platforms.unserved(missing, served)
    if still:
        raise EngineError(
            f"{plan.qemu_image} does not emulate {', '.join(still)} (it emulates "
            f"{', '.join(served) or 'nothing'}){_NEEDED}."
        )
    log.line(f"{names}: emulated by {plan.qemu_image}, because no node of the builder serves it")


def _told(image: str, command: list[str], env: Mapping[str, str]) -> tuple[str, ...]:
    """Run binfmt; return all platforms that the engine's machine then runs."""
    client = engine.connect(env, wait=False)
    code, output = engine.run_privileged(client, image, command)
    try:
        supported = None if code else untrusted_json.parsed(output).get("supported")
    except ValueError:
        supported = None
    if isinstance(supported, list):
        return tuple(map(str, supported))
    raise EngineError(
        f"{image} failed at {' '.join(command)}: it ended with exit code {code}. "
        "Use an image that prints what it supports, such as tonistiigi/binfmt. This one printed:\n"
        f"  | {output.strip() or 'nothing'}"
    )
