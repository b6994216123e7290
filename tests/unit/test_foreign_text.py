"""What others wrote is read, or refused as an error that a user can act on; nothing crashes."""

from __future__ import annotations

import json
import re
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.printed import printed
from warmbuild import (
    ci,
    cli,
    csv_attributes,
    refs,
    retries,
    run_context,
    secret_texts,
    untrusted_json,
    whole_numbers,
)
from warmbuild.bake import allowed, targets
from warmbuild.build import outcomes
from warmbuild.buildkit import answers, checks
from warmbuild.buildkit.progress import Progress
from warmbuild.errors import InputError
from warmbuild.inputs import (
    build_context,
    expressions,
    lists,
    logins,
    parsing,
    registry_auth,
    tag_rules,
)
from warmbuild.lint import checking
from warmbuild.lint.case import Sources
from warmbuild.project import dockerfile, git_index, git_objects, ignore_file, installs
from warmbuild.run_context import RunContext
from warmbuild.vendors import refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import SearchStrategy

NOW: Final = datetime(2026, 1, 9, tzinfo=UTC)
DATA: Final = Path(__file__).resolve().parents[1] / "data"


def written(*pieces: str) -> SearchStrategy[str]:
    """Return texts of these pieces, with anything else in between."""
    return st.lists(st.sampled_from(pieces) | st.text(max_size=3), max_size=25).map("".join)


