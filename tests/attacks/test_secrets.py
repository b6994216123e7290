"""A secret is read from a log, from arguments, or from what a run hands on: it is not there."""

from __future__ import annotations

import base64
import json
import os
import re
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import pytest

from tests.golden import machine
from tests.golden.made_up import STEP, lines, vertex
from warmbuild import ci, secret_texts
from warmbuild.log import Log

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.conftest import Lab, Warmbuild

SECRET: Final = 'hunter2/&"it\'s"+<é>'
KEY: Final = "c2VjcmV0/key+of=the/cache=="
SYSTEMS: Final = pytest.mark.parametrize("system", ci.NAMES)
# What makes each CI system detect itself.
_ENV: Final = {
    "github": {"GITHUB_ACTIONS": "true"},
    "gitea": {"GITHUB_ACTIONS": "true", "GITEA_ACTIONS": "true"},
    "gitlab": {"GITLAB_CI": "true"},
    "azure": {"TF_BUILD": "True"},
}
_MASK: Final = re.compile(r"(?:::add-mask::|##vso\[task\.setsecret\]).*\n")
_NOT_RUN: Final = ("--push", "--cache=off", "--context=.")


def printed(log: str, *argv: str, **parts: Any) -> str:  # noqa: ANN401 (of the machine)
    """Return what a build says whose step prints a log, without the masks of its CI system."""
    parts["files"] = {"Dockerfile": machine.DOCKERFILE} | dict(parts.get("files", {}))
    said = lines(STEP, vertex("[2/2] RUN make", error=f"failed: {log}", log=f"{log}\n"))
    parts["buildx"] = {"version": machine.VERSION, "build": (1, said), "bake": (1, said)}
    flags = (*machine.REMOTE, *_NOT_RUN) if not {"--driver"} & {*argv} else ()
    return _MASK.sub("", machine.run("build", "--image=r.io/a", *flags, *argv, **parts))


def recorded(*argv: str, **parts: Any) -> str:  # noqa: ANN401 (of the machine)
    """Return the log of a build and, below it, every argument that buildx got."""
    parts["files"] = {"Dockerfile": machine.DOCKERFILE} | dict(parts.get("files", {}))
    buildx = {"version": machine.VERSION, "build": STEP, "bake": STEP}

    def record(job: Path) -> None:
        path = job.parent / "bin" / "buildx"
        own = (
            'printf "%s\\n" "$@" >> "${0%/*/*}/argv"\n'
            'for one; do case "$one" in */definition.json) '
            '/bin/ls -l "$one" >> "${0%/*/*}/mode"; /bin/cat "$one" >> "${0%/*/*}/definition";; '
            "esac; done\n"
        )
        path.write_text(path.read_text().replace("command=$1\n", f"{own}command=$1\n"))
        for name in ("argv", "mode", "definition"):
            (job.parent / name).touch()

    shown = ("../argv", "../mode", "../definition")
    return machine.run(
        *("build", "--image=r.io/a", *machine.REMOTE, *argv),
        **parts,
        buildx=buildx,
        prepare=record,
        shown=shown,
    )


def arguments(said: str) -> str:
    return said.partition("-- ../argv\n")[2].partition("-- ../mode\n")[0]


@SYSTEMS
def test_print_a_secret_of_the_environment(system: str) -> None:
    """A step prints a variable that `secret-envs` gives it."""
    env = {"NPM": SECRET, **_ENV.get(system, {})}
    said = printed(f"<{SECRET}>", f"--ci={system}", "--secret-envs=token=NPM", env=env)
    assert "hunter2" not in said
    assert "<***>" in said


@SYSTEMS
def test_print_a_secret_file(system: str) -> None:
    """A step prints the lines of a file that `secret-files` gives it, one by one."""
    content = "-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQ\n-----END KEY-----\n"
    said = printed(
        "MIIEvQIBADANBg\nand then kqhkiG9w0BAQ",
        *(f"--ci={system}", "--secret-files=key=key.pem"),
        env=_ENV.get(system, {}),
        files={"key.pem": content},
    )
    assert "MIIEv" not in said
    assert "kqhki" not in said


