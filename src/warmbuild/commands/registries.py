"""The registries of a run, with the logins and the daemon's configuration that it was given."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from warmbuild.registry.keyring import Keyring
from warmbuild.registry.registries import Registries
from warmbuild.registry.transports import transports

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warmbuild.inputs.values import Inputs


def registries(inputs: Inputs, env: Mapping[str, str]) -> Registries:
    """Return what makes clients of registries."""
    return Registries(
        keyring=Keyring(inputs.logins, env),
        transports=transports(inputs.buildkitd_config_inline or _text(inputs.buildkitd_config)),
    )


def _text(path: str) -> str:
    """Return a file's text; a plan may be made where the file is not."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace") if path else ""
    except OSError:
        return ""
