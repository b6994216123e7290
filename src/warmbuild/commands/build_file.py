"""The Dockerfile of a build, as BuildKit is going to read it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild import untrusted_json
from warmbuild.files import read_bytes
from warmbuild.frozen import frozen
from warmbuild.inputs.build_context import is_remote
from warmbuild.lint import reading
from warmbuild.project import dockerfile, git_modes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warmbuild.plan.build_plan import BuildPlan
    from warmbuild.project.dockerfile import Dockerfile

# As in BuildKit, which refuses a larger Dockerfile.
MOST: Final = 2 * 1024 * 1024


@frozen
class BuildFile:
    """A Dockerfile as BuildKit reads it, and what lies beside it."""

    name: str
    data: bytes
    ignore: bytes | None = None  # its own .dockerignore
    context: Path | None = None  # where the sources are
    why: str = ""  # why it is not known what BuildKit reads

    def parsed(self, given: Mapping[str, str]) -> Dockerfile:
        """Return what it says with these build arguments."""
        return dockerfile.parse(self.data.decode("utf-8", "replace"), given)


def read(decided: BuildPlan) -> BuildFile:
    """Read the Dockerfile and its .dockerignore, as they are in the context that is built."""
    places = reading.places_of(decided)
    context = places[0] if places else None
    definition = decided.definition or {}
    if inline := untrusted_json.text(definition, "dockerfile-inline"):
        return BuildFile(name="Dockerfile", data=inline.encode(), context=context)
    is_elsewhere = untrusted_json.text(definition, "dockerfile").startswith("cwd://")
    if places is None or is_elsewhere:
        return BuildFile(
            name="", data=b"", why="the Dockerfile is not in the context of this checkout"
        )
    _, file = places
    data, ignore = read_bytes(file, MOST), read_bytes(f"{file}.dockerignore", MOST)
    found = BuildFile(name=file.name, data=data or b"", ignore=ignore, context=context)
    if data is None:
        return replace(found, why=f"{file} cannot be read")
    if ignore is None and os.path.lexists(f"{file}.dockerignore"):
        return replace(found, why=f"{file}.dockerignore cannot be read")
    if os.path.lexists(f"{file}.rego"):
        # buildx looks for the policy of a build beside the Dockerfile.
        return replace(found, why=f"{file}.rego belongs beside the Dockerfile")
    return _committed(decided, file, found) if is_remote(decided.context) else found


def _committed(decided: BuildPlan, file: Path, found: BuildFile) -> BuildFile:
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


def given(decided: BuildPlan, env: Mapping[str, str]) -> dict[str, str]:
    """Return the build arguments; one without a value has the environment's, if there is any."""
    parts = (item.partition("=") for item in decided.build_args)
    return {
        name: value if equals else env[name]
        for name, equals, value in parts
        if equals or name in env
    }
