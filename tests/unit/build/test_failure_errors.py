from __future__ import annotations

from warmbuild.build import outcomes
from warmbuild.buildkit.progress import Failure
from warmbuild.errors import BuildError


def test_a_program_of_another_processor_is_explained() -> None:
    failure = Failure(
        error="process did not complete successfully: exit code: 255",
        title="[2/2] RUN true",
        source="Dockerfile:2",
        tail=("exec /bin/sh: exec format error",),
    )
    error = outcomes.failure_error(failure)
    assert isinstance(error, BuildError)
    assert str(error).endswith(
        "\n  | exec /bin/sh: exec format error\n"
        "The build ran a program of another processor without emulation: set qemu-platforms to "
        "emulate it, or build faster on a node with that processor (append)."
    )
