"""Names the caches of a branch."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from warmbuild import refs
from warmbuild.cache.cache_plan import CacheRef, Place
from warmbuild.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from warmbuild.inputs.values import Inputs
    from warmbuild.refs import Reference


@frozen
class Places:
    """The caches of each branch, named for a run's backend."""

    inputs: Inputs
    home: Reference | None  # Repository of the caches, if the backend is in a registry

    def read(self, branch: str, reason: str) -> Iterator[CacheRef]:
        """Yield all refs of a branch that may be read, its own first."""
        yield self.written(branch, reason)
        others = (self._of(branch, reason, platform) for platform in self._platforms()[1:])
        for ref in (*self.stages(branch, reason), *self.history(branch, reason), *others):
            yield replace(ref, beside=True)

    def written(self, branch: str, reason: str) -> CacheRef:
        """Return the ref that a run of a branch writes."""
        return self._ref(branch, reason)

    def platforms(self, branch: str, reason: str) -> Iterator[CacheRef]:
        """Yield the refs of single platforms; jobs for one platform write the same refs."""
        for platform in dict.fromkeys(self.inputs.platforms):
            yield self._of(branch, reason, platform)

    def stages(self, branch: str, reason: str) -> Iterator[CacheRef]:
        """Yield the refs of the stages that an inline cache keeps beside its image."""
        for stage in dict.fromkeys(self.inputs.cache_stages):
            yield self._ref(branch, f"{reason}, stage {stage}", stage=stage)

    def history(self, branch: str, reason: str) -> Iterator[CacheRef]:
        """Yield the older generations of a branch's cache, the youngest first."""
        for number in range(1, self.inputs.cache_history):
            yield self._ref(branch, f"{reason}, older generation {number}", generation=number)

    def _platforms(self) -> tuple[str, ...]:
        """Return the platforms whose caches are read, this run's first; "" means all platforms.

        Jobs that build one platform each would overwrite each other's cache under one name.
        """
        platforms = tuple(dict.fromkeys(self.inputs.platforms))
        return (platforms[0], "") if len(platforms) == 1 else ("", *platforms)

    def _of(self, branch: str, reason: str, platform: str) -> CacheRef:
        what = f"{platform} alone" if platform else "all platforms"
        ref = self._ref(branch, f"{reason}, {what}", platform=platform)
        return replace(ref, platform=platform)

    def _ref(
        self,
        branch: str,
        reason: str,
        *,
        platform: str | None = None,
        stage: str = "",
        generation: int = 0,
    ) -> CacheRef:
        inputs, platform = self.inputs, self._platforms()[0] if platform is None else platform
        # No scope, stage, platform or version holds these signs, so no two names are the same.
        marked = (("@", platform), ("+", stage), ("=", inputs.cache_version))
        scope = inputs.cache_scope + "".join(f"{sign}{value}" for sign, value in marked if value)
        tag = refs.cache_tag(
            prefix=inputs.cache_tag_prefix, scope=scope, branch=branch, generation=generation
        )
        ref: Place = f"{inputs.cache_dir.rstrip('/')}/{tag}" if inputs.cache_dir else tag
        if inputs.cache_backend.is_in_registry and self.home is not None:
            ref = replace(self.home, tag=tag)
        return CacheRef(ref=ref, reason=reason, branch=branch, stage=stage)
