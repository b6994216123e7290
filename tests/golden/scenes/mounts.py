"""Paths that a container does not share with its job, and files that it does not give away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.golden import adapters, machine
from tests.golden.made_up import BUILT
from tests.golden.scene import Scene, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOST: Final = (
    *("build", "--image=ghcr.io/me/app", "--context=.", "--secret-files=key=/none/key"),
    "--outputs=type=oci,dest=/none/image.tar",
)


def _scenes() -> Iterator[Scene]:
    for title, is_mounted in (("the checkout is mounted", True), ("nothing is mounted", False)):
        with adapters.in_container(is_mounted=is_mounted):
            yield Scene(title=f"Paths elsewhere; {title}", said=machine.run(*_LOST))
    with adapters.in_container(is_mounted=True, error="Operation not permitted"):
        said = machine.built("--outputs=type=local,dest=.", buildx={"build": BUILT})
    yield Scene(title="Files that the container may not give away", said=said)


SUBJECT: Final = Subject(
    name="mounts",
    about="What warmbuild says of files in its container.",
    scenes=_scenes,
)
