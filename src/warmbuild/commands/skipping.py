"""Gives the new tags to the image of an earlier build, if what it is made of is the same."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from warmbuild import refs, signals, untrusted_json
from warmbuild.build.outcomes import Outcome
from warmbuild.cache import probe
from warmbuild.cache.merging import MANIFEST_TYPE
from warmbuild.cache.probe import Found
from warmbuild.commands import caches, recording
from warmbuild.errors import RegistryError
from warmbuild.frozen import frozen
from warmbuild.plan import unchanged
from warmbuild.record import predicting, recipe, record
from warmbuild.registry import client

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from warmbuild.commands.logins import Registries
    from warmbuild.commands.recording import Beside, Known
    from warmbuild.log import Log
    from warmbuild.plan.build_plan import BuildPlan
    from warmbuild.record.record import Record
    from warmbuild.refs import Reference

# The most images of an index that are looked for: no image has as many platforms.
_MOST: Final = 64
# The characters of a time up to its minute.
_MINUTE: Final = len("2026-01-02 03:04")


@frozen
class _Earlier:
    """The image of an earlier build."""

    beside: Beside  # the cache of that build
    record: Record
    manifest: Found


def skipped(
    decided: Sequence[BuildPlan],
    outputs: Mapping[str, Sequence[str]],
    registries: Registries,
    env: Mapping[str, str],
    log: Log,
) -> Sequence[Outcome]:
    """Tag the images that need no build; return what became of them.

    `decided` are the final plans, and `env` is the environment of buildx. `outputs` are the outputs
    of each target that inputs and files ask for. The log says why an image is built, or what it was
    compared with.
    """
    reasons = {plan.name: unchanged.why_not(plan, outputs[plan.name]) for plan in decided}
    wanted = [plan for plan in decided if not (plan.linked or reasons[plan.name])]
    builds = {one.decided.name: one for one in recording.known(wanted, registries, env)}
    found: list[Outcome] = []
    for plan in decided:
        if plan.linked:
            continue
        try:
            done = reasons[plan.name] or _tagged(builds[plan.name], registries, env, log)
        except RegistryError as error:
            done = str(error)
        of = f"{plan.name}: " if plan.name else ""
        if isinstance(done, str):
            log.line(f"{of}skip-unchanged: the image is built, because {done}")
        else:
            log.line(f"{of}skip-unchanged: {done.notes[0]}")
            found.append(done)
    return found


def _tagged(
    known: Known, registries: Registries, env: Mapping[str, str], log: Log
) -> Outcome | str:
    """Tag the image of an earlier build, or return why it has to be built.

    Raises RegistryError if a registry does not accept a tag.
    """
    earlier = _earlier(known, registries)
    if isinstance(earlier, str):
        return earlier
    plan, made = known.decided, earlier.record
    cache = plan.cache
    is_changed = known.own is None or not known.is_of(known.own)
    is_lost = bool(cache.write and cache.backend.asked and not cache.write.found)
    written = ""
    if cache.write and (is_changed or is_lost):
        # The next build of the branch reads its own cache.
        one = replace(cache, read=(earlier.beside.ref,))
        if not caches.kept(one, registries, log):
            return "the branch needs a cache of its own"
        recording.hand_on(known, made, registries, env, log)
        written = str(cache.write.ref)
    for ref in map(refs.parse, plan.tags):
        registries.client(ref.host, log.line).retag(ref, earlier.manifest)
    done = Outcome(
        name=plan.name,
        digest=earlier.manifest.digest,
        image_id=_image_id(earlier.manifest),
        metadata=_metadata(plan, earlier.manifest),
        tags=plan.tags,
        changed=is_changed,
        unbuilt=True,
        cache_written=written,
        notes=(_note(known, earlier), *plan.notes, *cache.notes),
        image=None if plan.name else plan,
    )
    return caches.keep_history([plan], done, registries, log)


def _note(known: Known, earlier: _Earlier) -> str:
    material, made = known.material, earlier.record
    content = material.given.content
    counts = (
        (len(material.images), "base image"),
        (len(known.recipe(made).steps), "step"),
        (len(content.entries) if content else 0, "file"),
    )
    images, steps, files = (f"{many} {name}{'' if many == 1 else 's'}" for many, name in counts)
    return (
        f"nothing is built: {images}, {steps} and {files} are the same as in {_of(earlier.beside)} "
        f"on {str(made.made)[:_MINUTE]} UTC, whose image gets the tags"
    )


def _of(beside: Beside) -> str:
    """Return how the build is called whose record lies beside a cache."""
    branch = beside.ref.branch
    return f"the build of branch {branch}" if branch else "an earlier build"


def _earlier(known: Known, registries: Registries) -> _Earlier | str:
    """Return the image of a build of the same content, or why the nearest one cannot be taken."""
    if known.unknown:
        return known.unknown
    reasons: list[str] = []
    for beside in known.read:
        found = _of_record(known, beside, registries)
        if not isinstance(found, str):
            return found
        reasons.append(found)
    return reasons[0]


def _of_record(known: Known, beside: Beside, registries: Registries) -> _Earlier | str:
    """Return the image of the build that a record is of, or why it cannot be taken."""
    plan, made = known.decided, beside.record
    if made is None:
        return f"{beside.ref.ref} cannot be compared: {beside.why}"
    if not known.is_of(made):
        return _difference(known, beside, made)
    if why := unchanged.why_not_of(plan, made, datetime.now(UTC)):
        return f"{_of(beside)} {why}"
    found = _there(plan, made.image.digest, registries)
    if found is None:
        return f"the registry no longer has the image of {_of(beside)}"
    return _Earlier(beside=beside, record=made, manifest=found)


def _difference(known: Known, beside: Beside, made: Record) -> str:
    """Return in what a build differs from an earlier one."""
    then, now = made.recipe, known.recipe(made)
    instructions = {step.parts.get(recipe.INSTRUCTION) for step in then.steps}
    for step in now.steps:
        if record.part(step.parts[recipe.INSTRUCTION]) not in instructions:
            return f"line {step.line} is new or was edited since {_of(beside)}"
        before = predicting.counterpart(then, step)
        if before is None:
            # BuildKit names its stage otherwise.
            continue
        # The names in a record may be anything.
        names = [one for one in predicting.changed(before.parts, step.parts) if one in step.parts]
        if names:
            return f"line {step.line} differs from {_of(beside)} in its {names[0]}"
    names = [one for one in predicting.changed(then.image, now.image) if one in now.image]
    if names:
        return f"the image differs from {_of(beside)} in its {names[0]}"
    return (
        f"{_of(beside)} had something that this build lacks, or that cannot be known before a build"
    )


def _there(plan: BuildPlan, digest: str, registries: Registries) -> Found | None:
    """Return the manifest of an image with all that it lists, if every repository has it."""
    found = None
    places = [replace(refs.parse(tag), tag="", digest=digest) for tag in plan.tags]
    for place in dict.fromkeys(places):
        registry = registries.client(place.host, lambda _: None, patience=client.BRIEF)
        found = _manifest(registry.fetch(place, "manifests", digest) or b"", digest)
        if found is None or not _is_whole(found, place, registries):
            return None
    return found


def _manifest(body: bytes, digest: str) -> Found | None:
    """Return a manifest or an index as it can be tagged; None for anything else."""
    try:
        read = untrusted_json.parsed(body)
    except ValueError:
        return None
    if probe.digest_of(body) != digest:
        return None
    media_type = untrusted_json.text(read, "mediaType") or MANIFEST_TYPE
    return Found(digest, manifest=body, media_type=media_type)


def _is_whole(found: Found, place: Reference, registries: Registries) -> bool:
    """Return whether a registry has every manifest that an index lists."""
    listed = [untrusted_json.text(one, "digest") for one in _listed(found)]
    if len(listed) > _MOST or not all(map(refs.is_digest, listed)):
        return False

    def is_there(digest: str) -> bool:
        registry = registries.client(place.host, lambda _: None, patience=client.BRIEF)
        return bool(registry.digest(replace(place, digest=digest)))

    jobs = {digest: partial(is_there, digest) for digest in listed}
    answers = signals.at_once(jobs, client.BRIEF.total)
    return all(answers.get(digest) for digest in jobs)


def _listed(found: Found) -> Sequence[Mapping[str, object]]:
    return tuple(untrusted_json.children(untrusted_json.parsed(found.manifest), "manifests"))


def _image_id(found: Found) -> str:
    """Return the digest of an image's configuration, or of its index, as buildx does."""
    config = untrusted_json.child(untrusted_json.parsed(found.manifest), "config")
    digest = untrusted_json.text(config, "digest")
    return digest if refs.is_digest(digest) else found.digest


def _metadata(plan: BuildPlan, found: Found) -> str:
    """Return what buildx would tell of a pushed image, without what it tells of a build."""
    described = {
        "mediaType": found.media_type,
        "digest": found.digest,
        "size": len(found.manifest),
    }
    image_id = _image_id(found)
    written = {
        **({} if image_id == found.digest else {"containerimage.config.digest": image_id}),
        "containerimage.descriptor": described,
        "containerimage.digest": found.digest,
        "image.name": ",".join(plan.tags),
    }
    return json.dumps(written, separators=(",", ":"))
