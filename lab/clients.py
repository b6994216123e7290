"""What runs a CI system's own files on this machine: act for GitHub, gitlab-ci-local for GitLab."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from lab import golang, images, npm
from lab.commands import run
from lab.layout import SOURCES, link, write_program

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from lab.layout import Layout

ACT = "act"
GITLAB_CI_LOCAL = "gitlab-ci-local"
# What act runs a job in: a shell, and node for actions in JavaScript.
ACT_IMAGE = images.NODE.name


def program(layout: Layout, name: str) -> Path:
    """Return the path of a client once it is made."""
    return layout.path / name


def make_act(layout: Layout) -> None:
    """Put act on the lab's PATH."""
    link(layout, golang.build_act(layout), ACT)


def make_gitlab_ci_local(layout: Layout) -> None:
    """Put gitlab-ci-local on the lab's PATH, with a Node of its own, for it takes 22."""
    run(["rsync", "--version"])
    modules = npm.install(layout, SOURCES / GITLAB_CI_LOCAL)
    (node,) = modules.glob("node-linux-*/bin/node")
    script = modules / GITLAB_CI_LOCAL / "dist" / "index.js"
    command = shlex.join([str(node), str(script)])
    write_program(layout, GITLAB_CI_LOCAL, f'#!/bin/sh\nexec {command} "$@"\n')


CLIENTS: Mapping[str, Callable[[Layout], None]] = {
    ACT: make_act,
    GITLAB_CI_LOCAL: make_gitlab_ci_local,
}
