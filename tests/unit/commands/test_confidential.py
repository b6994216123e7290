from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from warmbuild import ci
from warmbuild.commands import confidential
from warmbuild.log import Log

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from warmbuild.inputs.values import Inputs

S3 = {"AWS_SECRET_ACCESS_KEY": "hunter2", "AZURE_STORAGE_KEY": "sesame", "OTHER": "other"}


@pytest.mark.parametrize(
    ("values", "env", "expected"),
    [
        ({}, S3, "hunter2 sesame other"),
        ({"cache_to": "type=s3,bucket=b"}, S3, "*** sesame other"),
        ({"cache_from": "type=azblob,name=b"}, S3, "hunter2 *** other"),
        ({"secret_envs": "a=OTHER,b=NONE"}, S3, "hunter2 sesame ***"),
        ({"cache_from": "type=unknown,token=other"}, S3, "hunter2 sesame ***"),
        ({"cache_from": "type=gha"}, {"ACTIONS_RUNTIME_TOKEN": "r"}, "hunter2 sesame other"),
        ({}, {"BUILDER_NODE_0_AUTH_TLS_KEY": "sesame\n"}, "hunter2 *** other"),
    ],
)
def test_what_a_run_hides(
    parsed: Callable[..., Inputs], values: dict[str, str], env: dict[str, str], expected: str
) -> None:
    log = Log(ci.named("local"))
    confidential.hide(parsed(**values), env, log)
    assert log.redact("hunter2 sesame other") == expected


def test_only_the_first_part_of_a_file_is_hidden(
    parsed: Callable[..., Inputs], tmp_path: Path
) -> None:
    short, long = tmp_path / "short", tmp_path / "long"
    short.write_text("hunter2")
    long.write_text("hunter3\n" * 10_000)
    inputs = parsed(secret_files=f"a={short}\nb={long}", secrets="c=hunter4")
    log = Log(ci.named("local"))
    confidential.hide(inputs, {"HOME": str(tmp_path)}, log)
    assert log.redact("hunter2 hunter3 hunter4") == "*** *** ***"
    (warning,) = confidential.not_hidden(inputs)
    assert warning.startswith(f"secret-files: only the first 64 kB of {long} are hidden")
