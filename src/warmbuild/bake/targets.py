"""The targets of bake and compose files, each as the inputs of its own build."""

from __future__ import annotations

import json
import posixpath
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from warmbuild import csv_attributes, refs, secret_texts, untrusted_json
from warmbuild.bake import bake_file
from warmbuild.buildkit import command_line
from warmbuild.cache import problems
from warmbuild.errors import InputError, InputProblem
from warmbuild.frozen import frozen
from warmbuild.image import naming
from warmbuild.inputs import build_context
from warmbuild.inputs.build_context import HERE
from warmbuild.plan import making

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from warmbuild.cache.permission import Facts
    from warmbuild.image.tags import Tags
    from warmbuild.inputs.values import Inputs
    from warmbuild.plan.build_plan import BuildPlan
    from warmbuild.run_context import RunContext

# Keys whose values `bake --print` escapes, so that bake can read them again (buildx 0.38).
_ESCAPED: Final = ("annotations", "args", "dockerfile-inline", "extra-hosts", "labels")
_CACHES: Final = ("cache-from", "cache-to")


@frozen
class Target:
    """A target as buildx has resolved it."""

    name: str
    definition: dict[str, object]
    linked: bool  # Built only because a requested target depends on it
    left_out: tuple[str, ...] = ()  # Warnings of what the file says and untrusted code may not


def read(printed: str) -> tuple[Target, ...]:
    """Read the output of `bake --print`, requested targets first; ValueError if it is malformed."""
    lines = printed.splitlines()
    if "{" not in lines:
        raise ValueError("it holds no definition")
    # buildx prints warnings before the definition and after it.
    end = len(lines) - lines[::-1].index("}") if "}" in lines else len(lines)
    found = untrusted_json.parsed("\n".join(lines[lines.index("{") : end]))
    definitions = untrusted_json.child(found, "target")
    wanted = _members(untrusted_json.child(found, "group"))
    targets = []
    for name in sorted(definitions, key=lambda name: name not in wanted):
        definition = dict(untrusted_json.child(definitions, name))
        definition |= {
            key: untrusted_json.with_texts(definition[key], _unescaped)
            for key in definition.keys() & _ESCAPED
        }
        targets.append(Target(name=name, definition=definition, linked=name not in wanted))
    return tuple(targets)


def _members(groups: Mapping[str, object]) -> set[str]:
    """Return the requested targets; a group's own name in it is a target."""
    found, seen, waiting = set[str](), set[str](), ["default"]
    while waiting:
        group = waiting.pop()
        if group in seen:
            continue
        seen.add(group)
        for name in map(str, untrusted_json.items(untrusted_json.child(groups, group), "targets")):
            if name in groups and name != group:
                waiting.append(name)
            else:
                found.add(name)
    return found


def inputs(given: Inputs, context: RunContext, applied: Tags, target: Target) -> Inputs:
    """Return the inputs of a target's build; raises InputError for a malformed tag."""
    found = target.definition
    place = untrusted_json.text(found, "context") or "."
    file = untrusted_json.text(found, "dockerfile") or "Dockerfile"
    if not build_context.is_remote(place):
        bare = file.removeprefix(HERE)
        file = bare if bare != file else posixpath.join(place, file)
    cache_from, cache_to = (tuple(map(_entry, untrusted_json.items(found, key))) for key in _CACHES)
    own = replace(
        given,
        image=(),
        tags=_tags(given, context, applied, target),
        context=place,
        file=file,
        target=untrusted_json.text(found, "target"),
        platforms=given.platforms or _texts(found, "platforms"),
        build_args=(*_pairs(found, "args"), *given.build_args),
        labels=(*_pairs(found, "labels"), *given.labels),
        pull=given.pull or found.get("pull") is True,
        attests=(*map(_entry, untrusted_json.items(found, "attest")), *given.attests),
        outputs=(*map(_entry, untrusted_json.items(found, "output")), *given.outputs),
        no_cache=given.no_cache or found.get("no-cache") is True,
        no_cache_filters=(*_texts(found, "no-cache-filter"), *given.no_cache_filters),
        cache_repository=given.cache_repository or next(iter(given.image), None),
        cache_scope="/".join(filter(None, (given.cache_scope, target.name))),
        cache_from=cache_from,
        cache_to=cache_to,
    )
    return as_part(own) if target.linked else own


def as_part(own: Inputs) -> Inputs:
    """Return the inputs of a target that is built only because others are made of it."""
    # Its steps are in the caches of those.
    cache = own.cache if own.cache_from or own.cache_to else "off"
    return replace(own, tags=(), cache=cache, push=False, load=False)


