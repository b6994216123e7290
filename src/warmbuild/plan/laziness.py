"""Decides whether the layers of a build may stay packed, as the input `lazy` asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from warmbuild import lazy
from warmbuild.cache import packing, permission

if TYPE_CHECKING:
    from warmbuild.inputs.values import Inputs
    from warmbuild.project import dockerfile
    from warmbuild.project.dockerfile import Dockerfile, Stage
else:
    # Only a build with `lazy` needs it, and each run needs the flag below.
    dockerfile = lazy.module("warmbuild.project.dockerfile")

# The flag of a daemon that names its snapshotter, and the snapshotter that leaves layers packed.
SNAPSHOTTER: Final = "--oci-worker-snapshotter"
STARGZ: Final = "stargz"


def why_not(inputs: Inputs) -> str:
    """Return why `lazy` has no effect with these inputs, or an empty text.

    A builder cannot use layers that stayed packed in another call of buildx (BuildKit v0.34.2: it
    has no descriptor handlers for them), nor after its daemon was restarted. So it has to end with
    the run, and the cache has to be exported with the image.
    """
    obstacles = (
        (inputs.driver.connects, f"the daemon at {inputs.endpoint} is started elsewhere"),
        (
            inputs.builder,
            f"the builder {inputs.builder} may outlive this run, which packed layers do not",
        ),
        (
            inputs.cache_from or inputs.cache_to,
            "only the caches that warmbuild chooses are written as eStargz",
        ),
        (
            permission.has_nodes_apart(inputs),
            "each node of the builder exports its cache after the image",
        ),
        (
            inputs.outputs and not packing.packs_unlike_zstd(inputs.outputs),
            "outputs makes no image, or packs one as zstd",
        ),
        (
            inputs.reproducible,
            "reproducible is on, which rewrites the layers of the image, and so unpacks them",
        ),
        (
            SNAPSHOTTER in inputs.buildkitd_flags and STARGZ not in inputs.buildkitd_flags,
            "buildkitd-flags names another snapshotter",
        ),
    )
    return next((reason for holds, reason in obstacles if holds), "")


def stages_apart(file: Dockerfile, built: Stage) -> str:
    """Return why the stages of a file keep layers from staying packed, or an empty text.

    An export looks for layers that are packed only below the stage that is built. It leaves out all
    steps of another stage if one of them ran upon such a layer ("missing descriptor handlers").
    """
    below = dockerfile.lineage(file, built)
    apart = [stage for stage in dockerfile.needed(file, built) if stage not in below]
    steps = [stage for stage in apart if stage.instructions]
    if not steps:
        return ""
    names = ", ".join(stage.name or str(stage.number) for stage in steps)
    return f"files are copied or mounted from {names}, whose steps would be lost from the cache"
