"""What registries say no to, and what to do about it, by registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.golden import adapters
from tests.golden.scene import Scene, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator

# What tells a kind of refusal: what is said, with its status.
_SAID: Final = {
    "a tag that cannot be overwritten": (0, "tag is immutable"),
    "no room": (0, "quota exceeded"),
    "too many requests": (429, ""),
    "a bad name": (0, "NAME_INVALID: invalid repository name"),
    "no such repository": (0, "NAME_UNKNOWN: repository not found"),
    "no login": (401, ""),
    "a manifest that is not taken": (0, "MANIFEST_INVALID: manifest invalid"),
    "read only": (405, ""),
    "denied": (403, ""),
}


def _scenes() -> Iterator[Scene]:
    for title, (status, words) in _SAID.items():
        written, read = (_advice(status, words, writing=writing) for writing in (True, False))
        yield Scene(title=title, said="\n".join(written))
        known = {_of_either(row) for row in written}
        if other := [row for row in read if _of_either(row) not in known]:
            yield Scene(title=f"{title}, of a cache to read", said="\n".join(other))


def _advice(status: int, words: str, *, writing: bool) -> list[str]:
    """Return what to do, and for which registries, whose name is REGISTRY in it."""
    found: dict[str, list[str]] = {}
    for name, advice in adapters.advice(status, words, writing=writing):
        found.setdefault(advice.replace(name, "REGISTRY", 1), []).append(name)
    return [f"{', '.join(names)}: {advice}" for advice, names in found.items()]


def _of_either(advice: str) -> str:
    """Return advice without the word that tells reading from writing."""
    return advice.replace("read", "write")


SUBJECT = Subject(name="refusals", about="Advice for what a registry refuses.", scenes=_scenes)