def planned(given: Inputs, context: RunContext, facts: Facts, target: Target) -> BuildPlan:
    """Return the plan of a target; `given` are the target's own inputs."""
    made = replace(
        making.decide(given, context, facts),
        name=target.name,
        definition=target.definition,
        linked=target.linked,
    )
    made = replace(made, problems=(*made.problems, *problems.advice(target.left_out)))
    if target.linked:
        # A linked target makes no image, which could have attestations.
        cache = replace(made.cache, notes=())
        return replace(made, cache=cache, attests=(), default_attests=(), notes=())
    if context.trust.is_untrusted:
        why = f"is not pushed: it is a cache's name, and {context.trust.reason}"
        tags = dict.fromkeys(_texts(target.definition, "tags"))
        refused = (f"{tag} {why}" for tag in tags if tag not in given.tags)
        made = replace(made, problems=(*made.problems, *problems.advice(refused)))
    outputs = [dict(csv_attributes.pairs(output)) for output in made.outputs]
    if made.push and not made.tags and not any("name" in output for output in outputs):
        made = replace(made, push=False, notes=(*made.notes, "it is not pushed: it has no tag"))
    if made.push or any(command_line.is_pushed(output, push=False) for output in outputs):
        return made
    return replace(made, tags=(*made.tags, *_local_names(target)))


def _local_names(target: Target) -> tuple[str, ...]:
    """Return the file's own tags without a registry and a tag, which are names in the engine."""
    own = filter(refs.is_tag, _texts(target.definition, "tags"))
    return tuple(f"{refs.parse(name)}:latest" for name in own)


def entitlements(target: Target) -> Iterator[str]:
    """Return the entitlements that a target needs, as `allow` names them."""
    found = target.definition
    wanted = list(_texts(found, "entitlements"))
    wanted += ["network.host"] if untrusted_json.text(found, "network") == "host" else []
    # A key in a file needs none.
    agents = (entry for entry in untrusted_json.items(found, "ssh") if not _has_keys(entry))
    return iter(dict.fromkeys([*wanted, *("ssh" for _ in agents)]))


def _has_keys(entry: object) -> bool:
    """Return whether an entry of `ssh` names keys, ID=PATH or an object with paths."""
    return bool(entry.get("paths")) if isinstance(entry, dict) else "=" in str(entry)


def secrets(target: Target, env: Mapping[str, str]) -> Iterator[str]:
    """Return what no log may show of a target, but for the files of `secret_files`.

    These are keys of caches, passwords in URLs, and secrets of the environment.
    """
    yield from secret_texts.in_urls(json.dumps(target.definition))
    for key in _CACHES:
        for entry in map(bake_file.attributes, untrusted_json.items(target.definition, key)):
            yield from (value for name, value in entry.items() if name in secret_texts.ATTRIBUTES)
    for entry in map(bake_file.attributes, untrusted_json.items(target.definition, "secret")):
        if not _file_of(entry):
            # As in BuildKit, the ID may be the name of the variable.
            yield env.get(entry.get("env") or entry.get("id", ""), "")


def secret_files(target: Target) -> Iterator[str]:
    """Return the paths of files that a target has as secrets."""
    for entry in map(bake_file.attributes, untrusted_json.items(target.definition, "secret")):
        if path := _file_of(entry):
            yield path


def _file_of(secret: Mapping[str, str]) -> str:
    return secret.get("src") or secret.get("source", "")


def _tags(given: Inputs, context: RunContext, applied: Tags, target: Target) -> tuple[str, ...]:
    """Return the file's own tags, or else those of the inputs, prefixed with the target's name.

    Untrusted code may not push to the name of a cache.
    """
    own = _texts(target.definition, "tags")
    if not own:
        return naming.of_target(given, context, applied, target.name)
    try:
        named = [(tag, refs.parse(tag).tag) for tag in own]
    except ValueError as error:
        text = f"a tag of the target {target.name} cannot be used: {error}."
        raise InputError([InputProblem(name="bake-files", text=text)]) from error
    is_cache = given.cache_tag_prefix if context.trust.is_untrusted else None
    return tuple(tag for tag, name in named if is_cache is None or not name.startswith(is_cache))


def _pairs(found: Mapping[str, object], name: str) -> Iterator[str]:
    """Return an object's members as NAME=value; null is the same as omitted."""
    for key, value in untrusted_json.child(found, name).items():
        if value is not None:
            yield f"{key}={value}"


def _texts(found: Mapping[str, object], name: str) -> tuple[str, ...]:
    return tuple(map(str, untrusted_json.items(found, name)))


def _entry(value: object) -> str:
    """Return an entry as a flag takes it."""
    attributes = bake_file.attributes(value).items()
    return csv_attributes.joined(*(f"{name}={value}" for name, value in attributes))


def _unescaped(text: str) -> str:
    return text.replace("$${", "${").replace("%%{", "%{")