SHALLOW: Final = (
    *("9" * 5000, "-1", "²", "٣", "\udcff", "\ud800", "\0", "\r", "\n"),
    *("http://[", "::", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "1e999"),
)
STRANGE: Final = (*SHALLOW, "[" * 1500, "{" * 1500)
KEYS: Final = tuple(
    sorted(
        {
            found
            for place in (Path(ci.__file__).parent, Path(answers.__file__).parent)
            for module in place.glob("*.py")
            for found in re.findall(r'"([a-z][A-Za-z_]+)"', module.read_text())
        }
    )
)
VARIABLES: Final = tuple(
    sorted(
        {
            found
            for module in Path(ci.__file__).parent.glob("*.py")
            for found in re.findall(r'"([A-Z][A-Z_0-9]{2,}|bamboo_\w+)"', module.read_text())
        }
    )
)
VALUES: Final = (
    *STRANGE,
    *("", "true", "false", "1", "main", "v1.2.3", "a" * 40, "refs/heads/main", "refs/tags/v1"),
    *("refs/pull/7/merge", "refs/pull/²/merge", "gh-readonly-queue/main/pr-7-abc", "me/app"),
    *("Merge pull request #1 from me/x", "pull_request", "workflow_run", "push", "release"),
    *("schedule", "woodpecker", "https://github.com", "ghcr.io", "2026-01-09T00:00:00Z"),
)
ENVIRONMENTS: Final = st.dictionaries(
    st.sampled_from(VARIABLES), st.sampled_from(VALUES) | st.text(max_size=8), max_size=20
)
JSON: Final = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**63, -(10**400), 10**4000])
    | st.floats()
    | st.sampled_from(VALUES)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=3), inner, max_size=6)
    ),
    max_leaves=25,
)
DOCUMENTS: Final = JSON.map(json.dumps) | st.text(max_size=20) | st.sampled_from(STRANGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """What reads foreign text, and texts for it."""

    read: Callable[[Any], object]
    texts: SearchStrategy[Any]
    refusals: tuple[type[Exception], ...] = ()


def of_dockerfile(text: str) -> None:
    inputs = parsing.parse({"image": "r.io/a", "build-args": "A=b"}, {})
    context = RunContext(ci="github", commit="(" * 7)
    for found in (text, f"FROM a AS b\n{text}"):
        sources = Sources(
            file="Dockerfile", text=found, ignore=text, in_context=frozenset([".git"])
        )
        checking.check(inputs, context, sources, {})
        file = dockerfile.parse(found, {"A": "b"})
        for stage in file.stages:
            assert (
                dockerfile.needed(file, stage)[-1] == dockerfile.lineage(file, stage)[-1] == stage
            )
            for step in stage.instructions:
                assert str(step)
                tuple(installs.installs(step))


def of_ignore_file(text: str) -> None:
    found = ignore_file.patterns(text)
    ignore_file.excludes_by_default(found)
    is_excluded = ignore_file.matcher(found)
    for path in ("a", "a/b.py", ".git/HEAD", text.strip("/")):
        is_excluded(path)


def of_progress(lines: list[str]) -> None:
    progress = Progress(["a", "b"])
    for said in printed(progress, lines):
        assert isinstance(said, str)
    progress.waiting_for()
    for part in (progress, progress.of("a")):
        tuple(part.steps()), part.imports(), part.exports(), part.warnings()
        of_error(part.failure().error)
        str(outcomes.failure_error(part.failure()))
    progress.goes_on(Progress())


def of_answer(text: str) -> None:
    answers.inspected(text)
    answers.error(text)
    answers.boot(text, up=False)
    answers.version(text)


def of_error(text: str) -> None:
    retries.passes(text)
    assert refusal.read(text).kind in {None, *refusal.Kind}


def of_expression(text: str) -> None:
    names = (name for name, _ in expressions.read(text))
    values = dict.fromkeys(names, expressions.dated(NOW))
    tag_rules.check_expressions(text)
    expressions.filled(text, values)
    expressions.formatted(NOW, text)


def of_rule(text: str) -> None:
    tag_rules.is_rule(text)
    parsing.parse({"image": "r.io/a", "tags": text, "labels": text, "flavor": text}, {})


def of_run(env: dict[str, str]) -> None:
    """Plan a run, as the command line does."""
    said = StringIO()
    with (
        redirect_stdout(said),
        mock.patch("warmbuild.signals.install"),
        mock.patch("pathlib.Path.touch"),
        mock.patch("warmbuild.files.write_text"),
        mock.patch("warmbuild.report.publishing.write_text"),
        mock.patch("warmbuild.ci.variables.write"),
    ):
        code = cli.main(["plan", "--image=r.io/a", "--tags=type=ref,event=branch\ntype=sha"], env)
    assert code in {0, 2}, said.getvalue()
    said.getvalue().encode()


def of_context(given: tuple[dict[str, str], str, str]) -> None:
    env, payload, epoch = given
    for provider in ci.PROVIDERS:
        provider.detect(env)
        context = provider.context(env, "/work", lambda _path: payload).legible()
        context = context.at_time(NOW, epoch)
        repr(context).encode()
        provider.pipeline_file(env)
        provider.known_inputs(env, {"github-token": "x"})


def of_commit(pieces: tuple[bytes, bytes]) -> None:
    with TemporaryDirectory() as directory:
        packs = Path(directory, ".git", "objects", "pack")
        packs.mkdir(parents=True)
        Path(directory, ".git", "HEAD").touch()
        for end, data in zip(("idx", "pack"), pieces, strict=True):
            (packs / f"pack-1.{end}").write_bytes(data)
        assert git_objects.committed(Path(directory), "ab" * 20) is None
        loose = packs.parent / "ab" / ("ab" * 19)
        loose.parent.mkdir()
        loose.write_bytes(pieces[1])
        assert git_objects.committed(Path(directory), "ab" * 20) is None


def of_login(text: str) -> None:
    problems: list[str] = []
    registry_auth.read(text, problems.append)
    logins.is_scope(text)
    for name in ("registry-auth", "append", "secrets", "registry", "scope"):
        with suppress(InputError):
            parsing.parse({"image": "r.io/a", name: text}, {})


INDEX: Final = (DATA / "git-2.39.5-v4.index").read_bytes()
PACK_INDEX: Final = b"\xfftOc\0\0\0\x02"
BYTES: Final = st.binary(max_size=1200)
FILES: Final = st.text(
    alphabet="FROM RUNCOPYADGENTHSLABTASDEW<-='\"\\\n#$ \t{}[],/.*!?;&|()0123456789ab:@^",
    max_size=200,
)
READERS: Final[dict[str, Reader]] = {
    "lists": Reader(
        refusals=(ValueError,),
        read=lambda text: [
            split(text)
            for split in (lists.words, lists.lines, lists.raw_lines, lists.untrimmed_lines)
        ],
        texts=written('"', '""', ",", "\n", "\r\n", "a", " "),
    ),
    "attributes": Reader(
        read=lambda text: csv_attributes.pairs(csv_attributes.joined(*csv_attributes.fields(text))),
        texts=written('"', ",", "=", "\n", "\r", "a", "\0", "x" * 140_000),
    ),
    "references": Reader(
        refusals=(ValueError,),
        read=lambda text: (refs.is_path(text), refs.image_tag(text), refs.parse(text)),
        texts=written("a", "/", ":", "@", "sha256:", "-", "__", ".", *STRANGE),
    ),
    "cache tags": Reader(
        read=lambda text: refs.read_cache_tag(
            refs.cache_tag(prefix="cache-", scope=text, branch=text), prefix="cache-"
        ),
        texts=written("a", "-", "--", "---", "1", "/", *STRANGE),
    ),
    "a Dockerfile": Reader(
        read=of_dockerfile,
        texts=FILES
        | written(
            *("FROM a\n", "FROM b AS b\n", "FROM $A-$B\n", "FROM ${A:-", "RUN ", "COPY ", "ARG "),
            *(
                "--from=",
                "--mount=type=cache,from=",
                "<<EOF",
                "\\\n",
                "'",
                '"',
                "[",
                "[" * 1500,
                "]",
            ),
            *("# syntax=", "# escape=`\n", "# warmbuild ignore=a", "\n", "ONBUILD ", "$", "sh -c "),
            *("pip install -r ", "COMMIT", *STRANGE),
        ),
    ),
    "an ignore file": Reader(
        read=of_ignore_file,
        texts=FILES | written("**/", "**", "*", "?", "[", "]", "[^a-z]", "!", "/", "\n", "\\", "a"),
    ),
    "an index of git": Reader(
        refusals=(ValueError,),
        read=lambda data: list(git_index.modes(data)),
        texts=BYTES.map(lambda data: b"DIRC\0\0\0\x04\0\0\1\0" + data)
        | st.tuples(st.integers(12, len(INDEX)), BYTES).map(
            lambda cut: INDEX[: cut[0]] + cut[1] + INDEX[cut[0] :]
        ),
    ),
    "a pack of git": Reader(
        read=of_commit,
        texts=st.tuples(
            BYTES.map(lambda data: PACK_INDEX + b"\0\0\0\3" * 256 + data),
            BYTES | BYTES.map(lambda data: b"\x9f" + data) | st.just(b"\xff" * 300),
        ),
    ),
    "progress": Reader(
        read=of_progress,
        texts=st.lists(
            DOCUMENTS
            | st.fixed_dictionaries(
                {},
                optional={
                    name: st.lists(
                        st.dictionaries(
                            st.sampled_from(
                                [
                                    *("digest", "name", "vertex", "id", "started", "completed"),
                                    *("timestamp", "cached", "error", "current", "total", "data"),
                                    *("stream", "short", "sourceInfo", "range"),
                                ]
                            ),
                            st.sampled_from(
                                [
                                    "a",
                                    "[a 1/2] RUN x",
                                    "2026-01-09T00:00:00Z",
                                    "2026-01-09",
                                    1,
                                    True,
                                ]
                            )
                            | JSON,
                            max_size=8,
                        ),
                        max_size=4,
                    )
                    for name in ("vertexes", "statuses", "logs", "warnings")
                },
            ).map(json.dumps),
            max_size=6,
        ),
    ),
    "a check": Reader(
        refusals=(ValueError,),
        read=lambda text: checks.answered(untrusted_json.parsed(text)),
        texts=DOCUMENTS,
    ),
    "an answer of buildx": Reader(
        read=of_answer,
        texts=written(
            *("Name: ", "\nNodes:\n", "Driver Options: ", 'a="b"', "Platforms: ", "ERROR: ", "\n"),
            *("#1 pulling image ", "v1.2.3", *STRANGE),
        ),
    ),
    "an error of BuildKit": Reader(
        read=of_error,
        texts=written(
            *("unexpected status", ": 403 Forbidden", "'", '"', "/manifests/", "repository", "\n"),
            *(" not found", "503 Service Unavailable", "unknown", *STRANGE),
        ),
    ),
    "rules for tags": Reader(
        refusals=(InputError,),
        read=of_rule,
        texts=written(
            *("type=", "raw", "match", "semver", "sha", "ref", ",", "pattern=", "value=", "group="),
            *(
                "priority=",
                "event=tag",
                "{{",
                "}}",
                "date ",
                "'",
                "tz=''",
                "tz='/'",
                "/",
                "(" * 999,
            ),
            *("a{99999999999999999999}", "[[", "(?<x>", "\n", "latest=", *STRANGE),
        ),
    ),
    "expressions": Reader(
        refusals=(ValueError,),
        read=of_expression,
        texts=written(
            *("{{", "}}", "date", "branch", " '", "' ", "tz='", "Asia/Tokyo", "YYYY", "[", "Do"),
            *("dddd", "LLLL", "\\", "x" * 300, *STRANGE),
        ),
    ),
    "a context": Reader(
        read=lambda text: (
            build_context.unknown(text),
            build_context.filled_in(text, RunContext(ci="local")),
            build_context.is_of(RunContext(ci="local", git_context="https://a/b.git#c"), text),
            build_context.is_remote(text),
        ),
        texts=written("{{", "defaultContext", "}}", ":", "https://", "[", "]", "@", *STRANGE),
    ),
    "the output of bake": Reader(
        refusals=(ValueError,),
        read=lambda text: [
            (list(allowed.paths(one)), list(targets.secrets(one, {}))) for one in targets.read(text)
        ],
        texts=st.builds(
            lambda found: "warning\n" + json.dumps(found, indent=2),
            st.fixed_dictionaries(
                {
                    "target": st.dictionaries(
                        st.sampled_from(["a", "b"]),
                        st.dictionaries(
                            st.sampled_from(
                                ["context", "dockerfile", "contexts", "secret", "output", "args"]
                            ),
                            JSON,
                        )
                        | JSON,
                    ),
                    "group": JSON,
                }
            ),
        )
        | DOCUMENTS,
    ),
    "an event": Reader(
        read=of_context,
        texts=st.tuples(ENVIRONMENTS, DOCUMENTS, st.sampled_from(["", "0", "1", *STRANGE])),
    ),
    "the environment of a run": Reader(
        read=of_run,
        texts=st.tuples(ENVIRONMENTS, st.sampled_from(["", "1", *STRANGE])).map(
            lambda pair: pair[0] | {"SOURCE_DATE_EPOCH": pair[1]}
        ),
    ),
    "logins": Reader(
        read=of_login,
        texts=written(
            *("- ", "registry: ", "username: a\n", "password: b\n", "scope: ", "<<: ", "*x", "&x "),
            *("\n  ", "{", "[", "2001-99-99", "!!int x", "0x", ": ", *SHALLOW),
        ),
    ),
    "a number": Reader(read=whole_numbers.read, texts=written("1", *STRANGE)),
    "a message of a merge": Reader(
        read=lambda text: run_context.merged_branch(text, "me"),
        texts=written("Merge pull request ", "#1 from ", "'", "(#1) from ", " into ", "/", "a"),
    ),
    "a moment": Reader(
        read=lambda text: (found := run_context.moment(text)) and found.astimezone(UTC).isoformat(),
        texts=written("2026", "-", "01", "T", ":", "+23:59", *STRANGE),
    ),
    "what is hidden": Reader(
        read=lambda parts: secret_texts.redactor(parts[0])(parts[1]),
        texts=st.tuples(st.lists(st.text(max_size=9)), st.text(max_size=50)),
    ),
}


@pytest.mark.parametrize("name", READERS)
@given(data=st.data())
@settings(max_examples=40)
def test_anything_is_read_or_refused(name: str, data: st.DataObject) -> None:
    reader = READERS[name]
    text = data.draw(reader.texts)
    with suppress(*reader.refusals):
        reader.read(text)
