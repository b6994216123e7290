"""Writes a build as arguments for buildx."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from warmbuild import csv_attributes
from warmbuild.cache import packing
from warmbuild.frozen import frozen
from warmbuild.image import attestations
from warmbuild.plan import reproducibility

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from warmbuild.cache.cache_plan import CachePlan
    from warmbuild.inputs.values import Secret
    from warmbuild.plan.build_plan import BuildPlan

_LOADED: Final = "type=docker"


@frozen
class Files:
    """Files that buildx writes and reads."""

    metadata: str
    iid: str
    secret: Callable[[str], str]  # path of a secret that was given as a value, by its ID


PLACEHOLDERS: Final = Files(
    metadata="<metadata-file>", iid="<iidfile>", secret=lambda key: f"<secret:{key}>"
)


def build(plan: BuildPlan, files: Files) -> tuple[str, ...]:
    """Return the arguments of `buildx` that run the build."""
    argv = ["build", "--progress=rawjson"]
    for flag, value in _flags(plan, files):
        if isinstance(value, bool):
            argv += [flag] if value else []
        else:
            argv += maybe(flag, value) if isinstance(value, str) else each(flag, value)
    return (*argv, plan.context)


def _flags(plan: BuildPlan, files: Files) -> tuple[tuple[str, str | bool | Iterable[str]], ...]:
    """Return the value of each flag: flags that are passed on, then the others."""
    exports = outputs(plan)
    # An image has an ID; a directory or a tarball has none.
    has_id = not attestations.holds_files(plan.outputs)
    from_environment = [secret for secret in plan.secrets if secret.variable]
    from_files = [secret for secret in plan.secrets if not secret.variable]
    return (
        *((row.flag, value) for row, value in plan.passed.given()),
        ("--annotation", plan.annotations),
        ("--build-arg", plan.build_args),
        ("--build-context", plan.build_contexts),
        ("--cache-from", cache_from(plan.cache)),
        ("--cache-to", cache_to(plan.cache)),
        ("--call", plan.call),
        ("--secret", secrets(from_environment, files)),
        ("--file", plan.linked_file or plan.file),
        ("--iidfile", files.iid if has_id else ""),
        ("--label", plan.labels),
        ("--no-cache-filter", plan.no_cache_filters),
        ("--output", exports),
        ("--platform", ",".join(plan.platforms)),
        ("--attest", plan.attests),
        ("--secret", secrets(from_files, files)),
        ("--tag", tags(plan)),
        ("--target", plan.stage),
        ("--builder", plan.builder.name),
        ("--load", plan.load and _LOADED not in exports),
        ("--metadata-file", files.metadata),
        ("--no-cache", plan.no_cache),
        ("--pull", plan.pull),
        ("--push", plan.push),
    )


def outputs(plan: BuildPlan) -> tuple[str, ...]:
    """Return the exports as `--output` takes them, with those that push at the end.

    BuildKit reports the digest of its last export alone (llbsolver, runExporters), which differs
    from one to the next. buildx puts what `--load` adds after what is pushed.
    """
    found = {entry: dict(csv_attributes.pairs(entry)) for entry in plan.outputs}
    pushed = [entry for entry in plan.outputs if is_pushed(found[entry], push=plan.push)]
    others = [entry for entry in plan.outputs if entry not in pushed]
    if plan.times and plan.push and not pushed:
        pushed.append("type=image")
    is_written_out = plan.push or pushed or plan.times
    if plan.load and is_written_out and not any(map(is_loaded, found.values())):
        others.append(_LOADED)
    return tuple(reproducibility.timed(entry, plan.times) for entry in (*others, *pushed))


def is_pushed(output: Mapping[str, str], *, push: bool) -> bool:
    """Return whether an output pushes, by itself or because `--push` is given."""
    kind = output.get("type")
    return kind == "registry" or (kind == "image" and (push or output.get("push") == "true"))


def is_loaded(output: Mapping[str, str]) -> bool:
    """Return whether an output is loaded into the engine."""
    return output.get("type") == "docker" and not output.get("dest")


def cache_from(cache: CachePlan) -> tuple[str, ...]:
    """Return what is imported, as `--cache-from` takes it."""
    backend = cache.backend
    kind = backend.importer or backend.name
    options = [one for one in cache.options if one.partition("=")[0] in backend.options]
    places = [cache.merged] if cache.merged else [read.ref for read in cache.read]
    entries = (
        csv_attributes.joined(f"type={kind}", f"{backend.source}={place}", *options)
        for place in places
    )
    return (*cache.sources, *entries)


def cache_to(cache: CachePlan) -> tuple[str, ...]:
    """Return what is exported, as `--cache-to` takes it.

    Every attribute is written: BuildKit ignores attributes that it does not know, and an export
    that fails without `ignore-error` cancels the push since BuildKit 0.28.
    """
    if cache.write is None:
        return cache.destinations
    backend = cache.backend
    attributes = [f"type={backend.name}"]
    if backend.destination:
        attributes += [f"{backend.destination}={cache.write.ref}", f"mode={cache.mode}"]
        attributes += [*backend.fixed, *cache.options, *packing.of_cache(cache)]
    return (*cache.destinations, csv_attributes.joined(*attributes))


def each(flag: str, values: Iterable[str]) -> list[str]:
    """Return a flag once for each value."""
    return [part for value in values for part in (flag, value)]


def maybe(flag: str, value: str) -> list[str]:
    """Return a flag with its value; nothing if the value is empty."""
    return [flag, value] if value else []


def secrets(given: Iterable[Secret], files: Files) -> tuple[str, ...]:
    """Return build secrets as `--secret` takes them."""
    return tuple(_secret(secret, files) for secret in given)


def tags(plan: BuildPlan) -> tuple[str, ...]:
    """Return the image's references and the ref of its inline cache."""
    write = plan.cache.write if plan.cache.backend.lies_in_image else None
    return (*plan.tags, str(write.ref)) if write else plan.tags


def _secret(secret: Secret, files: Files) -> str:
    variable, path = secret.variable, secret.path
    source = f"env={variable}" if variable else f"src={path or files.secret(secret.id)}"
    return f"id={secret.id},{csv_attributes.quoted(source)}"
