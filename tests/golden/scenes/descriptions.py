"""Help of the command line, and the tables of inputs and outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.golden import adapters, machine
from tests.golden.scene import Scene, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator


def _scenes() -> Iterator[Scene]:
    for command in ([], ["build"], ["plan"], ["explain"], ["cleanup"]):
        argv = [*command, "--help"]
        yield Scene(title=f"warmbuild {' '.join(argv)}", said=machine.run(*argv))
    yield Scene(title="inputs that no flag has", said=_rows(adapters.secret_inputs()))
    yield Scene(title="kinds of inputs", said="\n".join(adapters.kinds_of_inputs()))
    yield Scene(title="outputs", said=_rows(adapters.outputs()))


def _rows(rows: dict[str, str]) -> str:
    return "\n".join(f"{name}: {text}" for name, text in rows.items())


SUBJECT = Subject(
    name="descriptions", about="Help, and what inputs and outputs are.", scenes=_scenes
)
