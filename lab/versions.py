"""Everything the lab is made from, pinned by version in one place.

What a package manager locks is pinned by its own file: the `go.mod` of `buildkit/`, `gha/`,
`kubernetes/` and `otelcol/`, and the `package.json` of `azurite/` and `gitlab-ci-local/`.
"""

from __future__ import annotations

BUILDX = "0.38.2"
BUILDX_MINIMUM = (0, 31)  # the oldest installed plugin the lab uses instead of its own
BUILDKIT = "0.34.2"
GO = "1.26.8"  # builds buildx and BuildKit, and is the toolchain of the golang image
DEBIAN = "trixie"  # has Docker 26.1; the release of every base image
VERSITYGW = "1.8.0"
ACT = "0.2.89"
KUBERNETES = "1.36.3"
# Version 2.8, which Debian has, writes a blob's link in place: a manifest that arrives meanwhile is
# refused ("blob unknown").
REGISTRY = "3.1.2"
# With an installed engine. The image of a release may come out days after it.
REGISTRY_IMAGE = f"registry:{REGISTRY.partition('.')[0]}"

BUILDKIT_IMAGE = f"moby/buildkit:v{BUILDKIT}"
