from __future__ import annotations

from warmbuild.build import failures
from warmbuild.buildkit.progress import Failure
from warmbuild.errors import BuildError


def test_a_program_of_another_processor_is_explained() -> None:
    failure = Failure(
        error="process did not complete successfully: exit code: 255",
        title="[2/2] RUN true",
        source="Dockerfile:2",
        tail=("exec /bin/sh: exec format error",),
    )
    error = failures.failure_error(failure)
    assert isinstance(error, BuildError)
    assert str(error).endswith(
        "\n  | exec /bin/sh: exec format error\n"
        "A program of another processor was started and is not emulated: qemu-platforms emulates "
        "it, and a node of its own (append) builds faster."
    )
