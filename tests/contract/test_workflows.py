"""The workflows hand no token to whom it is not for, and release what was tested and signed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any, Final

import pytest

from warmbuild import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    Yaml = dict[str, Any]
    # Runs the script of a step of the release as the runner does.
    Step = Callable[..., subprocess.CompletedProcess[str]]

RELEASE: Final = ".github/workflows/release.yml"
WORKFLOWS: Final = (".github/workflows/ci.yml", RELEASE)
PINNED: Final = re.compile(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
TOKEN: Final = re.compile(r"\b(secrets\.\w+|github\.token)\b")
# What reads a token without an argument that has it: a builtin into a pipe, a shell of git's own.
QUIET: Final = re.compile(
    r"echo \"\$TOKEN\" \| docker login \S+ --username \S+ --password-stdin"
    r"|credential\.helper='[^']*'"
)
DIGEST: Final = f"sha256:{'5' * 64}"
REFERENCE: Final = f"ghcr.io/warmbuild/warmbuild:v{__version__}@{DIGEST}"


def jobs(document: Yaml) -> dict[str, Yaml]:
    found: dict[str, Yaml] = document["jobs"]
    return found


def steps(document: Yaml) -> list[Yaml]:
    return [step for job in jobs(document).values() for step in job["steps"]]


def before(release: Yaml, name: str) -> set[str]:
    """Return the jobs that have ended well when a job begins."""
    needs = jobs(release)[name].get("needs", [])
    names = {needs} if isinstance(needs, str) else set(needs)
    return names.union(*(before(release, needed) for needed in names))


@pytest.fixture(scope="session", params=WORKFLOWS)
def workflow(
    request: pytest.FixtureRequest, documents: Callable[[str], list[Yaml]]
) -> tuple[str, Yaml]:
    (document,) = documents(request.param)
    return request.param, document


@pytest.fixture(scope="session")
def release(documents: Callable[[str], list[Yaml]]) -> Yaml:
    (document,) = documents(RELEASE)
    return document


@pytest.fixture
def step(release: Yaml, root: Path, tmp_path: Path) -> Step:
    def run(
        name: str, *, cwd: Path = root, programs: Mapping[str, str] | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        (script,) = {step["run"] for step in steps(release) if step.get("name") == name}
        path = tmp_path / "path"
        path.mkdir(exist_ok=True)
        for program, text in (programs or {}).items():
            (path / program).write_text(f"#!/bin/sh\n{text}\n")
            (path / program).chmod(0o755)
        env = {
            "PATH": os.pathsep.join([str(path), os.environ["PATH"]]),
            "HOME": str(tmp_path),
            "GITHUB_OUTPUT": str(tmp_path / "outputs"),
            "GITHUB_REPOSITORY": "warmbuild/warmbuild",
            "GITHUB_REF": "refs/heads/main",
            **variables,
        }
        return subprocess.run(  # noqa: S603 (a script of this repository)
            [str(shutil.which("bash")), "-e", "-c", script],
            cwd=cwd,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_every_action_is_pinned_by_its_commit(
    workflow: tuple[str, Yaml], read: Callable[[str], str]
) -> None:
    uses = re.findall(r"\buses: (.+)", read(workflow[0]))
    movable = [text for text in uses if not PINNED.fullmatch(text)]
    assert {text.split()[0] for text in movable} <= {"./"}


def test_no_image_of_a_job_can_change(workflow: tuple[str, Yaml]) -> None:
    services = [job.get("services", {}) for job in jobs(workflow[1]).values()]
    images = [service["image"] for named in services for service in named.values()]
    assert [image for image in images if not re.search(r"@sha256:[0-9a-f]{64}$", image)] == []


def test_every_job_says_what_its_token_may_do(workflow: tuple[str, Yaml]) -> None:
    document = workflow[1]
    assert document["permissions"] == {}
    assert [name for name, job in jobs(document).items() if "permissions" not in job] == []


def test_no_checkout_leaves_its_token_to_later_steps(workflow: tuple[str, Yaml]) -> None:
    checkouts = [one for one in steps(workflow[1]) if "checkout@" in one.get("uses", "")]
    assert [one["with"]["persist-credentials"] for one in checkouts] == [False] * len(checkouts)


def test_no_expression_is_written_into_a_script(workflow: tuple[str, Yaml]) -> None:
    assert [one["run"] for one in steps(workflow[1]) if "${{" in one.get("run", "")] == []


def test_no_argument_of_a_program_has_a_token(workflow: tuple[str, Yaml]) -> None:
    told = []
    for one in steps(workflow[1]):
        script = QUIET.sub("", one.get("run", ""))
        held = [name for name, value in one.get("env", {}).items() if TOKEN.search(str(value))]
        told += [name for name in held if re.search(rf"\$\{{?{name}\b", script)]
    assert told == []


def test_a_token_is_in_the_step_that_needs_it_alone(workflow: tuple[str, Yaml]) -> None:
    document = workflow[1]
    wider = [document.get("env", {}), *(job.get("env", {}) for job in jobs(document).values())]
    assert [env for env in wider if TOKEN.search(str(env))] == []


def test_nothing_is_ignored_without_a_reason(
    workflow: tuple[str, Yaml], read: Callable[[str], str]
) -> None:
    ignored = re.findall(r"# (?:zizmor: ignore|shellcheck disable).*", read(workflow[0]))
    reason = r"# (?:zizmor: ignore\[[\w-]+\]|shellcheck disable=\w+ #) (?:[\w,.']+ ?){4,}"
    assert [text for text in ignored if not re.fullmatch(reason, text)] == []


def test_the_lint_reads_them_as_a_pedant_and_offline(read: Callable[[str], str]) -> None:
    recipe = read("Makefile").partition("\nlint:")[2].partition("\n\n")[0]
    assert "zizmor --quiet --offline --pedantic --strict-collection .github action.yml" in recipe
    assert '-m lab actionlint)" -shellcheck shellcheck .github/workflows/*.yml' in recipe


class TestRelease:
    def test_it_is_built_tested_and_signed_before_it_is_tagged(self, release: Yaml) -> None:
        order = ["test", "image", "check", "sign", "tag", "publish"]
        assert set(jobs(release)) == {*order, "notes", "component"}
        for place, name in enumerate(order):
            assert before(release, name) == set(order[:place])
        assert before(release, "notes") == before(release, "component") == set(order)

    def test_it_publishes_nothing_that_is_not_approved(self, release: Yaml) -> None:
        assert jobs(release)["sign"]["environment"] == "release"
        writing = {
            name for name, job in jobs(release).items() if "write" in job["permissions"].values()
        }
        assert {name for name in writing if "sign" not in before(release, name)} == {
            "image",
            "sign",
        }
        pushed = [one["with"] for one in steps(release) if "tags" in one.get("with", {})]
        assert [given["tags"] for given in pushed] == ["candidate-${{ github.run_id }}"]

    def test_a_secret_is_of_an_environment(self, release: Yaml) -> None:
        holders = {name for name, job in jobs(release).items() if "secrets." in str(job)}
        assert {name for name in holders if "environment" not in jobs(release)[name]} == set()

    def test_all_jobs_mean_the_digest_that_was_built(self, release: Yaml) -> None:
        digest, reference = "needs.image.outputs.digest", "needs.image.outputs.reference"
        assert jobs(release)["image"]["outputs"]["reference"].endswith(
            "@${{ steps.build.outputs.digest }}"
        )
        naming = {"check": reference, "sign": digest, "tag": reference, "publish": digest}
        assert {name for name, how in naming.items() if how in str(jobs(release)[name])} == {
            *naming
        }

    @pytest.mark.parametrize(
        ("variables", "tags", "error"),
        [
            pytest.param({}, "", "", id="new"),
            pytest.param({}, f"refs/tags/v{__version__}0", "", id="new beside a longer one"),
            pytest.param(
                {},
                f"refs/tags/v{__version__}",
                f"v{__version__} is released already; set another __version__.",
                id="released",
            ),
            pytest.param(
                {"GITHUB_REF": "refs/heads/other"}, "", "Only main is released.", id="branch"
            ),
        ],
    )
    def test_it_is_of_main_and_new(
        self, step: Step, tmp_path: Path, variables: dict[str, str], tags: str, error: str
    ) -> None:
        name = "Read the version, which has to be a new one of main"
        done = step(name, programs={"gh": f"echo '{tags}'"}, **variables)
        errors = re.findall(r"^::error::(.*)$", done.stdout, re.MULTILINE)
        assert (errors, done.returncode) == ([error] if error else [], 1 if error else 0)
        if not error:
            assert (tmp_path / "outputs").read_text() == f"version={__version__}\n"

    @pytest.mark.parametrize(
        ("rules", "code"), [("wait_timer\nrequired_reviewers", 0), ("wait_timer", 1), ("", 1)]
    )
    def test_an_environment_that_asks_nobody_stops_it(
        self, step: Step, rules: str, code: int
    ) -> None:
        done = step(
            "See that the environment asks for approval",
            programs={"gh": f"printf '%s\\n' '{rules}'"},
        )
        assert done.returncode == code

    @pytest.mark.parametrize("code", [0, 1])
    def test_a_base_image_without_a_digest_stops_it(
        self, step: Step, tmp_path: Path, code: int
    ) -> None:
        script = f'echo {DIGEST}; [ "$4" != python:3.13-slim ] || exit {code}'
        done = step("Find the digests of the base images", programs={"docker": script})
        assert done.returncode == code
        if not code:
            written = (tmp_path / "outputs").read_text()
            assert written == f"python={DIGEST}\nbuildx={DIGEST}\n"

    def test_it_goes_on_unsigned_where_it_gets_no_identity(
        self, step: Step, tmp_path: Path
    ) -> None:
        done = step("Look for an identity to sign with")
        assert done.returncode == 0
        assert done.stdout.startswith("::notice title=The release is not signed::")
        assert not (tmp_path / "outputs").exists()

        done = step("Look for an identity to sign with", ACTIONS_ID_TOKEN_REQUEST_URL="x")
        assert (done.returncode, done.stdout) == (0, "")
        assert (tmp_path / "outputs").read_text() == "given=true\n"

    def test_its_commit_names_the_image_by_digest_everywhere(
        self, step: Step, root: Path, tmp_path: Path, run: Callable[..., str]
    ) -> None:
        checkout = tmp_path / "checkout"
        shutil.copytree(root / "src", checkout / "src")
        shutil.copytree(root / "docs", checkout / "docs")
        shutil.copytree(root / "gitlab-component", checkout / "gitlab-component")
        shutil.copy(root / "action.yml", checkout)
        git = ("git", "-C", checkout, "-c", "user.name=a", "-c", "user.email=a@b")
        run("git", "init", "--quiet", checkout)
        (checkout / ".gitignore").write_text("__pycache__\n")
        run(*git, "add", "--all")
        run(*git, "commit", "--quiet", "--message", "Main")

        for name in (
            "Name the image by digest in action.yml and in the component",
            "Commit and tag",
        ):
            done = step(name, cwd=checkout, REFERENCE=REFERENCE, VERSION=__version__)
            assert done.returncode == 0, done.stderr
        changed = run(*git, "show", "--format=%s", "--unified=0", f"v{__version__}")
        assert re.findall(r"^\+ .*", changed, re.MULTILINE) == [
            f"+  image: docker://{REFERENCE}",
            f'+      default: "{REFERENCE}"',
        ]

    def test_git_gets_the_token_from_a_shell_of_its_own(
        self, release: Yaml, tmp_path: Path
    ) -> None:
        (script,) = (one["run"] for one in steps(release) if "subtree" in one.get("run", ""))
        (helper,) = re.findall(r"-c credential\.helper='([^']*)'", script)
        assert "$TOKEN" in helper
        done = subprocess.run(  # noqa: S603 (a helper of this repository)
            [str(shutil.which("git")), "-c", f"credential.helper={helper}", "credential", "fill"],
            input="protocol=https\nhost=gitlab.example\n\n",
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TOKEN": "it's 100%"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.splitlines()[2:] == ["username=warmbuild", "password=it's 100%"]
