from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.recorded import APP, DIGESTS, FILES, REF, Project, changed, stored
from warmbuild.project.entry import Entry
from warmbuild.record import changed_files, comparing, record
from warmbuild.record.cause import Cause, Kind
from warmbuild.record.changed_files import Files
from warmbuild.record.content import Content
from warmbuild.record.miss import Miss, Saving, best_saving, costliest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from warmbuild.record.record import Record

STAGES = """\
FROM alpine:3 AS deps
COPY package.json .
RUN npm ci
FROM alpine:3 AS tools
RUN tools
FROM deps AS app
COPY --from=tools /tools /
RUN make
FROM debian
COPY --from=app /app /
"""
OLD = Cause(kind=Kind.TOO_OLD, text=f"{REF} is not read: it is old", names=(REF,))


def misses(
    then: Project,
    now: Project,
    *lines: int,
    ignored: Sequence[str] = (),
    otherwise: Sequence[Cause] = (),
) -> tuple[Miss, ...]:
    """Return the misses of a build if the steps of these lines ran."""
    against, ran = [now.against(then.record())], now.ran(*lines)
    return comparing.misses(now.build, against, ran, ignored=ignored, otherwise=otherwise)


def only(then: Project, now: Project, *lines: int, otherwise: Sequence[Cause] = ()) -> Miss:
    (found,) = misses(then, now, *lines, otherwise=otherwise)
    return found


def without_keys(then: Project) -> Record:
    """Return a record that does not know what its steps are upon."""
    made = then.record()
    steps = tuple(replace(one, key="") for one in made.recipe.steps)
    return stored(replace(made, recipe=replace(made.recipe, steps=steps)))


def told(miss: Miss) -> list[tuple[Kind, tuple[str, ...], str]]:
    return [(one.kind, one.names, one.text) for one in miss.causes]


FILE_CASES = {
    "changed": (changed(a=b"2"), Kind.FILE_CHANGED, "src/a.js", "src/a.js changed"),
    "added": (changed(**{"src/b.js": b"2"}), Kind.FILE_ADDED, "src/b.js", "src/b.js added"),
    "added below a new directory": (
        {**FILES, "x": Entry("directory", 0o755, b""), "x/y": Entry("file", 0o644, b"")},
        Kind.FILE_ADDED,
        "x/y",
        "x/y added",
    ),
    "an empty directory added": (
        {**FILES, "x": Entry("directory", 0o755, b"")},
        Kind.FILE_ADDED,
        "x",
        "x added",
    ),
    "removed": (changed(readme=None), Kind.FILE_REMOVED, "README.md", "README.md removed"),
    "mode": (
        changed(a=0o755),
        Kind.FILE_MODE,
        "src/a.js",
        "the mode of src/a.js differs (644 -> 755)",
    ),
    "mode of a directory": (
        changed(src=0o775),
        Kind.FILE_MODE,
        "src",
        "the mode of src differs (755 -> 775)",
    ),
    "link": (changed(link=b"b"), Kind.LINK_TARGET, "src/link", "the target of src/link differs"),
    "a link in the place of a file": (
        {**FILES, "README.md": Entry("link", 0, b"x")},
        Kind.FILE_CHANGED,
        "README.md",
        "README.md changed",
    ),
}


@pytest.mark.parametrize("case", FILE_CASES.values(), ids=FILE_CASES)
def test_a_file(case: tuple[Mapping[str, Entry], Kind, str, str]) -> None:
    files, kind, name, text = case
    miss = only(Project(), Project(files=files), 6, 7)
    assert (miss.line, miss.step, miss.seconds) == (6, "COPY . .", 20.0)
    assert told(miss) == [(kind, (name,), text)]
    assert miss.place == "line 6, COPY . ."


