"""The pipelines of examples/ci: which system each is for, and what its job runs in a shell."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLES = Path(__file__).resolve().parents[1] / "examples" / "ci"
# What a pipeline has for the image, and what begins a command with it.
IMAGE = re.compile(r"\S+/warmbuild/warmbuild:\S+")
DOCKER_RUN = "docker run --rm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The job that builds: its own variables, and the step's commands as one script.

    `in_image` says that the CI system itself runs the step in warmbuild's image.
    """

    environment: dict[str, str]
    script: str
    in_image: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """A file of examples/ci; `ci` is the module of its system."""

    path: str
    ci: str
    schema: str
    options: tuple[str, ...] = ()
    read: Callable[[Any], Job]

    @property
    def text(self) -> str:
        return (EXAMPLES / self.path).read_text(encoding="utf-8")

    @property
    def job(self) -> Job:
        is_yaml = Path(self.path).suffix
        return self.read(yaml.safe_load(self.text) if is_yaml else self.text)

    @property
    def docker_run(self) -> str:
        """The command that runs the image, in one line; an empty text where none does."""
        (command,) = re.findall(rf"^ *({DOCKER_RUN}(?:.*\\\n)*.*)$", self.job.script, re.MULTILINE)
        return re.sub(r"\s*\\\n\s*", " ", command)


def _circleci(document: Any) -> Job:  # noqa: ANN401 (YAML)
    job = document["jobs"]["image"]
    commands = [step["run"]["command"] for step in job["steps"] if "run" in step]
    return Job(environment=job["environment"], script=commands[0])


def _bamboo(document: Any) -> Job:  # noqa: ANN401 (YAML)
    (script, *_) = [task["script"] for task in document["Build"]["tasks"] if "script" in task]
    return Job(environment={}, script="\n".join(script["scripts"]))


def _jenkins(text: Any) -> Job:  # noqa: ANN401 (as of the others)
    # Within three quotes Groovy joins lines as a shell does, and leaves $ alone.
    (script,) = re.findall(r"sh '''\n(.*?)'''", text, re.DOTALL)
    block = text.partition("environment {")[2].partition("}")[0]
    return Job(environment=dict(re.findall(r"(\w+) = '(.*)'", block)), script=script)


def _azure(document: Any) -> Job:  # noqa: ANN401 (YAML)
    (step,) = [step for step in document["steps"] if step.get("name") == "image"]
    return Job(environment=step["env"], script=step["bash"])


def _buildkite(document: Any) -> Job:  # noqa: ANN401 (YAML)
    (step,) = document["steps"]
    return Job(environment=step["env"], script=step["command"].replace("$$", "$"))


def _bitbucket(document: Any) -> Job:  # noqa: ANN401 (YAML)
    step = document["definitions"]["steps"][0]["step"]
    return Job(environment={}, script="\n".join(step["script"]), in_image=True)


def _steps(document: Any) -> Job:  # noqa: ANN401 (YAML)
    step = document["steps"][0]
    given = {key: text for key, text in step["environment"].items() if isinstance(text, str)}
    return Job(environment=given, script="\n".join(step["commands"]), in_image=True)


def _gitea(document: Any) -> Job:  # noqa: ANN401 (YAML)
    (step,) = [step for step in document["jobs"]["image"]["steps"] if step.get("id") == "image"]
    given = {f"INPUT_{name.upper()}": value for name, value in step["with"].items()}
    return Job(environment=given, script="", in_image=True)


PIPELINES = (
    Pipeline(path="circleci/config.yml", ci="circleci", schema="circle-ci", read=_circleci),
    Pipeline(path="circleci/save-cache.yml", ci="circleci", schema="circle-ci", read=_circleci),
    Pipeline(path="bamboo/bamboo.yml", ci="bamboo", schema="bamboo-spec", read=_bamboo),
    Pipeline(path="jenkins/Jenkinsfile", ci="jenkins", schema="", read=_jenkins),
    Pipeline(
        path="azure/azure-pipelines.yml",
        ci="azure",
        schema="azure-pipelines",
        options=("--data-transform=azure-pipelines", "--regex-variant=nonunicode"),
        read=_azure,
    ),
    Pipeline(
        path="bitbucket/bitbucket-pipelines.yml",
        ci="bitbucket",
        schema="bitbucket-pipelines",
        read=_bitbucket,
    ),
    Pipeline(path="buildkite/pipeline.yml", ci="buildkite", schema="buildkite", read=_buildkite),
    Pipeline(
        path="woodpecker/woodpecker.yaml", ci="woodpecker", schema="woodpecker-ci", read=_steps
    ),
    Pipeline(path="drone/drone.yml", ci="drone", schema="drone-ci", read=_steps),
    Pipeline(path="gitea/image.yml", ci="gitea", schema="github-workflows", read=_gitea),
)
