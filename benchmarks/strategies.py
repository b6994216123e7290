"""The strategies of `make bench-edit` and `make bench-peers`, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_CACHE: Final = "no cache"
GHA: Final = "type=gha,mode=max"
ONE_REF: Final = "one registry ref"
BEFORE: Final = "warmbuild before"
IDEAL: Final = "one builder that stays"
BARE: Final = "bare commands"
BARE_BOTH: Final = "bare commands, main's cache too"

IN_AN_IMAGE: Final = "mounts in an image, by hand"
DANCE: Final = "cache-dance, by hand"
WITHOUT_MOUNTS: Final = "warmbuild, without mounts"

# What warmbuild gets beside image, context and builder.
LEVERS: Final[Mapping[str, Mapping[str, str]]] = {
    WITHOUT_MOUNTS: {"cache-mounts": "off"},
    "warmbuild, state on disk": {"builder-state": "disk"},
    "warmbuild": {},
    "warmbuild, lazy": {"lazy": "true"},
    "warmbuild, link": {"link": "true"},
    "warmbuild, lazy and link": {"lazy": "true", "link": "true"},
}
# Names by the words that choose them on a command line, in the order of tables and plots.
CHOICES: Final[Mapping[str, str]] = {
    "none": NO_CACHE,
    "gha": GHA,
    "ref": ONE_REF,
    "image": IN_AN_IMAGE,
    "dance": DANCE,
    "before": BEFORE,
    **dict(zip(("unmounted", "disk", "default", "lazy", "link", "all"), LEVERS, strict=True)),
    "ideal": IDEAL,
}
# Those of a project with cache mounts, unless others are chosen.
MOUNTED: Final[Mapping[str, str]] = {
    word: CHOICES[word] for word in ("ref", "image", "dance", "unmounted", "default", "ideal")
}
# Those of other projects.
STRATEGIES: Final[Mapping[str, str]] = {
    word: name for word, name in CHOICES.items() if name not in {IN_AN_IMAGE, DANCE, WITHOUT_MOUNTS}
}
ORDER: Final = (*CHOICES.values(), BARE, BARE_BOTH)

INLINE: Final = "docker pull, inline cache"
STAGES: Final = "stage images"
TARBALL: Final = "saved tarball"
ACTIONS_GHA: Final = "actions, type=gha"
ACTIONS_REGISTRY: Final = "actions, type=registry"
# Those of `make bench-peers`, in the same way.
PEERS: Final[Mapping[str, str]] = {
    "none": NO_CACHE,
    "inline": INLINE,
    "stages": STAGES,
    "tarball": TARBALL,
    "ref": ONE_REF,
    "gha": ACTIONS_GHA,
    "registry": ACTIONS_REGISTRY,
    "default": "warmbuild",
}
