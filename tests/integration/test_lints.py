"""What the lints say of a project reaches the CI system, and what they promise is so."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.integration.conftest import Ended, Warmbuild

ANNOTATION = re.compile(r"::warning title=warmbuild,file=(.*?),line=(\d+),endLine=\2,.*\[(\S+)\]$")

BAD = """\
# check=skip=all
# escape=`
FROM busybox:1.37 AS build
ARG GIT_COMMIT
ARG NPM_TOKEN

COPY . .
# Everything below runs in every build.
RUN --mount=type=cache,target=/var/npm `
    # npm is not even here
    npm ci `
    || true

FROM busybox:1.37
COPY --from=build /bin/busybox /b
"""
ARGUMENTS = "GIT_COMMIT=5f0c3a1\nNPM_TOKEN=hunter2!"
PIPELINE = "# cache-from: not this\ninclude:\n  cache-from: type=registry,ref=REF\n"
WORKFLOW = "on: push\njobs:\n  image:\n    with:\n      cache-from: type=registry,ref=REF\n"
IN_THE_DOCKERFILE = [
    ("Dockerfile", 4, "early-arg"),
    ("Dockerfile", 5, "secret-build-arg"),
    ("Dockerfile", 7, "early-copy"),
    ("Dockerfile", 7, "dockerignore"),
    ("Dockerfile", 7, "file-modes"),
]
# Only beside the automatic refs are mounts kept.
LOST_MOUNT = ("Dockerfile", 9, "cache-mount")
MODE_MIN = ("Dockerfile", 3, "mode-min")


def git(directory: Path, *arguments: str, umask: int = 0o022) -> None:
    """Run git with nobody's configuration, as a runner does with an umask of its own."""
    subprocess.run(  # noqa: S603 (each argument is written out in a test)
        ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *arguments],  # noqa: S607
        cwd=directory,
        env={"HOME": str(directory), "PATH": "/usr/local/bin:/usr/bin:/bin"},
        umask=umask,
        check=True,
        capture_output=True,
    )


@pytest.fixture
def bad(project: Callable[..., Path]) -> Path:
    """Return a project with everything that the lints know."""
    place = project(
        BAD,
        {
            "package.json": "{}",
            ".github/workflows/build.yml": WORKFLOW,
            ".gitlab-ci.yml": PIPELINE,
        },
    )
    git(place, "init", "--quiet")
    git(place, "add", "--all")
    (place / "package.json").chmod(0o666)
    return place


@pytest.fixture
def gitlab_job(bad: Path) -> dict[str, str]:
    return {
        "GITLAB_CI": "true",
        "CI_PIPELINE_SOURCE": "push",
        "CI_COMMIT_BRANCH": "main",
        "CI_DEFAULT_BRANCH": "main",
        "CI_PROJECT_DIR": str(bad),
    }


def annotated(ended: Ended) -> list[tuple[str, int, str]]:
    found = [ANNOTATION.match(text) for _, text in ended.lines]
    return [(match[1], int(match[2]), match[3]) for match in found if match]


def report(project: Path) -> list[dict[str, Any]]:
    """Return GitLab's code quality report, checked against what GitLab says of its format."""
    issues: list[dict[str, Any]] = json.loads((project / "gl-code-quality-report.json").read_text())
    for issue in issues:
        assert set(issue) == {"description", "check_name", "fingerprint", "severity", "location"}
        assert issue["description"]
        assert issue["severity"] in {"info", "minor", "major", "critical", "blocker"}
        assert not issue["location"]["path"].startswith(("/", "./"))
        assert issue["location"]["lines"]["begin"] >= 1
    assert len({issue["fingerprint"] for issue in issues}) == len(issues)
    return issues


def places(issues: list[dict[str, Any]]) -> list[tuple[str, int, str]]:
    return [
        (
            issue["location"]["path"],
            issue["location"]["lines"]["begin"],
            issue["check_name"].removeprefix("warmbuild/"),
        )
        for issue in issues
    ]


