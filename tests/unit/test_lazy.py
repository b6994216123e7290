from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from warmbuild import lazy


def test_a_module_is_imported_when_an_attribute_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    colorsys = lazy.module("colorsys")
    assert "colorsys" not in sys.modules
    assert colorsys.rgb_to_hsv(0, 0, 0) == (0.0, 0.0, 0)
    assert "colorsys" in sys.modules


def test_submodules_are_imported_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "xml.sax.saxutils", raising=False)
    assert lazy.module("xml", "sax.saxutils").sax.saxutils.escape("<") == "&lt;"


def test_what_is_not_there_fails_where_it_is_used() -> None:
    missing = lazy.module("no_such_module_at_all")
    with pytest.raises(ModuleNotFoundError, match="no_such_module_at_all"):
        missing.anything  # noqa: B018 (it is read for its error)
    with pytest.raises(AttributeError, match="nothing"):
        lazy.module("math").nothing  # noqa: B018 (as above)


def test_what_is_patched_in_the_module_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    string = lazy.module("string")
    monkeypatch.setattr("string.digits", "x")
    assert string.digits == "x"


def test_threads_wait_for_each_other_s_import(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    colorsys = lazy.module("colorsys")
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(colorsys.hsv_to_rgb)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


HEAVY = ("requests", "docker", "actions_toolkit", "yaml", "boto3", "semver", "packaging")
# Loaded while the builder boots, or not at all.
LATER = ("warmbuild.lint", "warmbuild.project.dockerfile")


@pytest.mark.processes
@pytest.mark.parametrize("command", ["build", "plan"])
def test_a_command_is_loaded_without_third_party_packages_and_later_rooms(command: str) -> None:
    code = (
        f"import sys, warmbuild.cli as cli; cli.{command}.{command}; "
        f"print([name for name in {HEAVY + LATER} if name in sys.modules])"
    )
    done = subprocess.run(  # noqa: S603 (a list of arguments, no shell)
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(Path(lazy.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"