def test_print_a_token_of_a_secret_file() -> None:
    """A step prints the token that a file holds beside other words."""
    content = (
        "//npm.example.com/:_authToken=npm_0123456789\nmachine a login me password hunter-two\n"
        "index-url = https://me:s3same@pypi.example.com/simple\nDB_PASSWORD='open-sesame'\n"
    )
    said = printed(
        "npm_0123456789 hunter-two s3same open-sesame and always",
        "--secret-files=rc=.npmrc",
        files={".npmrc": content},
    )
    assert "*** *** *** *** and always" in said


def test_print_a_binary_secret() -> None:
    """A step prints a keystore in the only way that it can be copied from a log."""
    data = bytes(range(128, 240))

    def prepare(job: Path) -> None:
        (job / "key.p12").write_bytes(data)

    shown = base64.b64encode(data).decode()
    assert shown not in printed(shown, "--secret-files=key=key.p12", prepare=prepare)


@pytest.mark.parametrize(
    "form",
    [
        *(quote(SECRET), quote(SECRET, safe=""), quote(SECRET, safe="").replace("%20", "+")),
        *(json.dumps(SECRET), json.dumps(SECRET, ensure_ascii=False), repr(SECRET)),
        json.dumps(SECRET, ensure_ascii=False).translate(
            {ord(character): f"\\u{ord(character):04x}" for character in "&<>"}
        ),
        *(base64.b64encode(f"{user}:{SECRET}".encode()).decode() for user in ("", "me", "oci")),
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
    ],
)
def test_print_a_secret_in_another_form(form: str) -> None:
    """A program prints a login as it sends it, or a secret as JSON, in a URL, or quoted."""
    redact = secret_texts.redactor([SECRET])
    assert redact(f"> {form} <") != f"> {form} <"
    assert "hunter2" not in redact(form)
    # Of base64, no more than the characters that the neighbors share.
    assert not any(len(left) > 8 for left in redact(form).split("***"))


def test_read_a_secret_before_it_is_hidden() -> None:
    """An input is wrong, and the error shows another one that holds a secret."""
    said = machine.run(
        "plan",
        *("--image=r.io/a", "--cache=https://me:hunter2@example.com", "--tags=https://hunter2"),
        f"--cache-to=type=s3,bucket=b,secret_access_key={KEY}",
        f"--platforms={KEY}",
        env={"INPUT_PASSWORD": "sesame\nopen", "INPUT_CONTEXT": "{{sesame}}"},
    )
    assert "not usable" in said
    assert "hunter2" not in said
    assert "sesame" not in said
    assert KEY not in said


@pytest.mark.parametrize(
    "entry",
    [
        f"type=s3,bucket=b,region=r,secret_access_key={KEY},name=x",
        f"type=s3,bucket=b,region=r,session_token={KEY}",
        f'type=azblob,account_url=https://a,"secret_access_key={KEY}"',
        f"type=gha,url=https://a,token={KEY}",
        f"type=gha,url=https://a,ghtoken={KEY}",
        f"type=s3,bucket=b,region=r,endpoint_url=https://me:{quote(KEY, safe='')}@minio",
    ],
)
@pytest.mark.parametrize("flag", ["--cache-from", "--cache-to"])
def test_read_the_key_of_a_cache(flag: str, entry: str) -> None:
    """Another user of the machine lists its processes, or somebody reads log or plan."""
    said = recorded(f"{flag}={entry}")
    shown, definition = said.partition("-- ../argv\n")[0], said.partition("-- ../definition\n")[2]
    for secret in (KEY, quote(KEY, safe="")):
        assert secret not in shown
        assert secret not in arguments(said)
    assert "definition.json" in arguments(said)
    # Only this user reads the file, which holds what BuildKit needs.
    assert re.search(r"-- ../mode\n-rw------- ", said)
    assert KEY in definition or quote(KEY, safe="") in definition
    for form in ("text", "json"):
        planned = machine.run(
            *("plan", "--image=r.io/a", f"{flag}={entry}", f"--format={form}"),
            env={"CI": "true"},
        )
        assert KEY not in planned
        assert quote(KEY, safe="") not in planned
        assert "***" in planned


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--context", "https://x-access-token:{}@git.example.com/a.git"),
        ("--context", "https://{}@git.example.com/a.git"),
        ("--build-contexts", "lib=https://me:{}@git.example.com/a.tar"),
        ("--build-args", "HTTPS_PROXY=http://me:{}@proxy:3128"),
        ("--build-args", "NPM=<{}>"),
        ("--labels", "source=https://me:{}@git.example.com/a.git"),
    ],
)
def test_read_the_password_of_an_address(flag: str, value: str) -> None:
    """A context, a proxy or a label has a password, which ps, log and plan would show."""
    given = f"{flag}={value.format('open-sesame')}"
    env = {"INPUT_SECRETS": "a=open-sesame"} if "<" in value else {}
    said = recorded(given, env=env)
    assert "open-sesame" not in said.partition("-- ../argv\n")[0]
    assert "open-sesame" not in arguments(said)
    assert "open-sesame" in said
    for form in ("text", "json"):
        plan = ("plan", "--image=r.io/a", given, f"--format={form}")
        assert "open-sesame" not in machine.run(*plan, env=env)


