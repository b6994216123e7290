"""GitHub's and GitLab's files are run by real clients, cold and then warm."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import gitlab_server
from tests.integration.clients import (
    GITHUB_URL,
    GITLAB_HOST,
    ROOT,
    replaced,
    repository,
    tracked_files,
    version,
)
from warmbuild.ci import gitlab as gitlab_files
from warmbuild.report.outputs import OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import docker

    from tests.integration.clients import Act, GitlabCiLocal
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


GITLAB_PIPELINE = """include:
  - component: $CI_SERVER_FQDN/warmbuild/warmbuild/build@VERSION
    inputs:
      dind: false
      warmbuild-image: IMAGE
      push: "true"
      merge-request-note: "true"

# The client keeps no reports of metrics.
warmbuild:
  after_script:
    - cat warmbuild-metrics.txt

read:
  stage: deploy
  image: busybox:1.37
  needs: [warmbuild]
  script:
    - echo "read <$WARMBUILD_DIGEST $WARMBUILD_CACHE_STEPS>"
    - cat warmbuild.json
"""


def test_what_a_merge_request_on_gitlab_gets(
    gitlab_ci_local: GitlabCiLocal,
    image: str,
    project: Callable[..., Path],
    of_the_lab: Mapping[str, str],
    lab: Lab,
    auth_registry: Registry,
    secured: str,
) -> None:
    """The summary, the metrics, all outputs, those of them that are variables, and the note."""
    place = project("FROM busybox:1.37\nRUN date > /date\nCOPY a /\n", {"a": "one"})
    pipeline = GITLAB_PIPELINE.replace("VERSION", version()).replace("IMAGE", image)
    (place / ".gitlab-ci.yml").write_text(pipeline)
    repository(place, f"https://{GITLAB_HOST}/team/app.git")
    with gitlab_server.serving() as gitlab:
        variables = {
            "CI_REGISTRY": lab.auth_registry,
            "CI_REGISTRY_IMAGE": secured,
            "CI_REGISTRY_USER": lab.username,
            "CI_REGISTRY_PASSWORD": lab.password,
            "CI_API_V4_URL": gitlab.api,
            "CI_PIPELINE_SOURCE": "merge_request_event",
            "CI_PROJECT_ID": str(gitlab_server.PROJECT),
            "CI_MERGE_REQUEST_PROJECT_ID": str(gitlab_server.PROJECT),
            "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": str(gitlab_server.PROJECT),
            "CI_MERGE_REQUEST_IID": str(gitlab_server.NUMBER),
            "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "feature/socks",
            "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
            "INPUT_MERGE_REQUEST_TOKEN": gitlab_server.TOKEN,
            **{f"INPUT_{key}": text for key, text in of_the_lab.items()},
        }
        logs = [gitlab_ci_local.pipeline(place, variables) for _ in range(2)]
        (note,) = gitlab.notes
    assert gitlab_server.TOKEN not in "".join(logs)
    digest = auth_registry.digest(f"{secured}:pr-7")
    headline = f"pushed {secured}:pr-7: 0 of 2 steps run, 2 cached"
    assert note.body.startswith(f"<!-- warmbuild warmbuild  -->\n**warmbuild**: `{headline}")
    kept = place / ".gitlab-ci-local" / "artifacts" / "warmbuild"
    first = (kept / gitlab_files.SUMMARY).read_text().partition("\n")[0]
    assert first.replace("`", "").startswith(f"### warmbuild: {headline}")
    outputs = json.loads((kept / gitlab_files.OUTPUTS).read_text())
    assert list(outputs) == list(OUTPUTS)
    assert outputs["digest"] == digest
    assert '> warmbuild_steps_cached{job="warmbuild"} 2\n' in logs[1]
    (dotenv,) = kept.rglob(gitlab_files.DOTENV)
    lines = dotenv.read_text().splitlines()
    assert lines[0] == f"WARMBUILD_DIGEST={digest}"
    assert 10 < len(lines) <= 20
    # The later job, which also has the artifacts.
    assert f"read <{digest} 2>" in logs[1]
    assert f'"digest": "{digest}"' in logs[1]


def indented(text: str, blanks: int) -> str:
    return "".join(f"{' ' * blanks}{line}\n" for line in text.splitlines())
