"""Plans as a bake definition: of the targets of a file, or of one with a secret no argument holds.

buildx takes the key of `type=azblob` as an attribute alone, and arguments are not secret. In a
definition it is a variable, `${AZURE_STORAGE_KEY}`, that bake fills in.

Targets are written out as buildx has resolved them, with what was decided laid over, and not as a
file to be read beside theirs: bake adds up the caches of several files, so that nothing could be
taken from a target.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from warmbuild import csv_attributes, untrusted_json
from warmbuild.buildkit import command_line
from warmbuild.image import labels
from warmbuild.inputs import build_context

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from warmbuild.buildkit.command_line import Files
    from warmbuild.cache.cache_plan import CachePlan
    from warmbuild.inputs.table import Passthrough
    from warmbuild.inputs.values import Given, Passed
    from warmbuild.plan.build_plan import BuildPlan

TARGET: Final = "image"
# What a target inherits to have the caches of a plan of one image.
INHERITED: Final = "warmbuild"
# Outputs beside which no image is loaded into the engine.
_NOT_LOADED: Final = ("local", "tar")


def is_needed(plans: Sequence[BuildPlan]) -> bool:
    """Say whether plans are more than one image, or have a secret that only a definition holds."""
    return any(_is_of_file(one) or _has_secret(one.cache) for one in plans)


def _is_of_file(plan: BuildPlan) -> bool:
    return plan.definition is not None


def _has_secret(cache: CachePlan) -> bool:
    return bool(cache.secrets and (cache.read or cache.write))


def definition(plans: Sequence[BuildPlan], files: Files) -> str:
    """Return the definition as JSON."""
    secrets = [variable for plan in plans for _, variable in plan.cache.secrets]
    # A build argument without a value is one of the environment, as it is for buildx.
    taken = [item for plan in plans for item in plan.build_args if "=" not in item]
    targets = {name_of(plan): _target(plan, files) for plan in plans}
    # What bake does not like it quotes, so that one line should not be all there is.
    return json.dumps(_with_variables((*secrets, *taken), targets), indent=1)


def _with_variables(names: Iterable[str], targets: Mapping[str, object]) -> Mapping[str, object]:
    """Return a definition; bake takes no empty block of variables."""
    variables: Mapping[str, object] = {name: {} for name in names}
    return {**({"variable": variables} if variables else {}), "target": targets}


def name_of(plan: BuildPlan) -> str:
    """Return what a plan's target is called in the definition."""
    return plan.name or TARGET


def _target(plan: BuildPlan, files: Files) -> Mapping[str, object]:
    """Return what the file says of a target, with what was decided laid over."""
    found = plan.definition or {}
    place: dict[str, object] = {
        "context": _literal(plan.context),
        "dockerfile": _literal(_dockerfile(plan)),
    }
    target: dict[str, object] = {
        **({} if _is_of_file(plan) else place),
        **_passed(plan.passed, found),
        "target": _literal(plan.stage),
        "args": dict(_arg(item) for item in plan.build_args),
        "labels": dict(_pair(item) for item in plan.labels),
        "tags": [_literal(tag) for tag in command_line.tags(plan)],
        "platforms": list(plan.platforms),
        "contexts": _laid_over(found, "contexts", map(_pair, plan.build_contexts)),
        "secret": _added(found, "secret", command_line.secrets(plan.secrets, files)),
        "annotations": _added(found, "annotations", plan.annotations),
        "attest": [_literal(attestation) for attestation in plan.attests],
        "output": _outputs(plan),
        "no-cache-filter": list(plan.no_cache_filters),
        **caches(plan.cache),
        "no-cache": plan.no_cache,
        "pull": plan.pull,
    }
    kept = {name: _escaped(value) for name, value in found.items() if name not in target}
    return kept | {name: value for name, value in target.items() if value}


def _passed(passed: Passed, found: Mapping[str, object]) -> Mapping[str, object]:
    """Return what is passed on, laid over what the file says."""
    return {row.bake_key: _over(found, row, value) for row, value in passed.given() if row.bake_key}


