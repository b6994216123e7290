"""Pictures of the report for the docs: `python3 -m lab.screenshots`, with the lab up and a browser.

A true build of `examples/flask` is shown: cold on `main`, then with another dependency on a new
branch. The pictures are of the second one.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from lab.apt import install_pngquant
from lab.browser import browser
from lab.demo import commit, git
from lab.errors import LabError
from lab.layout import find_layout

PICTURES = Path("docs/images")
# Pixels of a window, and the most bytes of a picture.
_WIDTH = 1080
_MOST = 150_000
_OPEN = """
for (const row of document.querySelectorAll("[data-state=ran]"))
    if (row.textContent.includes("RUN pip install")) row.click();
"""


def main() -> int:
    """Write the pictures."""
    try:
        install_pngquant(find_layout())
        with tempfile.TemporaryDirectory(prefix="warmbuild-pictures-") as directory:
            report = Path(directory, "report.html")
            project = Path(directory, "flask")
            shutil.copytree("examples/flask", project)
            repository = f"{os.environ['WARMBUILD_LAB_REGISTRY']}/{secrets.token_hex(3)}/flask"
            git(project, "init", "--quiet", "--initial-branch=main")
            commit(project, "Begin")
            build(project, repository, "main", report)
            git(project, "switch", "--quiet", "--create", "feature/x")
            with (project / "requirements.txt").open("a", encoding="utf-8") as file:
                file.write("# One more line, which is part of what is installed.\n")
            commit(project, "Change what is installed")
            build(project, repository, "feature/x", report)
            take(report)
    except LabError as error:
        print(f"screenshots: {error}", file=sys.stderr)
        return 1
    return 0


def build(project: Path, repository: str, branch: str, report: Path) -> None:
    """Build and push a project, with a report."""
    image = f"image={os.environ['WARMBUILD_LAB_BUILDKIT_IMAGE']}"
    inputs = {
        "IMAGE": repository,
        "PUSH": "true",
        "CACHE": "read-write",
        "BRANCH": branch,
        "DEFAULT_BRANCH": "main",
        "REPORT_FILE": str(report),
        "DRIVER_OPTS": f"{image}\nnetwork=host",
        "BUILDKITD_CONFIG": os.environ["WARMBUILD_LAB_BUILDKITD_CONFIG"],
    }
    extra = {f"INPUT_{name}": value for name, value in inputs.items()}
    environment = os.environ | extra | {"PYTHONPATH": str(Path("src").resolve())}
    argv = [sys.executable, "-m", "warmbuild", "build"]
    done = subprocess.run(argv, cwd=project, env=environment, check=False)  # noqa: S603 (our own)
    if done.returncode:
        message = f"the build of {branch} failed with exit code {done.returncode}"
        raise LabError(message)


def take(report: Path) -> None:
    """Take the pictures of a report: as it is, and in the dark with a step that is opened."""
    named = [os.environ[f"WARMBUILD_LAB_BROWSER_{name}"] for name in ("PROGRAM", "DRIVER")]
    with browser(*named) as window:
        for scheme, script in (("light", ""), ("dark", _OPEN)):
            window.open(report, width=_WIDTH, dark=scheme == "dark")
            window.run(script)
            argv = ["pngquant", "--speed=1", "-"]
            picture = window.picture()
            done = subprocess.run(argv, input=picture, stdout=subprocess.PIPE, check=True)  # noqa: S603
            if len(done.stdout) > _MOST:
                message = f"the {scheme} picture has {len(done.stdout)} bytes, more than {_MOST}"
                raise LabError(message)
            (PICTURES / f"report-{scheme}.png").write_bytes(done.stdout)


if __name__ == "__main__":
    sys.exit(main())
