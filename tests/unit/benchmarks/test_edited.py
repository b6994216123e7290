from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING

import commits
import mounted
import pytest
from commits import RESTIC, Upstream
from edited import PROJECTS, Bump

if TYPE_CHECKING:
    from pathlib import Path

    from edited import Edited, Kind


def texts(place: Path) -> dict[str, str]:
    return {
        str(path.relative_to(place)): path.read_text()
        for path in place.rglob("*")
        if path.is_file()
    }


ALL = {**PROJECTS, **mounted.PROJECTS}


@pytest.mark.parametrize("project", ALL.values(), ids=ALL)
def test_each_change_is_another_one_and_a_layout_undoes_it(project: Edited, tmp_path: Path) -> None:
    seen = []
    for kind in project.kinds:
        for number in (1, 2):
            project.lay_out(tmp_path / "x")
            project.change(tmp_path / "x", kind, number)
            seen.append((kind, texts(tmp_path / "x")))
    project.lay_out(tmp_path / "x")
    base = texts(tmp_path / "x")
    changed = {kind for kind, found in seen if found != base}
    assert changed == set(project.kinds) & {"edit", "dependency added", "dependency change"}
    for of in changed:
        one, two = [found for kind, found in seen if kind == of]
        assert one != two


def test_an_edit_is_one_line_of_a_source_that_exists(tmp_path: Path) -> None:
    PROJECTS["flask"].lay_out(tmp_path / "x")
    base = texts(tmp_path / "x")
    PROJECTS["flask"].change(tmp_path / "x", "edit", 7)
    changed = texts(tmp_path / "x")
    assert {path for path, text in changed.items() if base.get(path) != text} == {"app/__init__.py"}
    assert changed["app/__init__.py"] == f"{base['app/__init__.py']}RELEASE = 7\n"


def test_a_bump_takes_the_next_version(tmp_path: Path) -> None:
    bump = Bump(path="r.txt", package="click", versions=("8.1", "8.2"))
    (tmp_path / "r.txt").write_text("a==1\nclick==8.1\n")
    found = []
    for number in range(2):
        bump.apply(tmp_path, "", number)
        found.append((tmp_path / "r.txt").read_text())
    assert found == ["a==1\nclick==8.2\n", "a==1\nclick==8.1\n"]
    (tmp_path / "r.txt").write_text("a==1\n")
    with pytest.raises(ValueError, match=r"r\.txt does not pin click"):
        bump.apply(tmp_path, "", 1)


def test_the_commits_are_twenty_in_the_mix_of_the_repository() -> None:
    assert len({commit.commit for commit in RESTIC}) == 20
    assert Counter(commit.label for commit in RESTIC) == {
        "code commit": 10,
        "docs or CI commit": 6,
        "dependency commit": 4,
    }
    assert list(commits.first(1)) == [(1, RESTIC[0])]
    assert Upstream("x", ("docs", "dockerfile", "source")).label == "dependency commit"


def test_a_commit_of_docs_changes_nothing_that_is_in_the_context(tmp_path: Path) -> None:
    large = PROJECTS["large"]
    ignored = {"docs/changes.md", ".github/workflows/ci.yml"}
    for number, commit in commits.first(20):
        large.lay_out(tmp_path / "x")
        base = texts(tmp_path / "x")
        large.commit(tmp_path / "x", commit.touched, number)
        found = texts(tmp_path / "x")
        changed = {path for path, text in found.items() if base.get(path) != text}
        assert changed
        assert (changed <= ignored) == (commit.label == "docs or CI commit")


@pytest.mark.parametrize("project", mounted.PROJECTS.values(), ids=mounted.PROJECTS)
def test_a_project_has_the_cache_mounts_that_are_carried_by_hand(
    project: Edited, tmp_path: Path
) -> None:
    project.lay_out(tmp_path / "x")
    dockerfile = (tmp_path / "x" / "Dockerfile").read_text()
    found = re.findall(r"--mount=type=cache,target=(\S+)", dockerfile)
    assert set(found) == set(project.mounts)


@pytest.mark.parametrize(("kind", "version"), [("edit", "7.8.2"), ("dependency change", "7.8.1")])
def test_packages_are_locked_in_the_version_that_is_asked_for(
    kind: Kind, version: str, tmp_path: Path
) -> None:
    node = mounted.PROJECTS["node-mounts"]
    node.lay_out(tmp_path / "x")
    node.change(tmp_path / "x", kind, 3)
    wanted = json.loads((tmp_path / "x" / "package.json").read_text())["dependencies"]
    locked = json.loads((tmp_path / "x" / "package-lock.json").read_text())["packages"]
    assert wanted["rxjs"] == version
    assert wanted == locked[""]["dependencies"]
    assert wanted == {name: locked[f"node_modules/{name}"]["version"] for name in wanted}
