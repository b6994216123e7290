"""The main job, as a user runs it: `python3 -m lab.demo`, with the lab up and its environment set.

The warmbuild image, made of its own Dockerfile, builds and pushes `examples/flask` through
`docker run`: on `main` with no cache anywhere, then on the new branch `feature/x` with a fresh
builder.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lab.commands import run
from lab.errors import LabError

IMAGE = "warmbuild:lab"
_BUILDER = "warmbuild-lab-image"
_SUMMARY = "summary.md"


def main() -> int:
    """Run the demo and print both summaries at the end."""
    try:
        image_seconds = build_image()
        print(f"the warmbuild image is built from its own Dockerfile: {image_seconds:.1f} s")
        with tempfile.TemporaryDirectory(prefix="warmbuild-demo-") as directory:
            project = Path(directory, "flask")
            shutil.copytree("examples/flask", project)
            repository = f"{os.environ['WARMBUILD_LAB_REGISTRY']}/demo-{secrets.token_hex(3)}/flask"
            git(project, "init", "--quiet", "--initial-branch=main")
            commit(project, "Begin")
            cold = build(project, repository)
            git(project, "switch", "--quiet", "--create", "feature/x")
            warm = build(project, repository)
    except LabError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    print("\n================ main, cold ================\n", cold, sep="\n")
    print("================ feature/x, a new branch on a fresh builder ================\n")
    print(warm)
    return 0


def build_image() -> float:
    """Build the runtime image with the lab's buildx into its engine; return the seconds."""
    begun = time.monotonic()
    config = os.environ["WARMBUILD_LAB_BUILDKITD_CONFIG"]
    image = f"image={os.environ['WARMBUILD_LAB_BUILDKIT_IMAGE']}"
    create = ["buildx", "create", "--name", _BUILDER, "--driver", "docker-container"]
    options = ["--driver-opt", image, "--driver-opt", "network=host", "--buildkitd-config", config]
    state = tempfile.mkdtemp(prefix="warmbuild-lab-")
    environment = {"BUILDX_CONFIG": state}
    try:
        run([*create, *options], extra=environment)
        run(
            ["buildx", "build", "--builder", _BUILDER, "--load", "--tag", IMAGE, "."],
            extra=environment,
        )
    finally:
        run(["buildx", "rm", "--force", _BUILDER], extra=environment)
        shutil.rmtree(state)
    return time.monotonic() - begun


def build(project: Path, repository: str) -> str:
    """Build and push a project by `docker run`; return the Markdown summary."""
    engine = os.environ["DOCKER_HOST"].removeprefix("unix://")
    config = Path(os.environ["WARMBUILD_LAB_BUILDKITD_CONFIG"]).read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory(prefix="warmbuild-demo-") as outputs:
        inputs = {
            "IMAGE": repository,
            "PUSH": "true",
            "CACHE": "read-write",
            "DEFAULT_BRANCH": "main",
            "SUMMARY_FILE": f"/outputs/{_SUMMARY}",
            # What the lab needs: its registry is this machine's, and it stands in for Docker Hub.
            "DRIVER_OPTS": "network=host",
            "BUILDKITD_CONFIG_INLINE": config,
        }
        argv = ["docker", "run", "--rm", "--network", "host"]
        argv += ["--volume", f"{engine}:/var/run/docker.sock"]
        argv += ["--volume", f"{project}:/workspace", "--workdir", "/workspace"]
        argv += ["--volume", f"{outputs}:/outputs"]
        argv += [part for name in inputs for part in ("--env", f"INPUT_{name}")]
        environment = os.environ | {f"INPUT_{name}": value for name, value in inputs.items()}
        done = subprocess.run([*argv, IMAGE], env=environment, check=False)  # noqa: S603
        if done.returncode:
            message = f"the build in {project.name} failed with exit code {done.returncode}"
            raise LabError(message)
        return Path(outputs, _SUMMARY).read_text(encoding="utf-8")


def commit(project: Path, message: str) -> None:
    """Commit everything in a project, as nobody in particular."""
    git(project, "add", "--all")
    identity = ("-c", "user.name=demo", "-c", "user.email=demo@localhost")
    git(project, *identity, "commit", "--quiet", "--message", message)


def git(project: Path, *arguments: str) -> None:
    """Run git in a project."""
    run(["git", *arguments], cwd=project)


if __name__ == "__main__":
    sys.exit(main())
