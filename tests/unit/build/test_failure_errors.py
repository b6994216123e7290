from __future__ import annotations

import pytest

from warmbuild.build import outcomes
from warmbuild.buildkit.progress import Failure
from warmbuild.errors import BuildError, EngineError, RegistryError


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


@pytest.mark.parametrize(
    ("title", "error", "is_push"),
    [
        ("exporting to image", "failed to push r.io/a: 503", True),
        ("[web] exporting to image", "failed to push r.io/a: 503", True),
        ("exporting to image", "no such file", False),
        ("pushing r.io/a:main with docker", "broken pipe", True),
        ("[web] pushing r.io/a:main with docker", "broken pipe", True),
        ("[2/2] RUN echo pushing r.io/a:main with docker", "exit code: 1", False),
    ],
)
def test_a_push_is_a_fault_of_the_registry(title: str, error: str, *, is_push: bool) -> None:
    failure = Failure(error=error, title=title, source="", tail=())
    assert outcomes.is_push(failure) is is_push
    assert isinstance(outcomes.failure_error(failure), RegistryError) is is_push


@pytest.mark.parametrize(
    ("title", "error", "is_lost"),
    [
        ("", "Unavailable: error reading from server: EOF", True),
        ("", "failed to receive status: rpc error: code = Unavailable desc = closing", True),
        ("[2/2] RUN a", "Unavailable: error reading from server: EOF", False),
        ("", "503 Service Unavailable", False),
    ],
)
def test_a_daemon_that_has_ended_is_no_fault_of_the_build(
    title: str, error: str, *, is_lost: bool
) -> None:
    failure = Failure(error=error, title=title, source="", tail=())
    assert isinstance(outcomes.failure_error(failure), EngineError) is is_lost