def test_only_files_that_the_step_takes_are_told() -> None:
    files = changed(readme=b"2", **{"package.json": b"2"})
    miss = only(Project(), Project(files=files), 4, 5, 6, 7)
    assert (miss.line, miss.why) == (4, "package.json changed")
    text = "FROM alpine:3\nCOPY --exclude=*.md . .\n"
    miss = only(Project(text=text), Project(text=text, files=files), 2)
    assert miss.why == "package.json changed"
    text = "FROM alpine:3\nCOPY src? sr[c]* !x ./\n"
    then, now = Project(text=text), Project(text=text, files=files)
    assert only(then, now, 2).causes[0].kind is Kind.UNKNOWN
    text = "FROM alpine:3\nCOPY *.md s?c !x ./\n"
    then, now = Project(text=text), Project(text=text, files=files)
    assert only(then, now, 2).why == "README.md changed"


def test_many_files() -> None:
    more = {f"src/{number:02}": Entry("file", 0o644, b"") for number in range(40)}
    miss = only(Project(), Project(files={**FILES, **more}), 6)
    assert miss.why == "src/00, src/01, src/02 and 37 more added"
    assert len(miss.causes[0].names) == 20
    modes = {path: one._replace(mode=0o600) for path, one in more.items()}
    miss = only(Project(files=more), Project(files=modes), 6)
    assert miss.why == "the mode of src/00, src/01, src/02 and 37 more differs (644 -> 600)"
    modes["src/01"] = modes["src/01"]._replace(mode=0o700)
    miss = only(Project(files=more), Project(files=modes), 6)
    assert miss.why == "the mode of src/00, src/01, src/02 and 37 more differs"


def test_what_a_dockerignore_takes_and_leaves() -> None:
    whole, less = Project(), Project(files=changed(readme=None), ignored=("*.md",))
    miss = only(whole, less, 6)
    text = ".dockerignore now excludes README.md"
    assert told(miss) == [(Kind.IGNORED, ("README.md",), text)]
    miss = only(less, whole, 6)
    text = ".dockerignore no longer excludes README.md"
    assert told(miss) == [(Kind.NOT_IGNORED, ("README.md",), text)]
    # A file that came while others were excluded.
    other = replace(less, files=changed(readme=None, b=b""), ignored=("*.md",))
    assert only(less, other, 6).why == "b added"
    # Patterns without end are not looked at.
    huge = replace(less, ignored=("*a" * 5000,))
    assert only(huge, whole, 6).why == "README.md added"


def test_a_directory_that_the_record_folds() -> None:
    then, now = Project(), Project(files=changed(a=b"2"))
    whole = then.record()
    files = {path: mark for path, mark in whole.files.items() if not path.startswith("src/")}
    files["src/"] = record.mark_below(whole.files, "src/")
    folded = stored(replace(then.record(), files=files, folded=("src/",)))
    (miss,) = comparing.misses(now.build, [now.against(folded)], now.ran(6))
    assert told(miss) == [(Kind.FILE_CHANGED, ("src/",), "src/ changed")]
    other = Project(files=changed(readme=b"2"))
    (miss,) = comparing.misses(other.build, [other.against(folded)], other.ran(6))
    assert miss.why == "README.md changed"
    gone = Project(files={path: one for path, one in FILES.items() if not path.startswith("src/")})
    (miss,) = comparing.misses(gone.build, [gone.against(folded)], gone.ran(6))
    assert miss.why == "src/ removed"


def test_directories_that_the_build_folds() -> None:
    # What is explained is then another record.
    then = Project()
    marks = record.marks(then.content)
    whole = Files(marks=marks)
    kept = {path: mark for path, mark in marks.items() if not path.startswith("src/")}
    same = Files(marks={**kept, "src/": record.mark_below(marks, "src/")}, folded=("src/",))
    step = then.steps[3]
    assert changed_files.changed(whole, same, step) == []
    assert changed_files.changed(same, same, step) == []
    other = Files(marks={**kept, "src/": "x"}, folded=("src/",))
    (found,) = changed_files.changed(whole, other, step)
    assert (found.path, found.kind) == ("src/", Kind.FILE_CHANGED)
    part = Files(marks={**marks, "src/x/": "y"}, folded=("src/x/",))
    assert changed_files.changed(part, other, step) == []


