"""Runs warmbuild in this process up to the moment in which it would start a builder."""

from __future__ import annotations

import contextlib
import io
import json
import os
from contextlib import ExitStack, contextmanager, nullcontext, redirect_stderr, redirect_stdout
from types import SimpleNamespace
from typing import TYPE_CHECKING
from unittest import mock

from tests.integration.conftest import CACHE_CONFIG, gitlab
from warmbuild import cli
from warmbuild.build import outcomes
from warmbuild.buildkit.answers import Inspected
from warmbuild.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tests.integration.conftest import Lab, Registry
    from warmbuild.build.outcomes import Outcome
    from warmbuild.plan.build_plan import BuildPlan

_STARTED = "a builder was started"
_REASON = "skip-unchanged: the image is built, because "


def decided(lab: Lab, project: Path, inputs: Mapping[str, str], env: Mapping[str, str]) -> str:
    """Return why a run would start a builder; empty if it does not."""

    @contextmanager
    def booted(*_: object) -> Iterator[None]:
        raise EngineError(_STARTED)
        yield

    with mock.patch("warmbuild.commands.build.boot.booted", booted):
        code, log = _run(lab, project, inputs, env)
    if code == 0 and _STARTED not in log:
        assert "skip-unchanged: nothing is built: " in log, log
        return ""
    assert _STARTED in log, log
    reasons = [text.partition(_REASON)[2] for text in log.splitlines() if _REASON in text]
    return reasons[0] if reasons else log


def built(lab: Lab, registry: Registry, project: Path, inputs: Mapping[str, str]) -> None:
    """Have a record of a build that nothing has run: its image and its cache are made up."""
    image = inputs["image"]
    registry.put_artifact(f"{image}:built", "application/vnd.oci.image.config.v1+json", b"{}", b"a")
    layer = b"a layer"
    config = {"layers": [], "records": [{"digest": f"sha256:{'1' * 64}"}]}
    registry.put_artifact(f"{image}:cache-main", CACHE_CONFIG, json.dumps(config).encode(), layer)

    def solved(decided: Sequence[BuildPlan], _tool: object) -> Outcome:
        text = (project / "Dockerfile").read_text()
        bases = {word for word in text.split() if word.startswith(f"{registry.host}/")}
        return outcomes.Outcome(
            digest=registry.digest(f"{image}:built"),
            metadata="{}",
            tags=decided[0].tags,
            images={ref: registry.digest(ref) for ref in bases},
            cache_written=f"{image}:cache-main",
            notes=(),
            image=decided[0],
        )

    def named(*_: object) -> str:
        return "made-up"

    made = SimpleNamespace(
        boot=named, up=named, inspected=Inspected, state=None, restart=named, lost=str
    )
    with ExitStack() as stack:
        for place, stand_in in {
            "boot.booted": lambda *_: nullcontext(made),
            "cleanup.beside": lambda *_: nullcontext(),
            "solve.build": solved,
        }.items():
            stack.enter_context(mock.patch(f"warmbuild.commands.build.{place}", stand_in))
        code, log = _run(lab, project, inputs, {})
    assert code == 0, log


def _run(
    lab: Lab, project: Path, inputs: Mapping[str, str], env: Mapping[str, str]
) -> tuple[int, str]:
    given = {"context": ".", "skip_unchanged": "true", "summary_file": os.devnull, **inputs}
    whole = {
        "PATH": lab.env["PATH"],
        "DOCKER_HOST": lab.env["DOCKER_HOST"],
        "HOME": str(project.parent),
        "INPUT_DRIVER_OPTS": lab.driver_opts,
        "INPUT_BUILDKITD_CONFIG": lab.buildkitd_config,
        **gitlab("main"),
        **{f"INPUT_{name.upper()}": value for name, value in given.items()},
        **env,
    }
    said = io.StringIO()
    with contextlib.chdir(project), redirect_stdout(said), redirect_stderr(said):
        code = cli.main(["build"], whole)
    return code, said.getvalue()
