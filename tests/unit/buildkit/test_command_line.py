"""What docker/build-push-action makes of its inputs, as a table of inputs and arguments.

In the arguments `{I}` is the file for the image's ID, `{M}` the one for the metadata, `{P}` the
provenance that is there unasked and `{S}` the sources: the commit as git has it. The progress is
ours alone, and no cache is in the table but the user's own. Flags that are only passed on come
first, which is our order; to buildx the order does not matter.
"""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.plans import planned
from warmbuild import trust
from warmbuild.buildkit import command_line
from warmbuild.drivers import DRIVERS
from warmbuild.run_context import RunContext

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.inputs.values import Inputs


SOURCES = "https://github.com/me/app.git#860c1904a1ce19322e91ac35af1ab07466440c37"
RUN = "https://github.com/me/app/actions/runs/123456789/attempts/1"
PUBLIC = RunContext(
    trust=trust.TRUSTED,
    ci="github",
    event="push",
    branch="main",
    default_branch="main",
    server="github.com",
    git_context=SOURCES,
    provenance="mode=max",
    builder_id=RUN,
)
PRIVATE = replace(PUBLIC, provenance="mode=min,inline-only=true")
GITLAB = RunContext(
    ci="gitlab", event="push", branch="main", default_branch="main", trust=trust.TRUSTED
)
QUERY = replace(PUBLIC, git_context="https://github.com/me/app.git?ref=refs/heads/main&checksum=86")
WORDS = {
    "I": "--iidfile <iidfile>",
    "M": "--metadata-file <metadata-file>",
    "P": f"--attest type=provenance,mode=max,builder-id={RUN}",
    "S": SOURCES,
    "RUN": RUN,
}


def argv(inputs: Inputs, run: RunContext) -> str:
    found = command_line.build(planned(inputs, run), command_line.PLACEHOLDERS)
    assert found[:2] == ("build", "--progress=rawjson")
    return shlex.join(found[2:])


def check(parsed: Callable[..., Inputs], run: RunContext, given: dict[str, str], want: str) -> None:
    values = {"image": "", "tags": "", "push": "false", "cache": "off", **given}
    expected = shlex.split(want.format_map(WORDS))
    assert argv(parsed(**values), run) == shlex.join(expected)


def case(name: str, want: str, **given: str) -> object:
    return pytest.param(given, want, id=name)


