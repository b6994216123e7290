"""The images of a run, one or a target of a file each, and their plans."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from warmbuild import files, lazy, signals
from warmbuild.bake import bake_file, targets
from warmbuild.cache.permission import Facts
from warmbuild.commands import confidential, confinement, mounted
from warmbuild.errors import EngineError, InputError, InputProblem
from warmbuild.frozen import frozen
from warmbuild.image import tags
from warmbuild.plan import making

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from warmbuild.bake.targets import Target
    from warmbuild.builder import environment, private_directory
    from warmbuild.buildkit import answers
    from warmbuild.commands import build_file
    from warmbuild.commands.run import Run
    from warmbuild.inputs.values import Inputs, Passed
    from warmbuild.mounts import Mounts
    from warmbuild.plan import laziness
    from warmbuild.plan.build_plan import BuildPlan
    from warmbuild.project import dockerfile
    from warmbuild.run_context import RunContext
else:
    # Only bake and compose files need these.
    environment = lazy.module("warmbuild.builder.environment")
    private_directory = lazy.module("warmbuild.builder.private_directory")
    answers = lazy.module("warmbuild.buildkit.answers")
    # Only `lazy` needs these.
    build_file = lazy.module("warmbuild.commands.build_file")
    laziness = lazy.module("warmbuild.plan.laziness")
    dockerfile = lazy.module("warmbuild.project.dockerfile")

# How long the rules for tags may take, in seconds: their patterns may try every way to match.
_PATTERN_TIMEOUT: Final = 5.0
# How long buildx may take to read bake and compose files, in seconds; files may be remote.
_READ_TIMEOUT: Final = 60.0


@frozen
class Image:
    """One image of a run, and what its plan is decided from."""

    inputs: Inputs  # The inputs of the run, with the target's laid over
    context: RunContext
    facts: Facts
    target: Target | None = None  # Its target, if files define the images


def images(run: Run, mounts: Mounts) -> Sequence[Image]:
    """Return one image for each target of bake and compose files, or one for the inputs alone.

    The rules for tags are applied here, once a run. The log hides the secrets of targets. `mounts`
    are what the paths in the files have to be in.
    """
    inputs, context, env, log = run.inputs, run.context, run.env, run.log
    try:
        with signals.limited(_PATTERN_TIMEOUT):
            applied = tags.apply(inputs.tag_rules, inputs.flavor, context, context.begun)
    except TimeoutError as error:
        text = (
            f"a pattern takes more than {_PATTERN_TIMEOUT:.0f} s; write it without nested repeats."
        )
        raise InputError([InputProblem(name="tags", text=text)]) from error
    facts = Facts(
        applied=applied,
        variables=frozenset(name for name, value in env.items() if value),
    )
    if not inputs.bake_files and not inputs.compose_files:
        return (Image(inputs=inputs, context=context, facts=facts),)
    found = []
    for target in _read_files(run, mounts):
        log.hide(targets.secrets(target, env))
        for path in targets.secret_files(target):
            confidential.hide_file(path, log)
        own = targets.inputs(inputs, context, facts.applied, target)
        found.append(Image(inputs=own, context=context, facts=facts, target=target))
    return found


def decide(wanted: Sequence[Image], *, has_image_store: bool = True) -> Sequence[BuildPlan]:
    """Return the plans of images; without `lazy`, and with a note of why, if it has no effect."""
    found = [_decided(image, has_image_store=has_image_store) for image in wanted]
    if not (wanted[0].inputs.lazy and found[0].makes_an_image):
        return found
    why = laziness.why_not(wanted[0].inputs)
    if not why and len(found) > 1:
        why = "the images share a builder, which cannot use packed layers again in another call"
    if not (why := why or _stages_apart(found[0])):
        return found
    note = f"lazy has no effect: {why}"
    packed = [replace(image, inputs=replace(image.inputs, lazy=False)) for image in wanted]
    found = [_decided(image, has_image_store=has_image_store) for image in packed]
    return [one if one.linked else replace(one, notes=(*one.notes, note)) for one in found]


def _stages_apart(decided: BuildPlan) -> str:
    """Return why the stages of a build keep layers from staying packed, or an empty text."""
    found = build_file.read(decided)
    file = found.parsed(build_file.given(decided, {}))
    built = dockerfile.built_stage(file, decided.stage)
    if built is None:
        return found.why or "the Dockerfile has no stage of that name"
    return laziness.stages_apart(file, built)


def _decided(image: Image, *, has_image_store: bool) -> BuildPlan:
    facts = replace(image.facts, has_image_store=has_image_store)
    if image.target is None:
        return making.decide(image.inputs, image.context, facts)
    return targets.planned(image.inputs, image.context, facts, image.target)


def variables(decided: Sequence[BuildPlan]) -> frozenset[str]:
    """Return the variables of the environment that inputs name for builds."""
    named = {secret.variable for one in decided for secret in one.secrets}
    named |= {item for one in decided for item in one.build_args if "=" not in item}
    return frozenset(named)


def _read_files(run: Run, mounts: Mounts) -> Sequence[Target]:
    """Have buildx read the files, with the variables filled in.

    Raises InputError if it cannot, if an untrusted file leaves the checkout, if a path is not
    shared with the job, or if a target needs what no input allows.
    """
    inputs, trust, env = run.inputs, run.context.trust, run.env
    given = [("bake-files", path) for path in inputs.bake_files]
    given += [("compose-files", path) for path in inputs.compose_files]
    faults = [(name, files.fault(path)) for name, path in given]
    if any(fault for _, fault in faults):
        raise InputError([InputProblem(name=name, text=fault) for name, fault in faults if fault])
    confinement.check_files(given, trust)
    with private_directory.private(env, (), ()) as private:
        child = environment.of_reading(environment.environment(env, private), trust)
        values = dict(item.split("=", 1) for item in inputs.vars)
        program = environment.program(env)
        buildx = environment.Buildx(program=program, env=child | values, runner=run.runner)
        paths = (*inputs.compose_files, *inputs.bake_files)
        name = "bake-files" if inputs.bake_files else "compose-files"
        command = bake_file.resolve(paths, inputs.targets, inputs.set)
        try:
            done = buildx.run(command, patience=_READ_TIMEOUT)
        except EngineError as error:
            text = f"cannot be read: {error}; do they name a pipe, or a place that hangs?"
            raise InputError([InputProblem(name=name, text=text)]) from error
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
    mounted.check_targets(found, name, mounts)
    confined = confinement.confined(found, name, trust)
    problems = [*_of_names(confined, name), *_of_entitlements(confined, inputs.passed)]
    if problems:
        raise InputError(problems)
    return confined


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
