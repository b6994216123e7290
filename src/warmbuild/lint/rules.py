"""What in a project defeats its cache or leaks into it: one function a rule, decided from texts.

A rule says something only where it is sure: it looks at the stages that the build needs, and what
it cannot know it leaves alone. The reasons are measured, see docs/lints.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

from warmbuild import backends, csv_attributes
from warmbuild.finding import Finding
from warmbuild.image import attestations
from warmbuild.project import dockerfile, ignore_file, installs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from warmbuild.inputs.values import Inputs
    from warmbuild.lint.sources import Sources
    from warmbuild.project.dockerfile import Dockerfile, Instruction, Stage
    from warmbuild.project.installs import Install
    from warmbuild.run_context import RunContext


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule by the name that switches it off."""

    name: str
    severity: str
    find: Callable[[_Case], Iterator[_Found]]


def check(
    inputs: Inputs, context: RunContext, sources: Sources, env: Mapping[str, str]
) -> tuple[Finding, ...]:
    """Return what the rules find that nobody switched off, by place."""
    if not inputs.lint:
        return ()
    case = _Case(inputs=inputs, context=context, sources=sources, env=env)
    findings: dict[tuple[str, str, int, str], Finding] = {}
    for rule in RULES:
        for found in rule.find(case) if rule.name not in inputs.lint_ignore else ():
            if not (found.at and rule.name in _ignored(found.at)):
                finding = _finding(case, rule, found)
                key = (finding.file, rule.name, finding.line, finding.about)
                findings.setdefault(key, finding)
    return tuple(sorted(findings.values(), key=lambda finding: (finding.file, finding.line)))


