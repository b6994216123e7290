"""The CI systems, one module each; the first that detects itself wins, `local` is last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from warmbuild.ci import (
    azure,
    bamboo,
    bitbucket,
    buildkite,
    circleci,
    drone,
    gitea,
    github,
    gitlab,
    jenkins,
    local,
    woodpecker,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warmbuild.ci.provider import Provider

# gitea comes before github: it sets GITHUB_ACTIONS too.
MODULES: Final = (
    *(gitea, github, gitlab, circleci, azure, bitbucket, buildkite),
    *(bamboo, woodpecker, drone, jenkins, local),
)
PROVIDERS: Final[tuple[Provider, ...]] = tuple(module.PROVIDER for module in MODULES)
NAMES: Final = tuple(provider.name for provider in PROVIDERS)


def detect(env: Mapping[str, str]) -> Provider:
    """Return the CI system that has this environment."""
    return next(provider for provider in PROVIDERS if provider.detect(env))


def named(name: str) -> Provider:
    """Return the CI system with this name, one of NAMES."""
    return next(provider for provider in PROVIDERS if name == provider.name)
