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


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The caches of each branch, named for a run's backend."""

    inputs: Inputs
    home: Reference | None  # repository of the caches, if the backend is in a registry

    def read(self, branch: str, reason: str) -> Iterator[CacheRef]:
        """Yield all refs of a branch that may be read, its own first."""
        yield self.written(branch, reason)
        beside = [*self.stages(branch, reason), *self.history(branch, reason)]
        for platform in self._platforms()[1:]:
            what = f"{platform} alone" if platform else "all platforms"
            place = self._place(branch, platform)
            beside.append(CacheRef(ref=place, reason=f"{reason}, {what}"))
        for item in beside:
            yield replace(item, branch=branch, beside=True)

    def written(self, branch: str, reason: str) -> CacheRef:
        """Return the ref that a run of a branch writes."""
        return CacheRef(ref=self._place(branch), reason=reason, branch=branch)

    def platforms(self, branch: str, reason: str) -> Iterator[CacheRef]:
        """Yield the refs of single platforms; jobs for one platform write the same refs."""
        for platform in dict.fromkeys(self.inputs.platforms):
            place = self._place(branch, platform)
            why = f"{reason}, {platform} alone"
            yield CacheRef(ref=place, reason=why, branch=branch, platform=platform)

    def stages(self, branch: str, reason: str) -> Iterator[CacheRef]:
        """Yield the refs of the stages that an inline cache keeps beside its image."""
        for stage in dict.fromkeys(self.inputs.cache_stages):
            place = self._place(branch, stage=stage)
            yield CacheRef(ref=place, reason=f"{reason}, stage {stage}", stage=stage)

    def history(self, branch: str, reason: str) -> Iterator[CacheRef]:
        """Yield the older generations of a branch's cache, the youngest first."""
        for generation in range(1, self.inputs.cache_history):
            place = self._place(branch, generation=generation)
            yield CacheRef(ref=place, reason=f"{reason}, older generation {generation}")

    def _platforms(self) -> tuple[str, ...]:
        """Return the platforms whose caches are read, this run's first; "" means all platforms.

        Jobs that build one platform each would overwrite each other's cache under one name.
        """
        platforms = tuple(dict.fromkeys(self.inputs.platforms))
        return (platforms[0], "") if len(platforms) == 1 else ("", *platforms)

    def _place(
        self, branch: str, platform: str | None = None, *, stage: str = "", generation: int = 0
    ) -> Place:
        """Return the place of a cache; without a platform, for those that the run builds."""
        inputs, own = self.inputs, self._platforms()[0]
        # No scope, stage, platform or version holds these signs, so no two names are the same.
        marked = (
            ("@", own if platform is None else platform),
            ("+", stage),
            ("=", inputs.cache_version),
        )
        scope = inputs.cache_scope + "".join(f"{sign}{value}" for sign, value in marked if value)
        tag = refs.cache_tag(
            prefix=inputs.cache_tag_prefix, scope=scope, branch=branch, generation=generation
        )
        if inputs.cache_backend.is_in_registry and self.home is not None:
            return replace(self.home, tag=tag)
        return f"{inputs.cache_dir.rstrip('/')}/{tag}" if inputs.cache_dir else tag
