"""Has buildx read bake and compose files, and checks what they ask for."""

from __future__ import annotations

import contextlib
import os.path
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from warmbuild import files, lazy
from warmbuild.bake import bake_file, source, targets
from warmbuild.builder import environment, private_directory
from warmbuild.builder.environment import Buildx
from warmbuild.buildkit import answers
from warmbuild.commands import checkout, confinement, mounted
from warmbuild.errors import EngineError, InputError, InputProblem
from warmbuild.image import naming
from warmbuild.inputs import build_context
from warmbuild.inputs.build_context import HERE
from warmbuild.inputs.values import Secret
from warmbuild.plan import builders
from warmbuild.trust import Right

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from warmbuild.bake.source import Source
    from warmbuild.bake.targets import Target
    from warmbuild.builder import boot
    from warmbuild.builder.private_directory import Private
    from warmbuild.commands.run import Run
    from warmbuild.image.tags import Tags
    from warmbuild.inputs.values import Inputs, Passed
    from warmbuild.log import Log
    from warmbuild.mounts import Mounts
    from warmbuild.process import Result
    from warmbuild.run_context import RunContext
    from warmbuild.trust import Trust
else:
    # Only a definition in a repository needs a builder before there is a plan.
    boot = lazy.module("warmbuild.builder.boot")

# How long buildx may take to read files, and to fetch the repository that has them, in seconds.
_READ_TIMEOUT: Final = 60.0
_FETCH_TIMEOUT: Final = 300.0
# The first version of buildx that prints contexts of a repository as such.
_FETCHES: Final = (0, 32, 1)
# URLs of repositories that are read with no key of this machine.
_BY_ANYBODY: Final = ("https://", "http://", "git://", "github.com/")
# The variable that buildx takes the token for a definition's repository from.
_TOKEN: Final = "BUILDX_BAKE_GIT_AUTH_TOKEN"  # noqa: S105 (its name)


def token(inputs: Inputs, context: RunContext, env: Mapping[str, str]) -> Secret | None:
    """Return the token for the repository that the definition is read from, if there is one.

    As for docker/bake-action, that is the variable of buildx, or else `github-token`, which is sent
    to no server but the run's own. Untrusted code has none.
    """
    url = source.of(inputs.source, context).url
    host = build_context.host(url)
    if not host or context.trust.refuses(Right.HAVE_TOKEN):
        return None
    value = env.get(_TOKEN, "")
    if not value and build_context.is_on_server_of(context, url):
        value = inputs.github_token
    return Secret(id=f"GIT_AUTH_TOKEN.{host}", value=value) if value else None


def read(run: Run, mounts: Mounts, applied: Tags) -> Sequence[Target]:
    """Have buildx read the files, with the variables filled in.

    `mounts` are what the paths in the files have to be in. Raises InputError if buildx cannot read
    them, if an untrusted file leaves the checkout, if a path is not shared with the job, or if a
    target needs what no input allows.
    """
    inputs, context, env, log = run.inputs, run.context, run.env, run.log
    place = source.of(inputs.source, context)
    given = _given(inputs, place)
    _check(given, place, context.trust)
    name = given[0][0] if given else "source"
    program = environment.program(env, name)
    with private_directory.private(env, (), ()) as private:
        own = private.file("metadata-target.json")
        private.write(
            own, bake_file.metadata_target(inputs, naming.decide(inputs, context, applied))
        )
        paths = [place.argument(path) for _, path in given]
        paths.insert(
            _before_metadata(given, place, inputs.bake_target), place.argument(f"{HERE}{own}")
        )
        command = bake_file.resolve(paths, inputs.targets, inputs.set, url=place.url)
        secret = token(inputs, context, env)
        child = environment.environment(env, private)
        reading = environment.of_reading(child, context.trust, fetches=bool(place.url))
        reading |= dict(item.split("=", 1) for item in inputs.vars)
        reading |= {_TOKEN: secret.value} if secret else {}
        buildx = Buildx(program=program, env=reading, runner=run.runner)
        if not place.url:
            with contextlib.chdir(place.directory or "."):
                done = _run(buildx, command, name, patience=_READ_TIMEOUT)
        else:
            log.line(f"the definition is read from {place.url}")
            safe = environment.of_building(child, context.trust, ())
            booting = replace(buildx, env=safe)
            with _builder(inputs, booting, env, private, log) as up:
                _check_version(booting)
                buildx = replace(buildx, env=reading | {"BUILDX_BUILDER": up})
                done = _run(buildx, command, name, patience=_FETCH_TIMEOUT)
    found = [source.rebased(target, place) for target in _targets(done, name)]
    mounted.check_targets(found, name, mounts)
    confined = confinement.confined(found, name, context.trust)
    problems = [*_of_names(confined, name), *_of_entitlements(confined, inputs.passed)]
    if problems:
        raise InputError(problems)
    return confined


