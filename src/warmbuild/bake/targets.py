"""The targets of bake and compose files, each as the inputs of a build of its own."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from warmbuild import csv_attributes, refs, untrusted_json
from warmbuild.backends import BACKENDS
from warmbuild.bake import bake_file
from warmbuild.cache.problems import Kind, Problem
from warmbuild.errors import InputError, InputProblem
from warmbuild.image import naming
from warmbuild.inputs import build_context
from warmbuild.plan import making

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from warmbuild.image.tags import Tags
    from warmbuild.inputs.values import Inputs
    from warmbuild.plan.build_plan import BuildPlan
    from warmbuild.plan.making import Known
    from warmbuild.run_context import RunContext

# What `bake --print` writes so that it can be read as a definition again, as of buildx 0.36.
_ESCAPED: Final = ("annotations", "args", "dockerfile-inline", "extra-hosts", "labels")
_PUSHES: Final = ("image", "registry")
_CACHES: Final = ("cache-from", "cache-to")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A target, resolved; one that is `linked` was not asked for, and others are made of it."""

    name: str
    definition: dict[str, object]
    linked: bool


def read(printed: str) -> tuple[Target, ...]:
    """Read what `bake --print` wrote, those that were asked for first.

    Raises ValueError where that is no definition.
    """
    lines = printed.splitlines()
    if "{" not in lines:
        raise ValueError("it holds no definition")
    # Warnings come before it and after it.
    end = len(lines) - lines[::-1].index("}") if "}" in lines else len(lines)
    found = untrusted_json.parsed("\n".join(lines[lines.index("{") : end]))
    groups, definitions = (
        untrusted_json.child(found, "group"),
        untrusted_json.child(found, "target"),
    )
    wanted = dict.fromkeys(_members("default", groups, set()))
    targets = [
        Target(
            name=name,
            definition={
                key: _unescaped(value) if key in _ESCAPED else value
                for key, value in untrusted_json.child(definitions, name).items()
            },
            linked=name not in wanted,
        )
        for name in definitions
    ]
    return tuple(sorted(targets, key=lambda target: target.linked))


def _members(group: str, groups: Mapping[str, object], seen: set[str]) -> Iterator[str]:
    """Return the targets of a group, and of the groups in it; one of its own name is a target."""
    seen = seen | {group}
    names = untrusted_json.child(groups, group).get("targets")
    for name in names if isinstance(names, list) else ():
        if name in groups and name not in seen:
            yield from _members(name, groups, seen)
        else:
            yield str(name)


def inputs(given: Inputs, context: RunContext, applied: Tags, target: Target) -> Inputs:
    """Return the inputs of the build of a target; `applied` is what the rules for tags gave.

    Raises InputError for a tag that is none.
    """
    found = target.definition
    place = untrusted_json.text(found, "context") or "."
    file = untrusted_json.text(found, "dockerfile") or "Dockerfile"
    caches = {name: tuple(map(_entry, untrusted_json.items(found, name))) for name in _CACHES}
    is_explicit = any(caches.values())
    return replace(
        given,
        image=(),
        tags=_tags(given, context, applied, target),
        context=place,
        file=file
        if build_context.is_remote(place)
        else posixpath.join(place, file.removeprefix("cwd://")),
        target=untrusted_json.text(found, "target"),
        platforms=given.platforms or tuple(map(str, untrusted_json.items(found, "platforms"))),
        build_args=(*_pairs(found, "args"), *given.build_args),
        labels=(*_pairs(found, "labels"), *given.labels),
        pull=given.pull or found.get("pull") is True,
        attests=(*map(_entry, untrusted_json.items(found, "attest")), *given.attests),
        outputs=(*_outputs(context, found), *given.outputs),
        no_cache=given.no_cache or found.get("no-cache") is True,
        no_cache_filters=(
            *map(str, untrusted_json.items(found, "no-cache-filter")),
            *given.no_cache_filters,
        ),
        # Others read a linked target's steps from their own caches.
        cache="off" if target.linked and not is_explicit else given.cache,
        cache_repository=given.cache_repository or next(iter(given.image), None),
        cache_scope="/".join(filter(None, (given.cache_scope, target.name))),
        cache_from=caches["cache-from"],
        cache_to=caches["cache-to"],
        push=False if target.linked else given.push,
        load=False if target.linked else given.load,
    )


def planned(given: Inputs, context: RunContext, known: Known, target: Target) -> BuildPlan:
    """Return the build of a target, of its own inputs."""
    kept, kept_back = _secrets(target, context)
    made = replace(
        making.decide(given, context, known),
        name=target.name,
        definition=target.definition | {"secret": kept} if kept_back else target.definition,
        linked=target.linked,
        problems=_advice(kept_back),
    )
    if target.linked:
        # An image has attestations, and of this there is none.
        cache = replace(made.cache, notes=())
        return replace(made, cache=cache, attests=(), default_attests=(), notes=())
    if context.untrusted:
        tags = dict.fromkeys(map(str, untrusted_json.items(target.definition, "tags")))
        why = f"is not pushed: it is a cache's name, and {context.untrusted}"
        left_out = [f"{tag} {why}" for tag in tags if tag not in given.tags]
        made = replace(made, problems=_advice([*kept_back, *left_out]))
    is_named = any("name" in dict(csv_attributes.pairs(output)) for output in made.outputs)
    if not made.push or made.tags or is_named:
        return made
    notes = (*made.notes, "it is not pushed: it has no tag")
    return replace(made, push=False, notes=notes)


