"""Plans as a bake definition: for several targets, or for a secret that no argument may hold.

Every user of a machine can read arguments. buildx takes some secrets only there, such as the key of
`type=azblob`, or the password of a URL. A definition is a file that only this user can read. In it,
a key from the environment is a variable, `${AZURE_STORAGE_KEY}`, that bake fills in.

The definition replaces the user's files: it has the targets as buildx has resolved them, with the
plan laid over. Bake adds up the caches of several files, so a second file could remove nothing.
"""

from __future__ import annotations

import json
import re
from functools import partial
from typing import TYPE_CHECKING, Final

from warmbuild import csv_attributes, untrusted_json
from warmbuild.buildkit import command_line
from warmbuild.image import labels
from warmbuild.inputs import build_context
from warmbuild.plan import reproducibility
from warmbuild.trust import Right

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from warmbuild.buildkit.command_line import Files
    from warmbuild.cache.cache_plan import CachePlan
    from warmbuild.image.naming import Naming
    from warmbuild.inputs.table import Passthrough
    from warmbuild.inputs.values import Given, Inputs
    from warmbuild.plan.build_plan import BuildPlan

# Target that others inherit to use the caches of a plan of one image.
_INHERITED: Final = "warmbuild"
# Outputs beside which no image is loaded into the engine.
_NOT_LOADED: Final = ("local", "tar")
# Entitlements that are part of a build; a daemon refuses others, such as ssh.
_OF_DAEMON: Final = ("network.host", "security.insecure", "device")


def is_needed(plans: Sequence[BuildPlan], redact: Callable[[str], str]) -> bool:
    """Return whether a file defines the plans, or a secret needs a definition.

    That is a key that only bake fills in, or an argument that the log would not show as it is.
    """
    return any(
        one.definition is not None
        or (one.cache.secrets and (one.cache.read or one.cache.write))
        or _holds_secrets(one, redact)
        for one in plans
    )


def _holds_secrets(plan: BuildPlan, redact: Callable[[str], str]) -> bool:
    """Return whether the arguments of a build would hold a secret."""
    values = (
        argument
        for argument in command_line.build(plan, command_line.PLACEHOLDERS)
        if not argument.startswith("--")
    )
    return any(redact(value) != value for value in values)


def misfits(plans: Sequence[BuildPlan], redact: Callable[[str], str]) -> Sequence[str]:
    """Return the names of inputs that bake does not support, where secrets need a definition."""
    if not is_needed(plans, redact):
        return ()
    return [row.name for row, _ in plans[0].passed.given() if not row.bake_key]


def definition(plans: Sequence[BuildPlan], files: Files) -> str:
    """Return the definition as JSON."""
    secrets = [variable for plan in plans for _, variable in plan.cache.secrets]
    # As in buildx, a build argument without a value is read from the environment.
    taken = [item for plan in plans for item in plan.build_args if "=" not in item]
    targets = {name_of(plan): _target(plan, plans, files) for plan in plans}
    # Bake quotes the line of an error, which should not be the whole definition.
    return json.dumps(_with_variables((*secrets, *taken), targets), indent=1)


def _with_variables(names: Iterable[str], targets: Mapping[str, object]) -> Mapping[str, object]:
    """Return a definition; bake refuses an empty block of variables."""
    variables: Mapping[str, object] = {name: {} for name in names}
    return {**({"variable": variables} if variables else {}), "target": targets}


def name_of(plan: BuildPlan) -> str:
    """Return the name of a plan's target in the definition."""
    return plan.name or "image"


def _target(plan: BuildPlan, plans: Sequence[BuildPlan], files: Files) -> Mapping[str, object]:
    """Return the target as the file defines it, with the plan laid over."""
    found = plan.definition or {}
    if plan.linked_file:
        found = {key: value for key, value in found.items() if key != "dockerfile-inline"}
    place: dict[str, object] = {
        "context": _literal(plan.context),
        "dockerfile": _literal(_dockerfile(plan)),
    }
    target: dict[str, object] = {
        **(place if plan.definition is None else {}),
        **({"dockerfile": _literal(plan.linked_file)} if plan.linked_file else {}),
        **{
            row.bake_key: _over(found, row, value)
            for row, value in plan.passed.given()
            if row.bake_key
        },
        "target": _literal(plan.stage),
        "args": dict(_arg(item) for item in plan.build_args),
        "labels": dict(_pair(item) for item in plan.labels),
        "tags": [_literal(tag) for tag in command_line.tags(plan)],
        "platforms": list(plan.platforms),
        "contexts": _laid_over(found, "contexts", map(_pair, plan.build_contexts)),
        "secret": _added(found, "secret", command_line.secrets(plan.secrets, files)),
        "annotations": _added(found, "annotations", plan.annotations),
        "entitlements": _added(found, "entitlements", filter(_is_daemons, plan.passed.allow)),
        "attest": [_literal(attestation) for attestation in plan.attests],
        "output": _outputs(plan),
        "no-cache-filter": list(plan.no_cache_filters),
        **_caches(plan, plans),
        "no-cache": plan.no_cache,
        "pull": plan.pull,
    }
    kept = {name: _escaped(value) for name, value in found.items() if name not in target}
    return kept | {name: value for name, value in target.items() if value}


