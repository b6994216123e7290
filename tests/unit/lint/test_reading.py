from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from tests.plans import planned
from tests.unit.checkouts import record
from warmbuild import cli, trust
from warmbuild.buildkit.checks import Warned
from warmbuild.inputs import parsing
from warmbuild.lint import reading
from warmbuild.lint.case import OddModes, Sources
from warmbuild.run_context import RunContext

if TYPE_CHECKING:
    from pathlib import Path

    from warmbuild.plan.build_plan import BuildPlan


def read(pipeline_file: str = "", **given: str) -> Sources:
    asked = parsing.parse({"image": "a", **given}, {})
    decided = planned(asked, RunContext(ci="local", trust=trust.LOCAL))
    return reading.read(decided, pipeline_file)


class TestPlace:
    def test_the_file_that_buildx_names_is_told_from_the_root(self, project: Path) -> None:
        (project / "images").mkdir()
        (project / "images" / "Dockerfile").write_text("FROM a\n")
        asked = parsing.parse({"image": "a", "context": "images"}, {})
        decided = planned(asked, RunContext(ci="local", trust=trust.LOCAL))
        assert reading.place([decided], "Dockerfile:7") == ("images/Dockerfile", 7)
        assert reading.place([decided, decided], "Dockerfile:7") == ("images/Dockerfile", 7)

    @pytest.mark.parametrize("source", ["", "Dockerfile", "Dockerfile:x", "other:3", "Dockerfile:"])
    @pytest.mark.usefixtures("project")
    def test_what_names_no_line_of_a_file_that_is_known(self, source: str) -> None:
        decided = planned(
            parsing.parse({"image": "a"}, {}), RunContext(ci="local", trust=trust.LOCAL)
        )
        assert reading.place([decided], source) == ("", 0)

    @pytest.mark.usefixtures("project")
    def test_two_files_of_one_name_leave_it_open(self) -> None:
        run = RunContext(ci="local", trust=trust.LOCAL)
        asked = [parsing.parse({"image": "a", "context": at}, {}) for at in ("x", "y")]
        decided = [planned(one, run) for one in asked]
        assert reading.place(decided, "Dockerfile:7") == ("", 0)


