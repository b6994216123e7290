from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warmbuild.project import dockerfile, installs

if TYPE_CHECKING:
    from warmbuild.project.dockerfile import Instruction


def run(text: str) -> Instruction:
    return dockerfile.parse(f"FROM a\n{text}", {}).stages[0].instructions[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("RUN a b && c;d | e || f & g", ["a b", "c", "d", "e", "f", "g"]),
        ("RUN (a; b) && { c; }", ["a", "b", "{ c", "}"]),
        ("RUN echo 'a; b' \"c && d\" e\\ f", ["echo a; b c && d e f"]),
        ("RUN a # b && c", ["a"]),
        ("RUN curl x#y && b", ["curl x#y", "b"]),
        ("RUN <<EOF\na b\n# c\nd \\\n  e\nEOF", ["a b", "d e"]),
        ("RUN <<EOF\n#!/usr/bin/env python\nimport os\nEOF", []),
        ("RUN <<EOF\n#!/bin/bash\na\nEOF", ["a"]),
        ("RUN python <<EOF\na\nEOF", ["python <<EOF"]),
        ('RUN ["a", "b c"]', ["a b c"]),
        ('RUN ["/bin/bash", "-euxc", "a && b"]', ["a", "b"]),
        ("RUN sh -c 'a && b'", ["a", "b"]),
        ("RUN sh -c", ["sh -c"]),
        ("RUN it's", ["it's"]),
    ],
)
def test_a_run_is_split_as_a_shell_splits_it(text: str, expected: list[str]) -> None:
    assert [" ".join(words) for words in installs.commands(run(text))] == expected


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("npm ci", "npm ci"),
        ("npm --prefix web ci --omit=dev", "npm ci"),
        ("yarn", "yarn"),
        ("yarn --frozen-lockfile", "yarn"),
        ("corepack pnpm install", "pnpm install"),
        ("cd web && npm i", "npm i"),
        ("CI=1 npm ci", "npm ci"),
        ("env CI=1 npm ci", "npm ci"),
        ("sudo -E apt-get -o X=1 -y install curl", "apt-get install"),
        ("if test -f x; then bundle install; fi", "bundle install"),
        ("pip install -r requirements.txt", "pip install"),
        ("pip3.12 install -r ./requirements.txt", "pip install"),
        ("/venv/bin/pip install --target /opt/x flask", "pip install"),
        ("python3 -m pip install flask", "pip install"),
        ("uv pip sync requirements.txt", "uv pip sync"),
        ("uv sync --frozen", "uv sync"),
        ("go mod download", "go mod download"),
        ("cargo chef cook --release", "cargo chef cook"),
        ("./mvnw -B dependency:go-offline", "mvnw dependency:go-offline"),
        ("apk add --no-cache git", "apk add"),
        ("composer install --no-scripts", "composer install"),
    ],
)
def test_an_install_of_dependencies(command: str, shown: str) -> None:
    assert [done.shown for done in installs.installs(run(f"RUN {command}"))] == [shown]


@pytest.mark.parametrize(
    "command",
    [
        "npm run build",
        "npm run install",
        "npm prune",
        "npm --version",
        "yarn --version",
        "yarn build",
        "bundle exec rake",
        "pip install .",
        "pip install -e .[dev]",
        "pip install ./libs/one",
        "pip install dist/app-1.0.whl",
        "pip --version",
        "uv pip list",
        "go build ./...",
        "go mod tidy",
        "cargo build --release",
        "cargo chef prepare",
        "mvn package",
        "apt-get update",
        "dpkg -i x.deb",
        "make install",
        "echo npm ci",
        "echo 'first; npm ci'",
        "npm install ./local.tgz",
        "npm",
        "CI=1",
    ],
)
def test_no_install_of_dependencies(command: str) -> None:
    assert list(installs.installs(run(f"RUN {command}"))) == []


@pytest.mark.parametrize(
    ("command", "names_packages"),
    [
        ("pip install -r requirements.txt", False),
        ("pip install --upgrade pip", True),
        ("npm ci", False),
        ("npm install -g pnpm", True),
        ("uv sync --no-install-project", False),
        ("apt-get install curl", True),
    ],
)
def test_what_is_installed_is_named_here_or_in_a_file(
    command: str,
    names_packages: bool,  # noqa: FBT001 (a row of the table)
) -> None:
    (done,) = installs.installs(run(f"RUN {command}"))
    assert done.names_packages is names_packages


@given(st.text(alphabet="npm ci&;|()'\"\\\n#= -sh", max_size=100))
def test_no_command_is_too_strange(text: str) -> None:
    step = run(f"RUN x {text}")
    assert all(list(installs.commands(step)))
    assert list(installs.installs(step)) is not None
