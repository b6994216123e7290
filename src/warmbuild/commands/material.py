"""What the build of a plan is made of, read from its context and its Dockerfile."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from warmbuild import untrusted_json
from warmbuild.commands import build_file
from warmbuild.files import read_bytes
from warmbuild.frozen import frozen
from warmbuild.image import attestations, labels
from warmbuild.inputs.build_context import is_remote
from warmbuild.lint import reading
from warmbuild.project import context_files, dockerfile, ignore_file
from warmbuild.record import recipe
from warmbuild.record.content import Content
from warmbuild.record.recipe import Given

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from warmbuild.plan.build_plan import BuildPlan
    from warmbuild.project.dockerfile import Dockerfile, Stage
    from warmbuild.record.recipe import Recipe

# Members of a target that are told otherwise, or that change nothing of the image.
_TOLD: Final = frozenset(
    [
        *("args", "annotations", "attest", "cache-from", "cache-to", "call", "context", "contexts"),
        *(
            "description",
            "dockerfile",
            "dockerfile-inline",
            "entitlements",
            "labels",
            "no-cache",
            "output",
        ),
        *("no-cache-filter", "platforms", "pull", "secret", "ssh", "tags", "target"),
    ]
)
# Inputs that change no step: what a build may do, and whose keys it may use.
_UNCOMPARED: Final = frozenset(["allow", "ssh"])
# Variables of the environment that may change the image. Those that are left out choose the builder
# and its configuration, or say what buildx tells of the build.
_SWITCHES: Final = re.compile(
    "BUILDX_(?!BUILDER$|CONFIG$|METADATA_|GIT_INFO$).+|DOCKER_DEFAULT_PLATFORM|SOURCE_DATE_EPOCH"
)
# A file with rules that may put another image in the place of a base image.
_POLICY: Final = "EXPERIMENTAL_BUILDKIT_SOURCE_POLICY"
# Arguments that BuildKit itself obeys, whether a stage declares them or not.
_OBEYED: Final = re.compile("BUILDKIT_.+|SOURCE_DATE_EPOCH")
# Arguments that have the platform of the builder, and not that of the image.
_NATIVE: Final = re.compile(rb"\bBUILD(?:PLATFORM|OS|ARCH|VARIANT)\b")
# What BuildKit's scanners look at, in whichever stage it is declared.
_SCANS: Final = re.compile(r"BUILDKIT_SBOM_SCAN_.*")


@frozen
class Material:
    """What a build is made of, but for the digests of images."""

    file: Dockerfile
    built: Stage | None
    given: Given
    ignored: tuple[str, ...] = ()  # patterns of the .dockerignore
    unknown: str = ""  # why the image is unknown, even if its steps are not

    @property
    def images(self) -> tuple[str, ...]:
        """The images whose digests belong to it, as `refs` writes them."""
        return recipe.images(self.file, self.built, self.given) if self.built else ()

    @property
    def has_cache_mounts(self) -> bool:
        """Whether a step of any stage has a cache mount."""
        steps = (step for stage in self.file.stages for step in stage.instructions)
        return any(
            mount.get("type") == "cache" for step in steps for mount in dockerfile.mounts(step)
        )

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages that the build needs, as BuildKit names them."""
        needed = dockerfile.needed(self.file, self.built) if self.built else ()
        return tuple(recipe.stage_name(self.file, stage) for stage in needed)

    def recipe(self, images: Mapping[str, str], salt: bytes) -> Recipe:
        """Return what it is made of, with the digests of images."""
        if self.built is None:
            return recipe.Recipe(steps=(), image={}, unknown=self.given.unknown)
        made = recipe.recipe(self.file, self.built, replace(self.given, images=images), salt)
        return replace(made, unknown=made.unknown or self.unknown)


