"""The attestations of an image: what the inputs provenance, sbom and attests come to together.

As docker/build-push-action does it: an input of its own wins over `attests`, and the provenance of
a build on GitHub names the run as its builder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from warmbuild import csv_attributes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from warmbuild.inputs.values import Inputs
    from warmbuild.run_context import RunContext

# Go's strconv.ParseBool, by which buildx reads an attestation that is switched on or off.
_ON: Final = frozenset(["1", "t", "T", "TRUE", "true", "True"])
_OFF: Final = frozenset(["0", "f", "F", "FALSE", "false", "False"])


def attests(inputs: Inputs, run: RunContext) -> tuple[str, ...]:
    """Return what was asked for, as `--attest` takes it."""
    asked = {"provenance": inputs.provenance, "sbom": inputs.sbom}
    own = [_own(kind, value) for kind, value in asked.items() if value]
    others = [entry for entry in inputs.attests if not asked.get(kind_of(entry))]
    return tuple(_written(entry, run) for entry in (*own, *others))


def defaults(inputs: Inputs, run: RunContext) -> tuple[str, ...]:
    """Return the provenance that images of the CI system get if no input mentions it.

    An image for the engine can have none, and neither can one that its own driver builds.
    """
    is_said = inputs.provenance or any(kind_of(entry) == "provenance" for entry in inputs.attests)
    is_for_engine = inputs.load or "docker" in kinds(inputs.outputs)
    if is_said or is_for_engine or not (run.provenance and inputs.driver.has_attestations):
        return ()
    return (_written(f"type=provenance,{run.provenance}", run),)


def _own(kind: str, value: str) -> str:
    # docker/build-push-action leaves this one word out, for it has the builder to say.
    is_plain = kind == "provenance" and value.lower() == "true"
    return f"type={kind}" if is_plain else f"type={kind},{value}"


def kinds(outputs: tuple[str, ...]) -> frozenset[str]:
    """Return the types of exports, as `--output` takes them; a directory alone is `local`."""
    return frozenset(_kind_of_output(entry) for entry in outputs)


def kind_of(entry: str) -> str:
    """Return the type of an attestation or an export; it is empty where it has none."""
    found = [value for name, value in map(_pair, csv_attributes.fields(entry)) if name == "type"]
    return found[0] if found else ""


def _kind_of_output(entry: str) -> str:
    # buildx takes `-` for a tarball on its standard output.
    bare = {"-": "tar"}.get(entry, "local") if "=" not in entry else ""
    return bare or kind_of(entry)


def _pair(field: str) -> tuple[str, str]:
    name, _, value = field.partition("=")
    return name.strip().lower(), value.strip()


def _written(entry: str, run: RunContext) -> str:
    """Write an attestation out: switched on or off in words, provenance with its builder."""
    fields = list(_switched(csv_attributes.fields(entry)))
    names = {_pair(field)[0] for field in fields}
    is_off = "disabled=true" in fields
    if kind_of(entry) == "provenance" and run.builder_id and not is_off:
        fields += [] if "builder-id" in names else [f"builder-id={run.builder_id}"]
    return ",".join(map(csv_attributes.quoted, fields))


def _switched(fields: tuple[str, ...]) -> Iterator[str]:
    for field in fields:
        if field in _ON:
            yield "disabled=false"
        elif field in _OFF:
            yield "disabled=true"
        else:
            yield field