def test_files_that_differ_although_the_record_has_none_that_do() -> None:
    now = Project(files=changed(a=b"2"))
    then = stored(replace(Project().record(), files=record.marks(now.content)))
    (miss,) = comparing.misses(now.build, [now.against(then)], now.ran(6))
    assert told(miss) == [(Kind.FILE_CHANGED, (), "its files changed")]


def values(text: str, **arguments: str) -> Project:
    return Project(text=f"FROM alpine:3\n{text}\nRUN make\n", arguments=arguments)


VALUE_CASES: dict[str, tuple[Project, Project, Kind, str]] = {
    "argument": (
        values("ARG V", V="hunter1"),
        values("ARG V", V="hunter2"),
        Kind.ARGUMENT_CHANGED,
        "argument V changed",
    ),
    "argument added": (
        values("ARG V"),
        values("ARG V", V="hunter2"),
        Kind.ARGUMENT_ADDED,
        "argument V is new",
    ),
    "argument removed": (
        values("ARG V", V="hunter2"),
        values("ARG V"),
        Kind.ARGUMENT_REMOVED,
        "argument V is gone",
    ),
    "variable": (
        values("ENV V=hunter1"),
        values("ENV V=hunter2"),
        Kind.VARIABLE_CHANGED,
        "variable V changed",
    ),
    "variable added": (
        values("ENV X=1"),
        values("ENV X=1 V=hunter2"),
        Kind.VARIABLE_ADDED,
        "variable V is new",
    ),
    "variable removed": (
        values("ENV X=1 V=hunter2"),
        values("ENV X=1"),
        Kind.VARIABLE_REMOVED,
        "variable V is gone",
    ),
}


@pytest.mark.parametrize("case", VALUE_CASES.values(), ids=VALUE_CASES)
def test_a_value(case: tuple[Project, Project, Kind, str]) -> None:
    then, now, kind, text = case
    miss = only(then, now, 3)
    assert told(miss) == [(kind, ("V",), text)]
    assert "hunter" not in repr(miss)


SETTING_CASES = {
    "directory": ("WORKDIR /a", "WORKDIR /b", Kind.DIRECTORY, "the directory (WORKDIR) differs"),
    "user": ("USER a", "USER b", Kind.USER, "the user (USER) differs"),
    "shell": ('SHELL ["a"]', 'SHELL ["b"]', Kind.SHELL, "the shell (SHELL) differs"),
}


@pytest.mark.parametrize("case", SETTING_CASES.values(), ids=SETTING_CASES)
def test_a_setting_of_the_dockerfile(case: tuple[str, str, Kind, str]) -> None:
    before, after, kind, text = case
    # What WORKDIR made is cached in this case.
    miss = only(values(before), values(after), 3)
    assert told(miss) == [(kind, (), text)]


def test_a_setting_of_the_build() -> None:
    now = Project(further={"add-hosts": "1"})
    miss = only(Project(), now, 5, 6, 7)
    assert told(miss) == [(Kind.SETTING, ("add-hosts",), "setting add-hosts differs")]
    miss = only(now, replace(now, further={}), 5, 6, 7)
    assert miss.why == "setting add-hosts differs"


def test_a_base_image_that_moved() -> None:
    moved = {**DIGESTS, "docker.io/library/alpine:3": f"sha256:{'b' * 64}"}
    miss = only(Project(), Project(digests=moved), 3, 4, 5, 6, 7)
    name = "docker.io/library/alpine:3"
    text = f"base image {name} moved ({'a' * 12} -> {'b' * 12})"
    assert told(miss) == [(Kind.BASE_MOVED, (name,), text)]
    assert miss.line == 3
    then = stored(replace(Project().record(), images={}))
    now = Project(digests=moved)
    (miss,) = comparing.misses(now.build, [now.against(then)], now.ran(3))
    assert miss.why == f"base image {name} moved"


def test_another_base_image() -> None:
    miss = only(Project(), Project(text=APP.replace("alpine:3", "debian")), 3, 4, 5, 6, 7)
    name = "docker.io/library/debian:latest"
    text = f"FROM names {name} instead of docker.io/library/alpine:3"
    assert told(miss) == [(Kind.BASE_CHANGED, (name,), text)]


