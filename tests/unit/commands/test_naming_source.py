from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.runs import FORK, PULL, PUSH, SHA
from warmbuild.commands import naming_source
from warmbuild.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from warmbuild.inputs.values import Inputs
    from warmbuild.run_context import RunContext

HEAD = "1" * 40
RUN = replace(PUSH, commit=SHA, source_commit="2" * 40)


def resolved(inputs: Inputs, run: RunContext) -> tuple[Inputs, RunContext]:
    inputs, source = naming_source.placed(inputs)
    return inputs, naming_source.named(inputs, run, source)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a checkout of another branch than the event's, in which a test stands."""
    branch = tmp_path / ".git" / "refs" / "heads" / "release"
    branch.parent.mkdir(parents=True)
    branch.write_text(f"{HEAD}\n")
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/heads/release\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("checkout")
@pytest.mark.parametrize(
    ("given", "context", "branch", "commit"),
    [
        pytest.param({}, "", "feature", SHA, id="nothing"),
        pytest.param({"context": "workflow"}, "", "feature", SHA, id="workflow"),
        pytest.param({"context": "git"}, ".", "release", HEAD, id="git"),
        pytest.param({"context": "src"}, "src", "feature", SHA, id="a directory"),
        pytest.param({"bake-files": "b.hcl", "context": "git"}, ".", "release", HEAD, id="bake"),
    ],
)
def test_where_names_come_from(
    parsed: Callable[..., Inputs], given: dict[str, str], context: str, branch: str, commit: str
) -> None:
    inputs, run = resolved(parsed(**given), RUN)
    assert inputs.context == context
    assert (run.naming.branch, run.naming.commit) == (branch, commit)
    # The cache, and whatever else is decided, goes by the event.
    assert replace(run, named=None) == RUN


@pytest.mark.parametrize("name", ["git", "workflow"])
def test_a_directory_of_the_name_is_the_build_context(
    parsed: Callable[..., Inputs], checkout: Path, name: str
) -> None:
    (checkout / name).mkdir()
    inputs, run = resolved(parsed(context=name), RUN)
    assert inputs.context == name
    assert run.naming.branch == "feature"
    # A file of several images has no build context of its own.
    inputs, _ = resolved(parsed(context=name, compose_files="c.yaml"), RUN)
    assert inputs.context in {"", "."}


@pytest.mark.usefixtures("checkout")
def test_the_event_names_the_image_of_a_fork(parsed: Callable[..., Inputs]) -> None:
    inputs, run = resolved(parsed(context="git"), FORK)
    assert inputs.context == "."
    assert (run.naming.branch, run.naming.pull_request) == (FORK.branch, FORK.pull_request)
    note = "the event names the image, and not the checkout: the code comes from a fork"
    assert run.naming.naming_note == note


def test_git_needs_a_checkout(
    parsed: Callable[..., Inputs], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="context: is git, and here is no checkout"):
        resolved(parsed(context="git"), RUN)


def test_variables_choose_commit_and_digits(parsed: Callable[..., Inputs]) -> None:
    inputs = replace(parsed(), pr_head_sha=True, short_sha_length=12)
    pull = replace(PULL, commit=SHA, source_commit="2" * 40)
    _, run = resolved(inputs, pull)
    assert run.naming.short_commit == "2" * 12
    assert run.commit == SHA
    _, run = resolved(inputs, replace(pull, source_commit=""))
    assert run.naming.commit == SHA