def _over(found: Mapping[str, object], row: Passthrough, value: Given) -> object:
    match value:
        case tuple() if row.separators:
            return _laid_over(found, row.bake_key, (_split(item, row.separators) for item in value))
        case tuple():
            return _added(found, row.bake_key, value)
        case _:
            return _escaped(value)


def _laid_over(
    found: Mapping[str, object], name: str, given: Iterable[tuple[str, str]]
) -> Mapping[str, object]:
    values = {key: _escaped(value) for key, value in untrusted_json.child(found, name).items()}
    return values | dict(given)


def _added(found: Mapping[str, object], name: str, given: Iterable[str]) -> Sequence[object]:
    return [*map(_escaped, untrusted_json.items(found, name)), *map(_literal, given)]


def _split(item: str, separators: str) -> tuple[str, str]:
    """Split an item at the first separator; NAME:IP may have further colons in the address."""
    name, value = re.split(f"[{separators}]", item, maxsplit=1)
    return _literal(name), _literal(value)


def caches(cache: CachePlan) -> Mapping[str, object]:
    """Return the caches of a target as a definition has them."""
    end = "".join(f",{name}=${{{variable}}}" for name, variable in cache.secrets)
    return {
        "cache-from": [f"{_literal(entry)}{end}" for entry in command_line.cache_from(cache)],
        "cache-to": [f"{_literal(entry)}{end}" for entry in command_line.cache_to(cache)],
    }


def override(plans: Sequence[BuildPlan]) -> Mapping[str, object]:
    """Return a definition of nothing but caches, to be read beside the files.

    That of one image, which no file knows by name, is a target to inherit.
    """
    targets = {
        plan.name or INHERITED: {name: value for name, value in caches(plan.cache).items() if value}
        for plan in plans
        if not plan.linked and not _is_explicit(plan)
    }
    names = (variable for plan in plans for _, variable in plan.cache.secrets)
    return _with_variables(names, targets)


def definitions(plans: Sequence[BuildPlan]) -> Mapping[str, Mapping[str, object]]:
    """Return what a plan hands on to bake, by output: all of it, and how one image is called."""
    found = override(plans)
    if plans[0].name:
        return {"bake-file": found}
    named = metadata_definitions(plans[0])
    called = {METADATA_TARGET: {key: value for one in named.values() for key, value in one.items()}}
    return {
        "bake-file": {**found, "target": {**untrusted_json.child(found, "target"), **called}}
    } | {output: {"target": {METADATA_TARGET: one}} for output, one in named.items()}


def left_to_files(plans: Sequence[BuildPlan]) -> Sequence[str]:
    """Return warnings of what may not be written and yet is, where `override` is all that is used.

    Bake adds up what several files say.
    """
    return [
        f"bake-file takes no cache-to from the target {plan.name}: build it with "
        f"set: {plan.name}.cache-to=, for {plan.run.untrusted}"
        for plan in plans
        if plan.run.untrusted and (plan.definition or {}).get("cache-to")
    ]


def _is_explicit(plan: BuildPlan) -> bool:
    """Say whether the caches are the file's own."""
    found = plan.definition or {}
    return bool(found.get("cache-from") or found.get("cache-to"))


def argv(plans: Sequence[BuildPlan], files: Files, path: str) -> tuple[str, ...]:
    """Return the arguments of `buildx` that build what the definition at `path` says.

    Code that is not trusted reads and writes no file outside of the checkout.
    """
    is_confined = bool(plans[0].run.untrusted) and any(map(_is_of_file, plans))
    allowed = [f"fs.read={path}" for path in _read(plans, files)] if is_confined else ["fs=*"]
    # What a file may ask for is allowed apart from it; the inputs are allowed what they ask for.
    for passed in (plan.passed for plan in plans):
        allowed += [*(["ssh"] if passed.ssh else []), *passed.allow]
    arguments = ["bake", "--progress=rawjson", "--file", path]
    arguments += [f"--allow={item}" for item in dict.fromkeys(allowed)]
    arguments += ["--builder", plans[0].builder.name] if plans[0].builder.name else []
    arguments += ["--metadata-file", files.metadata]
    return (*arguments, *(name_of(plan) for plan in plans if not plan.linked))


