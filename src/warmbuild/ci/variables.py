"""Outputs as variables in a file, for the CI systems that read such a file back."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild import files
from warmbuild.ci.provider import Environment, LossError

if TYPE_CHECKING:
    from collections.abc import Mapping

# Relative to the working directory, which is the job's workspace.
FILE: Final = "warmbuild.env"
# Too long for a variable; output-file has it.
_LEFT_OUT: Final = "metadata"
# Outputs whose items have no comma.
_TAGS: Final = ("tags", "tag-names")


def variable(output: str) -> str:
    """Return the name of an output's variable, WARMBUILD_CACHE_HITS for cache-hits."""
    return f"WARMBUILD_{output.upper().replace('-', '_')}"


def in_line(output: str, value: str) -> str:
    """Return the value of an output for a variable: tags in one line, which most formats need."""
    return value.replace("\n", ",") if output in _TAGS else value


def named(outputs: Mapping[str, str]) -> Mapping[str, str]:
    """Return outputs by the names of their variables."""
    return {
        variable(name): in_line(name, value) for name, value in outputs.items() if name != _LEFT_OUT
    }


def lines(outputs: Mapping[str, str], *, before: str = "") -> str:
    """Format outputs as NAME=value lines for a shell.

    An empty value has no quotes, and digests, references and numbers need none, so programs that
    read properties get the same values.
    """
    return "".join(
        f"{before}{name}={shlex.quote(value) if value else ''}\n"
        for name, value in named(outputs).items()
    )


def publish(_env: Environment, outputs: Mapping[str, str]) -> None:
    """Write the outputs to FILE, replacing what it holds."""
    write(Path(FILE), lines(outputs))


def output_files(_env: Environment) -> tuple[Path, ...]:
    """Return FILE, which a second run would find in its context."""
    return (Path(FILE),)


def write(path: Path, text: str, *, append: bool = False) -> None:
    """Write a file of the CI system; raises LossError if that fails.

    A file of its own is replaced, so that a link to another file in the sources does no harm.
    """
    try:
        if append:
            with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
        else:
            files.write_text(path, text)
    except OSError as error:
        text = f"the outputs could not be written to {path}: {error.strerror}"
        raise LossError(text) from error