@pytest.mark.parametrize(
    ("event", "is_there"), [("push", True), ("unheard-of", False)], ids=["trusted", "untrusted"]
)
def test_print_the_password_of_a_proxy(event: str, *, is_there: bool) -> None:
    """A stranger's step prints the proxy that the runner's Docker configuration gives builds."""

    def configure(job: Path) -> None:
        path = job.parent / "home" / ".docker" / "config.json"
        path.parent.mkdir()
        path.write_text(json.dumps({"proxies": {"default": {"httpProxy": "http://a:hunter2@p"}}}))
        buildx = job.parent / "bin" / "buildx"
        own = '[ "$1" = build ] && /bin/cp "$DOCKER_CONFIG/config.json" "${0%/*/*}/given"\n'
        buildx.write_text(buildx.read_text().replace("command=$1\n", f"{own}command=$1\n"))

    said = machine.run(
        *("build", "--image=r.io/a", *machine.REMOTE, *_NOT_RUN),
        env={"GITLAB_CI": "true", "CI_PIPELINE_SOURCE": event, "CI_COMMIT_BRANCH": "b"},
        files={"Dockerfile": machine.DOCKERFILE},
        buildx={"version": machine.VERSION, "build": STEP},
        prepare=configure,
        shown=("../given",),
    )
    log, _, given = said.partition("-- ../given\n")
    assert ("hunter2" in given) == is_there
    assert "hunter2" not in log
    assert ("the build does not get the proxies" in log) != is_there


def test_read_a_secret_in_the_arguments_of_a_question() -> None:
    """A check takes a build argument with a password, as a build does."""
    said = recorded("--call=check", "--build-args=HTTP_PROXY=http://me:hunter2@proxy")
    assert "hunter2" not in arguments(said)
    assert re.search(r"^bake\n(?:.*\n)*--call\ncheck\n", arguments(said), re.MULTILINE)


def test_read_a_secret_in_an_override() -> None:
    """An override of bake becomes an argument, whatever it sets."""
    for item in (f"*.cache-to=type=s3,secret_access_key={KEY}", "a.context=https://m:hunter2@b/c"):
        said = machine.run(
            "build", f"--set={item}", "--bake-files=a.hcl", files={"a.hcl": ""}, env={}
        )
        assert "item 1 holds a secret" in said
        assert KEY not in said
        assert "hunter2" not in said


def test_have_a_secret_passed_by_a_flag_that_bake_lacks() -> None:
    """An input that only `buildx build` has would force a secret into arguments."""
    said = recorded("--cgroup-parent=x", "--build-args=HTTP_PROXY=http://me:hunter2@proxy")
    assert "cgroup-parent: conflicts with a secret in another input" in said
    assert "hunter2" not in said