def test_an_image_that_is_copied_from_moved() -> None:
    text = "FROM alpine:3\nRUN a\nCOPY --from=tool:1 / /\n"
    moved = {**DIGESTS, "docker.io/library/tool:1": f"sha256:{'8' * 64}"}
    miss = only(Project(text=text), Project(text=text, digests=moved), 3)
    name = "docker.io/library/tool:1"
    expected = f"image {name} moved ({'7' * 12} -> {'8' * 12})"
    assert told(miss) == [(Kind.IMAGE_MOVED, (name,), expected)]


LONG = f"RUN {'x' * 100}"
EDIT_CASES: dict[str, tuple[str, str, int, Kind, tuple[str, ...], str]] = {
    "edited": (
        "RUN a\nRUN b",
        "RUN a\nRUN c",
        3,
        Kind.EDITED,
        (),
        "it was edited: RUN b -> RUN c",
    ),
    "edited, and too long to be shown": ("RUN a", LONG, 2, Kind.EDITED, (), "it was edited"),
    "edited in a heredoc": (
        "RUN <<E\na\nE",
        "RUN <<E\nb\nE",
        2,
        Kind.EDITED,
        (),
        "it was edited, in a heredoc or in spaces",
    ),
    "new": ("RUN a\nRUN c", "RUN a\nRUN b\nRUN c", 3, Kind.ADDED, (), "it is new"),
    "new at the end": ("RUN a", "RUN a\nRUN b", 3, Kind.ADDED, (), "it is new"),
    "new, and like an earlier one": ("RUN a", "RUN a\nRUN a", 3, Kind.ADDED, (), "it is new"),
    "removed": (
        "RUN a\nRUN b\nRUN c",
        "RUN a\nRUN c",
        3,
        Kind.REMOVED,
        ("RUN b",),
        "RUN b was removed before it",
    ),
    "moved": (
        "RUN a\nRUN b\nRUN c",
        "RUN a\nRUN c\nRUN b",
        3,
        Kind.MOVED,
        ("RUN b",),
        "RUN b now comes after it",
    ),
    "edited, after what is new to the stage": (
        "RUN a\nRUN b\nRUN c",
        "RUN x\nRUN a\nRUN b\nRUN d",
        5,
        Kind.EDITED,
        (),
        "it was edited: RUN c -> RUN d",
    ),
    "a linked one that is new": (
        "RUN a\nRUN b",
        "RUN a\nCOPY --link src /\nRUN b",
        3,
        Kind.EDITED,
        (),
        "it was edited: RUN a -> COPY --link src /",
    ),
}


@pytest.mark.parametrize("case", EDIT_CASES.values(), ids=EDIT_CASES)
def test_an_instruction(case: tuple[str, str, int, Kind, tuple[str, ...], str]) -> None:
    before, after, line, kind, names, text = case
    then, now = (Project(text=f"FROM alpine:3\n{one}\n") for one in (before, after))
    miss = only(then, now, line)
    assert told(miss) == [(kind, names, text)]


def test_a_linked_step_depends_on_nothing_before_it() -> None:
    text = "FROM alpine:3\nRUN a\nCOPY --link src /\n"
    now = Project(text=text.replace("RUN a\n", "RUN b\n"), files=changed(a=b"2"))
    miss = only(Project(text=text), now, 3)
    assert miss.why == "src/a.js changed"


def test_stages() -> None:
    then, now = Project(text=STAGES), Project(text=STAGES.replace("RUN tools", "RUN other"))
    found = misses(then, now, 5, 7, 8, 10)
    assert [(one.stage, one.line, one.why) for one in found] == [
        ("tools", 5, "it was edited: RUN tools -> RUN other"),
        ("app", 7, "stage tools that it copies from is not cached"),
        ("stage-3", 10, "stage app that it copies from is not cached"),
    ]
    assert found[1].causes[0].kind is Kind.STAGE
    assert found[1].causes[0].names == ("tools",)
    costs = costliest(found)
    assert costs
    assert (costs.stage, costs.seconds) == ("tools", 40.0)
    assert costliest(()) is None


