"""No file that is checked in names somebody's machine, or where its packages came from."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# In parts, so that this file does not name them either.
HOSTS = (
    ("pypi", "org"),
    ("files", "pythonhosted", "org"),
    ("registry", "npmjs", "org"),
    ("registry", "yarnpkg", "com"),
    ("deb", "debian", "org"),
    ("security", "debian", "org"),
    ("snapshot", "debian", "org"),
    ("proxy", "golang", "org"),
    ("sum", "golang", "org"),
)
# Where tools in an image have their caches is no machine of ours.
HOMES = (
    ("root", r"(?!\.cache/(?:go-build|pip)\b|\.npm\b)"),
    ("home", r"(?!runner/)\w+/"),
    ("Users", r"\w+/"),
)


def test_no_file_names_a_machine_or_a_package_registry(root: Path, run: Callable[..., str]) -> None:
    if not (root / ".git").exists():
        pytest.skip("this is no checkout of git")
    private = re.compile(
        "|".join(
            [
                *(rf"(?<![\w.])/{folder}/{user}" for folder, user in HOMES),
                *(re.escape(".".join(host)) for host in HOSTS),
                re.escape(f"{root}/"),
            ]
        )
    )
    names = [name for name in run("git", "ls-files", "-z").split("\0") if (root / name).is_file()]
    found = [
        f"{name}: {match[0]}"
        for name in names
        for match in private.finditer((root / name).read_text(encoding="utf-8", errors="replace"))
    ]
    assert found == []
