"""What reads foreign text takes ten times as long for ten times as much of it, not a hundred."""

from __future__ import annotations

import base64
import json
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import pytest

from warmbuild import csv_attributes, refs, retries, run_context, secret_texts, untrusted_json
from warmbuild.build import outcomes
from warmbuild.buildkit import answers
from warmbuild.buildkit.progress import Failure, Progress
from warmbuild.ci import buildkite
from warmbuild.errors import InputError
from warmbuild.inputs import build_context, expressions, lists, parsing, tag_rules
from warmbuild.lint import checking
from warmbuild.lint.case import Sources
from warmbuild.project import dockerfile, git_index, ignore_file, installs
from warmbuild.run_context import RunContext
from warmbuild.vendors import refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SMALL: Final = 1_000
# Seconds of this process; what takes less is measured too roughly.
LEAST: Final = 0.001
MOST_RATIO: Final = 30
BEGUN: Final = '{"vertexes":[{"digest":"a","name":"a","started":"2026-01-09T00:00:00Z"}]}'
CONTEXT: Final = RunContext(ci="local")


def lint(text: str) -> None:
    inputs = parsing.parse({"image": "r.io/a", "build-args": f"TOKEN={text[:50]}\nA={text}"}, {})
    sources = Sources(file="Dockerfile", text=text, ignore=text, in_context=frozenset([".git"]))
    checking.check(inputs, CONTEXT, sources, {})
    for stage in dockerfile.parse(text, {}).stages:
        for step in stage.instructions:
            dockerfile.takes_everything(step)
            tuple(installs.installs(step))


def progress(lines: Sequence[str]) -> None:
    seen = Progress()
    for line in lines:
        seen.take(line)
        seen.waiting_for()
    seen.steps()
    seen.failure()


def error(text: str) -> None:
    retries.passes(text)
    assert refusal.read(text).kind is None or text
    outcomes.failure_error(Failure(title="exporting to image", error=text, tail=(), source=""))


def inputs(text: str) -> None:
    with pytest.raises(InputError):
        parsing.parse({"image": "r.io/a", "tags": text, "push": "perhaps"}, {})


def logs(size: int, text: str) -> list[str]:
    data = base64.b64encode(text.encode()).decode()
    return [BEGUN, *[json.dumps({"logs": [{"vertex": "a", "data": data}]})] * size]


def vertexes(size: int) -> list[str]:
    started = {"started": "2026-01-09T00:00:00Z"}
    ended = started | {"completed": "2026-01-09T00:00:01Z"}
    return [
        json.dumps({"vertexes": [{"digest": str(number), "name": "x"} | times]})
        for number in range(size)
        for times in (started, ended)
    ]


def vertex(name: str) -> list[str]:
    return [json.dumps({"vertexes": [{"digest": "a", "name": name, "cached": True}]})]


def entry(name: bytes) -> bytes:
    return bytes(24) + (0o100644).to_bytes(4, "big") + bytes(34) + name + b"\0"


def index(entries: bytes, count: int) -> bytes:
    return b"DIRC\0\0\0\x04" + count.to_bytes(4, "big") + entries


def modes(data: bytes) -> None:
    with suppress(ValueError):
        for _ in git_index.modes(data):
            pass


def excluded(case: tuple[str, str]) -> None:
    text, path = case
    ignore_file.matcher(ignore_file.patterns(text))(path)


def parsed(text: str) -> None:
    with suppress(ValueError):
        refs.parse(text)
    refs.image_tag(text)
    refs.read_cache_tag(f"cache-{text}", prefix="cache-")
    refs.cache_tag(prefix="cache-", scope=text, branch=text)


def expression(text: str) -> None:
    with suppress(ValueError):
        expressions.read(text)
    expressions.filled(text, {})
    expressions.formatted(datetime(2026, 1, 9, tzinfo=UTC), text)


def split(text: str) -> None:
    for way in (lists.words, lists.lines, lists.untrimmed_lines):
        try:
            way(text)
        except ValueError:
            continue