def test_have_the_mask_command_print_a_secret(capsys: pytest.CaptureFixture[str]) -> None:
    """A run is told to write as GitHub does where nothing takes its commands, or writes JSON."""
    env = {"INPUT_SECRETS": "a=hunter2", "INPUT_IMAGE": "r.io/a"}
    assert "hunter2" not in machine.run("plan", "--ci=github", env=env)
    said = machine.run("plan", "--format=json", env=env | {"GITHUB_ACTIONS": "true"})
    assert json.loads(said)["tags"]
    assert capsys.readouterr().out == ""


def test_mask_every_brace(capsys: pytest.CaptureFixture[str]) -> None:
    """A secret of several lines has tiny ones, and GitHub would mask these everywhere."""
    Log(ci.named("github")).hide(['{\n "key": "hunter2-and-more"\n}\n\n'])
    said = capsys.readouterr().out.splitlines()
    assert {*said} == {'::add-mask::"key": "hunter2-and-more"', "::add-mask::hunter2-and-more"}


@pytest.mark.parametrize("masked", [True, False], ids=["masked", "not masked"])
def test_read_a_secret_in_what_a_plan_hands_on(
    masked: bool,  # noqa: FBT001
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A plan's outputs and files have the key of a cache, where nothing hides it."""
    entry = f"type=s3,bucket=b,region=r,secret_access_key={KEY},endpoint_url=http://u:hunter2@h"
    provider = "github" if masked else "gitlab"

    output = tmp_path / "output"
    output.touch()
    monkeypatch.setenv("GITHUB_OUTPUT", str(output))
    said = machine.run(
        *("plan", "--image=r.io/a", f"--cache-to={entry}", "--output-file=out.json"),
        f"--cache-from={entry}",
        env={**_ENV[provider], "GITHUB_OUTPUT": str(output), "CI_PROJECT_DIR": "."},
        shown=("out.json",) if masked else ("out.json", "warmbuild.env"),
    )
    log, _, files = said.partition("-- out.json\n")
    assert KEY not in files
    assert "hunter2" not in files
    assert "type=s3,bucket=b,region=r,endpoint_url=http://h" in files
    assert ("output-file leaves out" if masked else "the outputs leave out") in log
    assert (f"::add-mask::{KEY}\n" in log) is masked
    assert KEY not in _MASK.sub("", log)
    # A later step of the same job needs the key as it is.
    assert (KEY in output.read_text()) is masked


def test_read_a_secret_in_the_summary(tmp_path: Path) -> None:
    """A step's name holds a secret with characters that Markdown escapes."""
    secret = "pipe|and[brackets]`too`"
    said = lines(vertex(f"[2/2] RUN echo {secret}", log="x\n"))
    log = machine.run(
        *("build", "--image=r.io/a", *machine.REMOTE, *_NOT_RUN, "--summary-file=s.md"),
        files={"Dockerfile": machine.DOCKERFILE},
        buildx={"version": machine.VERSION, "build": said},
        env={"S": secret, "TMPDIR": str(tmp_path), "INPUT_SECRET_ENVS": "s=S"},
        shown=("s.md",),
    )
    assert "`RUN echo ***`" in log
    assert "brackets" not in log


def test_read_a_secret_in_the_metadata() -> None:
    """BuildKit's provenance has the build arguments, and the address of the context."""

    def prepare(job: Path) -> None:
        found = {"p": {"args": {"A": 'it"s me'}, "uri": "https://me:hunter3@example.com/a"}}
        (job.parent / "said" / "metadata").write_text(json.dumps(found))

    log = machine.run(
        *("build", "--image=r.io/a", *machine.REMOTE, *_NOT_RUN, "--output-file=o.json"),
        files={"Dockerfile": machine.DOCKERFILE},
        buildx={"version": machine.VERSION, "build": STEP},
        env={"INPUT_SECRETS": 'a=it"s me'},
        prepare=prepare,
        shown=("o.json",),
    )
    assert "hunter3" not in log
    assert "s me" not in log


def test_have_a_registry_print_a_users_password() -> None:
    """A registry repeats the login that it got, which the user's own configuration has."""
    auth = base64.b64encode(b"me:own-password").decode()
    config = {"auths": {"r.io": {"auth": auth}, "b.io": {"identitytoken": "a-token"}, "c": 3}}
    said = printed(
        f"denied: own-password a-token Basic {auth}",
        env={"DOCKER_AUTH_CONFIG": json.dumps(config)},
    )
    assert "own-password" not in said
    assert "a-token" not in said
    assert auth not in said


@pytest.mark.parametrize("path", ["/dev/zero", "fifo", "huge", "missing", "directory"])
def test_stall_a_run_by_the_file_of_a_secret(path: str) -> None:
    """The file of a secret never ends, has no writer, or is larger than what is hidden."""

    def prepare(job: Path) -> None:
        os.mkfifo(job / "fifo")
        (job / "directory").mkdir()
        with (job / "huge").open("wb") as file:
            file.write(b"first-line\n" * 10)
            file.truncate(10**7)

    begun = time.monotonic()
    said = printed("first-line", f"--secret-files=a={path}", prepare=prepare)
    assert time.monotonic() - begun < 5
    if path == "huge":
        assert "only the first 64 kB of huge are hidden" in said
    else:
        assert (
            f"secret-files: '{path}' cannot be read" in said or f"there is no file '{path}'" in said
        )


def test_stall_a_run_by_a_long_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A step prints a line that a pattern for secrets takes long to look through."""
    secrets = ["key" * 1000, "\n".join(f"TOKEN_{number}=abcdefgh{number}" for number in range(900))]
    redact, log = secret_texts.redactor(secrets), Log(ci.named("local"))
    for part in ("key", "://a:", "TOKEN_1", 'token="', "##", "\x1b[1", "password ", "--- "):
        text = part * (200_000 // len(part))
        begun = time.monotonic()
        redact(text)
        list(secret_texts.in_attributes(text))
        list(secret_texts.parts(text[:65_536]))
        log.line(text[:20_000])
        took = time.monotonic() - begun
        capsys.readouterr()
        assert took < 2, part


def test_take_an_address_for_a_secret() -> None:
    """An image by its digest or a user of ssh is no secret, and stays in the log."""
    for text in (
        *("docker-image://alpine:3.22@sha256:0a1b", "ssh://git@github.com/a/b.git"),
        *("oci-layout://a:b@sha256:0", '{"url":"https://host","mail":"me@example.com"}'),
        *("git@github.com:a/b", "https://example.com/@scope/x", "https://@example.com"),
    ):
        assert secret_texts.without_users(text) == text


class TestOnTheLab:
    def test_print_and_list_the_secrets_of_a_real_build(
        self,
        warmbuild: Warmbuild,
        project: Callable[..., Path],
        repository: str,
        program: Callable[[str, str], dict[str, str]],
        lab: Lab,
        tmp_path: Path,
    ) -> None:
        """Steps print their secrets in several forms, and buildx gets them by arguments."""
        place = project(
            "FROM busybox:1.37\nARG HTTPS_PROXY\n"
            "RUN --mount=type=secret,id=a --mount=type=secret,id=b cat /run/secrets/*; "
            'printf "me:$(cat /run/secrets/a)" | base64; env | grep -i proxy\n',
            {"key.pem": "-----BEGIN KEY-----\nMIIEvQIBADANBg\n-----END KEY-----\n"},
        )
        buildx = lab.env["WARMBUILD_LAB_BUILDX"]
        script = f'printf "%s\\n" "$@" >> {tmp_path}/argv\nexec {buildx} "$@"\n'
        ended = warmbuild.succeed(
            place,
            image=repository,
            cache="off",
            secret_envs="a=TOKEN",
            secret_files="b=key.pem",
            build_args="HTTPS_PROXY=http://me:open-sesame@proxy.example.com:3128",
            extra={"TOKEN": "hunter2-and-more", **program("buildx", script)},
        )
        basic = base64.b64encode(b"me:hunter2-and-more").decode()
        told = ended.log + ended.summary + json.dumps(dict(ended.outputs))
        argv = (tmp_path / "argv").read_text()
        for secret in ("hunter2-and-more", "MIIEvQIBADANBg", "open-sesame", basic):
            assert secret not in told
            assert secret not in argv
        assert "http://***@proxy.example.com" in ended.log
