"""GitHub's and GitLab's files are run by real clients, cold and then warm."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.clients import (
    GITHUB_URL,
    ROOT,
    replaced,
    repository,
    tracked_files,
)

if TYPE_CHECKING:
    import docker

    from tests.integration.clients import Act
    from tests.integration.conftest import Lab, Registry

# What act calls the image that it builds for `uses: ./`.
ACTION = "act-dockeraction:latest"


@pytest.mark.long
def test_act_runs_the_job_that_tries_the_action_on_itself(
    act: Act, engine: docker.DockerClient, lab: Lab, registry: Registry, name: str, tmp_path: Path
) -> None:
    """The job has the image built from the Dockerfile, and compares cold and warm itself.

    Its registry is a service of the job there, and the lab's here.
    """
    checkout = repository(tracked_files(tmp_path / "checkout"), GITHUB_URL)
    own = {
        r"^    services:\n      registry:\n        image: \S+\n": "",
        r"registry:5000/flask": f"{lab.registry}/{name}",
        r"\$\{\{ job\.services\.registry\.network \}\}": "host",
        r"^( +)\[registry\.\"registry:5000\"\]\n +http = true\n": indented(
            Path(lab.buildkitd_config).read_text(), 8
        ),
    }
    workflow = replaced((ROOT / ".github" / "workflows" / "ci.yml").read_text(), own)
    try:
        log = act.push(checkout, workflow, name, "--job=action")
    finally:
        engine.images.remove(ACTION, force=True)
    assert "cold: 0 from the cache; warm: 4 of 5" in log
    assert registry.tags(f"{lab.registry}/{name}") == ["cache-main", "latest", "main"]
    registry.check_cache(f"{lab.registry}/{name}:cache-main")


def indented(text: str, blanks: int) -> str:
    return "".join(f"{' ' * blanks}{line}\n" for line in text.splitlines())
