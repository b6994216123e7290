"""The registries of a run, with the logins and the daemon's configuration that it was given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warmbuild.files import read_text
from warmbuild.registry.keyring import Keyring
from warmbuild.registry.registries import Registries
from warmbuild.registry.transports import transports

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warmbuild.inputs.values import Inputs


def registries(inputs: Inputs, env: Mapping[str, str]) -> Registries:
    """Return what makes clients of registries."""
    # A plan may be made where the file is not.
    config = inputs.buildkitd_config_inline or read_text(inputs.buildkitd_config) or ""
    return Registries(keyring=Keyring(inputs.logins, env), transports=transports(config))