@pytest.mark.parametrize(
    ("given", "want"),
    [
        # The context.
        case("nothing at all", "{I} {P} {M} {S}"),
        case("the checkout", "{I} {P} {M} .", context="."),
        case("a directory", "{I} {P} {M} services/api", context="services/api"),
        case("the default by name", "{I} {P} {M} {S}", context="{{defaultContext}}"),
        case("a directory of it", "{I} {P} {M} {S}:docker", context="{{defaultContext}}:docker"),
        case(
            "spaces in the expression", "{I} {P} {M} {S}:a/b", context="{{ defaultContext }}:a/b/"
        ),
        case("three braces", "{I} {P} {M} {S}", context="{{{defaultContext}}}"),
        case("the root of it", "{I} {P} {M} {S}", context="{{defaultContext}}:."),
        case(
            "another repository",
            "{I} {P} {M} https://github.com/docker/buildx.git#master:docs",
            context="https://github.com/docker/buildx.git#master:docs",
        ),
        case(
            "git over ssh",
            "{I} {P} {M} git@github.com:me/app.git",
            context="git@github.com:me/app.git",
        ),
        # The token for it.
        case(
            "the token for the default context",
            "{I} {P} --secret id=GIT_AUTH_TOKEN.github.com,src=<secret:GIT_AUTH_TOKEN.github.com> "
            "{M} {S}",
            github_token="t",
        ),
        case(
            "the token for a directory of it",
            "{I} {P} --secret id=GIT_AUTH_TOKEN.github.com,src=<secret:GIT_AUTH_TOKEN.github.com> "
            "{M} {S}:docker",
            github_token="t",
            context="{{defaultContext}}:docker",
        ),
        case("no token for the checkout", "{I} {P} {M} .", github_token="t", context="."),
        case(
            "no token for another server",
            "{I} {P} {M} https://example.com/a.git",
            github_token="t",
            context="https://example.com/a.git",
        ),
        case(
            "no token beside the user's own",
            "{I} {P} --secret id=GIT_AUTH_TOKEN,src=<secret:GIT_AUTH_TOKEN> {M} {S}",
            github_token="t",
            secrets="GIT_AUTH_TOKEN=mine",
        ),
        case(
            "no token beside the user's own for the host",
            "--secret id=GIT_AUTH_TOKEN.github.com,env=PAT {I} {P} {M} {S}",
            github_token="t",
            secret_envs="GIT_AUTH_TOKEN.github.com=PAT",
        ),
        case(
            "the token for a further context",
            "--build-context src={S} {I} {P} "
            "--secret id=GIT_AUTH_TOKEN.github.com,src=<secret:GIT_AUTH_TOKEN.github.com> {M} .",
            github_token="t",
            context=".",
            build_contexts="src={{defaultContext}}",
        ),
        # What is built.
        case(
            "a file",
            "--file docker/app.Dockerfile {I} {P} {M} .",
            context=".",
            file="docker/app.Dockerfile",
        ),
        case("a target", "{I} {P} --target final {M} .", context=".", target="final"),
        case(
            "a platform",
            "{I} --platform linux/arm64 {P} {M} .",
            context=".",
            platforms="linux/arm64",
        ),
        case(
            "platforms by comma and newline",
            "{I} --platform linux/amd64,linux/arm64,linux/arm/v7 {P} {M} .",
            context=".",
            platforms="linux/amd64, linux/arm64\nlinux/arm/v7",
        ),
        case("pull", "{I} {P} {M} --pull .", context=".", pull="true"),
        case("no cache", "{I} {P} {M} --no-cache .", context=".", no_cache="true"),
        case(
            "no cache for stages",
            "{I} --no-cache-filter build --no-cache-filter test {P} {M} .",
            context=".",
            no_cache_filters="build,test",
        ),
        case("a builder", "{I} {P} --builder mine {M} .", context=".", builder="mine"),
        # Build arguments.
        case(
            "build arguments",
            "--build-arg A=1 --build-arg 'B=two words' {I} {P} {M} .",
            context=".",
            build_args="A=1\nB=two words",
        ),
        case(
            "a build argument with commas",
            "--build-arg 'GO_VERSION=1.25,1.26 , x' {I} {P} {M} .",
            context=".",
            build_args="GO_VERSION=1.25,1.26 , x",
        ),
        case(
            "a build argument of several lines",
            "--build-arg 'MULTI=a\nb\n c' --build-arg C=3 {I} {P} {M} .",
            context=".",
            build_args='"MULTI=a\nb\n c"\nC=3',
        ),
        case(
            "a build argument with quotes in it",
            """--build-arg 'A="quoted"' --build-arg 'B=it"s' {I} {P} {M} .""",
            context=".",
            build_args='A="quoted"\nB=it"s',
        ),
        case(
            "a build argument of JSON, quoted whole",
            """--build-arg 'A={{"k":"v","z":"w"}}' {I} {P} {M} .""",
            context=".",
            build_args='"A={""k"":""v"",""z"":""w""}"',
        ),
        case(
            "a build argument of the environment",
            "--build-arg HTTP_PROXY {I} {P} {M} .",
            context=".",
            build_args="HTTP_PROXY",
        ),
        case(
            "a hash is no comment",
            "--build-arg 'A=1 # one' --build-arg '# two' {I} {P} {M} .",
            context=".",
            build_args="A=1 # one\n# two",
        ),
        case(
            "CRLF",
            "--build-arg A=1 --build-arg B=2 {I} {P} {M} .",
            context=".",
            build_args="A=1\r\nB=2\r\n",
        ),
        # Labels and tags.
        case(
            "labels",
            "{I} --label 'a=b, c' --label 'd=\"e\"' {P} {M} .",
            context=".",
            labels='a=b, c\nd="e"',
        ),
        case("a tag", "{I} {P} --tag ghcr.io/me/app:1 {M} .", context=".", tags="ghcr.io/me/app:1"),
        case(
            "tags by comma and newline",
            "{I} {P} --tag ghcr.io/me/app:1 --tag ghcr.io/me/app:2 --tag r.io/b:3 {M} .",
            context=".",
            tags="ghcr.io/me/app:1,ghcr.io/me/app:2\nr.io/b:3",
        ),
        case(
            "a tag on Docker Hub in full",
            "{I} {P} --tag docker.io/me/app:7.4 --tag docker.io/library/a:1 {M} .",
            context=".",
            tags="me/app:7.4\na:1",
        ),
        # Further contexts.
        case(
            "further contexts",
            "--build-context a=docker-image://alpine:3.22 --build-context lib=../lib {I} {P} {M} .",
            context=".",
            build_contexts="a=docker-image://alpine:3.22\nlib=../lib",
        ),
        case(
            "the default as a further context",
            "--build-context src={S}:lib {I} {P} {M} .",
            context=".",
            build_contexts="src={{defaultContext}}:lib",
        ),
        case(
            "a further context with a comma",
            "--build-context a=oci-layout:///x,y {I} {P} {M} .",
            context=".",
            build_contexts="a=oci-layout:///x,y",
        ),
        # Caches of the user's own.
        case(
            "caches of the user's own",
            "--cache-from type=gha --cache-from me/app:cache --cache-to type=gha,mode=max "
            "{I} {P} {M} .",
            context=".",
            cache="auto",
            cache_from="type=gha\nme/app:cache",
            cache_to="type=gha,mode=max",
        ),
        case(
            "caches lose quotes within, as there",
            "--cache-from type=gha --cache-to type=registry,ref=a,b,mode=max {I} {P} {M} .",
            context=".",
            cache="auto",
            cache_from="type=gha",
            cache_to='type=registry,"ref=a,b",mode=max',
        ),
        # Attestations.
        case("load has no provenance", "{I} --load {M} .", context=".", load="true"),
        case(
            "provenance off",
            "{I} --attest type=provenance,disabled=true {M} .",
            context=".",
            provenance="false",
        ),
        case(
            "provenance on",
            "{I} --attest type=provenance,builder-id={RUN} {M} .",
            context=".",
            provenance="true",
        ),
        case(
            "provenance on, with load",
            "{I} --attest type=provenance,builder-id={RUN} --load {M} .",
            context=".",
            provenance="TRUE",
            load="true",
        ),
        case(
            "provenance with a mode",
            "{I} --attest type=provenance,mode=min,builder-id={RUN} {M} .",
            context=".",
            provenance="mode=min",
        ),
        case(
            "provenance with a builder of its own",
            "{I} --attest type=provenance,mode=max,builder-id=foo {M} .",
            context=".",
            provenance="mode=max,builder-id=foo",
        ),
        case(
            "provenance with a quoted attribute",
            """{I} --attest 'type=provenance,"builder-id=a,b"' {M} .""",
            context=".",
            provenance='"builder-id=a,b"',
        ),
        case(
            "an sbom", "{I} {P} --attest type=sbom,disabled=false {M} .", context=".", sbom="true"
        ),
        case(
            "no sbom", "{I} {P} --attest type=sbom,disabled=true {M} .", context=".", sbom="false"
        ),
        case(
            "an sbom by a generator",
            "{I} {P} --attest type=sbom,generator=docker/scout-sbom-indexer:1 {M} .",
            context=".",
            sbom="generator=docker/scout-sbom-indexer:1",
        ),
        case(
            "attests",
            "{I} --attest type=provenance,mode=max,builder-id={RUN} "
            "--attest type=sbom,generator=x {M} .",
            context=".",
            attests="type=provenance,mode=max\ntype=sbom,generator=x",
        ),
        case(
            "attests with a builder of their own",
            "{I} --attest type=provenance,builder-id=foo {M} .",
            context=".",
            attests="type=provenance,builder-id=foo",
        ),
        case(
            "attests of an sbom leave the provenance",
            "{I} {P} --attest type=sbom,disabled=false {M} .",
            context=".",
            attests="type=sbom,true",
        ),
        case(
            "provenance wins over attests",
            "{I} --attest type=provenance,mode=min,builder-id={RUN} --attest type=sbom {M} .",
            context=".",
            provenance="mode=min",
            attests="type=provenance,mode=max\ntype=sbom",
        ),
        case(
            "sbom wins over attests",
            "{I} {P} --attest type=sbom,generator=a {M} .",
            context=".",
            sbom="generator=a",
            attests="type=sbom,generator=b",
        ),
        case(
            "both win over attests",
            "{I} --attest type=provenance,disabled=true --attest type=sbom,disabled=true {M} .",
            context=".",
            provenance="false",
            sbom="false",
            attests="type=provenance\ntype=sbom",
        ),
        # Where the result goes.
        case(
            "a push",
            "{I} {P} --tag ghcr.io/me/app:1 {M} --push .",
            context=".",
            push="true",
            tags="ghcr.io/me/app:1",
        ),
        case(
            "push and load, which is before what is pushed",
            "{I} --output type=docker --tag ghcr.io/me/app:1 {M} --push .",
            context=".",
            push="true",
            load="true",
            tags="ghcr.io/me/app:1",
        ),
        case(
            "push beside an output that is loaded",
            "{I} --output type=docker,name=a:1 --tag ghcr.io/me/app:1 --load {M} --push .",
            context=".",
            push="true",
            load="true",
            outputs="type=docker,name=a:1",
            tags="ghcr.io/me/app:1",
        ),
        case(
            "load beside an output that is pushed",
            "{I} --output type=docker --output type=registry,name=r.io/a:1 {M} .",
            context=".",
            load="true",
            outputs="type=registry,name=r.io/a:1",
        ),
        case(
            "several outputs, of which one is pushed",
            "{I} --output type=docker --output type=oci,dest=a.tar"
            " --output type=image,name=r.io/a:1,push=true {M} .",
            context=".",
            outputs="type=image,name=r.io/a:1,push=true\ntype=docker\ntype=oci,dest=a.tar",
        ),
        case(
            "several outputs, of which push is for one",
            "{I} --output type=oci,dest=a.tar --output type=image {P}"
            " --tag ghcr.io/me/app:1 {M} --push .",
            context=".",
            push="true",
            outputs="type=image\ntype=oci,dest=a.tar",
            tags="ghcr.io/me/app:1",
        ),
        case(
            "a directory for the result",
            "--output type=local,dest=out {P} {M} .",
            context=".",
            outputs="type=local,dest=out",
        ),
        case(
            "a directory for the result, alone",
            "--output out {P} {M} .",
            context=".",
            outputs="out",
        ),
        case(
            "a tarball",
            "--output type=tar,dest=out.tar {P} {M} .",
            context=".",
            outputs="type=tar,dest=out.tar",
        ),
        case(
            "an OCI layout",
            "{I} --output type=oci,dest=/tmp/oci.tar {P} {M} .",
            context=".",
            outputs="type=oci,dest=/tmp/oci.tar",
        ),
        case(
            "an image for the engine",
            "{I} --output type=docker {M} .",
            context=".",
            outputs="type=docker",
        ),
        case(
            "a tarball for the engine",
            "{I} --output type=docker,dest=/tmp/image.tar {M} .",
            context=".",
            outputs="type=docker,dest=/tmp/image.tar",
        ),
        case(
            "an output with quotes",
            """{I} --output 'type=image,"name=r.io/a,r.io/b",push=true' {P} {M} .""",
            context=".",
            outputs='type=image,"name=r.io/a,r.io/b",push=true',
        ),
        case(
            "two outputs",
            "--output type=cacheonly --output type=local,dest=out {P} {M} .",
            context=".",
            outputs="type=cacheonly\ntype=local,dest=out",
        ),
        case(
            "an output and a push",
            "--output type=local,dest=out {P} --tag ghcr.io/me/app:1 {M} --push .",
            context=".",
            outputs="type=local,dest=out",
            push="true",
            tags="ghcr.io/me/app:1",
        ),
        case(
            "an output alone is not pushed",
            "--output type=local,dest=out {P} --tag ghcr.io/me/app:1 {M} .",
            context=".",
            outputs="type=local,dest=out",
            push="",
            tags="ghcr.io/me/app:1",
        ),
        # Secrets and keys.
        case(
            "a secret",
            "{I} {P} --secret id=TOKEN,src=<secret:TOKEN> {M} .",
            context=".",
            secrets="TOKEN=hunter2",
        ),
        case(
            "secrets with spaces, quotes and lines",
            "{I} {P} --secret id=A,src=<secret:A> --secret id=B,src=<secret:B> "
            "--secret id=C,src=<secret:C> {M} .",
            context=".",
            secrets='A=  x \n"B=first\nsecond"\nC=it"s',
        ),
        case(
            "secrets from files",
            """{I} {P} --secret id=KEY,src=./key.pem --secret 'id=ODD,"src=/a,b"' {M} .""",
            context=".",
            secret_files="KEY=./key.pem\nODD=/a,b",
        ),
        case(
            "secrets from the environment, before the rest",
            "--secret id=A,env=ONE --secret id=B,env=TWO --file x {I} {P} {M} .",
            context=".",
            file="x",
            secret_envs="A=ONE,B=TWO",
        ),
        case(
            "all three kinds of secrets",
            "--secret id=C,env=TWO {I} {P} --secret id=A,src=<secret:A> --secret id=B,src=/b {M} .",
            context=".",
            secrets="A=1",
            secret_files="B=/b",
            secret_envs="C=TWO",
        ),
        case("an ssh agent", "--ssh default {I} {P} {M} .", context=".", ssh="default"),
        case(
            "ssh is split at commas, as there",
            "--ssh default=/a --ssh /b --ssh key=/c {I} {P} {M} .",
            context=".",
            ssh="default=/a,/b\nkey=/c",
        ),
        # How commands run.
        case(
            "hosts",
            "--add-host docker:10.180.0.1 --add-host foo:10.0.0.1 {I} {P} {M} .",
            context=".",
            add_hosts="docker:10.180.0.1,foo:10.0.0.1",
        ),
        case(
            "entitlements",
            "--allow security.insecure --allow network.host {I} {P} {M} .",
            context=".",
            allow="security.insecure\nnetwork.host",
        ),
        case("a cgroup", "--cgroup-parent /ci {I} {P} {M} .", context=".", cgroup_parent="/ci"),
        case("a network", "--network host {I} {P} {M} .", context=".", network="host"),
        case("shared memory", "--shm-size 128m {I} {P} {M} .", context=".", shm_size="128m"),
        case(
            "limits",
            "--ulimit nofile=1024:1024 --ulimit nproc=3 {I} {P} {M} .",
            context=".",
            ulimit="nofile=1024:1024\nnproc=3",
        ),
        # Calls.
        case(
            "a call that builds",
            "--call build {I} {P} --tag r.io/a:1 {M} --push .",
            context=".",
            call="build",
            push="true",
            tags="r.io/a:1",
        ),
        case("a check", "--call check {I} {M} {S}", call="check"),
        case(
            "a check makes nothing, whatever is said",
            "--call check --file x {I} --target t {M} .",
            context=".",
            file="x",
            target="t",
            call="check",
            tags="r.io/a:1",
            push="true",
            load="true",
            outputs="type=image,push=true",
            sbom="true",
            cache="auto",
            cache_to="type=gha",
        ),
        case("an outline", "--call outline {I} {M} .", context=".", call="outline"),
        case("targets", "--call targets {I} {M} .", context=".", call="targets"),
        case(
            "targets as JSON",
            "--call targets,format=json {I} {M} .",
            context=".",
            call="targets,format=json",
        ),
        # All at once.
        case(
            "everything, in its order",
            "--add-host h:10.0.0.1 --allow network.host --cgroup-parent c --network none "
            "--shm-size 1g --ssh default --ulimit nofile=1 --build-arg A=1 "
            "--build-context b=docker-image://b --cache-from type=gha "
            "--cache-to type=gha,mode=max "
            "--secret id=E,env=V --file f {I} --label l=1 --no-cache-filter n --output type=image "
            "--platform linux/amd64,linux/arm64 --attest type=provenance,mode=max,builder-id={RUN} "
            "--attest type=sbom,disabled=false --secret id=S,src=<secret:S> --secret id=F,src=/f "
            "--secret id=GIT_AUTH_TOKEN.github.com,src=<secret:GIT_AUTH_TOKEN.github.com> "
            "--tag r.io/a:1 --target t --builder mine {M} --no-cache --pull --push {S}",
            add_hosts="h:10.0.0.1",
            allow="network.host",
            build_args="A=1",
            build_contexts="b=docker-image://b",
            cache="auto",
            cache_from="type=gha",
            cache_to="type=gha,mode=max",
            cgroup_parent="c",
            secret_envs="E=V",
            file="f",
            labels="l=1",
            no_cache_filters="n",
            outputs="type=image",
            platforms="linux/amd64,linux/arm64",
            provenance="mode=max",
            sbom="true",
            secrets="S=s",
            secret_files="F=/f",
            github_token="t",
            shm_size="1g",
            ssh="default",
            tags="r.io/a:1",
            target="t",
            ulimit="nofile=1",
            builder="mine",
            network="none",
            no_cache="true",
            pull="true",
            push="true",
        ),
    ],
)
def test_on_github(parsed: Callable[..., Inputs], given: dict[str, str], want: str) -> None:
    check(parsed, PUBLIC, given, want)


