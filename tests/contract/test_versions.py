"""There is one version, and everything that names it names the same."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

from warmbuild import __version__

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
