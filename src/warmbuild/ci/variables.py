"""Outputs as variables in a file, for the CI systems that read one back."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild.ci import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

# Written where the run stands, which is the job's workspace.
FILE: Final = "warmbuild.env"
# Too long for a variable; output-file has it.
_LEFT_OUT: Final = "metadata"


def variable(output: str) -> str:
    """Return the name of an output's variable, WARMBUILD_CACHE_HITS for cache-hits."""
    return f"WARMBUILD_{output.upper().replace('-', '_')}"


def named(outputs: Mapping[str, str]) -> Mapping[str, str]:
    """Return outputs by the names of their variables."""
    return {variable(name): value for name, value in outputs.items() if name != _LEFT_OUT}


def lines(outputs: Mapping[str, str], *, before: str = "") -> str:
    """Format outputs as NAME=value lines for a shell.

    Digests, references and numbers need no quotes, and nothing gets none, so that whoever reads
    properties finds them as they are.
    """
    return "".join(
        f"{before}{name}={shlex.quote(value) if value else ''}\n"
        for name, value in named(outputs).items()
    )


def publish(_env: Mapping[str, str], outputs: Mapping[str, str], _summary: str) -> None:
    """Write the file of the variables, anew."""
    write(Path(FILE), lines(outputs))


def output_files(_env: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the file, which a second run would find in its context."""
    return (Path(FILE),)


def write(path: Path, text: str, *, append: bool = False) -> None:
    """Write a file of the CI system; one that cannot be written does not fail a build."""
    try:
        with path.open("a" if append else "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        plain.warning(f"the outputs are not in {path}, which cannot be written: {error.strerror}")