@pytest.mark.parametrize(
    ("mode", "source", "expected"),
    [
        pytest.param("min", "", [MODE_MIN, *IN_THE_DOCKERFILE], id="automatic-refs"),
        pytest.param(
            "max",
            "type=registry,ref=REF",
            [
                (".github/workflows/build.yml", 5, "cache-from-only"),
                *IN_THE_DOCKERFILE,
                LOST_MOUNT,
            ],
            id="own-refs",
        ),
    ],
)
def test_github_gets_annotations(
    warmbuild: Warmbuild,
    bad: Path,
    github: Callable[..., dict[str, str]],
    repository: str,
    mode: str,
    source: str,
    expected: list[tuple[str, int, str]],
) -> None:
    ci = github("push", "github-push.json", "refs/heads/main")
    ci["GITHUB_WORKFLOW_REF"] = "octo-org/shop/.github/workflows/build.yml@refs/heads/main"
    ended = warmbuild.succeed(
        bad,
        ci=ci,
        image=repository,
        build_args=ARGUMENTS,
        cache_mode=mode,
        cache_from=source.replace("REF", repository),
    )
    assert annotated(ended) == expected
    starts = [BAD.splitlines()[line - 1].split()[0] for line in (3, 4, 5, 7, 9)]
    assert starts == ["FROM", "ARG", "ARG", "COPY", "RUN"]
    assert "> - `Dockerfile:7`: COPY . . is above npm ci (line 9)" in ended.summary
    findings = [text for _, text in ended.lines if "::warning" in text]
    assert [text for text in findings if "hunter2" in text] == []
    assert not (bad / "gl-code-quality-report.json").exists()


@pytest.mark.parametrize(
    ("mode", "source", "expected"),
    [
        pytest.param("min", "", [MODE_MIN, *IN_THE_DOCKERFILE], id="automatic-refs"),
        pytest.param(
            "max",
            "type=registry,ref=REF",
            [(".gitlab-ci.yml", 3, "cache-from-only"), *IN_THE_DOCKERFILE, LOST_MOUNT],
            id="own-refs",
        ),
    ],
)
def test_gitlab_gets_a_code_quality_report(
    warmbuild: Warmbuild,
    bad: Path,
    gitlab_job: Mapping[str, str],
    repository: str,
    mode: str,
    source: str,
    expected: list[tuple[str, int, str]],
) -> None:
    (bad / ".gitlab-ci.yml").write_text(
        (bad / ".gitlab-ci.yml").read_text().replace("REF", repository)
    )
    ended = warmbuild.succeed(
        bad,
        ci=gitlab_job,
        image=repository,
        build_args=ARGUMENTS,
        cache_mode=mode,
        cache_from=source.replace("REF", repository),
    )
    issues = report(bad)
    assert places(issues) == expected
    assert "hunter2" not in json.dumps(issues)
    for file, line, rule in expected:
        said = [text for text in ended.warnings if text.endswith(f"[{rule}]")]
        assert [text.startswith(f"warning: {file}:{line}: ") for text in said] == [True]


def test_a_report_is_in_no_builds_way(
    warmbuild: Warmbuild, bad: Path, gitlab_job: Mapping[str, str], repository: str
) -> None:
    first = warmbuild.succeed(bad, ci=gitlab_job, image=repository, build_args=ARGUMENTS)
    assert "COPY . ." in first.executed
    second = warmbuild.succeed(bad, ci=gitlab_job, image=repository, build_args=ARGUMENTS)
    assert "COPY . ." in second.cached
    assert places(report(bad)) == IN_THE_DOCKERFILE
    # What is fixed or switched off is gone from the report, and the report is there.
    warmbuild.succeed(bad, ci=gitlab_job, image=repository, lint="false")
    assert report(bad) == []