class TestRead:
    def test_a_project_as_it_should_be(self, project: Path) -> None:
        (project / "Dockerfile").write_text("FROM a\n")
        (project / ".dockerignore").write_text(".git\n")
        assert read() == Sources(
            file="Dockerfile",
            text="FROM a\n",
            ignore=".git\n",
            in_context=frozenset({".git", "Dockerfile"}),
        )

    def test_names_are_from_the_repositorys_root(
        self, project: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (project / "dir" / "dockerfile").write_text("FROM a\n")
        (project / ".gitlab-ci.yml").write_text("cache-from: x\n")
        monkeypatch.chdir(project / "dir")
        found = read(".gitlab-ci.yml")
        assert (found.file, found.ignore_file) == ("dir/dockerfile", "dir/.dockerignore")
        assert found.in_context == {"Dockerfile"}
        assert (found.pipeline_file, found.pipeline) == (".gitlab-ci.yml", "cache-from: x\n")

    def test_a_dockerfiles_own_ignore_file_wins(self, project: Path) -> None:
        (project / "dir" / "app.Dockerfile").touch()
        (project / "dir" / "app.Dockerfile.dockerignore").write_text("own")
        (project / ".dockerignore").write_text("other")
        found = read(file="dir/app.Dockerfile", context="dir/sub")
        assert (found.ignore_file, found.ignore) == ("dir/app.Dockerfile.dockerignore", "own")
        assert found.in_context == frozenset()

    @pytest.mark.parametrize("context", ["nowhere", "https://github.com/me/app.git"])
    def test_a_context_that_is_not_here(self, project: Path, context: str) -> None:
        (project / "Dockerfile").touch()
        (project / "ci.yml").write_text("x")
        assert read("ci.yml", context=context) == Sources(pipeline_file="ci.yml", pipeline="x")

    @pytest.mark.usefixtures("project")
    def test_a_pipelines_file_that_is_not_here(self) -> None:
        assert read("ci.yml").pipeline_file == ""

    def test_a_place_that_git_knows_nothing_of(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "Dockerfile").touch()
        monkeypatch.chdir(tmp_path)
        assert read() == Sources(file="Dockerfile", in_context=frozenset({"Dockerfile"}))

    def test_a_dockerfile_that_lies_elsewhere(self, project: Path, tmp_path: Path) -> None:
        elsewhere = tmp_path / "Dockerfile"
        elsewhere.write_text("FROM a")
        found = read(file=str(elsewhere))
        assert (found.file, found.text) == (str(elsewhere), "FROM a")
        assert found.in_context == {".git"}
        assert project.is_dir()


COMMIT = "https://github.com/me/app.git#860c1904a1ce19322e91ac35af1ab07466440c37"
ON_GITHUB = RunContext(ci="github", git_context=COMMIT, trust=trust.TRUSTED)


def on_github(**given: str) -> BuildPlan:
    return planned(parsing.parse({"image": "a", **given}, {}), ON_GITHUB)


class TestTheCheckoutOfAGitContext:
    def test_it_is_read_but_for_what_is_not_in_git(self, project: Path) -> None:
        record(project, "v2")
        (project / "Dockerfile").write_text("FROM a\n")
        (project / "run.sh").chmod(0o777)
        found = reading.read(on_github(), "")
        assert found == Sources(
            file="Dockerfile", text="FROM a\n", in_context=frozenset({"Dockerfile"})
        )

    def test_a_directory_of_it(self, project: Path) -> None:
        (project / "dir" / "app.Dockerfile").write_text("FROM a\n")
        decided = on_github(context="{{defaultContext}}:dir", file="app.Dockerfile")
        assert reading.read(decided, "").file == "dir/app.Dockerfile"

    @pytest.mark.usefixtures("project")
    def test_there_may_be_none(self) -> None:
        assert reading.read(on_github(context="{{defaultContext}}:other"), "") == Sources()


class TestNamed:
    WARNED = Warned(text="x", url="", file="Dockerfile", line=1, source=b"FROM a\n")

    def test_the_file_that_was_built(self, project: Path) -> None:
        (project / "dir" / "Dockerfile").write_text("FROM a\n")
        assert reading.named(on_github(context="dir"), self.WARNED) == "dir/Dockerfile"
        in_git = on_github(context="{{defaultContext}}:dir")
        assert reading.named(in_git, self.WARNED) == "dir/Dockerfile"

    @pytest.mark.parametrize("context", [".", "https://github.com/you/app.git", "nowhere"])
    def test_another_text_is_another_file(self, project: Path, context: str) -> None:
        (project / "Dockerfile").write_text("FROM b\n")
        assert reading.named(on_github(context=context), self.WARNED) == ""

    def test_a_warning_about_no_file(self, project: Path) -> None:
        (project / "Dockerfile").touch()
        assert reading.named(on_github(context="."), Warned(text="x", url="")) == ""


class TestOddModes:
    @pytest.mark.parametrize("version", ["v2", "v3", "v4", "sha256"])
    def test_a_mode_that_is_not_gits(self, project: Path, version: str) -> None:
        record(project, version)
        if version == "sha256":
            (project / ".git" / "config").write_text("[extensions]\n\tobjectFormat = sha256\n")
        (project / "run.sh").chmod(0o777)
        expected = OddModes(path="run.sh", mode=0o777, stored=0o755, has_more=False)
        assert read().odd_modes == expected
        (project / "README.md").chmod(0o664)
        expected = OddModes(path="README.md", mode=0o664, stored=0o644, has_more=True)
        assert read().odd_modes == expected

    def test_only_what_the_build_gets_counts(self, project: Path) -> None:
        (project / "README.md").chmod(0o666)
        (project / ".dockerignore").write_text("*.md\n")
        assert read().odd_modes is None
        assert read(context="dir").odd_modes is None
        (project / "dir" / "sub" / "z.py").chmod(0o600)
        odd = read(context="dir").odd_modes
        assert odd
        assert odd.path == "sub/z.py"

    def test_an_ignore_file_that_is_not_read_may_exclude_anything(self, project: Path) -> None:
        (project / "README.md").chmod(0o666)
        (project / ".dockerignore").write_text("a\n" * 200_000)
        assert read().ignore == "*"
        assert read().odd_modes is None

    def test_it_gives_up_before_it_takes_long(
        self, project: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for path in ("README.md", "run.sh"):
            (project / path).chmod(0o666)
        (project / ".dockerignore").write_text("README.*\n")
        monkeypatch.setattr("warmbuild.lint.reading._MOST_WORK", 170)
        assert read().odd_modes
        monkeypatch.setattr("warmbuild.lint.reading._MOST_WORK", 140)
        assert read().odd_modes is None

    def test_a_path_of_other_bytes_is_shown_with_escapes(self, project: Path) -> None:
        path = os.fsdecode(b"f\xfcr")
        (project / path).touch(mode=0o600)
        entry = bytes(24) + (0o100644).to_bytes(4, "big") + bytes(34) + b"\0" + b"f\xfcr\0"
        (project / ".git" / "index").write_bytes(b"DIRC\0\0\0\4\0\0\0\1" + entry)
        odd = read().odd_modes
        assert odd
        assert odd.path == r"f\udcfcr"

    def test_what_git_does_not_track_may_be_as_it_is(self, project: Path) -> None:
        (project / "new.txt").touch()
        (project / "new.txt").chmod(0o666)
        (project / "README.md").unlink()
        (project / "dir").chmod(0o777)
        assert read().odd_modes is None

    @pytest.mark.parametrize("index", [b"", b"DIRC\0\0\0\x09", b"DIRC\0\0\0\x02\0\0\0\x09"])
    def test_an_index_that_cannot_be_read(self, project: Path, index: bytes) -> None:
        (project / "README.md").chmod(0o666)
        (project / ".git" / "index").write_bytes(index)
        assert read().odd_modes is None

    def test_a_linked_work_tree(self, project: Path) -> None:
        main = project.parent / "main" / ".git"
        linked = main / "worktrees" / "project"
        linked.parent.mkdir(parents=True)
        (project / ".git").rename(linked)
        (linked / "commondir").write_text("../..\n")
        (project / ".git").write_text(f"gitdir: {linked}\n")
        (project / "README.md").chmod(0o666)
        odd = read().odd_modes
        assert odd
        assert odd.path == "README.md"
        # A file of a line, the same in every checkout of it.
        assert ".git" not in read().in_context


class TestPlan:
    FOUND = (
        "Dockerfile:2: COPY . . is above npm ci (line 3), which therefore runs again when any file "
        "changes. Copy the files that it reads, run it, and then copy the rest. [early-copy]"
    )

    @pytest.fixture(autouse=True)
    def _late(self, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("warmbuild.signals.install", lambda: None)
        (project / "Dockerfile").write_text("FROM a\nCOPY . .\nRUN npm ci\n")
        (project / ".dockerignore").write_text(".git\n")
        (project / "README.md").chmod(0o666)

    def plan(self, *flags: str) -> int:
        return cli.main(["plan", "--image=a", "--lint-ignore=file-modes", *flags], {})

    def test_it_warns_and_changes_nothing(
        self, project: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.plan("--normalize-modes") == 0
        assert f"warning     {self.FOUND}\n" in capsys.readouterr().out
        assert (project / "README.md").stat().st_mode & 0o777 == 0o666

    def test_it_warns_in_json(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.plan("--format=json") == 0
        (found,) = json.loads(capsys.readouterr().out)["findings"]
        text = self.FOUND.removeprefix("Dockerfile:2: ").removesuffix(" [early-copy]")
        assert found == {"rule": "early-copy", "file": "Dockerfile", "line": 2, "text": text}

    @pytest.mark.parametrize("flag", ["--lint=false", "--lint-ignore=early-copy"])
    def test_it_can_be_told_not_to(self, flag: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.plan(flag) == 0
        assert "warning" not in capsys.readouterr().out