def _advice(said: Iterable[str]) -> tuple[Problem, ...]:
    return tuple(Problem(kind=Kind.ADVICE, text=text) for text in said)


def _secrets(target: Target, context: RunContext) -> tuple[list[object], list[str]]:
    """Return the secrets that a target gets, and warnings of the others.

    Code that is not trusted gets none of the environment, where it would have its choice of all.
    """
    entries = untrusted_json.items(target.definition, "secret")
    if not context.untrusted:
        return entries, []
    kept = [entry for entry in entries if not _is_of_environment(entry)]
    names = [bake_file.attributes(entry).get("id", "") for entry in entries if entry not in kept]
    return kept, [f"the secret {name} is not given: {context.untrusted}" for name in names]


def _is_of_environment(secret: object) -> bool:
    attributes = bake_file.attributes(secret)
    return not (attributes.get("src") or attributes.get("source"))


def paths(target: Target) -> Iterator[str]:
    """Return the files and directories of this machine that a target reads or writes.

    buildx has a look at those of a target that it is asked for, and not of what that is made of.
    """
    found = target.definition
    place = untrusted_json.text(found, "context") or "."
    file = untrusted_json.text(found, "dockerfile")
    contexts = [place, *map(str, untrusted_json.child(found, "contexts").values())]
    yield from (_bare(context) for context in contexts if _is_here(context))
    if file and _is_here(place):
        is_in_context = not file.startswith("cwd://")
        yield posixpath.join(place if is_in_context else ".", file.removeprefix("cwd://"))
    for name in ("secret", "ssh", "output", *_CACHES):
        for entry in untrusted_json.items(found, name):
            values = bake_file.attributes(entry)
            yield from (values[key] for key in ("src", "source", "dest") if values.get(key))
            yield from map(
                str, untrusted_json.items(entry, "paths") if isinstance(entry, dict) else ()
            )


def _is_here(context: str) -> bool:
    """Say whether a context is a directory: no URL, image or other target."""
    bare = _bare(context)
    return not (build_context.is_remote(bare) or bare.startswith(("target:", "service:")))


def _bare(context: str) -> str:
    return context.removeprefix("cwd://").removeprefix("oci-layout://")


def secrets(target: Target, env: Mapping[str, str]) -> Iterator[str]:
    """Return what of a target may be in no log: keys of caches, and secrets of the environment."""
    names = {name for backend in BACKENDS.values() for name in backend.secrets}
    for entry in (
        entry for name in _CACHES for entry in untrusted_json.items(target.definition, name)
    ):
        yield from (value for name, value in bake_file.attributes(entry).items() if name in names)
    for entry in untrusted_json.items(target.definition, "secret"):
        attributes = bake_file.attributes(entry)
        yield env.get(attributes.get("env", ""), "")


def _tags(given: Inputs, context: RunContext, applied: Tags, target: Target) -> tuple[str, ...]:
    """Return the file's own tags, or else those of the inputs with the target's name before.

    Code that is not trusted names no cache as its image.
    """
    if target.linked:
        return ()
    own = tuple(map(str, untrusted_json.items(target.definition, "tags")))
    if not own:
        return naming.of_target(given, context, applied, target.name)
    try:
        named = [(tag, refs.parse(tag).tag) for tag in own]
    except ValueError as error:
        text = f"a tag of the target {target.name} cannot be used: {error}."
        raise InputError([InputProblem(name="bake-files", text=text)]) from error
    is_cache = given.cache_tag_prefix if context.untrusted else None
    return tuple(tag for tag, name in named if is_cache is None or not name.startswith(is_cache))


def _outputs(context: RunContext, found: Mapping[str, object]) -> Iterator[str]:
    """Return where the file has an image go; code that is not trusted has no say in pushes."""
    for entry in untrusted_json.items(found, "output"):
        if not context.untrusted or bake_file.attributes(entry).get("type") not in _PUSHES:
            yield _entry(entry)


def _pairs(found: Mapping[str, object], name: str) -> Iterator[str]:
    """Return an object's entries as NAME=value; null is as good as none."""
    for key, value in untrusted_json.child(found, name).items():
        if value is not None:
            yield f"{key}={value}"


def _entry(value: object) -> str:
    """Return a cache as a flag takes it."""
    return csv_attributes.entry(bake_file.attributes(value))


def _unescaped(value: object) -> object:
    match value:
        case str():
            return value.replace("$${", "${").replace("%%{", "%{")
        case list():
            return [_unescaped(item) for item in value]
        case dict():
            return {name: _unescaped(item) for name, item in value.items()}
        case _:
            return value