def _is_daemons(entitlement: str) -> bool:
    """Return whether a daemon grants an entitlement; buildx grants the others."""
    return entitlement.partition("=")[0] in _OF_DAEMON


def _over(found: Mapping[str, object], row: Passthrough, value: Given) -> object:
    """Return an input that is passed on, laid over the value in the file."""
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


def caches(cache: CachePlan) -> Mapping[str, Sequence[str]]:
    """Return the cache keys of a target."""
    end = "".join(f",{name}=${{{variable}}}" for name, variable in cache.secrets)
    return {
        "cache-from": [f"{_literal(entry)}{end}" for entry in command_line.cache_from(cache)],
        "cache-to": [f"{_literal(entry)}{end}" for entry in command_line.cache_to(cache)],
    }


def _caches(plan: BuildPlan, plans: Sequence[BuildPlan]) -> Mapping[str, object]:
    """Return the cache keys of one of several targets.

    BuildKit looks for a step that targets share in the caches of the target that reaches the step
    first. A target without a cache would run these steps, so it reads the caches of the others.
    Since 0.37, buildx builds a linked target before it looks into the caches of those that are made
    of it, which hold its steps. So it reads them itself, unless it has a cache of its own.
    """
    found = caches(plan.cache)
    if any(found.values()) if plan.linked else found["cache-from"] or plan.no_cache:
        return found
    others = [one for one in plans if not one.linked]
    if plan.linked:
        others = [one for one in others if plan.name in parts(one, plans)]
    sources = (source for one in others for source in caches(one.cache)["cache-from"])
    return {**found, "cache-from": list(dict.fromkeys(sources))}


def parts(plan: BuildPlan, plans: Sequence[BuildPlan]) -> Collection[str]:
    """Return the names of the targets that a target is made of."""
    by_name = {one.name: one for one in plans}
    by_context = {f"target:{name}": name for name in by_name}
    found: set[str] = set()
    ahead = [plan]
    while ahead:
        contexts = untrusted_json.child(ahead.pop().definition or {}, "contexts").values()
        new = {by_context[str(one)] for one in contexts if str(one) in by_context} - found
        found |= new
        ahead += (by_name[name] for name in new)
    return found


def override(plans: Sequence[BuildPlan]) -> Mapping[str, object]:
    """Return a definition of caches to be read beside the files, without those that files set."""
    targets = {
        plan.name or _INHERITED: {
            key: value for key, value in _caches(plan, plans).items() if value
        }
        for plan in plans
        if not {"cache-from", "cache-to"} & _set_keys(plan)
    }
    names = (variable for plan in plans for _, variable in plan.cache.secrets)
    return _with_variables(names, targets)


def definitions(plans: Sequence[BuildPlan], name: str) -> Mapping[str, Mapping[str, object]]:
    """Return the definitions for bake, by output: the caches, and tags and labels of one image.

    `name` is that of the target with tags and labels. As from docker/metadata-action, annotations
    that the image has not are only in the definition of annotations.
    """
    found, plan = override(plans), plans[0]
    if plan.name:
        return {"bake-file": found}
    tags = plan.tags or plan.bare_tags
    by_output: Mapping[str, Mapping[str, object]] = {
        "bake-file-tags": _named(tags, plan.version),
        "bake-file-labels": {"labels": dict(map(labels.pair, plan.labels))},
        "bake-file-annotations": {"annotations": list(plan.told_annotations)},
    }
    every = {**by_output["bake-file-tags"], **by_output["bake-file-labels"]}
    every |= {"annotations": list(plan.annotations)} if plan.annotations else {}
    targets = {**untrusted_json.child(found, "target"), name: every}
    return {
        "bake-file": {**found, "target": targets},
        **{output: {"target": {name: part}} for output, part in by_output.items()},
    }


def _named(tags: Iterable[str], version: str) -> Mapping[str, object]:
    """Return what docker/metadata-action's target says of an image's names."""
    images = dict.fromkeys(tag.rpartition(":")[0] for tag in tags)
    args = {"DOCKER_META_IMAGES": ",".join(images), "DOCKER_META_VERSION": version}
    return {"tags": list(tags), "args": args}


def metadata_target(inputs: Inputs, named: Naming) -> str:
    """Return a definition, as JSON, of the target that other targets inherit for a run's names.

    Labels and annotations of the run are those of every target. If no input names an image, the
    target has nothing, and what the files say stays.
    """
    is_named = inputs.image or inputs.tags or inputs.tag_rules
    found = _named(named.tags, named.version) if is_named else {}
    return json.dumps({"target": {inputs.bake_target: _escaped(found)}})


def names_metadata(text: str, target: str) -> bool:
    """Return whether a definition in JSON defines that target, which has this name."""
    try:
        return target in untrusted_json.child(untrusted_json.parsed(text), "target")
    except ValueError:
        return False


