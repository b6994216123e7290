"""Hands a builder that outlives its run over to later steps, which know it by its name.

buildx looks for a builder in a file of that name below its configuration directory, and for the one
that it uses by default in `current` (buildx v0.38.2, store/store.go).
"""

from __future__ import annotations

import json
import os
import shlex
from typing import TYPE_CHECKING, Final

from warmbuild import secret_texts, untrusted_json
from warmbuild.builder import engine
from warmbuild.files import read_text, write_text
from warmbuild.frozen import frozen
from warmbuild.inputs import builders
from warmbuild.registry import docker_config

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from warmbuild.builder.private_directory import Private
    from warmbuild.log import Log
    from warmbuild.mounts import Mounts
    from warmbuild.plan.build_plan import BuilderPlan

_PRIVATE_KEY: Final = b"PRIVATE KEY-----"
_REPLICAS: Final = "replicas"


@frozen
class Place:
    """Where the user's own buildx keeps its state."""

    directory: Path
    is_seen: bool  # Whether later steps see it, and not only this container


def place(env: Mapping[str, str], mounts: Mounts, *, is_home_own: bool) -> Place:
    """Return the place that an environment names.

    `is_home_own` is whether the home directory is that of the run's container alone.
    """
    directory = docker_config.buildx_directory(env)
    is_in_home = not (env.get("DOCKER_CONFIG") or env.get("BUILDX_CONFIG"))
    is_shared = mounts.hold(os.path.realpath(directory))
    return Place(directory=directory, is_seen=is_shared and not (is_in_home and is_home_own))


def hand_over(plan: BuilderPlan, name: str, private: Private, user: Place, log: Log) -> None:
    """Let the user's buildx know a builder that stays; what it knows already stays as it is."""
    text = read_text(private.buildx_config / "instances" / name)
    record = user.directory / "instances" / name
    if text is None or os.path.exists(record):  # noqa: PTH110 (never raises)
        return
    kept = with_pods(without_secrets(text), plan)
    is_of_run = engine.CONTEXT in _endpoints(kept) and not plan.endpoint
    if is_of_run or str(private.root) in kept:
        why = "the certificates for it are removed at the end of the run"
        log.warning(f"the builder {name} stays, but later steps do not know it: {why}")
        return
    try:
        _write(record, kept)
        if plan.use:
            current = {"Key": "", "Name": name, "Global": True}
            _write(user.directory / "current", json.dumps(current))
    except OSError as error:
        why = f"{error.filename or record} cannot be written: {error.strerror}"
        log.warning(f"the builder {name} stays, but later steps do not know it: {why}")
        return
    if user.is_seen:
        log.line(f"the builder {name} stays, and buildx knows it by {record}")
        return
    command = adoption(plan, name)
    advice = f"run this first: {command}"
    if not command:
        advice = f"mount the directory in which their buildx keeps its state at {user.directory}"
    log.warning(
        f"the builder {name} stays, but steps outside of this container do not know it; {advice}"
    )


def without_secrets(record: str) -> str:
    """Return what buildx has written of a builder, without what only its creation needs.

    Options with passwords in URLs, and the private keys for registries, are in its container.
    """
    found = dict(untrusted_json.parsed(record))
    found["Nodes"] = [
        {
            **node,
            "DriverOpts": {
                option: value
                for option, value in untrusted_json.child(node, "DriverOpts").items()
                if not any(secret_texts.in_attributes(f"{option}={value}"))
            },
            "Files": {
                path: content
                for path, content in untrusted_json.child(node, "Files").items()
                if _PRIVATE_KEY not in untrusted_json.binary(content)
            },
        }
        for node in untrusted_json.children(found, "Nodes")
    ]
    return json.dumps(found)


def with_pods(record: str, plan: BuilderPlan) -> str:
    """Return what buildx has written of a builder, with the replicas that its options ask for.

    A run lets buildx make nodes without pods (see `cluster.pool`), which a later boot must not.
    """
    if not plan.driver.in_cluster:
        return record
    found = dict(untrusted_json.parsed(record))
    options = [plan.driver_opts, *(node.driver_opts for node in plan.appended)]
    asked = [builders.driver_options(opts).get(_REPLICAS, "") for opts in options]
    found["Nodes"] = [
        {**node, "DriverOpts": _with_replicas(untrusted_json.child(node, "DriverOpts"), replicas)}
        for node, replicas in zip(untrusted_json.children(found, "Nodes"), asked, strict=False)
    ]
    return json.dumps(found)


def _with_replicas(options: Mapping[str, object], asked: str) -> Mapping[str, object]:
    others = {name: value for name, value in options.items() if name != _REPLICAS}
    return {**others, _REPLICAS: asked} if asked else others


def adoption(plan: BuilderPlan, name: str) -> str:
    """Return the command that makes a builder known to another buildx; empty if there is none.

    If a container of that name is there, the driver docker-container uses it as it is.
    """
    if plan.appended or not (plan.driver.has_container or plan.driver.connects):
        return ""
    used = " --use" if plan.use else ""
    there = f" {shlex.quote(plan.endpoint)}" if plan.endpoint else ""
    return f"docker buildx create --name {name} --driver {plan.driver.name}{used}{there}"


def _endpoints(record: str) -> set[str]:
    nodes = untrusted_json.children(untrusted_json.parsed(record), "Nodes")
    return {untrusted_json.text(node, "Endpoint") for node in nodes}


def _write(path: Path, text: str) -> None:
    """Write a file that belongs to the owner of the directory, as what is missing of that."""
    missing = [parent for parent in reversed(path.parents) if not parent.exists()]
    there = next(parent for parent in path.parents if parent.exists()).stat()
    for parent in missing:
        parent.mkdir(mode=0o700, exist_ok=True)
    write_text(path, text, mode=0o600)
    if os.geteuid() == 0:
        for made in (*missing, path):
            os.chown(made, there.st_uid, there.st_gid)