def test_a_build_that_fails_has_a_report(
    warmbuild: Warmbuild,
    bad: Path,
    gitlab_job: Mapping[str, str],
    repository: str,
) -> None:
    (bad / "Dockerfile").write_text(BAD.replace("|| true", "|| exit 3"))
    ended = warmbuild.build(bad, ci=gitlab_job, image=repository, build_args=ARGUMENTS)
    assert ended.code == 4
    assert places(report(bad)) == IN_THE_DOCKERFILE


@pytest.fixture
def clones(project: Callable[..., Path], tmp_path: Path) -> tuple[Path, Path]:
    """Return two clones of a repository: as GitHub's runner makes one, and as GitLab's does."""
    origin = project(
        "FROM busybox:1.37\nCOPY . /all\nRUN ls -lR /all\n",
        {".dockerignore": ".git\n", "src/deep/a.txt": "a", "src/run.sh": "#!/bin/sh\n"},
    )
    (origin / "src" / "run.sh").chmod(0o755)
    git(origin, "init", "--quiet")
    git(origin, "add", "--all")
    git(origin, "commit", "--quiet", "--message=one")
    for name, umask in (("github", 0o022), ("gitlab", 0)):
        git(tmp_path, "clone", "--quiet", str(origin), f"clone-{name}", umask=umask)
    return tmp_path / "clone-github", tmp_path / "clone-gitlab"


def test_clones_of_two_umasks_share_a_copy_with_normal_modes_alone(
    warmbuild: Warmbuild, repository: str, clones: tuple[Path, Path]
) -> None:
    of_github, of_gitlab = clones
    assert (of_gitlab / "src" / "deep" / "a.txt").stat().st_mode & 0o777 == 0o666
    first = warmbuild.succeed(of_github, image=repository)
    assert "[file-modes]" not in first.log
    second = warmbuild.succeed(of_gitlab, image=repository, branch="feature/a")
    assert "COPY . /all" in second.executed
    (warning,) = second.warnings
    assert warning.startswith("warning: Dockerfile:2: .dockerignore has mode 666, but git stores")
    third = warmbuild.succeed(
        of_gitlab, image=repository, branch="feature/b", normalize_modes="true"
    )
    assert third.executed == []
    assert third.warnings == []
    assert (
        "normalize-modes: 4 files and 2 directories were set to the modes that git stores"
        in third.log
    )


def test_normal_modes_outside_git_are_said_to_be_none(
    warmbuild: Warmbuild, repository: str, small: Path
) -> None:
    ended = warmbuild.succeed(small, image=repository, normalize_modes="true")
    assert ended.warnings == [
        "warning: normalize-modes sets nothing: the context is not in a work tree of git"
    ]


@pytest.mark.parametrize(
    "mount", ["type=bind,source=.,target=/src", "target=/src", "target=/src,rw"]
)
def test_a_mount_of_the_context_runs_again_after_a_commit_because_of_git(
    warmbuild: Warmbuild, repository: str, project: Callable[..., Path], mount: str
) -> None:
    place = project(f"FROM busybox:1.37\nRUN --mount={mount} sleep 2\n")
    git(place, "init", "--quiet")
    git(place, "add", "--all")
    git(place, "commit", "--quiet", "--message=one")
    step = f"RUN --mount={mount} sleep 2"
    warmbuild.succeed(place, image=repository)
    git(place, "commit", "--quiet", "--allow-empty", "--message=two")
    second = warmbuild.succeed(place, image=repository)
    assert second.executed == [step]
    (warning,) = second.warnings
    assert re.fullmatch(
        r"warning: Dockerfile:2: there is no \.dockerignore, so this RUN mounts \.git, which "
        r"differs in every checkout: the step runs in every build\. Add one .* "
        r"What runs again takes [2-9] s\. \[dockerignore\]",
        warning,
    )
    assert second.log.count("this RUN mounts") == second.summary.count("this RUN mounts") == 1

    (place / ".dockerignore").write_text(".git\n")
    warmbuild.succeed(place, image=repository)
    git(place, "commit", "--quiet", "--allow-empty", "--message=three")
    fourth = warmbuild.succeed(place, image=repository)
    assert (fourth.cached, fourth.warnings) == ([step], [])