def resolve(
    files: Iterable[str], targets: Iterable[str], overrides: Iterable[str]
) -> tuple[str, ...]:
    """Return the arguments of `buildx` that print what files say, with everything filled in."""
    arguments = ["bake", "--print", "--progress=quiet"]
    arguments += [part for file in files for part in ("--file", file)]
    arguments += [part for override in overrides for part in ("--set", override)]
    return (*arguments, *targets)


def metadata(found: Mapping[str, object], name: str) -> Mapping[str, object]:
    """Return what bake says of a target, as a build says it."""
    inside = found.get(name)
    return inside if isinstance(inside, dict) else {}


def _read(plans: Sequence[BuildPlan], files: Files) -> Sequence[str]:
    """Return the files and directories that the inputs name, and no file of theirs does."""
    secrets = [secret for plan in plans for secret in plan.secrets if not secret.variable]
    places = [secret.path or files.secret(secret.id) for secret in secrets]
    in_directories = [plan.cache for plan in plans if plan.cache.backend.is_directory]
    places += [str(read.ref) for cache in in_directories for read in cache.read]
    return tuple(dict.fromkeys(places))


def _dockerfile(build: BuildPlan) -> str:
    """Return the Dockerfile: bake looks for it in the context, and a build where it runs."""
    if not build.file or build.file.startswith("/") or build_context.is_remote(build.context):
        return build.file
    return f"cwd://{build.file}"


def _outputs(plan: BuildPlan) -> Sequence[object]:
    """Return where the image goes: as buildx does it for `--push` and `--load`."""
    found = [dict(csv_attributes.pairs(entry)) for entry in plan.outputs]
    if plan.push:
        for entry in found:
            if entry.get("type") == "image":
                entry["push"] = "true"
        if all(entry.get("type") == "docker" for entry in found):
            found.append({"type": "registry"})
    kinds = {entry.get("type") for entry in found}
    is_loaded = any(entry.get("type") == "docker" and not entry.get("dest") for entry in found)
    if plan.load and not is_loaded and kinds.isdisjoint(_NOT_LOADED):
        found.append({"type": "docker"})
    return [_escaped(entry) for entry in found]


def attributes(entry: object) -> Mapping[str, str]:
    """Return an entry's attributes: buildx prints an object, and older ones the text of a flag."""
    if isinstance(entry, dict):
        return {str(name): str(value) for name, value in entry.items()}
    return dict(csv_attributes.pairs(str(entry)))


def _escaped(value: object) -> object:
    """Return a value of which bake takes no text for a template."""
    match value:
        case str():
            return _literal(value)
        case list():
            return [_escaped(item) for item in value]
        case dict():
            return {name: _escaped(item) for name, item in value.items()}
        case _:
            return value


def _arg(item: str) -> tuple[str, str]:
    name, equals, _ = item.partition("=")
    return _pair(item) if equals else (name, f"${{{name}}}")


def _pair(item: str) -> tuple[str, str]:
    name, _, value = item.partition("=")
    return name, _literal(value)


def _literal(text: str) -> str:
    """Keep bake from taking a text for a template."""
    return text.replace("${", "$${").replace("%{", "%%{")


# What docker/metadata-action calls its target in a bake definition.
METADATA_TARGET: Final = "docker-metadata-action"


def metadata_definitions(plan: BuildPlan) -> Mapping[str, Mapping[str, object]]:
    """Return what a target inherits in bake, by output: tags, labels and annotations."""
    images = dict.fromkeys(tag.rpartition(":")[0] for tag in plan.tags)
    args = {"DOCKER_META_IMAGES": ",".join(images), "DOCKER_META_VERSION": plan.version}
    return {
        "bake-file-tags": {"tags": list(plan.tags), "args": args},
        "bake-file-labels": {"labels": dict(map(labels.pair, plan.labels))},
        "bake-file-annotations": {"annotations": list(plan.annotations)},
    }
