"""The job's Docker configuration: proxies of builds, contexts, and files that are none."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from textwrap import dedent, indent
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.clients import GITHUB_URL, ROOT, replaced, repository

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.integration.clients import Act
    from tests.integration.conftest import Lab, Warmbuild

PASSWORD = "pr0xy-pa55word"
PROXY = f"http://me:{PASSWORD}@proxy.example.com:3128"
SEEN = """\
FROM busybox:1.37
RUN for name in http_proxy HTTP_PROXY https_proxy HTTPS_PROXY no_proxy NO_PROXY; do \
      eval "echo seen $name=\\$$name."; done
"""


@pytest.fixture
def configured(tmp_path: Path) -> Callable[[object], dict[str, str]]:
    """Write a config.json; return the variable that names its directory."""

    def write(content: object) -> dict[str, str]:
        directory = tmp_path / "docker-config"
        directory.mkdir(exist_ok=True)
        text = content if isinstance(content, str) else json.dumps(content)
        (directory / "config.json").write_text(text)
        return {"DOCKER_CONFIG": str(directory)}

    return write


def seen(log: str) -> dict[str, str]:
    """Return the variables that the step has printed, as the log shows them."""
    return dict(re.findall(r" seen (\w+)=(\S*)\.$", log, re.MULTILINE))


def both(**values: str) -> dict[str, str]:
    return {key: value for name, value in values.items() for key in (name, name.upper())}


SHOWN = "http://***@proxy.example.com:3128"
DEFAULT = {"default": {"httpProxy": PROXY, "httpsProxy": "http://p:2", "noProxy": "a.b,c"}}


@pytest.mark.parametrize("bake", [False, True], ids=["build", "bake"])
@pytest.mark.parametrize(
    ("proxies", "build_args", "expected"),
    [
        pytest.param(
            DEFAULT,
            "",
            both(http_proxy=SHOWN, https_proxy="http://p:2", no_proxy="a.b,c"),
            id="for every engine",
        ),
        pytest.param(
            {**DEFAULT, "ENGINE": {"httpProxy": "http://own:1"}},
            "",
            both(http_proxy="http://own:1", https_proxy="", no_proxy=""),
            id="for this one",
        ),
        pytest.param(
            DEFAULT,
            "http_proxy=http://mine:1",
            both(http_proxy="http://mine:1", https_proxy="http://p:2", no_proxy="a.b,c"),
            id="but an argument wins",
        ),
    ],
)
def test_proxies_become_build_arguments(
    warmbuild: Warmbuild,
    lab: Lab,
    project: Callable[..., Path],
    configured: Callable[[object], dict[str, str]],
    proxies: Mapping[str, Any],
    build_args: str,
    expected: dict[str, str],
    *,
    bake: bool,
) -> None:
    named = {key.replace("ENGINE", lab.env["DOCKER_HOST"]): item for key, item in proxies.items()}
    extra = configured({"proxies": named})
    arguments = f'  args = {{ "http_proxy" = "{build_args.partition("=")[2]}" }}\n'
    files = {"docker-bake.hcl": f'target "default" {{\n{arguments if build_args else ""}}}\n'}
    place = project(SEEN, files if bake else None)
    given: dict[str, Any] = {"build_args": build_args}
    if bake:
        given = {"bake_files": "docker-bake.hcl"}
    ended = warmbuild.succeed(
        place, image="r.io/a", push="false", cache="off", extra=extra, **given
    )
    assert seen(ended.log) == expected
    assert PASSWORD not in ended.log
    assert PASSWORD not in json.dumps(ended.outputs) + ended.summary


def test_a_configuration_that_is_none_is_a_warning(
    warmbuild: Warmbuild, small: Path, configured: Callable[[object], dict[str, str]]
) -> None:
    extra = configured("foo_bar\n")
    ended = warmbuild.succeed(small, image="r.io/a", push="false", cache="off", extra=extra)
    path = f"{extra['DOCKER_CONFIG']}/config.json"
    assert ended.warnings == [
        f"warning: the Docker configuration {path} is no JSON object, so it is ignored"
    ]


def test_an_endpoint_is_a_context_of_the_job(
    warmbuild: Warmbuild, lab: Lab, small: Path, configured: Callable[[object], dict[str, str]]
) -> None:
    extra = configured({"currentContext": "gone"})
    subprocess.run(  # noqa: S603 (the lab's own engine)
        ["docker", "context", "create", "mine", f"--docker=host={lab.env['DOCKER_HOST']}"],  # noqa: S607
        env={"PATH": lab.env["PATH"], **extra},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    more: dict[str, Any] = {"image": "r.io/a", "push": "false", "cache": "off"}
    nowhere = {**extra, "DOCKER_HOST": "tcp://127.0.0.1:1"}
    ended = warmbuild.succeed(small, endpoint="mine", extra=nowhere, **more)
    assert ended.warnings == []
    unknown: tuple[tuple[str, dict[str, Any], dict[str, str]], ...] = (
        ("endpoint", {"endpoint": "mnie"}, {}),
        ("append", {"append": "- endpoint: mnie"}, {}),
        ("DOCKER_CONTEXT", {}, {"DOCKER_HOST": "", "DOCKER_CONTEXT": "mnie"}),
    )
    for name, inputs, variables in unknown:
        ended = warmbuild.build(small, extra={**extra, **variables}, **inputs, **more)
        assert ended.code == 2
        place = f"{extra['DOCKER_CONFIG']}/contexts"
        said = f"{name}: there is no Docker context 'mnie' in {place}. Did you mean 'mine'?"
        assert said in ended.log
        assert "docker buildx create" not in ended.log
    variables = {"DOCKER_HOST": "", "DOCKER_CONTEXT": "mine"}
    ended = warmbuild.succeed(small, extra={**extra, **variables}, **more)
    assert ended.warnings == []


def test_two_lines_hand_the_configuration_to_an_action(
    act: Act, image: str, name: str, tmp_path: Path
) -> None:
    """act shares another directory than RUNNER_TEMP with the containers of actions."""
    (snippet,) = re.findall(
        r"^  ```yaml\n(.*?)^  ```$", (ROOT / "docs" / "ci.md").read_text(), re.MULTILINE | re.DOTALL
    )
    own = {
        r"\$RUNNER_TEMP": "/var/run/act",
        r"\$\{\{ runner\.temp \}\}": "/var/run/act",
        r"warmbuild/warmbuild@\S+": f"docker://{image}",
    }
    proxies = {"proxies": {"default": {"httpProxy": PROXY}}}
    config = json.dumps(proxies, separators=(",", ":"))
    workflow = (
        "name: x\non: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n"
        "      - uses: actions/checkout@v5\n"
        f"      - run: mkdir -p ~/.docker && echo '{config}' > ~/.docker/config.json\n"
        f"{indent(dedent(replaced(snippet, own)), ' ' * 6)}"
        "        with: {image: r.io/a, context: ., push: 'false', cache: 'off',\n"
        "          driver-opts: network=host, buildkitd-config: buildkitd.toml}\n"
    )
    place = tmp_path / "checkout"
    place.mkdir()
    (place / "Dockerfile").write_text(SEEN)
    shutil.copy(act.lab.buildkitd_config, place / "buildkitd.toml")
    log = act.push(repository(place, GITHUB_URL), workflow, name)
    assert seen(log)["http_proxy"] == SHOWN