def context(text: str) -> None:
    build_context.unknown(text)
    build_context.filled_in(text, CONTEXT)
    build_context.is_of(CONTEXT, f"https://{text}")


def json_of(text: str) -> None:
    with suppress(ValueError):
        untrusted_json.anything(text)


# What reads, and what makes a text of a size for it.
CASES: Final[dict[str, tuple[Callable[[Any], object], Callable[[int], Any]]]] = {
    "Dockerfile: brackets": (lint, lambda size: "FROM a\nRUN " + "[" * size),
    "Dockerfile: double quotes": (lint, lambda size: "FROM a\nRUN " + '"\\' * size),
    "Dockerfile: both quotes": (lint, lambda size: "FROM a\nRUN " + "'\"\\#" * size),
    "Dockerfile: slashes": (lint, lambda size: "FROM a\nCOPY " + "/" * size + "x ."),
    "Dockerfile: comments": (lint, lambda size: "# a\n" * size),
    "Dockerfile: a comment": (
        lint,
        lambda size: "FROM a\n# warmbuild ignore=" + " " * size + "!\nRUN b",
    ),
    "Dockerfile: a directive": (lint, lambda size: "# syntax=a" + " " * size + "b"),
    "Dockerfile: flags": (lint, lambda size: "FROM a\nRUN " + "--a=b " * size),
    "Dockerfile: continued lines": (lint, lambda size: "FROM a\nRUN b" + " \\\n c" * size),
    "Dockerfile: heredocs": (lint, lambda size: "FROM a\nRUN " + "<<a " * size + "\nb" * size),
    "Dockerfile: variables": (lint, lambda size: "FROM a AS b\nFROM " + "$a-" * size),
    "Dockerfile: open variables": (lint, lambda size: "FROM a AS b\nFROM " + "${a-" * size),
    "Dockerfile: stages": (
        lint,
        lambda size: "".join(f"FROM s{n} AS s{n + 1}\nRUN a\n" for n in range(size // 200)),
    ),
    "Dockerfile: instructions": (
        lint,
        lambda size: "FROM a\n" + "RUN pip install a\n" * (size // 12),
    ),
    "Dockerfile: one number": (lint, lambda size: "FROM a\nCOPY --from=" + "9" * size + " a b"),
    "ignore file: directories": (excluded, lambda size: ("**/" * size + "x", "a/" * 40 + "y")),
    "ignore file: sets": (excluded, lambda size: ("[" * size + "\\]", "a")),
    "ignore file: stars": (excluded, lambda size: ("*a" * size, "a" * 40 + "b")),
    "ignore file: lines": (excluded, lambda size: ("a?b\n!c\n" * size, "a/b/c")),
    "ignore file: a path": (excluded, lambda size: ("**/a/**/b/**/*c\n**.d", "a/b/" * size)),
    "git index: entries": (modes, lambda size: index(entry(b"\1a") * size, size)),
    "git index: paths that grow": (modes, lambda size: index(entry(b"\0a") * size, size)),
    "git index: a number": (modes, lambda size: index(entry(b"\xff" * size), 1)),
    "progress: vertexes": (progress, lambda size: vertexes(size // 10)),
    "progress: an endless line": (progress, lambda size: logs(size, "x" * 20)),
    "progress: many lines": (progress, lambda size: logs(1, "x\r\n" * size)),
    "progress: a name of spaces": (progress, lambda size: vertex("[" + " " * size)),
    "progress: a name of digits": (progress, lambda size: vertex("[a " + "1 1/" * size)),
    "progress: deep": (progress, lambda size: ['{"a":' * size]),
    "progress: no progress": (progress, lambda size: ["{" * size, ":1" * size, "---"]),
    "JSON: lists": (json_of, lambda size: json.dumps([[[1]]] * size)),
    "answer: options": (
        answers.inspected,
        lambda size: "Name: a\nNodes:\nName: b\nDriver Options: " + "x" * size,
    ),
    "answer: open options": (
        answers.inspected,
        lambda size: "Name: a\nNodes:\nName: b\nDriver Options: " + 'a=" ' * size,
    ),
    "answer: lines": (answers.error, lambda size: "ERROR: a\n" * size),
    "answer: a version": (answers.version, lambda size: "1" * size + "." + "1." * size),
    "answer: a boot": (
        lambda text: answers.boot(text, up=False),
        lambda size: "#1 pulling image" * size,
    ),
    "error: a word": (error, lambda size: "x" * size),
    "error: words": (error, lambda size: "repository artifact manifest " * size),
    "error: statuses": (error, lambda size: "unexpected status : 9 " * size),
    "error: names": (error, lambda size: "/manifests/" * size),
    "error: quotes": (error, lambda size: "'a'b\"c" * size),
    "error: slashes": (error, lambda size: "/:" * size),
    "error: lines": (error, lambda size: "unexpected status\n" * size),
    "lists: quotes": (split, lambda size: '"a"b,"' * size),
    "lists: one item": (split, lambda size: '"' + '""' * size),
    "expressions: braces": (expression, lambda size: "{" * size),
    "expressions: arguments": (expression, lambda size: "{{a" + " b='c'" * size + "!}}"),
    "expressions: spaces": (expression, lambda size: "{{a" + " " * size + "!}}"),
    "expressions: brackets": (expression, lambda size: "[\\" * size),
    "rules: spaces": (tag_rules.is_rule, lambda size: "," + " " * size + "!"),
    "rules: commas": (tag_rules.is_rule, lambda size: ', "' * size),
    "rules: slashes": (lambda text: tag_rules.regex("match", text), lambda size: "/" * size + "A"),
    "rules: lines": (inputs, lambda size: "type=sha\n" * (size // 10)),
    "references: hyphens": (parsed, lambda size: "a-" * size),
    "references: underscores": (parsed, lambda size: "_" * size),
    "references: letters": (parsed, lambda size: "a" * size + "!"),
    "references: hosts": (parsed, lambda size: "a." * size + ":1/b"),
    "attributes: commas": (csv_attributes.pairs, lambda size: "a=b," * size),
    "attributes: quotes": (csv_attributes.pairs, lambda size: '"' * size),
    "context: braces": (context, lambda size: "{{ " * size),
    "context: a directory": (context, lambda size: "{{defaultContext}}:" + "a" * size),
    "merge: a message": (
        lambda text: run_context.merged_branch(text, "me"),
        lambda size: "Merge pull request '" + "' (#1) from a " * size,
    ),
    "branch: a queue": (
        CONTEXT.on_branch,
        lambda size: "gh-readonly-queue/" + "/pr-1-1" * size + "!",
    ),
    "repository: slashes": (
        lambda text: buildkite.PROVIDER.context({"BUILDKITE_REPO": text}, "", str),
        lambda size: "a" + "/" * size + "b\nc",
    ),
    "redactor: users": (secret_texts.without_users, lambda size: "http://a:" * size + "b" * size),
    "redactor: names": (
        lambda text: list(secret_texts.parts(text)),
        lambda size: "token " * size + "'" * size,
    ),
    "redactor: attributes": (
        lambda text: list(secret_texts.in_attributes(text)),
        lambda size: '"ghtoken=""' * size + "secret_access_key=" * size,
    ),
    "redactor: a text": (
        secret_texts.redactor([f"secret-{number}" for number in range(50)]),
        lambda size: "secret-" * size,
    ),
}


def seconds(function: Callable[[Any], object], given: object) -> float:
    """Return the shorter time of two."""
    times = []
    for _ in range(2):
        begun = time.process_time()
        function(given)
        times.append(time.process_time() - begun)
    return min(times)


@pytest.mark.parametrize("case", CASES)
def test_time_grows_with_the_text_alone(case: str) -> None:
    function, made = CASES[case]
    small = max(LEAST, seconds(function, made(SMALL)))
    assert seconds(function, made(10 * SMALL)) < MOST_RATIO * small
