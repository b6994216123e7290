"""An addition touches the files that docs/architecture.md names, at most two, and works with them.

Each test adds something made up to a copy of the tree and runs the copy as its users would.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

COPIED = ("action.yml", "docs", "gitlab-component", "pyproject.toml", "src")
# Prints the bake definition of an image with the input made-up.
DEFINITION = """
from warmbuild.bake import bake_file
from warmbuild.buildkit.command_line import PLACEHOLDERS
from warmbuild.cache.permission import Facts
from warmbuild.image import tags
from warmbuild.inputs import parsing
from warmbuild.plan import making
from warmbuild.run_context import RunContext

run = RunContext(ci="local")
inputs = parsing.parse({"image": "ghcr.io/me/app", "made-up": "1"}, {})
applied = tags.apply(inputs.tag_rules, inputs.flavor, run, run.begun)
plan = making.decide(inputs, run, Facts(applied=applied, variables=frozenset()))
print(bake_file.definition([plan], PLACEHOLDERS))
"""
PLAN = ("-m", "warmbuild", "plan", "--format", "json", "--image", "ghcr.io/me/app")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A copy of the tree that something is added to."""

    root: Path
    original: Path

    def read(self, name: str) -> str:
        return (self.root / name).read_text(encoding="utf-8")

    def write(self, name: str, text: str) -> None:
        """Write a new file of src/warmbuild."""
        path = self.root / "src/warmbuild" / name
        assert not path.exists()
        path.write_text(text, encoding="utf-8")

    def patch(self, name: str, pattern: str, addition: str) -> None:
        """Add text behind the one match of a pattern in a file of src/warmbuild."""
        path = self.root / "src/warmbuild" / name
        text = path.read_text(encoding="utf-8")
        (match,) = re.finditer(pattern, text, re.MULTILINE)
        path.write_text(text[: match.end()] + addition + text[match.end() :], encoding="utf-8")

    def python(self, *argv: str, **env: str) -> str:
        """Run the copy's Python outside of any repository, and return what it prints."""
        project = self.root / "project"
        project.mkdir(exist_ok=True)
        (project / "Dockerfile").write_text("FROM scratch\nCOPY made-up /\n", encoding="utf-8")
        return self._run(sys.executable, *argv, directory=project, **env)

    def plan(self, *argv: str, **env: str) -> dict[str, Any]:
        """Return the plan that the copy makes of these flags."""
        plan: dict[str, Any] = json.loads(self.python(*PLAN, *argv, **env))
        return plan

    def evaluated(self, module: str, expression: str) -> str:
        """Return what an expression of a module of the copy comes to, as text."""
        package, _, name = module.rpartition(".")
        return self.python("-c", f"from {package} import {name}; print({expression})").strip()

    def write_front_doors(self) -> None:
        self._run(sys.executable, "docs/generate.py", directory=self.root)

    def check(self, what: str, *, most: int) -> None:
        """Check that the page names the files that differ, at most so many, and the contracts."""
        page = self.read("docs/architecture.md")
        (cell,) = re.findall(rf"^\| {what} \| (.*?) \|", page, re.MULTILINE)
        named = {name.replace("NAME", "made_up") for name in re.findall(r"`([^`]+)`", cell)}
        assert self._touched() == named
        assert len(named) <= most
        program = str(Path(sys.executable).parent / "lint-imports")
        self._run(program, "--no-cache", "--no-logo", directory=self.root)

    def _touched(self) -> set[str]:
        """Return the files of src/warmbuild that differ from the original's."""
        mine, theirs = (
            {
                str(path.relative_to(root / "src/warmbuild")): path.read_bytes()
                for path in (root / "src/warmbuild").rglob("*.py")
            }
            for root in (self.root, self.original)
        )
        return {name for name, _ in mine.items() ^ theirs.items()}

    def _run(self, *argv: str, directory: Path, **env: str) -> str:
        done = subprocess.run(  # noqa: S603 (each argument is written out in a test)
            argv,
            cwd=directory,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(self.root / "src"), **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout


@pytest.fixture
def tree(root: Path, tmp_path: Path) -> Tree:
    copy = tmp_path / "tree"
    copy.mkdir()
    for name in COPIED:
        if (root / name).is_dir():
            shutil.copytree(root / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(root / name, copy / name)
    return Tree(root=copy, original=root)


def test_an_input_that_is_passed_on(tree: Tree) -> None:
    tree.patch(
        "inputs/table.py",
        r"^_ROWS: .* = \{\n",
        """\
    "made-up": Passthrough(
        "Something made up.", Kind.WORDS, flag="--made-up", bake_key="made-up"
    ),
""",
    )
    tree.patch(
        "inputs/values.py", r'^class Passed:\n    """[^"]*"""\n', "\n    made_up: tuple[str, ...]"
    )
    tree.write_front_doors()

    argv = tree.plan("--made-up=1", "--made-up=2")["argv"]
    assert [argv[at + 1] for at, text in enumerate(argv) if text == "--made-up"] == ["1", "2"]
    assert tree.plan(INPUT_MADE_UP="3")["argv"] == tree.plan("--made-up=3")["argv"]
    assert "--made-up" not in tree.plan()["argv"]
    assert json.loads(tree.python("-c", DEFINITION))["target"]["image"]["made-up"] == ["1"]
    assert '  made-up:\n    description: "Something made up.' in tree.read("action.yml")
    assert "INPUT_MADE_UP" in tree.read("gitlab-component/templates/build.yml")
    assert "| `made-up` |" in tree.read("docs/reference.md")
    tree.check("input that is passed on to buildx", most=2)


def test_a_ci_system(tree: Tree) -> None:
    tree.write(
        "ci/made_up.py",
        '''\
"""Made up: its variables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from warmbuild.ci.provider import Provider
from warmbuild.run_context import RunContext

if TYPE_CHECKING:
    from collections.abc import Mapping


def _context(env: Mapping[str, str], _directory: str, _read_text: object) -> RunContext:
    return RunContext(ci="made-up", event="push", branch=env.get("MADE_UP_BRANCH", ""))


PROVIDER: Final = Provider(
    name="made-up", detect=lambda env: "MADE_UP" in env, context=_context
)
''',
    )
    tree.patch(
        "ci/__init__.py",
        r"^from warmbuild\.ci import \(\n(    \w+,\n)*    local,\n",
        "    made_up,\n",
    )
    tree.patch("ci/__init__.py", r"^MODULES: Final = \(\n", "    made_up,\n")

    assert tree.plan(MADE_UP="yes", MADE_UP_BRANCH="topic")["context"]["branch"] == "topic"
    assert tree.plan(MADE_UP="yes")["context"]["ci"] == "made-up"
    assert tree.plan("--ci", "made-up")["context"]["ci"] == "made-up"
    assert tree.plan()["context"]["ci"] == "local"
    tree.check("CI system", most=2)


def test_a_registry(tree: Tree) -> None:
    tree.write(
        "vendors/made_up.py",
        '''\
"""Made up."""

from __future__ import annotations

from typing import Final

from warmbuild.vendors.base import Vendor

VENDOR: Final = Vendor(
    name="Made Up",
    hosts=r"made\\.up\\..*",
    path="ONE/TWO",
    names=(2, 2),
    missing=(404,),
    accepts="all of them",
    login="a name and a word",
    permission="to write",
)
''',
    )
    tree.patch(
        "vendors/__init__.py",
        r"^from warmbuild\.vendors import \(\n(    \w+,\n)*    harbor,\n",
        "    made_up,\n",
    )
    tree.patch("vendors/__init__.py", r"^MODULES: Final = \(\n", "    made_up,\n")
    tree.write_front_doors()

    detected = tree.evaluated("warmbuild.vendors", "vendors.detect('made.up.example').name")
    assert detected == "Made Up"
    assert tree.evaluated("warmbuild.vendors", "vendors.detect('else.example').name") != detected
    misfit = "vendors.misfit(refs.parse('made.up.example/one'))"
    refused = tree.python("-c", f"from warmbuild import refs, vendors; print({misfit})")
    assert refused == "'one' cannot be a repository of Made Up, which takes ONE/TWO\n"
    assert tree.read("docs/registries.md").count("| Made Up |") == 2
    tree.check("registry", most=2)


def test_a_lint_rule(tree: Tree) -> None:
    tree.write(
        "lint/rules/made_up.py",
        '''\
"""The rule made-up: a COPY of something made up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from warmbuild.lint.case import Case, Found, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator


def _find(case: Case) -> Iterator[Found]:
    for step in case.steps:
        if "made-up" in step.text:
            yield Found(at=step, about="made-up", text="this is made up.")


RULE: Final = Rule(name="made-up", severity="minor", find=_find)
''',
    )
    tree.patch("inputs/table.py", r"^LINT_RULES: Final = \(\n", '    "made-up",\n')
    tree.write_front_doors()

    found = [one for one in tree.plan()["findings"] if one["rule"] == "made-up"]
    assert [(one["file"], one["line"], one["text"]) for one in found] == [
        ("Dockerfile", 2, "this is made up.")
    ]
    ignored = tree.plan("--lint-ignore", "made-up")["findings"]
    assert [one for one in ignored if one["rule"] == "made-up"] == []
    assert "Lint rules to ignore: made-up, " in tree.read("action.yml")
    tree.check("lint rule", most=2)


def test_an_output(tree: Tree) -> None:
    tree.patch(
        "report/outputs.py",
        r"^_ROWS: .* = \(\n",
        """\
    Output(
        "made-up",
        "Something made up.",
        of_outcome=lambda done: f"made of {done.digest}",
        of_plan=lambda planned: f"made of {planned.plans[0].tags[0]}",
    ),
""",
    )
    tree.write_front_doors()

    tree.plan("--output-file", "outputs.json")
    handed_on = json.loads(tree.read("project/outputs.json"))
    assert handed_on["made-up"] == "made of ghcr.io/me/app:latest"
    built = tree.python(
        "-c",
        "from types import SimpleNamespace\n"
        "from warmbuild.report.outputs import OUTPUTS\n"
        "print(OUTPUTS['made-up'].after_build(SimpleNamespace(digest='sha256:1')))",
    )
    assert built == "made of sha256:1\n"
    assert '  made-up:\n    description: "Something made up."' in tree.read("action.yml")
    assert "| `made-up` | Something made up. |" in tree.read("docs/reference.md")
    tree.check("output", most=2)


def test_a_subcommand(tree: Tree) -> None:
    tree.write(
        "commands/made_up.py",
        '''\
"""Says what is made up."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from warmbuild.commands.run import Run


def made_up(run: Run) -> None:
    """Say which image is made up."""
    run.log.line(f"{run.inputs.image[0]} is made up")
''',
    )
    tree.patch("cli.py", r"^from warmbuild import .*\n", "from warmbuild.commands import made_up\n")
    tree.patch(
        "cli.py",
        r"^    commands = parser\.add_subparsers\(.*\)\n",
        '    commands.add_parser("made-up", parents=[common], help="make it up")\n',
    )
    tree.patch(
        "cli.py",
        r'^    (?=if arguments\.command == "build")',
        'if arguments.command == "made-up":\n        made_up.made_up(run)\n    el',
    )

    said = tree.python("-m", "warmbuild", "made-up", "--image", "ghcr.io/me/app")
    assert said == "ghcr.io/me/app is made up\n"
    assert "made-up" in tree.python("-m", "warmbuild", "--help")
    assert tree.plan()["tags"] == ["ghcr.io/me/app:latest"]
    tree.check("subcommand", most=3)
