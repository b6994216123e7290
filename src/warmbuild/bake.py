"""A plan as a bake definition, for what may not be an argument: bake reads it from the environment.

buildx takes the key of `type=azblob` as an attribute alone, and arguments are not secret. In a
definition it is a variable, `${AZURE_STORAGE_KEY}`, that bake fills in.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from warmbuild import buildx

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warmbuild.buildx import Files
    from warmbuild.plan import BuildPlan

TARGET: Final = "image"


def is_needed(plan: BuildPlan) -> bool:
    """Say whether a plan has something secret that only a definition can hold."""
    return bool(plan.cache.secrets and (plan.cache.read or plan.cache.write))


def definition(plan: BuildPlan, files: Files) -> str:
    """Return the definition as JSON."""
    secrets = dict(plan.cache.secrets)
    end = "".join(f",{name}=${{{variable}}}" for name, variable in secrets.items())
    args = dict(_arg(item) for item in plan.build_args)
    target: dict[str, object] = {
        "context": _literal(plan.context),
        "dockerfile": _literal(plan.file),
        "target": _literal(plan.target),
        "args": args,
        "labels": dict(_pair(item) for item in plan.labels),
        "tags": [_literal(tag) for tag in buildx.tags(plan)],
        "platforms": list(plan.platforms),
        "secret": [_literal(secret) for secret in buildx.secrets(plan.secrets, files)],
        "attest": [_literal(attestation) for attestation in plan.attests],
        "output": [_literal(output) for output in plan.outputs],
        "no-cache-filter": list(plan.no_cache_filters),
        "contexts": dict(_pair(item) for item in plan.build_contexts),
        "entitlements": [_literal(item) for item in plan.allow],
        "extra-hosts": dict(_host(item) for item in plan.add_hosts),
        "network": _literal(plan.network),
        "shm-size": _literal(plan.shm_size),
        "ssh": [_literal(item) for item in plan.ssh],
        "ulimits": [_literal(item) for item in plan.ulimit],
        "cache-from": [f"{_literal(entry)}{end}" for entry in buildx.cache_from(plan.cache)],
        "cache-to": [f"{_literal(entry)}{end}" for entry in buildx.cache_to(plan.cache)],
    }
    # A build argument without a value is one of the environment, as it is for buildx.
    taken = [item for item in plan.build_args if "=" not in item]
    return json.dumps(
        {
            "variable": {name: {} for name in (*secrets.values(), *taken)},
            "target": {TARGET: {name: value for name, value in target.items() if value}},
        }
    )


def argv(plan: BuildPlan, files: Files, path: str) -> tuple[str, ...]:
    """Return the arguments of `buildx` that build what the definition at `path` says."""
    # What a file may ask for is allowed apart from it; this one asks for what the inputs do.
    allowed = ["fs=*", *(["ssh"] if plan.ssh else []), *plan.allow]
    arguments = ["bake", "--progress=rawjson", "--file", path]
    arguments += [f"--allow={item}" for item in allowed]
    arguments += ["--builder", plan.builder.name] if plan.builder.name else []
    arguments += ["--load"] if plan.load else []
    arguments += ["--metadata-file", files.metadata]
    arguments += ["--no-cache"] if plan.no_cache else []
    arguments += ["--pull"] if plan.pull else []
    arguments += ["--push"] if plan.push else []
    return (*arguments, TARGET)


def metadata(found: Mapping[str, object]) -> Mapping[str, object]:
    """Return what bake says of its one target, as a build says it."""
    inside = found.get(TARGET)
    return inside if isinstance(inside, dict) else found


def _arg(item: str) -> tuple[str, str]:
    name, equals, _ = item.partition("=")
    return _pair(item) if equals else (name, f"${{{name}}}")


def _pair(item: str) -> tuple[str, str]:
    name, _, value = item.partition("=")
    return name, _literal(value)


def _host(item: str) -> tuple[str, str]:
    """Split NAME:IP or NAME=IP, of which the address may have colons of its own."""
    name, address = re.split("[:=]", item, maxsplit=1)
    return _literal(name), _literal(address)


def _literal(text: str) -> str:
    """Keep bake from taking a text for a template."""
    return text.replace("${", "$${").replace("%{", "%%{")