@pytest.mark.parametrize(
    ("given", "want"),
    [
        case(
            "the default",
            "{I} --attest type=provenance,mode=min,inline-only=true,builder-id={RUN} {M} {S}",
        ),
        case(
            "beside an sbom",
            "{I} --attest type=provenance,mode=min,inline-only=true,builder-id={RUN} "
            "--attest type=sbom,disabled=false {M} {S}",
            sbom="true",
        ),
        case(
            "provenance on",
            "{I} --attest type=provenance,builder-id={RUN} {M} {S}",
            provenance="true",
        ),
        case("load", "{I} --load {M} {S}", load="true"),
    ],
)
def test_in_a_private_repository(
    parsed: Callable[..., Inputs], given: dict[str, str], want: str
) -> None:
    check(parsed, PRIVATE, given, want)


@pytest.mark.parametrize(
    ("given", "want"),
    [
        case("nothing at all", "{I} {M} ."),
        case("the default by name", "{I} {M} .", context="{{defaultContext}}"),
        case("a directory of it", "{I} {M} docker", context="{{defaultContext}}:docker"),
        case(
            "a further context",
            "--build-context a=lib {I} {M} .",
            build_contexts="a={{defaultContext}}:lib",
        ),
        case("provenance on", "{I} --attest type=provenance {M} .", provenance="true"),
        case(
            "provenance with a mode",
            "{I} --attest type=provenance,mode=max {M} .",
            provenance="mode=max",
        ),
        case(
            "provenance off", "{I} --attest type=provenance,disabled=true {M} .", provenance="false"
        ),
        case("a token", "{I} {M} .", github_token="t"),
    ],
)
def test_elsewhere(parsed: Callable[..., Inputs], given: dict[str, str], want: str) -> None:
    check(parsed, GITLAB, given, want)


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ("", "https://github.com/me/app.git?ref=refs/heads/main&checksum=86"),
        (
            "{{defaultContext}}:a/b",
            "https://github.com/me/app.git?ref=refs/heads/main&checksum=86&subdir=a/b",
        ),
        ("{{defaultContext}}:.", "https://github.com/me/app.git?ref=refs/heads/main&checksum=86"),
    ],
)
def test_a_git_context_with_a_query(
    parsed: Callable[..., Inputs], context: str, expected: str
) -> None:
    check(parsed, QUERY, {"context": context}, f"{{I}} {{P}} {{M}} '{expected}'")


def test_no_provenance_where_it_is_switched_off_for_all(parsed: Callable[..., Inputs]) -> None:
    check(parsed, replace(PUBLIC, provenance=""), {"context": "."}, "{I} {M} .")


def test_no_provenance_from_a_driver_that_has_none(parsed: Callable[..., Inputs]) -> None:
    inputs = parsed()
    assert planned(inputs, PUBLIC).default_attests
    docker = replace(inputs, driver=DRIVERS["docker"])
    assert planned(docker, PUBLIC).attests == ()


def test_a_copy_of_the_dockerfile_replaces_it(parsed: Callable[..., Inputs]) -> None:
    plan = replace(planned(parsed(file="a"), PUBLIC), linked_file="/p/Dockerfile")
    argv = command_line.build(plan, command_line.PLACEHOLDERS)
    assert argv[argv.index("--file") + 1] == "/p/Dockerfile"