def left_to_files(plans: Sequence[BuildPlan]) -> Sequence[str]:
    """Return warnings of caches that untrusted code writes, and that `override` cannot remove."""
    return [
        f"bake-file cannot remove cache-to from the target {plan.name}: build it with "
        f"set: {plan.name}.cache-to=, because {plan.run.trust.reason}"
        for plan in plans
        if plan.run.trust.refuses(Right.WRITE_CACHES) and "cache-to" in _set_keys(plan)
    ]


def _set_keys(plan: BuildPlan) -> set[str]:
    """Return the keys that the file sets for a target."""
    return {key for key, value in (plan.definition or {}).items() if value}


def argv(plans: Sequence[BuildPlan], files: Files, path: str) -> tuple[str, ...]:
    """Return the arguments of `buildx` that build the definition at `path`.

    Untrusted code reads and writes no file outside of the checkout.
    """
    is_of_file = any(plan.definition is not None for plan in plans)
    is_confined = bool(plans[0].run.trust.refuses(Right.LEAVE_CHECKOUT)) and is_of_file
    allowed = [f"fs.read={path}" for path in _read(plans, files)] if is_confined else ["fs=*"]
    # A file cannot allow itself anything; the inputs can.
    for plan in plans:
        allowed += [*(["ssh"] if plan.passed.ssh else []), *plan.passed.allow]
    arguments = ["bake", "--progress=rawjson", "--file", path]
    arguments += [f"--allow={item}" for item in dict.fromkeys(allowed)]
    arguments += ["--builder", plans[0].builder.name] if plans[0].builder.name else []
    arguments += [] if plans[0].makes_an_image else ["--call", plans[0].call]
    arguments += ["--metadata-file", files.metadata]
    # A target may be named like a flag.
    return (*arguments, "--", *(name_of(plan) for plan in plans if not plan.linked))


def resolve(
    files: Iterable[str], targets: Iterable[str], overrides: Iterable[str], *, url: str = ""
) -> tuple[str, ...]:
    """Return the arguments of `buildx` that print the resolved targets of files.

    `url` is the repository of the files that do not begin with `cwd://`.
    """
    arguments = ["bake", "--print", "--progress=quiet"]
    arguments += [part for file in files for part in ("--file", file)]
    arguments += [part for override in overrides for part in ("--set", override)]
    return (*arguments, "--", *((url,) if url else ()), *targets)


def metadata(found: Mapping[str, object], name: str) -> Mapping[str, object]:
    """Return a target's part of bake's metadata."""
    return untrusted_json.child(found, name)


def _read(plans: Sequence[BuildPlan], files: Files) -> Sequence[str]:
    """Return the files and directories that inputs, and not bake files, name."""
    secrets = [secret for plan in plans for secret in plan.secrets if not secret.variable]
    places = [secret.path or files.secret(secret.id) for secret in secrets]
    places += [plan.linked_file for plan in plans if plan.linked_file]
    caches = [plan.cache for plan in plans if plan.cache.backend.is_directory]
    places += [str(read.ref) for cache in caches for read in cache.read]
    return tuple(dict.fromkeys(places))


def _dockerfile(plan: BuildPlan) -> str:
    """Return the Dockerfile; bake would look in the context, and a build in its directory."""
    if not plan.file or plan.file.startswith("/") or build_context.is_remote(plan.context):
        return plan.file
    return f"cwd://{plan.file}"


def _outputs(plan: BuildPlan) -> Sequence[object]:
    """Return the outputs, with those that buildx adds for `--push` and `--load`."""
    found = [dict(csv_attributes.pairs(entry)) for entry in plan.outputs]
    if plan.push:
        for entry in found:
            if entry.get("type") == "image":
                entry["push"] = "true"
        if all(entry.get("type") == "docker" for entry in found):
            found.append({"type": "registry"})
    kinds = {entry.get("type") for entry in found}
    is_loaded = any(map(command_line.is_loaded, found))
    if plan.load and not is_loaded and kinds.isdisjoint(_NOT_LOADED):
        found.append({"type": "docker"})
    # See command_line.outputs.
    found.sort(key=partial(command_line.is_pushed, push=plan.push))
    return [_escaped({**entry, **reproducibility.missing(entry, plan.times)}) for entry in found]


def attributes(entry: object) -> Mapping[str, str]:
    """Return an entry's attributes: an object, or from older versions of buildx CSV."""
    if isinstance(entry, dict):
        return {str(name): str(value) for name, value in entry.items()}
    return dict(csv_attributes.pairs(str(entry)))


def _escaped(value: object) -> object:
    return untrusted_json.with_texts(value, _literal)


def _arg(item: str) -> tuple[str, str]:
    name, equals, _ = item.partition("=")
    return _pair(item) if equals else (name, f"${{{name}}}")


def _pair(item: str) -> tuple[str, str]:
    name, _, value = item.partition("=")
    return name, _literal(value)


def _literal(text: str) -> str:
    """Escape what bake would read as a template."""
    return text.replace("${", "$${").replace("%{", "%%{")