def test_a_stage_that_a_stage_is_built_on() -> None:
    files = changed(**{"package.json": b"2"})
    found = misses(Project(text=STAGES), Project(text=STAGES, files=files), 2, 3, 7, 8)
    assert [one.why for one in found] == [
        "package.json changed",
        "stage deps that it is built on is not cached",
    ]


def test_a_stage_that_ran_and_is_cached() -> None:
    then, now = Project(text=STAGES), Project(text=STAGES.replace("RUN tools", "RUN other"))
    miss = only(then, now, 7)
    assert miss.why == "stage tools that it copies from differs"
    # Its cause is not among those of the others.
    assert costliest([miss]) == miss


def test_what_would_have_saved_the_most() -> None:
    cause = Cause(kind=Kind.ADDED, text="it is new")
    savings = (None, Saving(text="a", seconds=2.0), Saving(text="b", seconds=3.0))
    found = [Miss(stage="a", line=1, step="RUN a", causes=(cause,), saving=one) for one in savings]
    assert best_saving(found) == savings[2]
    assert best_saving(found[:1]) is None


def test_a_miss_hides_secrets() -> None:
    cause = Cause(kind=Kind.EDITED, text="hunter2", names=("hunter2",))
    saving = Saving(text="hunter2", seconds=2.0)
    found = Miss(stage="a", line=1, step="RUN hunter2", causes=(cause,), saving=saving)
    assert "hunter2" not in repr(found.shown(lambda text: text.replace("hunter2", "***")))
    bare = Miss(stage="a", line=1, step="RUN a", causes=(cause,))
    assert bare.shown(str).saving is None


def test_causes_in_a_circle_end() -> None:
    cause = Cause(kind=Kind.STAGE, text="", names=("a",))
    one = Miss(stage="a", line=1, step="RUN a", causes=(cause,), seconds=1.0)
    assert costliest([one]) == one


def test_a_new_stage_and_another_target() -> None:
    new = STAGES.replace("FROM debian\n", "FROM alpine:3 AS more\nRUN more\nFROM debian\n")
    new += "COPY --from=more / /\n"
    miss = misses(Project(text=STAGES), Project(text=new), 10, 13)[0]
    assert told(miss) == [(Kind.ADDED, ("more",), "stage more is new")]
    part = Project(text=STAGES, target="deps")
    miss = only(part, Project(text=STAGES), 5)
    after = "stage tools was not needed for target deps, which the record is of"
    assert told(miss) == [(Kind.TARGET, ("tools",), after)]
    text = f"{STAGES}FROM alpine:3 AS test\nRUN test\n"
    then = Project(text=text, target="app")
    miss = only(replace(then, target="3"), replace(then, target="test"), 12)
    assert miss.why == "stage test was not needed for target 3, which the record is of"
    miss = only(Project(text=text.replace("AS test", "")), replace(then, target="app"), 5)
    assert miss.why == "stage tools was not needed for the last stage, which the record is of"


def test_stages_without_a_name_are_counted_anew() -> None:
    one, more = "FROM alpine:3\nRUN a\nRUN b\n", "FROM debian AS x\nRUN x\n"
    now = Project(text=more + one.replace("RUN b", "RUN c\nCOPY --from=x / /"))
    found = misses(Project(text=one), now, 2, 5)
    assert [(one.stage, one.why) for one in found] == [
        ("x", "stage x is new"),
        ("stage-1", "it was edited: RUN b -> RUN c"),
    ]


def test_platforms() -> None:
    both = Project(platforms=("linux/amd64", "linux/arm64"))
    miss = only(Project(), both, 3, 4, 5, 6, 7)
    assert told(miss) == [(Kind.PLATFORM, ("linux/arm64",), "platform linux/arm64 is new")]
    flag = Project(text=APP.replace("FROM alpine", "FROM --platform=linux/s390x alpine"))
    assert told(only(Project(), flag, 3)) == [(Kind.PLATFORM, (), "the platform differs")]


