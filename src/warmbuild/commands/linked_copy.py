"""A private copy of a Dockerfile in which steps have `--link`, to build from."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild import untrusted_json
from warmbuild.files import read_bytes
from warmbuild.frozen import frozen
from warmbuild.image import attestations
from warmbuild.inputs.build_context import is_remote
from warmbuild.lint import reading
from warmbuild.project import dockerfile, git_modes, linking

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from warmbuild.builder.private_directory import Private
    from warmbuild.plan.build_plan import BuildPlan
    from warmbuild.project.dockerfile import Dockerfile
    from warmbuild.project.linking import Linking

# As in BuildKit, which refuses a larger Dockerfile.
_MOST: Final = 2 * 1024 * 1024


@frozen
class _Found:
    """A Dockerfile as BuildKit reads it, and what lies beside it."""

    name: str
    data: bytes
    ignore: bytes | None = None  # its own .dockerignore
    context: Path | None = None  # where the sources are
    why: str = ""  # why it is not linked


def linked(decided: BuildPlan, private: Private, number: int, env: Mapping[str, str]) -> BuildPlan:
    """Return a plan that builds from a copy with links, with a note of what became of it.

    `number` tells the copy from those of the run's other images.
    """
    if not decided.makes_an_image:
        return decided
    found = _found(decided)
    given = dict(_given(decided, env))
    file = dockerfile.parse(found.data.decode("utf-8", "replace"), given)
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


def _given(decided: BuildPlan, env: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for item in decided.build_args:
        name, equals, value = item.partition("=")
        yield name, value if equals else env.get(name, "")


def _decided(decided: BuildPlan, file: Dockerfile, found: _Found) -> Linking:
    sources = linking.sources(file, decided.stage)
    known = reading.directories(found.context, sources) if found.context else {}
    contexts = reading.contexts(decided)
    return linking.decide(file, decided.stage, directories=known, contexts=contexts)


def _found(decided: BuildPlan) -> _Found:
    """Read the Dockerfile and its .dockerignore, as they are in the context that is built."""
    places = reading.places_of(decided)
    context = places[0] if places else None
    definition = decided.definition or {}
    if inline := untrusted_json.text(definition, "dockerfile-inline"):
        return _Found(name="Dockerfile", data=inline.encode(), context=context)
    is_elsewhere = untrusted_json.text(definition, "dockerfile").startswith("cwd://")
    if places is None or is_elsewhere:
        return _Found(
            name="", data=b"", why="the Dockerfile is not in the context of this checkout"
        )
    _, file = places
    data, ignore = read_bytes(file, _MOST), read_bytes(f"{file}.dockerignore", _MOST)
    found = _Found(name=file.name, data=data or b"", ignore=ignore, context=context)
    if data is None:
        return replace(found, why=f"{file} cannot be read")
    if ignore is None and os.path.lexists(f"{file}.dockerignore"):
        return replace(found, why=f"{file}.dockerignore cannot be read")
    if os.path.lexists(f"{file}.rego"):
        # buildx looks for the policy of a build beside the Dockerfile.
        return replace(found, why=f"{file}.rego belongs beside the Dockerfile")
    return _committed(decided, file, found) if is_remote(decided.context) else found


def _committed(decided: BuildPlan, file: Path, found: _Found) -> _Found:
    """Return what was found of a context of git if the commit holds the same."""
    own = [Path(f"{file}{end}") for end in ("", ".dockerignore", ".rego")]
    objects = git_modes.objects(Path.cwd(), decided.run.commit, own)
    if objects is None:
        return replace(found, why="the commit that is built is not checked out here")
    blob, ignore, policy = map(objects.get, own)
    if blob is None or not git_modes.is_object(found.data, blob):
        return replace(found, why=f"{file} is not the file of the commit")
    if policy is not None or (ignore and not git_modes.is_object(found.ignore or b"", ignore)):
        return replace(found, why=f"what is beside {file} is not as in the commit")
    # The commit has none that is not tracked.
    return found if ignore else replace(found, ignore=None)
