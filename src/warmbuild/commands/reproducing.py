"""Compares the layers of an image with the layers of an earlier build of the same content."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from warmbuild import refs, untrusted_json
from warmbuild.errors import RegistryError
from warmbuild.image import layers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from warmbuild.build.outcomes import Outcome
    from warmbuild.image.layers import Step
    from warmbuild.log import Log
    from warmbuild.plan.build_plan import BuildPlan
    from warmbuild.record.record import Record
    from warmbuild.refs import Reference
    from warmbuild.registry.client import Registry


def steps(decided: BuildPlan, done: Outcome, of: Callable[[str], Registry]) -> Sequence[Step]:
    """Return the steps and layers of the image that a build has pushed, of its first platform.

    There are none if it is not to be reproducible, or its registry does not tell them.
    """
    if not (decided.times and decided.push and decided.tags and refs.is_digest(done.digest)):
        return ()
    ref = replace(refs.parse(decided.tags[0]), tag="", digest=done.digest)
    try:
        return _steps(ref, of(ref.host))
    except (RegistryError, ValueError):
        return ()


def say_differences(name: str, now: Sequence[Step], earlier: Record, log: Log) -> None:
    """Log the layers that differ from the layers of an earlier build of the same content."""
    then = [layers.Step(digest=digest, created_by="") for digest in earlier.image.layers]
    found = layers.differing(now, then) if now and then else ()
    of = f"{name}: " if name else ""
    when = f"{earlier.made:%Y-%m-%d at %H:%M} UTC"
    for one in found:
        step = one.created_by or "a step of the base image"
        log.line(
            f"{of}not reproducible: layer {one.number} differs from the build on {when}: {step}"
        )


def _steps(ref: Reference, registry: Registry) -> Sequence[Step]:
    manifest = _fetched(registry, ref, "manifests", ref.digest)
    listed = untrusted_json.children(untrusted_json.parsed(manifest), "manifests")
    # An index has its images first, and their attestations after them.
    first = next((untrusted_json.text(one, "digest") for one in listed), "")
    if first:
        manifest = _fetched(registry, ref, "manifests", first)
    config = untrusted_json.child(untrusted_json.parsed(manifest), "config")
    digest = untrusted_json.text(config, "digest")
    return layers.steps(manifest, _fetched(registry, ref, "blobs", digest))


def _fetched(registry: Registry, ref: Reference, kind: str, digest: str) -> bytes:
    """Return a part of an image; raises ValueError if it is not there."""
    found = registry.fetch(ref, kind, digest) if refs.is_digest(digest) else None
    if found is None:
        raise ValueError("a part of the image is missing")
    return found