def test_what_no_record_tells() -> None:
    now = Project(text="FROM alpine:3\nADD https://a.example/b /\nRUN a\n")
    miss = only(now, now, 2)
    reason = "it cannot be known before it runs: ADD takes what https://a.example/b has then"
    assert told(miss) == [(Kind.UNKNOWN, (), reason)]
    then = Project(digests={}).record()
    now = Project()
    (miss,) = comparing.misses(now.build, [now.against(then)], now.ran(4))
    assert miss.causes[0].kind is Kind.UNKNOWN
    assert miss.why.startswith("the record does not know it: the digest of docker.io")
    unknown = without_keys(Project())
    (miss,) = comparing.misses(now.build, [now.against(unknown)], now.ran(4))
    assert told(miss) == [(Kind.UNEXPLAINED, (), "nothing explains it")]


def test_files_that_were_not_known() -> None:
    text = "FROM alpine:3\nCOPY sr[c] /\n"
    now = Project(text=text)
    parts = [dict(one.parts) | {"files": "x"} for one in now.recipe(b"then").steps]
    steps = tuple(
        replace(one, parts=part) for one, part in zip(now.recipe(b"then").steps, parts, strict=True)
    )
    then = stored(replace(now.record(), recipe=replace(now.recipe(b"then"), steps=steps)))
    (miss,) = comparing.misses(now.build, [now.against(then)], now.ran(2))
    assert miss.causes[0].kind is Kind.UNKNOWN


def test_a_step_that_the_cache_has_lost() -> None:
    miss = only(Project(), Project(), 5, 6, 7)
    assert told(miss) == [(Kind.LOST, (REF,), f"{REF} had it, by its record, and has lost it")]


def test_a_cache_of_mode_min() -> None:
    least = Project(text=STAGES, mode="min")
    found = misses(least, least, 5, 10)
    assert [(one.stage, one.causes[0].kind) for one in found] == [
        ("tools", Kind.MODE_MIN),
        ("stage-3", Kind.LOST),
    ]
    assert found[0].why == f"{REF} has the steps of the image alone (mode min)"


def test_a_cache_that_is_not_read() -> None:
    now = Project()
    against = [now.against(now.record(), unread=OLD)]
    (miss,) = comparing.misses(now.build, against, now.ran(5), otherwise=[OLD])
    assert miss.causes == (OLD,)


def test_no_cache_is_read() -> None:
    now = Project()
    missing = Cause(kind=Kind.MISSING, text=f"no cache is at {REF}", names=(REF,))
    (miss,) = comparing.misses(now.build, [], now.ran(4, 5), otherwise=[missing, OLD])
    assert miss.causes == (missing, OLD)
    assert miss.why == f"no cache is at {REF}"
    (miss,) = comparing.misses(now.build, [], now.ran(4, 5))
    assert told(miss) == [(Kind.NO_RECORD, (), "no record of an earlier build was read")]


def test_stages_that_no_cache_is_used_for() -> None:
    now = Project(text=STAGES)
    found = misses(now, now, 5, 7, ignored=["tools"])
    assert found[0].causes[0].kind is Kind.NO_CACHE
    assert found[0].why == "no-cache-filters names its stage"


def test_other_caches_that_say_nothing_are_told_after_what_is_known() -> None:
    none = Cause(kind=Kind.NO_RECORD, text="no record lies beside x")
    missing = Cause(kind=Kind.MISSING, text="no cache is at y")
    other = [none, missing, OLD]
    miss = only(Project(), Project(files=changed(a=b"2")), 6, otherwise=other)
    assert miss.causes[1:] == (OLD,)
    assert miss.why == "src/a.js changed"
    unknown = without_keys(Project())
    now = Project()
    (miss,) = comparing.misses(now.build, [now.against(unknown)], now.ran(4), otherwise=other)
    assert miss.causes == (none, OLD)
    (miss,) = comparing.misses(now.build, [now.against(unknown)], now.ran(4), otherwise=[missing])
    assert miss.causes[0].kind is Kind.UNEXPLAINED


