"""Gathers programs of this machine, with their libraries, for an image of nothing else.

So a step of our own needs no image from any registry.
"""

from __future__ import annotations

import os
import re
import shutil
from typing import TYPE_CHECKING, Final

from warmbuild import process
from warmbuild.errors import EngineError
from warmbuild.process import LateError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

# Seconds that a program has to answer.
_PATIENCE: Final = 10.0
# A line of ldd(1): a library with its path, or the loader, which has no other name.
_LIBRARY: Final = re.compile(
    r"^\s+(?:(?P<name>\S+) => (?P<path>/\S+)|(?P<loader>/\S+)) \(", re.MULTILINE
)
_GNU: Final = "(GNU tar)"


def gather(programs: Sequence[str], to: Path, env: Mapping[str, str]) -> None:
    """Copy programs to `bin` in a directory, and their libraries to where they are looked for.

    The image needs `LD_LIBRARY_PATH=/lib`. Raises EngineError, with the reason as a clause, if this
    machine has not all of them.
    """
    search = env.get("PATH", os.defpath)
    found = {name: shutil.which(name, path=search) for name in programs}
    if missing := [name for name, path in found.items() if path is None]:
        raise EngineError(f"this machine has no {', '.join(missing)}")
    paths = [path for path in found.values() if path]
    if "tar" in found and _GNU not in _said([str(found["tar"]), "--version"], env):
        raise EngineError("the tar of this machine is not GNU tar")
    try:
        (to / "bin").mkdir(parents=True, exist_ok=True)
        (to / "lib").mkdir(exist_ok=True)
        for name, path in found.items():
            shutil.copy(os.path.realpath(str(path)), to / "bin" / name)
        for one in _LIBRARY.finditer(_said(["ldd", *paths], env)):
            path = one["path"] or one["loader"]
            place = to / "lib" / one["name"] if one["name"] else to / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)
    except OSError as error:
        raise EngineError(f"{error.filename or to}: {error.strerror}") from error


def _said(argv: Sequence[str], env: Mapping[str, str]) -> str:
    try:
        plain = {**env, "LC_ALL": "C"}
        return process.answered(argv, plain, b"", patience=_PATIENCE).output
    except (LateError, OSError) as error:
        raise EngineError(f"this machine has no {argv[0]} that works") from error
