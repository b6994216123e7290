"""The phases of a run, into which its time is divided."""

from __future__ import annotations

from enum import Enum

from warmbuild.frozen import frozen


class Phase(Enum):
    """What a run does at a moment."""

    START = "start"  # until a builder is asked for: inputs, the plan, logins
    BOOT = "boot"  # until the builder is up, if that takes longer than the registry
    PROBE = "probe"  # until the registry has answered, if that takes longer than the builder
    CONTEXT = "context"  # the Dockerfile and the context are read and sent
    PULL = "pull and unpack"  # images, and layers of caches
    MOUNTS = "cache mounts"  # they are restored before the build, and saved after it
    STEPS = "steps"
    EXPORT = "export"  # of the image
    PUSH = "push"  # of the image
    IMPORT = "cache import"  # the records of caches
    CACHE = "cache export"
    BUILDX = "buildx"  # buildx and BuildKit between all that
    REPORT = "report"  # records, causes, outputs
    REMOVAL = "removal"  # of the builder


@frozen
class Span:
    """A time that is of one phase, in seconds of `time.monotonic`."""

    phase: Phase
    begun: float
    ended: float