def test_each_stage_is_compared_with_the_record_that_begins_alike() -> None:
    branch = Project(text=STAGES, files=changed(**{"package.json": b"2"}))
    main = Project(text=STAGES.replace("RUN make", "RUN made"))
    now = Project(text=STAGES.replace("RUN make", "RUN it"), files=branch.files)
    against = [now.against(main.record(), ref="main"), now.against(branch.record(), ref="branch")]
    found = comparing.misses(now.build, against, now.ran(8, 10))
    assert [one.why for one in found] == [
        "it was edited: RUN make -> RUN it",
        "stage app that it copies from is not cached",
    ]
    now = replace(now, text=STAGES.replace("RUN make", "RUN made"), files=FILES)
    same = [now.against(main.record(), ref=ref) for ref in ("near", "far")]
    (miss,) = comparing.misses(now.build, same, now.ran(8))
    assert miss.causes[0].names == ("near",)


def test_nothing_is_said_of_a_build_whose_steps_are_cached() -> None:
    assert misses(Project(), Project()) == ()
    assert comparing.misses(Project().build, [], {}) == ()


HOSTILE = {
    "terminal": ("a\x1b[2Jb\nc\rd\x00", "a\\x1b[2Jb\\nc\\rd\\x00"),
    "bidi": ("a\u202eb\u2066c\u200d", "a\\u202eb\\u2066c\\u200d"),
    "not UTF-8": ("a\udcffb", "a\\udcffb"),
    "long": ("x" * 100_000, "x" * 100 + "…"),
    "above": ("../../etc/passwd", "../../etc/passwd"),
}


@pytest.mark.parametrize("case", HOSTILE.values(), ids=HOSTILE)
def test_names_that_others_wrote(case: tuple[str, str]) -> None:
    name, expected = case
    files = {**record.marks(Content(FILES)), name: "f644 x"}
    now = Project()
    changes: dict[str, Any] = {
        "files": files,
        "images": {name: name for name in DIGESTS} | {name: name},
        "stage": name,
        "platforms": (name,),
    }
    steps = tuple(
        replace(one, title=name, key="0", parts={**one.parts, f"argument {name}": "1", name: "1"})
        for one in now.recipe(b"then").steps
    )
    then = stored(
        replace(now.record(), recipe=replace(now.recipe(b"then"), steps=steps), **changes)
    )
    against = [now.against(then)]
    for line in (4, 5, 6):
        for miss in comparing.misses(now.build, against, now.ran(line)):
            for cause in miss.causes:
                assert cause.text.isprintable()
                assert len(cause.text) < 1000
    (miss,) = comparing.misses(now.build, against, now.ran(5))
    assert expected in miss.causes[0].names or expected in miss.causes[1].names
    later = Project(files={**FILES, name: Entry("file", 0o600, b"")})
    assert all(cause.text.isprintable() for cause in only(now, later, 6).causes)


def test_a_record_with_any_number_of_parts() -> None:
    now = Project(text="FROM alpine:3\nRUN a\n")
    recipe = now.recipe(b"then")
    more = {f"argument {number}": "1" for number in range(10_000)}
    (step,) = recipe.steps
    steps = (replace(step, key="", parts={**step.parts, **more}),)
    then = stored(replace(now.record(), recipe=replace(recipe, steps=steps)))
    (found,) = comparing.misses(now.build, [now.against(then)], now.ran(2))
    assert len(found.causes) == 50
    assert found.saving is None


SLOW: dict[str, Callable[[], Mapping[str, Any]]] = {
    "patterns and paths": lambda: {
        "ignored": ("*a" * 2000,),
        "files": {"a" * 4000 + str(number): "f644 x" for number in range(2000)},
    },
    "deep paths": lambda: {"files": {"a/" * 100_000 + str(one): "f644 x" for one in range(20)}},
    "folded directories": lambda: {
        "files": {"x/": "x", **{"x/" * one: "x" for one in range(2, 300)}},
    },
}


@pytest.mark.parametrize("case", SLOW.values(), ids=SLOW)
def test_records_that_would_take_long(case: Callable[[], Mapping[str, Any]]) -> None:
    more = {f"x/{number}": Entry("file", 0o644, b"") for number in range(5000)}
    now = Project(files={**FILES, **more})
    against = [now.against(stored(replace(now.record(), **case())))]
    (miss,) = comparing.misses(now.build, against, now.ran(6))
    assert miss.causes
