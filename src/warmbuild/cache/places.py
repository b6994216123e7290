"""Names the caches of a branch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from warmbuild import refs
from warmbuild.cache.cache_plan import CacheRef, Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from warmbuild.inputs.values import Inputs
    from warmbuild.refs import Reference


@dataclass(frozen=True, slots=True)
class Places:
    """Names the caches of a branch for the backend of a run."""

    inputs: Inputs
    home: Reference | None

    def read(self, branch: str, reason: str) -> Iterator[CacheRef]:
        """Return all that may be read of a branch, its own ref first."""
        own, *others = self._platforms()
        yield CacheRef(ref=self._place(branch, own), reason=reason, branch=branch)
        beside = list(self.stages(branch, reason)) + list(self.history(branch, reason))
        for platform in others:
            what = f"{platform} alone" if platform else "all platforms"
            place = self._place(branch, platform)
            beside.append(CacheRef(ref=place, reason=f"{reason}, {what}"))
        for item in beside:
            yield replace(item, branch=branch, beside=True)

    def written(self, branch: str, reason: str) -> CacheRef:
        """Return what a run writes."""
        own = self._platforms()[0]
        return CacheRef(ref=self._place(branch, own), reason=reason, branch=branch)

    def platforms(self, branch: str, reason: str) -> Iterator[CacheRef]:
        """Return the refs of single platforms, which jobs that build one each write too."""
        for platform in dict.fromkeys(self.inputs.platforms):
            place = self._place(branch, platform)
            why = f"{reason}, {platform} alone"
            yield CacheRef(ref=place, reason=why, branch=branch, platform=platform)

    def stages(self, branch: str, reason: str) -> Iterator[CacheRef]:
        """Return the refs of the stages that an inline cache keeps beside its image."""
        own = self._platforms()[0]
        for stage in dict.fromkeys(self.inputs.cache_stages):
            place = self._place(branch, own, stage=stage)
            yield CacheRef(ref=place, reason=f"{reason}, stage {stage}", stage=stage)

    def history(self, branch: str, reason: str) -> Iterator[CacheRef]:
        """Return the older generations of a branch's cache, the youngest first."""
        own = self._platforms()[0]
        for generation in range(1, self.inputs.cache_history):
            place = self._place(branch, own, generation=generation)
            yield CacheRef(ref=place, reason=f"{reason}, {generation} before it")

    def _platforms(self) -> tuple[str, ...]:
        """Return whose caches are of use, this run's own first; an empty text is all platforms'.

        Jobs that build one platform each would overwrite each other's cache under one name.
        """
        platforms = tuple(dict.fromkeys(self.inputs.platforms))
        return (platforms[0], "") if len(platforms) == 1 else ("", *platforms)

    def _place(self, branch: str, platform: str, *, stage: str = "", generation: int = 0) -> Place:
        inputs = self.inputs
        # The signs belong to no scope, stage, platform or version, so no two of them meet.
        marked = (("@", platform), ("+", stage), ("=", inputs.cache_version))
        scope = inputs.cache_scope + "".join(f"{sign}{value}" for sign, value in marked if value)
        tag = refs.cache_tag(
            prefix=inputs.cache_tag_prefix, scope=scope, branch=branch, generation=generation
        )
        if inputs.cache_backend.is_in_registry and self.home is not None:
            return replace(self.home, tag=tag)
        return f"{inputs.cache_dir.rstrip('/')}/{tag}" if inputs.cache_dir else tag
