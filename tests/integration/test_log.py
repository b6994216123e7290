"""What a build says reaches the log as it is said."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.conftest import Warmbuild

SPEECH = re.compile(r"#\d+ \d+\.\d{3} (.*)")


def test_lines_come_in_order_and_none_is_lost(
    warmbuild: Warmbuild, repository: str, project: Callable[..., Path]
) -> None:
    place = project("FROM busybox:1.37\nRUN seq 1 200; seq 201 400 >&2; printf 'no newline'\n")
    ended = warmbuild.succeed(place, image=repository)
    said = [found[1] for _, text in ended.lines if (found := SPEECH.fullmatch(text))]
    # BuildKit reads the two streams of a command apart, so each has an order of its own.
    out = [line for line in said if not line.isdigit() or int(line) <= 200]
    assert [line for line in out if line.isdigit()] == [str(number) for number in range(1, 201)]
    assert [line for line in said if line not in out] == [str(number) for number in range(201, 401)]
    assert out[-1] == "no newline"


def test_a_line_is_there_before_its_step_ends(
    warmbuild: Warmbuild, repository: str, project: Callable[..., Path]
) -> None:
    place = project("FROM busybox:1.37\nRUN echo first; sleep 2; echo second\n")
    ended = warmbuild.succeed(place, image=repository)
    times = {
        found[1]: seconds for seconds, text in ended.lines if (found := SPEECH.fullmatch(text))
    }
    assert times["second"] - times["first"] > 1.5


def test_a_step_cannot_give_github_commands(
    warmbuild: Warmbuild,
    repository: str,
    project: Callable[..., Path],
    github: Callable[..., dict[str, str]],
) -> None:
    command = "::set-output name=digest::sha256:0"
    place = project(
        "FROM busybox:1.37\n"
        f"RUN echo '{command}'; printf 'harmless\\r{command}\\n##[error]oh\\n'; exit 1\n"
    )
    ended = warmbuild.build(
        place, ci=github("push", "github-push.json", "refs/heads/main"), image=repository
    )
    assert ended.code == 4
    assert ended.log.count(command) >= 3
    # To the runner a carriage return ends a line, too.
    lines = [line.lstrip() for line in re.split(r"[\r\n]", ended.log)]
    commands = [line.split("::")[1].split(" ")[0] for line in lines if line.startswith("::")]
    assert set(commands) == {"group", "endgroup", "error"}
    assert sum(line.startswith("::error title=warmbuild,file=Dockerfile,line=2") for line in lines)
    # Its older form counts anywhere in a line that has none of the newer.
    assert [line for line in lines if "##[" in line and not line.startswith("::error ")] == []


def test_what_was_decided_is_said_with_its_reason(
    warmbuild: Warmbuild, repository: str, small: Path
) -> None:
    ended = warmbuild.succeed(small, image=repository, branch="feature/x")
    assert "gitlab: push, branch feature/x, default branch main" in ended.log
    assert f"{repository}:cache-main does not exist yet" in ended.log
    assert re.search(
        rf"cache write +{repository}:cache-feature-x-\w+ \(this branch's own cache\)", ended.log
    )
    assert re.search(r"^#\d+ \[2/3\] RUN cat /proc/sys/kernel/random/uuid", ended.log, re.MULTILINE)
    assert re.search(r"^#\d+ DONE \d+\.\ds$", ended.log, re.MULTILINE)
    again = warmbuild.succeed(small, image=repository, branch="feature/x")
    assert len(re.findall(r"^#\d+ CACHED$", again.log, re.MULTILINE)) == 2
