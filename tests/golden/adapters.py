"""Where scenes touch what is likely to move: the only module that knows signatures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from unittest import mock

from warmbuild.inputs import table
from warmbuild.report import outputs as report

if TYPE_CHECKING:
    from collections.abc import Mapping

# What a machine has other than a true one.
PATCHED: Final[Mapping[str, object]] = {
    # It is a thing of the process and not of a scene.
    "warmbuild.signals.install": mock.Mock(),
    # How often it is looked whether a build waits for its cache alone, in seconds.
    "warmbuild.build.patience._GLANCE": 0.01,
}


def secret_inputs() -> dict[str, str]:
    """Return the help of the inputs that no flag has."""
    return {row.name: row.help for row in table.TABLE if row.secret}


def kinds_of_inputs() -> list[str]:
    """Return how the docs call the kinds of inputs."""
    return [kind.value for kind in table.Kind]


def outputs() -> dict[str, str]:
    """Return the descriptions of the outputs."""
    return {name: str(getattr(row, "help", row)) for name, row in report.OUTPUTS.items()}