def read(decided: BuildPlan, env: Mapping[str, str], native: str) -> Material:
    """Read what the build of a plan is made of; what cannot be known carries its reason.

    `env` is the environment of buildx, and `native` the platform of the builder, empty if it is not
    known. The steps that get `--link` are read as they are built.
    """
    found = build_file.read(decided)
    data = (
        read_bytes(decided.linked_file, build_file.MOST) if decided.linked_file else found.data
    ) or b""
    arguments = build_file.given(decided, env)
    text = data.decode("utf-8", "replace")
    file = dockerfile.parse(text, arguments)
    built = dockerfile.built_stage(file, decided.stage)
    syntax = arguments.get("BUILDKIT_SYNTAX", file.syntax)
    why = found.why
    if not why and not dockerfile.is_own_syntax(syntax):
        why = f"only the frontend {syntax} can read the Dockerfile"
    directives = dockerfile.directives(text)
    if not why and (not _is_text(data) or directives.get("escape", "\\") != "\\"):
        why = "the Dockerfile is not UTF-8, or has another escape character"
    if not why and built is None:
        why = "the Dockerfile has no stage of that name"
    patterns = () if is_remote(decided.context) else _patterns(found.context, found.ignore)
    content, fault = (None, "") if why else _content(decided, found.context, patterns)
    given = Given(
        arguments=arguments,
        platforms=decided.platforms or ((native,) if native else ()),
        images={},
        content=content,
        contexts=reading.contexts(decided),
        further=_of_steps(decided),
        settings={**_of_image(decided, env), **_of_file(text, native, directives, arguments)},
        unknown=why or fault,
    )
    obstacle = ""
    if not native and (not decided.platforms or _NATIVE.search(data)):
        obstacle = "the platform of the builder is not known before it is there"
    elif env.get(_POLICY):
        obstacle = f"{_POLICY} may put other images in the place of base images"
    return Material(file=file, built=built, given=given, ignored=patterns, unknown=obstacle)


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _patterns(context: Path | None, own: bytes | None) -> tuple[str, ...]:
    """Return the patterns of the .dockerignore; `own` is what lies beside the Dockerfile."""
    if own is None and context:
        own = read_bytes(context / ".dockerignore", build_file.MOST)
    return ignore_file.patterns((own or b"").decode("utf-8", "replace"))


def _content(
    decided: BuildPlan, context: Path | None, patterns: Sequence[str]
) -> tuple[Content | None, str]:
    """Return what the context holds, or why that is not known."""
    if context is None:
        return None, "the context is not on this machine"
    if is_remote(decided.context):
        return _committed(context, decided.run.commit)
    has_exceptions = any(pattern.startswith("!") for pattern in patterns)
    try:
        found = context_files.entries(
            context, ignore_file.matcher(patterns), has_exceptions=has_exceptions
        )
    except OSError as error:
        return None, f"the context cannot be read: {error.strerror}"
    except ValueError as error:
        return None, f"the context is not read: {error}"
    return Content(found), ""


def _committed(context: Path, commit: str) -> tuple[Content | None, str]:
    """Return what the run's own commit holds, which BuildKit fetches by itself."""
    try:
        found = context_files.committed(context, commit)
    except ValueError as error:
        return None, f"the context is not read: {error}"
    if found is None:
        return None, "the commit that is built is not checked out here"
    return Content(found), ""


def _of_steps(decided: BuildPlan) -> Mapping[str, str]:
    """Return what goes into every RUN, beside the Dockerfile.

    Of added hosts BuildKit compares the names alone.
    """
    passed, definition = decided.passed, decided.definition or {}
    found: dict[str, object] = {
        row.name: value for row, value in passed.given() if row.name not in _UNCOMPARED
    }
    found |= {name: value for name, value in definition.items() if name not in _TOLD}
    if passed.add_hosts:
        found["add-hosts"] = [re.split("[:=]", host)[0] for host in passed.add_hosts]
    if hosts := untrusted_json.child(definition, "extra-hosts"):
        found["extra-hosts"] = list(hosts)
    return {name: recipe.digest(json.dumps(found[name], sort_keys=True)) for name in found}


def _of_image(decided: BuildPlan, env: Mapping[str, str]) -> Mapping[str, str]:
    """Return what goes into an image beside its steps.

    What changes with each commit or run is left out, whoever gave it: when and of which commit the
    image was made, its version, and the run that built it.
    """
    ids = sorted(secret.id for secret in decided.secrets)
    told = untrusted_json.items(decided.definition or {}, "secret")
    switches = sorted(item for item in env.items() if _SWITCHES.fullmatch(item[0]))
    found = {
        "labels": labels.lasting(decided.labels),
        "annotations": labels.lasting(decided.annotations),
        "attestations": attestations.lasting(decided.attests),
        "secrets": (*ids, *(json.dumps(one, sort_keys=True) for one in told)),
        "ssh": tuple(item.partition("=")[0] for item in decided.passed.ssh),
        "packing": decided.cache.packing,
        "outputs": decided.outputs,
        "times": [name for name, _ in decided.times],
        "environment": switches,
    }
    return {name: json.dumps(texts) for name, texts in found.items()}


def _of_file(
    text: str, native: str, directives: Mapping[str, str], arguments: Mapping[str, str]
) -> Mapping[str, str]:
    """Return what a Dockerfile says to the builder itself."""
    obeyed = sorted(item for item in arguments.items() if _OBEYED.fullmatch(item[0]))
    is_native = bool(_NATIVE.search(text.encode()))
    found = {
        "directives": sorted(directives.items()),
        "arguments of BuildKit": [obeyed, _SCANS.findall(text)],
        "builder": native if is_native else "",
    }
    return {name: json.dumps(value) for name, value in found.items()}
