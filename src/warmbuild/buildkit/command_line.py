"""A build as arguments for buildx."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from warmbuild import csv_attributes
from warmbuild.image import attestations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from warmbuild.cache.cache_plan import CachePlan
    from warmbuild.inputs.values import Secret
    from warmbuild.plan.build_plan import BuildPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Where buildx writes what it did, and where it finds the secrets that have a value."""

    metadata: str
    iid: str
    secret: Callable[[str], str]


PLACEHOLDERS: Final = Files(
    metadata="<metadata-file>", iid="<iidfile>", secret=lambda key: f"<secret:{key}>"
)


def build(plan: BuildPlan, files: Files) -> tuple[str, ...]:
    """Return the arguments of `buildx` that run the build."""
    flags = (part for flag, value in _flags(plan, files) for part in _flag(flag, value))
    return ("build", "--progress=rawjson", *flags, plan.context)


def _flags(plan: BuildPlan, files: Files) -> tuple[tuple[str, str | bool | Iterable[str]], ...]:
    """Return what each flag is given: those that are passed on, then the others."""
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
        ("--file", plan.file),
        ("--iidfile", files.iid if _has_an_id(plan) else ""),
        ("--label", plan.labels),
        ("--no-cache-filter", plan.no_cache_filters),
        ("--output", plan.outputs),
        ("--platform", ",".join(plan.platforms)),
        ("--attest", plan.attests),
        ("--secret", secrets(from_files, files)),
        ("--tag", tags(plan)),
        ("--target", plan.target),
        ("--builder", plan.builder.name),
        ("--load", plan.load),
        ("--metadata-file", files.metadata),
        ("--no-cache", plan.no_cache),
        ("--pull", plan.pull),
        ("--push", plan.push),
    )


def _flag(flag: str, value: str | bool | Iterable[str]) -> list[str]:  # noqa: FBT001
    if isinstance(value, bool):
        return [flag] if value else []
    return maybe(flag, value) if isinstance(value, str) else each(flag, value)


def _has_an_id(plan: BuildPlan) -> bool:
    """Say whether there is an image to write the ID of; a directory or a tarball is none."""
    return not attestations.kinds(plan.outputs) & {"local", "tar"}


def cache_from(cache: CachePlan) -> tuple[str, ...]:
    """Return what is imported, as `--cache-from` takes it."""
    backend = cache.backend
    kind = backend.importer or backend.name
    options = [option for option in cache.options if _name_of(option) in backend.options]
    places = [cache.merged] if cache.merged else [read.ref for read in cache.read]
    return (
        *cache.sources,
        *(
            csv_attributes.joined(f"type={kind}", f"{backend.source}={place}", *options)
            for place in places
        ),
    )


def cache_to(cache: CachePlan) -> tuple[str, ...]:
    """Return what is exported, as `--cache-to` takes it.

    Every attribute is written out: BuildKit ignores what it does not know, and an export that
    fails without `ignore-error` cancels the push since BuildKit 0.28.
    """
    if cache.write is None:
        return cache.destinations
    backend = cache.backend
    attributes = [f"type={backend.name}"]
    if backend.destination:
        attributes += [f"{backend.destination}={cache.write.ref}", f"mode={cache.mode}"]
        attributes += [*backend.fixed, *cache.options]
    return (*cache.destinations, csv_attributes.joined(*attributes))


def _name_of(option: str) -> str:
    return option.partition("=")[0]


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
    """Return the image's references, and the one that its inline cache is found under."""
    write = plan.cache.write if plan.cache.backend.lies_in_image else None
    return (*plan.tags, str(write.ref)) if write else plan.tags


def _secret(secret: Secret, files: Files) -> str:
    if secret.variable:
        return f"id={secret.id},{csv_attributes.quoted(f'env={secret.variable}')}"
    source = secret.path or files.secret(secret.id)
    return f"id={secret.id},{csv_attributes.quoted(f'src={source}')}"
