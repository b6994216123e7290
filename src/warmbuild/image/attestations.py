"""The attestations of an image, from the inputs provenance, sbom and attests together.

As in docker/build-push-action, an input of its own wins over `attests`, and the provenance of a
build on GitHub names the run as its builder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from warmbuild import csv_attributes, run_context

if TYPE_CHECKING:
    from collections.abc import Iterable

    from warmbuild.inputs.values import Inputs
    from warmbuild.run_context import RunContext

_OFF: Final = "disabled=true"
# buildx would add one by itself.
NO_PROVENANCE: Final = f"type=provenance,{_OFF}"


def attests(inputs: Inputs, run: RunContext) -> tuple[str, ...]:
    """Return the attestations that the inputs ask for, as `--attest` takes them."""
    asked = {"provenance": inputs.provenance, "sbom": inputs.sbom}
    own = [_own(kind, value) for kind, value in asked.items() if value]
    others = [entry for entry in inputs.attests if not asked.get(kind_of(entry))]
    written = tuple(_written(entry, run) for entry in (*own, *others))
    return (*written, NO_PROVENANCE) if leaves_out(inputs) else written


def leaves_out(inputs: Inputs) -> bool:
    """Return whether an image lacks the provenance that it would have by default."""
    return inputs.reproducible and not _mentions_provenance(inputs)


def enabled(attests: tuple[str, ...]) -> tuple[str, ...]:
    """Return the attestations that are made, and not turned off."""
    return tuple(one for one in attests if _OFF not in csv_attributes.fields(one))


def defaults(inputs: Inputs, run: RunContext) -> tuple[str, ...]:
    """Return the provenance that the CI system adds if no input mentions it.

    The engine's images cannot have one, nor can those that its own driver builds. It holds times.
    """
    is_said = inputs.reproducible or _mentions_provenance(inputs)
    is_for_engine = inputs.load or "docker" in kinds(inputs.outputs)
    if is_said or is_for_engine or not (run.provenance and inputs.driver.has_attestations):
        return ()
    return (_written(f"type=provenance,{run.provenance}", run),)


def kinds(outputs: tuple[str, ...]) -> frozenset[str]:
    """Return the types of exports; buildx takes a bare directory for local and `-` for a tar."""
    return frozenset(
        kind_of(entry) if "=" in entry else {"-": "tar"}.get(entry, "local") for entry in outputs
    )


def kind_of(entry: str) -> str:
    """Return the type of an attestation or an export; empty if it names none."""
    pairs = map(_pair, csv_attributes.fields(entry))
    return next((value for name, value in pairs if name == "type"), "")


def _mentions_provenance(inputs: Inputs) -> bool:
    named = any(kind_of(entry) == "provenance" for entry in inputs.attests)
    return bool(inputs.provenance) or named


def lasting(attests: Iterable[str]) -> tuple[str, ...]:
    """Return attestations without the builder's identity, which names the run."""
    return tuple(
        csv_attributes.joined(
            *(field for field in csv_attributes.fields(entry) if _pair(field)[0] != "builder-id")
        )
        for entry in attests
    )


def _own(kind: str, value: str) -> str:
    # docker/build-push-action omits this one word, and so leaves the mode to the builder.
    is_plain = kind == "provenance" and value.lower() == "true"
    return f"type={kind}" if is_plain else f"type={kind},{value}"


def _pair(field: str) -> tuple[str, str]:
    name, _, value = field.partition("=")
    return name.strip().lower(), value.strip()


def _written(entry: str, run: RunContext) -> str:
    """Write an attestation out: `disabled` in words, provenance with its builder."""
    fields = [_switched(field) for field in csv_attributes.fields(entry)]
    is_on = _OFF not in fields
    has_builder = "builder-id" in {_pair(field)[0] for field in fields}
    if kind_of(entry) == "provenance" and run.builder_id and is_on and not has_builder:
        fields.append(f"builder-id={run.builder_id}")
    return ",".join(map(csv_attributes.quoted, fields))


def _switched(field: str) -> str:
    if run_context.is_true(field):
        return "disabled=false"
    return _OFF if run_context.is_false(field) else field


def holds_files(outputs: tuple[str, ...]) -> bool:
    """Return whether an output holds files, and not an image."""
    return bool(kinds(outputs) & {"local", "tar"})


def needs_files(outputs: tuple[str, ...], attests: tuple[str, ...]) -> str:
    """Return why BuildKit looks at the files of an image after its last step, or ""."""
    if holds_files(outputs):
        return "an output holds the files of the image"
    if any(kind_of(entry) == "sbom" for entry in attests):
        return "an SBOM lists the files of the image"
    return ""
