"""Has the engine's kernel start programs of other processors, where no node of a builder can.

As docker/setup-qemu-action does it: by a privileged container, whose emulators stay registered
until the machine is started anew.
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

_NEEDED: Final = "; build for it on a node of its own (append), or leave it out of qemu-platforms"


def provide(plan: BuilderPlan, seen: Inspected, env: Mapping[str, str], log: Log) -> None:
    """Emulate what the plan asks for and no node serves.

    Raises EngineError where that cannot be done.
    """
    missing = platforms.unserved(plan.emulated, seen.platforms)
    if not missing:
        log.line(f"no emulation is installed: the builder serves {', '.join(plan.emulated)}")
        return
    names = ", ".join(missing)
    driver = DRIVERS.get(seen.driver)
    if not (driver and driver.runs_on_engine) or plan.endpoint or plan.appended:
        message = (
            f"no node of the builder serves {names}, and emulation is installed on the engine of "
            f"this run alone, where none of the driver {seen.driver} need be{_NEEDED}."
        )
        raise EngineError(message)
    served = _install(plan.qemu_image, missing, env)
    still = platforms.unserved(missing, served)
    if still:
        message = (
            f"{plan.qemu_image} does not emulate {', '.join(still)}, but "
            f"{', '.join(served) or 'nothing'}{_NEEDED}."
        )
        raise EngineError(message)
    log.line(f"{names}: emulated by {plan.qemu_image}, for no node of the builder serves it")


def _install(image: str, missing: tuple[str, ...], env: Mapping[str, str]) -> tuple[str, ...]:
    """Run binfmt for some platforms; return all that the engine's machine then runs."""
    client = engine.connect(env, wait=False)
    code, output = engine.run_privileged(client, image, ["--install", ",".join(missing)])
    try:
        supported = None if code else untrusted_json.parsed(output).get("supported")
    except ValueError:
        supported = None
    if isinstance(supported, list):
        return tuple(map(str, supported))
    message = (
        f"{image} did not install emulation of {', '.join(missing)}: it ended with exit code "
        f"{code}, and an image such as tonistiigi/binfmt says what it supports. This one says:\n"
        f"  | {output.strip() or 'nothing'}"
    )
    raise EngineError(message)
