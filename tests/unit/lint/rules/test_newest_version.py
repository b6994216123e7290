from __future__ import annotations

import pytest

from tests.unit.lint.checked import check, lines


@pytest.mark.parametrize(
    "command",
    [
        "npm i npm@latest",
        "npm install -g npm",
        "npm install --global npm@next serve@14.2.0",
        "pnpm add -g turbo",
        "yarn global add serve@latest",
        "corepack prepare pnpm@latest --activate",
        "corepack use yarn@stable",
        "pip install -U pip",
        "pip3 install --no-cache-dir --upgrade pip setuptools==70.0",
        "python -m pip install --upgrade 'uvicorn[standard]'",
        "gem update --system",
        "rustup update",
        "composer self-update",
        "uv self update",
        "go install golang.org/x/tools/gopls@latest",
        "apk upgrade",
        "apk -U --no-cache upgrade && apk add curl",
        "apt-get update && apt-get -y upgrade",
        "apt-get update && DEBIAN_FRONTEND=noninteractive apt-get dist-upgrade -qq",
        "dnf update -y",
        "yum -y update",
        "zypper --non-interactive dup",
    ],
)
def test_what_takes_the_newest_version(command: str) -> None:
    assert lines("newest-version", check(f"FROM a\nRUN {command}\n")) == [2]


@pytest.mark.parametrize(
    "command",
    [
        "npm ci",
        "npm install",
        "npm i express",
        "npm install -g npm@11.2.0",
        "npm install -g @angular/cli@20",
        "npm install -g .",
        "pnpm add -g turbo@2",
        "corepack enable",
        "corepack prepare pnpm@9.1.0 --activate",
        "corepack install",
        "pip install -r requirements.txt",
        "pip install --upgrade -r requirements.txt",
        "pip install --upgrade pip==25.3",
        "pip install -U 'pip<26'",
        "pip install flask",
        "pip install --upgrade .",
        "gem update --system 3.6.9",
        "gem install rails",
        "rustup update 1.90.0",
        "go install golang.org/x/tools/gopls@v0.20.0",
        "go install ./...",
        "apt-get update && apt-get install -y curl",
        "apt-get upgrade -y openssl",
        "apk add --no-cache --upgrade openssl",
        "apk update",
        "dnf update -y openssl",
        "echo apt-get upgrade",
        "make upgrade",
        "use-the-latest foo@latest",
    ],
)
def test_what_does_not(command: str) -> None:
    assert lines("newest-version", check(f"FROM a\nRUN {command}\n")) == []


def test_a_step_is_named_once_and_what_is_not_built_is_not() -> None:
    text = "FROM a AS b\nRUN apk upgrade\nFROM a\nRUN apk upgrade && npm i -g npm\n"
    assert lines("newest-version", check(text)) == [4]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (
            "apt-get update && apt-get -y upgrade",
            (
                "apt-get upgrade takes whatever is the newest: a cache keeps it as it was, and a "
                "build without a cache may break. Build on a newer base image instead."
            ),
        ),
        (
            "npm i -g npm",
            (
                "npm i -g npm takes whatever is the newest: a cache keeps it as it was, and a "
                "build without a cache may break. Name a version instead."
            ),
        ),
    ],
)
def test_what_is_said(command: str, said: str) -> None:
    (found,) = check(f"FROM a\nRUN {command}\n")
    assert found.text == said