def _given(inputs: Inputs, place: Source) -> Sequence[tuple[str, str]]:
    """Return the files to read, each with the name of its input.

    If none is named, those with a usual name are read, which buildx looks for in a repository.
    """
    given = [("compose-files", path) for path in inputs.compose_files]
    given += [("bake-files", path) for path in inputs.bake_files]
    if given or place.url:
        return given
    if not os.path.isdir(place.directory or "."):  # noqa: PTH112 (never raises)
        text = f"there is no directory {place.directory!r} here."
        raise InputError([InputProblem(name="source", text=text)])
    usual = [path for path in source.USUAL if os.path.lexists(place.path(path))]
    if not usual:
        text = f"is missing, and {place.directory or '.'!r} has none of {', '.join(source.USUAL)}."
        raise InputError([InputProblem(name="bake-files", text=text)])
    return [("bake-files", path) for path in usual]


def _check(given: Sequence[tuple[str, str]], place: Source, trust: Trust) -> None:
    """Raise InputError for files that are not there, and for what untrusted code may not name."""
    here = [(name, path) for name, text in given if (path := place.path(text))]
    problems = [InputProblem(name=name, text=files.fault(path)) for name, path in here]
    if found := [one for one in problems if one.text]:
        raise InputError(found)
    confinement.check_files(here, trust, place.directory)
    untrusted = trust.refuses(Right.LEAVE_CHECKOUT)
    if not (place.url and untrusted):
        return
    # Nobody can look at a compose file there, which may name files of this machine.
    is_known = given and all(confinement.is_bake(text) for _, text in given)
    text = "" if is_known else "is a repository, and needs bake-files that are all .hcl or .json"
    if not place.url.startswith(_BY_ANYBODY):
        text = "is read over SSH, which would be given the agent of this machine; use https"
    if text:
        raise InputError([InputProblem(name="source", text=f"{text}: {untrusted}.")])


def _before_metadata(given: Sequence[tuple[str, str]], place: Source, target: str) -> int:
    """Return where the run's own names go among the files: they win over what a project has.

    A JSON file that defines them, such as an output of `plan-only`, wins over the run.
    """
    for number, (_, text) in enumerate(given):
        path = place.path(text)
        if not path.lower().endswith(".json"):
            continue
        if bake_file.names_metadata(files.read_text(path) or "", target):
            return number
    return len(given)


@contextlib.contextmanager
def _builder(
    inputs: Inputs, buildx: Buildx, env: Mapping[str, str], private: Private, log: Log
) -> Iterator[str]:
    """Boot a builder like the run's, to fetch a repository; yield its name."""
    certificates, _ = checkout.certificates(inputs, env)
    environment.take_certificates(certificates, private)
    # It holds a clone, and nothing that a build would unpack.
    plan = replace(builders.planned(inputs), state="disk", lazy=False, emulated=())
    with boot.booted(plan, buildx, private, log) as made:
        yield made.boot(0)


def _check_version(buildx: Buildx) -> None:
    """Raise EngineError for a buildx that prints contexts in a repository as those of this machine.

    It would build directories of the checkout instead.
    """
    found = answers.version(buildx.run(["version"]).output)
    if found and found < _FETCHES:
        needed, have = (".".join(map(str, one)) for one in (_FETCHES, found))
        raise EngineError(
            f"buildx {have} is too old for a source that is a repository; {needed} or later is "
            "needed. Check the repository out, and set source to its directory."
        )


def _run(buildx: Buildx, command: Sequence[str], name: str, *, patience: float) -> Result:
    """Have buildx print a definition; raises InputError if it does not end."""
    try:
        return buildx.run(command, patience=patience)
    except EngineError as error:
        text = f"cannot be read: {error}; do they name a pipe, or a place that hangs?"
        raise InputError([InputProblem(name=name, text=text)]) from error


def _targets(done: Result, name: str) -> Sequence[Target]:
    """Return the targets that buildx has printed; raises InputError if there are none."""
    if done.code:
        text = f"cannot be read: {answers.error(done.output).rstrip('.')}."
        raise InputError([InputProblem(name=name, text=text)])
    try:
        found = targets.read(done.output)
    except ValueError as error:
        text = f"cannot be read by this buildx: {error}."
        raise InputError([InputProblem(name=name, text=text)]) from error
    if not found:
        text = "no target is built: its group is empty, or no service has build."
        raise InputError([InputProblem(name=name, text=text)])
    return found


def _of_names(found: Sequence[Target], name: str) -> Iterator[InputProblem]:
    for target in found:
        if target.name.startswith("-"):
            text = f"the target {target.name!r} looks like a flag; rename it."
            yield InputProblem(name=name, text=text)


def _of_entitlements(found: Sequence[Target], passed: Passed) -> Iterator[InputProblem]:
    """Return what targets need and no input allows.

    buildx checks this too, but only since 0.37.2 with this kind of progress.
    """
    allowed = {*passed.allow, *(("ssh",) if passed.ssh else ())}
    for target in found:
        for wanted in targets.entitlements(target):
            if not allowed & {wanted, wanted.partition("=")[0]}:
                text = f"the target {target.name} asks for {wanted}; add {wanted} to allow if it "
                yield InputProblem(name="allow", text=f"{text}may have that.")