@dataclass(frozen=True, kw_only=True)
class _Case:
    """Everything that the rules may look at."""

    inputs: Inputs
    context: RunContext
    sources: Sources
    env: Mapping[str, str]

    @cached_property
    def file(self) -> Dockerfile:
        """The Dockerfile; one without stages where there is none that this could read."""
        found = dockerfile.parse(self.sources.text, self.arguments)
        return found if _SYNTAX.fullmatch(found.syntax) else replace(found, stages=())

    @cached_property
    def arguments(self) -> Mapping[str, str]:
        """The build arguments that were given; one without a value has the environment's."""
        pairs = (entry.partition("=") for entry in self.inputs.build_args)
        return {
            name: value if equals else self.env.get(name, "")
            for name, equals, value in pairs
            if equals or name in self.env
        }

    @cached_property
    def built(self) -> Stage | None:
        return dockerfile.target(self.file, self.inputs.target)

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """The stages that the build needs."""
        if self.built is None:
            return ()
        return dockerfile.needed(self.file, self.built)

    def lineage(self, stage: Stage) -> tuple[Stage, ...]:
        return dockerfile.lineage(self.file, stage)

    @cached_property
    def chains(self) -> tuple[tuple[Instruction, ...], ...]:
        """The instructions that lead to the end of each stage, from its farthest base on."""
        return tuple(
            tuple(step for base in self.lineage(stage) for step in base.instructions)
            for stage in self.stages
        )

    @cached_property
    def steps(self) -> tuple[Instruction, ...]:
        """The instructions of the stages that the build needs."""
        return tuple(step for stage in self.stages for step in stage.instructions)

    @cached_property
    def installs(self) -> Mapping[int, tuple[Install, ...]]:
        """What each of these steps installs, by its line."""
        return {
            step.line: tuple(installs.installs(step)) for step in self.steps if step.word == "RUN"
        }

    def later_installs(self, steps: Sequence[Instruction]) -> Iterator[tuple[Instruction, Install]]:
        return ((step, done) for step in steps for done in self.installs.get(step.line, ()))

    @cached_property
    def patterns(self) -> tuple[str, ...]:
        return ignore_file.patterns(self.sources.ignore or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What a rule found: at an instruction, or in what the run was given by an input."""

    text: str
    about: str
    at: Instruction | None = None
    given: Sequence[str] = ()


# Frontends that read what this module reads; one of another name may have a language of its own.
_SYNTAX: Final = re.compile(r"(?:|(?:.*/)?dockerfile(?:-upstream)?(?:[:@].*|\s.*)?)", re.DOTALL)


def _finding(case: _Case, rule: Rule, found: _Found) -> Finding:
    file, line = case.sources.file, 1
    if found.at:
        line = found.at.line
    elif case.sources.pipeline_file:
        file = case.sources.pipeline_file
        line = _line_of(case.sources.pipeline, found.given)
    return Finding(
        rule=rule.name,
        severity=rule.severity,
        file=file,
        line=line,
        text=found.text,
        about=found.about,
    )


def _line_of(text: str, wanted: Sequence[str]) -> int:
    """Return the first line that has one of these texts, the first text before the others."""
    for want in wanted:
        for number, line in enumerate(text.splitlines(), start=1):
            if want.lower() in line.lower().replace("_", "-"):
                return number
    return 1


def _ignored(at: Instruction) -> set[str]:
    """Return the rules that comments above an instruction switch off for it."""
    found = (_COMMENT.fullmatch(comment) for comment in at.comments)
    return {name.strip() for match in found if match for name in match[1].split(",")}


_COMMENT: Final = re.compile(r"warmbuild\s+ignore\s*=\s*([\w,\s-]+)")
# Secrets

_SECRET_ENDS: Final = frozenset(
    [
        "APIKEY",
        "AUTHTOKEN",
        "CREDENTIAL",
        "CREDENTIALS",
        "PASSPHRASE",
        "PASSWD",
        "PASSWORD",
        "SECRET",
        "SECRETS",
        "TOKEN",
    ]
)
# Secrets where a word stands before them; alone they are something else.
_SECRET_PAIRS: Final = re.compile(
    r"(?:.*_)?(?:API|ACCESS|ACCOUNT|AUTH|DEPLOY|ENCRYPTION|LICENSE|MASTER|PRIVATE|SECRET|SIGNING"
    r"|SSH|STORAGE)_KEY|.+_(?:PASS|PAT|PWD)|(?:.*_)?SECRET_KEY_BASE|(?:COMPOSER|NPM|DOCKER)_AUTH"
)
# Words and beginnings of what a browser gets to see anyway.
_PUBLIC: Final = re.compile(r"(?:.*_)?(?:PUBLIC|PUBLISHABLE)(?:_.*)?|(?:VITE|REACT_APP|GATSBY)_.*")
# Between two words of a name such as accessToken.
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_TOKENS: Final = re.compile(
    r"gh[opsru]_\w{30,}|github_pat_\w{20,}|glpat-[\w.-]{20,}|npm_\w{30,}|xox[abeprs]-[\w-]{10,}"
    r"|sk_live_\w{16,}|pypi-A\w{20,}.*|dckr_pat_[\w-]{20,}"
    r"|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]*|-----BEGIN [A-Z ]*PRIVATE KEY-----.*",
    re.DOTALL,
)
_URL_LOGIN: Final = re.compile(r"[a-z][a-z0-9+.-]*://([^/\s:@]*):([^/\s@]+)@([^/\s:]+)")
_OWN_MACHINE: Final = frozenset(["localhost", "127.0.0.1", "0.0.0.0", "db", "host"])  # noqa: S104
# What builds are given in a secret's place.
_PLACEHOLDER: Final = re.compile(
    r"|\d+|.{1,3}|(?:/[\w.-]+){2,}|\$.*|\*+|true|false|none|null|test|build|secret|password"
    r"|.*(?:change-?_?me|dummy|example|fake|insecure|not[-_]?(?:a[-_])?(?:needed|real|secret|used)"
    r"|placeholder|unused).*",
    re.IGNORECASE | re.DOTALL,
)


def _secret_build_arg(case: _Case) -> Iterator[_Found]:
    declared = _declared(case)
    entries = (
        *attestations.defaults(case.inputs, case.context),
        *attestations.attests(case.inputs, case.context),
    )
    in_provenance = any(map(_has_arguments, entries))
    for name in dict.fromkeys((*case.arguments, *declared)):
        step, default, in_history = declared.get(name, (None, "", False))
        value = case.arguments.get(name, default)
        if not _is_secret(name, value, case.inputs.secret_values):
            continue
        places = ["in the image's history"] if in_history else []
        places += ["in its provenance"] if in_provenance and name in case.arguments else []
        places += ["in the cache where a step writes it"] if step and not in_history else []
        if places:
            yield _Found(
                at=step,
                given=(f"{name}=", "build-args"),
                about=name,
                text=f"the build argument {name} looks like a secret, and its value is "
                f"{' and '.join(places)}. Give it by the input secrets, and read it with "
                f"RUN --mount=type=secret,id={name}.",
            )


def _declared(case: _Case) -> Mapping[str, tuple[Instruction | None, str, bool]]:
    """Return each argument's ARG and default, and whether it is a step of the image's history."""
    final = case.lineage(case.built) if case.built else ()
    found: dict[str, tuple[Instruction | None, str, bool]] = {}
    for stage in (*final, *case.stages):
        for step in stage.instructions:
            for name, default in dockerfile.declared(step) if step.word == "ARG" else ():
                found.setdefault(name, (step, default, stage in final))
    return found


def _is_secret(name: str, value: str, known: Sequence[str]) -> bool:
    """Say whether a build argument's name, or better its value, is a secret's."""
    value = value.strip()
    if value in known or _TOKENS.fullmatch(value):
        return True
    if login := _URL_LOGIN.match(value):
        user, password, host = login.groups()
        own = host in _OWN_MACHINE or password == user
        return not own and not _PLACEHOLDER.fullmatch(password)
    name = _HUMP.sub("_", name).upper().replace("-", "_")
    if _PLACEHOLDER.fullmatch(value) or _PUBLIC.fullmatch(name):
        return False
    return name.rpartition("_")[2] in _SECRET_ENDS or bool(_SECRET_PAIRS.fullmatch(name))


def _has_arguments(entry: str) -> bool:
    """Say whether an attestation has the build arguments; buildx's own provenance has not."""
    attributes = dict(csv_attributes.pairs(entry))
    is_provenance = attributes.get("type") == "provenance" and attributes.get("disabled") != "true"
    return is_provenance and attributes.get("mode", "max") == "max"


# The order of steps

_COMMITS: Final = re.compile(
    r"(?:GIT_|VCS_|SOURCE_|BUILD_|APP_|CI_|RENDER_|RAILWAY_GIT_|VERCEL_GIT_)?"
    r"(?:COMMIT|REVISION)(?:_(?:SHA1?|HASH|ID|REF))?"
    r"|(?:GIT|VCS)_(?:SHA1?|HASH|REF|REV|HEAD|DESCRIBE)|GITHUB_(?:SHA|RUN_ID|RUN_NUMBER)|GITCOMMIT"
    r"|CI_COMMIT_\w+|CI_(?:JOB|PIPELINE|BUILD)_I?ID|CIRCLE_(?:SHA1|BUILD_NUM)|BUILD_SHA"
    r"|BUILD_?(?:DATE|TIME|TIMESTAMP|NUMBER|ID)|SOURCE_DATE_EPOCH|TIMESTAMP"
)
# As much of a commit's name as git shows, and a number has not by chance.
_SHORT_COMMIT: Final = 7


def _early_arg(case: _Case) -> Iterator[_Found]:
    for chain in case.chains:
        for number, step in enumerate(chain):
            for name, default in dockerfile.declared(step) if step.word == "ARG" else ():
                if not _changes(case, name, default):
                    continue
                reads = re.compile(rf"\$\{{?{re.escape(name)}\b")
                for run, done in case.later_installs(chain[number:]):
                    if not any(map(reads.search, (run.text, *run.heredocs))):
                        yield _Found(
                            at=step,
                            about=name,
                            text=f"{name} is declared above {done.shown} (line {run.line}), which "
                            "does not read it and runs again with every new value. Declare it "
                            "below.",
                        )
                        break


def _changes(case: _Case, name: str, default: str) -> bool:
    """Say whether an argument has another value in every commit or run.

    One that has a default and is not given has always the same.
    """
    value, commit = case.arguments.get(name), case.context.commit[:_SHORT_COMMIT].lower()
    if value and commit and re.search(rf"(?<![0-9a-f]){commit}", value.lower()):
        return True
    return bool(_COMMITS.fullmatch(name.upper())) and (value is not None or not default)


def _early_copy(case: _Case) -> Iterator[_Found]:
    if ignore_file.lets_in_only_what_it_names(case.patterns):
        return
    for chain in case.chains:
        before: set[str] = set()
        for number, step in enumerate(chain):
            before |= {
                done.program for done in case.installs.get(step.line, ()) if not done.names_packages
            }
            if not _copies_everything(step):
                continue
            for run, done in case.later_installs(chain[number:]):
                # Once more with all sources there: what it fetches was fetched above.
                if done.program in before and not done.names_packages:
                    continue
                yield _Found(
                    at=step,
                    about=done.shown,
                    text=f"{_shown(step)} stands above {done.shown} (line {run.line}), which so "
                    "runs again when any file changes. Copy the files that it reads, run it, and "
                    "copy the rest below.",
                )
                break


def _copies_from_context(step: Instruction) -> bool:
    """Say whether a COPY or ADD takes files of the context."""
    if step.word not in {"ADD", "COPY"} or step.flag("from"):
        return False
    return any(not _FOREIGN.match(source) for source in step.words()[:-1])


_FOREIGN: Final = re.compile(r"\d*<<|[a-z]+://|git@")


def _copies_everything(step: Instruction) -> bool:
    return (
        _copies_from_context(step)
        and not step.flag("exclude")
        and any(_EVERYTHING.fullmatch(source) for source in step.words()[:-1])
    )


_EVERYTHING: Final = re.compile(r"(?:\./+|/+)*(?:\.|\*|\./|/)")


def _shown(step: Instruction) -> str:
    return f"{step.word} {' '.join(step.words())}"


# The context


def _dockerignore(case: _Case) -> Iterator[_Found]:
    step = next(filter(_copies_everything, case.steps), None)
    if step is None or ignore_file.lets_in_only_what_it_names(case.patterns):
        return
    has_git = ".git" in case.sources.in_context
    has_git = has_git and not ignore_file.matcher(case.patterns)(".git/index")
    if case.sources.ignore is not None:
        why = f"{case.sources.ignore_file} lets .git in" if has_git else ""
        advice = f"Add .git to {case.sources.ignore_file}."
    else:
        why = "there is no .dockerignore"
        advice = "Add one that names .git and whatever else the image does not need."
    if has_git:
        effect = "copies .git, which no two checkouts have alike: it runs in every build"
    elif case.sources.in_context:
        effect = "copies the Dockerfile too, and runs again with every change of it"
    else:
        return
    if why:
        text = f"{why}, so {_shown(step)} {effect}. {advice}"
        yield _Found(at=step, about=".dockerignore", text=text)


def _file_modes(case: _Case) -> Iterator[_Found]:
    odd = case.sources.odd_modes
    step = next(filter(_copies_from_context, case.steps), None)
    if odd and step and not case.inputs.normalize_modes:
        more = ", and it is not the only one" if odd.has_more else ""
        yield _Found(
            at=step,
            about="modes",
            text=f"{odd.path} has mode {odd.mode:o} where git stores {odd.stored:o}{more}: a cache "
            f"that was written under another umask does not fit {step.word}. "
            "normalize-modes: true sets what git stores.",
        )


# The cache


def _cache_mount(case: _Case) -> Iterator[_Found]:
    if case.inputs.builder:
        return
    runs = [
        step
        for step in case.steps
        if any(mount.get("type") == "cache" for mount in dockerfile.mounts(step))
    ]
    if runs:
        lines = [str(step.line) for step in runs[1:]]
        also = f" (as do those of line {', '.join(lines)})" if lines else ""
        yield _Found(
            at=runs[0],
            about="cache mount",
            text=f"this cache mount starts empty in every run{also}: no cache backend exports what "
            "is in one, and the builder goes with the run. A builder that stays keeps it (input "
            "builder).",
        )


def _mode_min(case: _Case) -> Iterator[_Found]:
    why, advice = _min_because(case.inputs)
    if not why or case.built is None:
        return
    kept = {name.lower() for name in case.inputs.cache_stages}
    ends = [case.built, *(stage for stage in case.stages if stage.name in kept)]
    numbers = {number for stage in ends for number in stage.lineage}
    lost = [
        stage
        for stage in case.stages
        if stage.number not in numbers and any(step.word == "RUN" for step in stage.instructions)
    ]
    if lost:
        names = ", ".join(stage.name or f"number {stage.number}" for stage in lost)
        stages = f"stage {names} is" if len(lost) == 1 else f"stages {names} are"
        yield _Found(
            at=lost[0].start,
            about=names,
            text=f"{stages} not in the cache that is written, for {why}: one change there, and "
            f"every step of it runs again. {advice}",
        )


def _min_because(inputs: Inputs) -> tuple[str, str]:
    """Return why a cache holds the final stage only, and what to do; nothing where it does not."""
    if inputs.cache in {"off", "read-only"}:
        return "", ""
    if not inputs.cache_from and not inputs.cache_to:
        if inputs.cache_backend.lies_in_image:
            return "cache-backend is inline", "Name it in cache-stages, or take another backend."
        is_min = inputs.cache_mode == "min"
        return ("cache-mode is min", "cache-mode: max keeps all stages.") if is_min else ("", "")
    for entry in inputs.cache_to:
        attributes = dict(csv_attributes.pairs(entry))
        backend = backends.of_entry(entry)
        if backend and backend.lies_in_image:
            return "an inline cache has mode=min", "type=registry with mode=max keeps all stages."
        if attributes.get("mode", "min") == "min":
            why = "has mode=min" if "mode" in attributes else "names no mode"
            return f"cache-to {why}", "mode=max keeps all stages."
    return "", ""


def _cache_from_only(case: _Case) -> Iterator[_Found]:
    inputs, context = case.inputs, case.context
    # Somebody else writes it: the branch's own pipeline, or whoever builds main.
    reads_only = (
        context.pull_request is not None
        or bool(context.tag or context.untrusted or context.passing)
        or context.ci == "local"
        or (bool(context.default_branch) and context.branch != context.default_branch)
        or inputs.cache in {"off", "read-only"}
        or case.arguments.get("BUILDKIT_INLINE_CACHE", "") not in {"", "0", "false"}
    )
    if inputs.cache_from and not inputs.cache_to and not reads_only:
        yield _Found(
            given=(*inputs.cache_from, "cache-from"),
            about="cache-from",
            text="cache-from is given and cache-to is not, so this build writes no cache, and what "
            "it reads grows old. Give cache-to too, or neither, and the refs are chosen; "
            "cache: read-only says that it is meant so.",
        )


RULES: Final = (
    Rule(name="secret-build-arg", severity="critical", find=_secret_build_arg),
    Rule(name="early-arg", severity="minor", find=_early_arg),
    Rule(name="early-copy", severity="minor", find=_early_copy),
    Rule(name="dockerignore", severity="minor", find=_dockerignore),
    Rule(name="file-modes", severity="minor", find=_file_modes),
    Rule(name="cache-mount", severity="info", find=_cache_mount),
    Rule(name="mode-min", severity="minor", find=_mode_min),
    Rule(name="cache-from-only", severity="minor", find=_cache_from_only),
)
