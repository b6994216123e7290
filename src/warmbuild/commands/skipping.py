"""Gives the new tags to the image of an earlier build, if what it is made of is the same."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Final

from warmbuild import refs, untrusted_json
from warmbuild.build.outcomes import Outcome
from warmbuild.cache.merging import MANIFEST_TYPE
from warmbuild.cache.probe import Found
from warmbuild.commands import caches, recording
from warmbuild.errors import RegistryError
from warmbuild.frozen import frozen
from warmbuild.plan import unchanged
from warmbuild.record import predicting, recipe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from warmbuild.commands.images import Image
    from warmbuild.commands.logins import Registries
    from warmbuild.commands.recording import Known
    from warmbuild.log import Log
    from warmbuild.plan.build_plan import BuildPlan
    from warmbuild.record.record import Record
    from warmbuild.refs import Reference
    from warmbuild.registry.client import Registry

# The most images of an index that are looked for: no image has as many platforms.
_MOST: Final = 64


@frozen
class _Earlier:
    """The image of an earlier build."""

    record: Record
    manifest: Found


def skipped(
    decided: Sequence[BuildPlan],
    wanted: Sequence[Image],
    registries: Registries,
    env: Mapping[str, str],
    log: Log,
) -> Sequence[Outcome]:
    """Tag the images that need no build; return what became of them.

    `decided` are final plans, and `env` is the environment of buildx. The log says of every image
    why it is built, or what was compared.
    """
    read = recording.known(decided, wanted, registries, env)
    builds = {one.decided.name: one for one in read}
    found: list[Outcome] = []
    for plan in decided:
        if plan.linked:
            continue
        try:
            done = _tagged(plan, builds.get(plan.name), registries, env, log)
        except RegistryError as error:
            done = str(error)
        of = f"{plan.name}: " if plan.name else ""
        if isinstance(done, str):
            log.line(f"{of}skip-unchanged: it is built: {done}")
        else:
            log.line(f"{of}skip-unchanged: {done.notes[0]}")
            found.append(done)
    return found


def _tagged(
    plan: BuildPlan,
    known: Known | None,
    registries: Registries,
    env: Mapping[str, str],
    log: Log,
) -> Outcome | str:
    """Tag the image of an earlier build, or return why it has to be built.

    Raises RegistryError if a registry does not accept a tag.
    """
    if why := unchanged.why_not(plan):
        return why
    if known is None:
        return f"the backend {plan.cache.backend.name} keeps no records"
    earlier = _earlier(known, registries, log)
    if isinstance(earlier, str):
        return earlier
    made = earlier.record
    for ref in map(refs.parse, plan.tags):
        registries.client(ref.host, log.line).retag(ref, earlier.manifest)
    is_changed = known.own is None or not known.is_of(known.own)
    written = ""
    if is_changed and plan.cache.write and caches.kept(plan.cache, registries, log):
        recording.hand_on(known, made, registries, env, log)
        written = str(plan.cache.write.ref)
    where = f"of branch {made.branch}" if made.branch else "of an earlier run"
    parts = ((known.material.images, "base image"), (made.recipe.steps, "step"))
    what = [_counted(len(items), name) for items, name in (*parts, (made.files, "file"))]
    note = (
        f"nothing is built: {what[0]}, {what[1]} and {what[2]} are the same as in the build "
        f"{where} on {made.made:%Y-%m-%d at %H:%M} UTC, whose image gets the tags"
    )
    digest = made.image.digest
    metadata = {"containerimage.digest": digest, "image.name": ",".join(plan.tags)}
    return Outcome(
        name=plan.name,
        digest=digest,
        image_id=made.image.image_id,
        metadata=json.dumps(metadata, separators=(",", ":")),
        tags=plan.tags,
        changed=is_changed,
        cache_written=written,
        notes=(note, *plan.notes, *plan.cache.notes),
        image=None if plan.name else plan,
    )


def _counted(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"


def _earlier(known: Known, registries: Registries, log: Log) -> _Earlier | str:
    """Return the image of a build of the same, or why there is none."""
    plan, why = known.decided, known.unknown
    for beside in () if why else known.read:
        made = beside.record
        if made is None:
            why = f"{beside.ref.ref}: {beside.why}"
        elif not known.is_of(made):
            why = why or _difference(known, made)
        elif not refs.is_digest(made.image.digest):
            why = "the build of the same pushed no image"
        elif place := unchanged.elsewhere(plan, made.image.repositories):
            why = f"the repository of {place} does not have the image of the same"
        elif found := _there(plan, made, registries, log):
            return _Earlier(record=made, manifest=found)
        else:
            why = "the registry no longer has the image of the same"
    return why


def _difference(known: Known, made: Record) -> str:
    """Return in what a build differs from an earlier one."""
    now = known.recipe(made)
    if made.recipe.unknown:
        return made.recipe.unknown
    for step in now.steps:
        then = predicting.counterpart(made.recipe, step)
        names = predicting.changed(then.parts, step.parts) if then else (recipe.INSTRUCTION,)
        if names:
            return f"line {step.line} has another {names[0]} than in the last build"
    names = predicting.changed(made.recipe.image, now.image)
    return f"the image has another {names[0]} than in the last build" if names else "a step is gone"


def _there(plan: BuildPlan, made: Record, registries: Registries, log: Log) -> Found | None:
    """Return the manifest of an image with all that it lists, if every repository has it."""
    places = dict.fromkeys(
        replace(refs.parse(tag), tag="", digest=made.image.digest) for tag in plan.tags
    )
    found = None
    for place in places:
        registry = registries.client(place.host, log.line)
        body = registry.fetch(place, "manifests", place.digest)
        found = _manifest(body, place.digest) if body else None
        if found is None or not _is_whole(registry, found, place):
            return None
    return found


def _manifest(body: bytes, digest: str) -> Found | None:
    """Return a manifest or an index as it can be tagged; None for anything else."""
    try:
        read = untrusted_json.parsed(body)
    except ValueError:
        return None
    media_type = untrusted_json.text(read, "mediaType") or MANIFEST_TYPE
    return Found(digest, manifest=body, media_type=media_type)


def _is_whole(registry: Registry, found: Found, place: Reference) -> bool:
    """Return whether a registry has every manifest that an index lists."""
    listed = untrusted_json.children(untrusted_json.parsed(found.manifest), "manifests")
    digests = [untrusted_json.text(one, "digest") for one in islice(listed, _MOST)]
    return all(
        refs.is_digest(digest) and registry.digest(replace(place, digest=digest))
        for digest in digests
    )
