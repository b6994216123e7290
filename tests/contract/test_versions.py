"""There is one version, and everything that names it names the same."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

from lab import versions
from warmbuild import __version__
from warmbuild.inputs.table import DEFAULT_BUILDKIT_IMAGE

if TYPE_CHECKING:
    from collections.abc import Callable


def test_the_package_has_the_version_of_the_program(read: Callable[[str], str]) -> None:
    project = tomllib.loads(read("pyproject.toml"))
    assert "version" in project["project"]["dynamic"]
    assert project["tool"]["hatch"]["version"]["path"] == "src/warmbuild/__init__.py"


def test_the_newest_entry_of_the_changelog_is_this_version(read: Callable[[str], str]) -> None:
    versions = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", read("CHANGELOG.md"), re.MULTILINE)
    assert versions[:1] == [__version__]


def test_examples_of_the_component_name_this_version(read: Callable[[str], str]) -> None:
    named = re.findall(r"/build@(\S+)", read("gitlab-component/README.md"))
    assert set(named) == {__version__}


def test_the_lab_builds_the_buildkit_that_builders_start(read: Callable[[str], str]) -> None:
    assert versions.BUILDKIT_IMAGE == DEFAULT_BUILDKIT_IMAGE
    required = re.findall(r"github\.com/moby/buildkit v(\S+)", read("lab/buildkit/go.mod"))
    assert required == [versions.BUILDKIT]


def test_the_lab_builds_the_buildx_of_the_image(read: Callable[[str], str]) -> None:
    named = re.findall(r"^ARG BUILDX_TAG=(\S+)$", read("Dockerfile"), re.MULTILINE)
    assert named == [versions.BUILDX]


def test_the_versions_of_the_lab_are_the_first_that_users_find(read: Callable[[str], str]) -> None:
    _, _, section = read("docs/reference.md").partition("\n## Tested versions\n")
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    cells = [cell.strip() for cell in rows[2].strip("| ").split("|")]
    assert cells[1:3] == [versions.BUILDX, versions.BUILDKIT]
