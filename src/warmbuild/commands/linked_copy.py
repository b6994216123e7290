"""A private copy of a Dockerfile in which steps have `--link`, to build from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from warmbuild.commands import build_file
from warmbuild.image import attestations
from warmbuild.lint import reading
from warmbuild.project import linking

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warmbuild.builder.private_directory import Private
    from warmbuild.commands.build_file import BuildFile
    from warmbuild.plan.build_plan import BuildPlan
    from warmbuild.project.dockerfile import Dockerfile
    from warmbuild.project.linking import Linking


def linked(decided: BuildPlan, private: Private, number: int, env: Mapping[str, str]) -> BuildPlan:
    """Return a plan that builds from a copy with links, with a note of what became of it.

    `number` tells the copy from those of the run's other images.
    """
    if not decided.makes_an_image:
        return decided
    found = build_file.read(decided)
    given = build_file.given(decided, env)
    file = found.parsed(given)
    why = found.why or attestations.needs_files(decided.outputs, decided.attests)
    why = why or linking.frontend_obstacle(file, given.get(linking.SYNTAX_ARGUMENT, ""))
    result = linking.Linking(why=why) if why else _decided(decided, file, found)
    data = linking.rewritten(found.data, result.lines)
    if not result.lines or data is None:
        why = result.why or "a COPY begins on a line and ends on the next one"
        return replace(decided, notes=(*decided.notes, f"link has no effect: {why}"))
    path = private.root / "linked" / str(number) / found.name
    private.write(path, data)
    if found.ignore is not None:
        private.write(path.with_name(f"{found.name}.dockerignore"), found.ignore)
    lines = ", ".join(map(str, result.lines))
    steps = f"the step on line {lines} is" if len(result.lines) == 1 else f"lines {lines} are"
    note = f"link: {steps} built with --link"
    return replace(decided, linked_file=str(path), notes=(*decided.notes, note))


def _decided(decided: BuildPlan, file: Dockerfile, found: BuildFile) -> Linking:
    sources = linking.sources(file, decided.stage)
    known = reading.directories(found.context, sources) if found.context else {}
    contexts = reading.contexts(decided)
    return linking.decide(file, decided.stage, directories=known, contexts=contexts)
