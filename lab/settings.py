"""What a shell or a test needs to use the lab, as environment variables."""

from __future__ import annotations

import json
import os
import shlex
from typing import TYPE_CHECKING

from lab import versions
from lab.registries import AUTH, HUB, PASSWORD, PLAIN, USERNAME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lab.layout import Layout


def settings(layout: Layout, *, engine: str, has_hub: bool) -> dict[str, str]:
    """Return the variables of a running lab, all but PATH."""
    return {
        "DOCKER_HOST": engine,
        "WARMBUILD_LAB_REGISTRY": PLAIN.host,
        "WARMBUILD_LAB_REGISTRY_LOG": str(PLAIN.access_log(layout)),
        "WARMBUILD_LAB_AUTH_REGISTRY": AUTH.host,
        "WARMBUILD_LAB_AUTH_REGISTRY_LOG": str(AUTH.access_log(layout)),
        "WARMBUILD_LAB_AUTH_USERNAME": USERNAME,
        "WARMBUILD_LAB_AUTH_PASSWORD": PASSWORD,
        "WARMBUILD_LAB_HUB": HUB.host if has_hub else "",
        "WARMBUILD_LAB_BUILDKITD_CONFIG": str(layout.buildkitd_config),
        "WARMBUILD_LAB_BUILDKIT_IMAGE": versions.BUILDKIT_IMAGE,
        "WARMBUILD_LAB_BUILDX": str(layout.path / "buildx"),
    }


def save(layout: Layout, values: Mapping[str, str]) -> None:
    """Remember the settings of the lab that is up."""
    unfinished = layout.state.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(values, indent=2))
    unfinished.rename(layout.state)


def load(layout: Layout) -> dict[str, str] | None:
    """Return the settings of the lab that was last up, or None when `down` came after it."""
    try:
        text = layout.state.read_text()
    except FileNotFoundError:
        return None
    values: dict[str, str] = json.loads(text)
    return values


def as_json(layout: Layout, values: Mapping[str, str]) -> str:
    """Return one flat object, PATH included."""
    path = f"{layout.path}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return json.dumps({**values, "PATH": path}, indent=2)


def as_shell(layout: Layout, values: Mapping[str, str]) -> str:
    """Return lines for `eval`."""
    lines = [f"export {name}={shlex.quote(value)}" for name, value in values.items()]
    return "\n".join([*lines, f'export PATH={shlex.quote(str(layout.path))}:"$PATH"'])
