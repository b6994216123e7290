"""The layers of an image with the steps that made them, and where two images differ.

A registry has them as the image's manifest and configuration, which anybody may have written (OCI
image specification, "Image Manifest" and "Image Configuration").
"""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import TYPE_CHECKING, Final

from warmbuild import untrusted_json
from warmbuild.frozen import frozen
from warmbuild.vendors import refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Layers, and steps in a history. Docker's engine takes 127 layers.
_MOST: Final = 4096
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_MARK: Final = " # buildkit"
_RUN: Final = "RUN "
_WITH_VALUES: Final = "RUN |"
_SHELL: Final = re.compile(r"/bin/\w{0,3}sh (?:-[a-z]{1,9} (?:pipefail )?){0,4}?-c ")


@frozen
class Step:
    """A step in the history of an image."""

    digest: str  # Digest of its layer in the manifest; empty if it made none
    created_by: str  # The instruction, in one line; empty if the history has none for the layer

    @property
    def is_empty(self) -> bool:
        """Whether the step made no layer."""
        return not self.digest


@frozen
class Difference:
    """A layer that two images have not in common."""

    number: int  # Its place among the layers, from 1
    created_by: str  # The step that made it
    now: str  # Digest; empty if the image has fewer layers
    then: str  # Digest; empty if that image had fewer layers


def steps(manifest: str | bytes, config: str | bytes) -> tuple[Step, ...]:
    """Return the steps of an image, the first one first.

    A step without a layer of its own counts as empty, as BuildKit has it, and a layer without a
    step is behind all others. Raises ValueError if one of the texts is malformed, or too long.
    """
    layers = untrusted_json.items(untrusted_json.parsed(manifest), "layers")
    history = untrusted_json.items(untrusted_json.parsed(config), "history")
    if max(len(layers), len(history)) > _MOST:
        raise ValueError(f"it has more than {_MOST} layers or steps")
    left = [untrusted_json.text(one, "digest") for one in untrusted_json.objects(layers)]
    if len(left) < len(layers) or not all(map(_DIGEST.fullmatch, left)):
        raise ValueError("a layer has no digest")
    left.reverse()
    found = []
    for entry in untrusted_json.objects(history):
        digest = left.pop() if left and entry.get("empty_layer") is not True else ""
        found.append(Step(digest=digest, created_by=_instruction(entry)))
    return (*found, *(Step(digest=digest, created_by="") for digest in reversed(left)))


def differing(now: Iterable[Step], then: Iterable[Step]) -> tuple[Difference, ...]:
    """Return the layers that differ between two images, each with the step that made it.

    Layers are compared by their place.
    """
    here, there = ([step for step in steps if not step.is_empty] for steps in (now, then))
    none = Step(digest="", created_by="")
    pairs = enumerate(zip_longest(here, there, fillvalue=none), start=1)
    return tuple(
        Difference(
            number=number,
            created_by=new.created_by or old.created_by,
            now=new.digest,
            then=old.digest,
        )
        for number, (new, old) in pairs
        if new.digest != old.digest
    )


def _instruction(entry: Mapping[str, object]) -> str:
    """Return the instruction of a step, without its shell, and the values of build arguments.

    BuildKit writes `RUN |1 NAME=value /bin/sh -c command`, and nothing tells where a value ends.
    """
    text = untrusted_json.text(entry, "created_by").removesuffix(_MARK)
    if text.startswith(_WITH_VALUES):
        text = " ".join(["RUN", *_SHELL.split(text)[1:][-1:]])
    elif text.startswith(_RUN) and (shell := _SHELL.match(text, len(_RUN))):
        text = f"{_RUN}{text[shell.end() :]}"
    return refusal.excerpt(text)
