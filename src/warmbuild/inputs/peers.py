"""Names that other actions have for inputs, and what takes their place here.

These are inputs of docker/build-push-action 1, docker/setup-buildx-action 3, docker/bake-action 5,
int128/docker-build-cache-config-action and whoan/docker-build-with-cache-action. Names that several
actions share with warmbuild are not listed, even if they mean something else there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

# By their name; underscores are hyphens here.
NAMES: Final[Mapping[str, str]] = {
    "always-pull": "pull",
    "cache-key": "cache-scope",
    "cache-key-fallback": "cache-fallback",
    "cache-type": "cache-backend",
    "compose-file": "compose-files",
    "config": "buildkitd-config",
    "config-inline": "buildkitd-config-inline",
    "dockerfile": "file",
    "image-name": "image",
    "image-tag": "tags",
    "path": "context",
    "push-image-and-stages": "push",
    "repository": "image",
    "services-regex": "targets",
    "stages-image-name": "cache-repository",
    "token": "github-token",
    "workdir": "source",
}
# Those that nothing replaces, with what to do instead.
REASONS: Final[Mapping[str, str]] = {
    "add-git-labels": "Rules in tags, such as type=sha, add these labels",
    "build-extra-args": "Each flag of docker build has an input of its own, such as build-args",
    "extra-cache-from": "cache-fallback names more branches, and cache-from replaces all caches",
    "extra-cache-to": "A run writes one cache, and cache-to replaces it",
    "pull-image-and-stages": "To read no cache, set cache: write-only",
    "pull-request-cache": "Every pull request has a cache of its own",
    "push-git-tag": "A run for a git tag is tagged by it anyway",
    "session": "Set AWS_SESSION_TOKEN in the environment",
    "tag-with-ref": "Without tags, the image is tagged by branch, git tag or pull request",
    "tag-with-sha": "Add type=sha to tags",
}


def advice(name: str) -> str:
    """Return what takes the place of another action's input, as a sentence after a space."""
    if name in NAMES:
        return f" Here it is '{NAMES[name]}'."
    return f" {REASONS[name]}." if name in REASONS else ""
