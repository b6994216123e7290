"""The recipes of docs/kubernetes.md: YAML whose first line says what it is."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "kubernetes.md"
_BLOCK: Final = re.compile(r"^```yaml\n# ([^\n]+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def recipes() -> Mapping[str, str]:
    """Return the recipes by their first lines."""
    return dict(_BLOCK.findall(PAGE.read_text(encoding="utf-8")))


def recipe(begin: str) -> Any:  # noqa: ANN401 (YAML)
    """Return the one recipe whose first line begins so."""
    (found,) = [text for line, text in recipes().items() if line.startswith(begin)]
    return yaml.safe_load(found)


def of_gitlab() -> Mapping[str, Any]:
    """Return what the runner of GitLab's chart is told of its pods."""
    config = recipe("values.yaml of the chart gitlab-runner")["runners"]["config"]
    (runner,) = tomllib.loads(config)["runners"]
    assert runner["executor"] == "kubernetes"
    found: Mapping[str, Any] = runner["kubernetes"]
    return found


def volume_of_gitlab() -> Mapping[str, Any]:
    """Return the volume that the runner adds for certificates."""
    (runner,) = tomllib.loads(recipe("volumes: ")["config"])["runners"]
    (found,) = runner["kubernetes"]["volumes"]["secret"]
    return dict(found)


def step_of_github() -> Mapping[str, Any]:
    """Return the step that builds in a job of a runner scale set."""
    (found,) = recipe(".github/workflows")["jobs"]["image"]["steps"]
    return dict(found)
