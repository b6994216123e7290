"""What files of untrusted code may define, key by key."""

from __future__ import annotations

import pytest

from warmbuild.bake import allowed
from warmbuild.bake.targets import Target

WHY = "the code comes from a fork"


def target(**definition: object) -> Target:
    found = {name.replace("_", "-"): value for name, value in definition.items()}
    return Target(name="web", definition=found, linked=False)


def test_what_reaches_nothing_is_kept() -> None:
    one = target(
        annotations=["a=b"],
        args={"A": "1"},
        attest=[{"type": "provenance", "mode": "max"}],
        cache_from=[{"type": "registry", "ref": "r.io/c"}, "r.io/d", "type=local,src=c"],
        cache_to=[{"type": "inline"}],
        context="w",
        contexts={"base": "target:base"},
        dockerfile="D",
        dockerfile_inline="FROM scratch",
        entitlements=["network.host"],
        extra_hosts={"a": "1.1.1.1"},
        labels={"a": "b"},
        network="none",
        output=[
            {"type": "local", "dest": "out", "source-date-epoch": "7"},
            {"type": "cacheonly"},
            "type=docker,dest=a.tar,rewrite-timestamp=true",
        ],
        platforms=["linux/amd64"],
        pull=True,
        secret=[{"id": "a", "src": "file"}],
        shm_size="1m",
        tags=["r.io/a"],
        target="final",
        ulimits=["nofile=1:2"],
        **{"no-cache": True, "no-cache-filter": ["deps"]},
    )
    found = allowed.confined(one, WHY)
    assert found.left_out == ()
    assert found.definition == one.definition | {
        "cache-from": [
            {"type": "registry", "ref": "r.io/c"},
            {"ref": "r.io/d"},
            {"type": "local", "src": "c"},
        ],
        "output": [
            {"type": "local", "dest": "out", "source-date-epoch": "7"},
            {"type": "cacheonly"},
            {"type": "docker", "dest": "a.tar", "rewrite-timestamp": "true"},
        ],
    }


@pytest.mark.parametrize(
    ("key", "entry", "kept", "warning"),
    [
        pytest.param("ssh", "default", None, "ssh of the target web is ignored", id="an agent"),
        pytest.param("call", "check", None, "call of the target web is ignored", id="a question"),
        pytest.param(
            "policy", {"filename": "/p"}, None, "policy of the target web is ignored", id="a policy"
        ),
        pytest.param(
            "unheard-of", 1, None, "unheard-of of the target web is ignored", id="a later key"
        ),
        pytest.param("secret", "id=a", [], "the secret a is not given", id="a name alone"),
        pytest.param("secret", "id=a,env=B", [], "the secret a is not given", id="a variable"),
        pytest.param(
            "secret",
            {"id": "a", "src": "f", "env": "B"},
            [],
            "the secret a is not given",
            id="a variable beside a file",
        ),
        pytest.param(
            "secret",
            "type=env,id=a,src=B",
            [],
            "the secret a is not given",
            id="a variable that looks like a file",
        ),
        pytest.param(
            "secret",
            {"id": "a", "src": "f", "new": "B"},
            [{"id": "a", "src": "f"}],
            "new in secret of the target web is ignored",
            id="what a secret may have later",
        ),
        pytest.param(
            "cache-from",
            {"type": "gha", "scope": "x", "url": "https://e", "token": "t"},
            [{"type": "gha", "scope": "x"}],
            "url in cache-from of the target web is ignored",
            id="another server",
        ),
        pytest.param(
            "cache-from",
            "type=s3,bucket=b",
            [],
            "cache-from type=s3,bucket=b of the target web is ignored",
            id="a bucket",
        ),
        pytest.param(
            "cache-from",
            {"type": "new"},
            [],
            "cache-from type=new of the target web is ignored",
            id="a later backend",
        ),
        pytest.param(
            "cache-to",
            {"type": "gha", "scope": "x", "url": "https://e"},
            [{"type": "gha", "scope": "x"}],
            "url in cache-to of the target web is ignored",
            id="another server to write to",
        ),
        pytest.param(
            "attest",
            {"type": "provenance", "builder-id": "https://e"},
            [{"type": "provenance"}],
            "builder-id in attest of the target web is ignored",
            id="another builder",
        ),
        pytest.param(
            "output",
            {"type": "registry"},
            [],
            "output type=registry of the target web is ignored",
            id="a push",
        ),
        pytest.param(
            "output",
            "type=docker,context=prod",
            [],
            "output type=docker,context=prod of the target web is ignored",
            id="an engine",
        ),
        pytest.param(
            "output",
            {"type": "tar", "dest": "-"},
            [],
            "output type=tar,dest=- of the target web is ignored",
            id="the log",
        ),
        pytest.param(
            "output",
            {"type": "oci"},
            [],
            "output type=oci of the target web is ignored",
            id="the log by default",
        ),
        pytest.param(
            "output",
            {"type": "local", "dest": "out", "mode": "delete"},
            [{"type": "local", "dest": "out"}],
            "mode in output of the target web is ignored",
            id="a deletion",
        ),
    ],
)
def test_what_does_is_left_out_and_said(
    key: str, entry: object, kept: object, warning: str
) -> None:
    found = allowed.confined(target(**{key: [entry]}), WHY)
    assert found.definition.get(key) == kept
    assert found.left_out[0].startswith(f"{warning}: {WHY}")


def test_what_takes_the_place_of_an_output_is_said() -> None:
    (said,) = allowed.confined(target(output=[{"type": "docker"}]), WHY).left_out
    assert said.endswith(f"{WHY}; set push, load or outputs")


def test_what_is_read_and_written_of_this_machine() -> None:
    one = target(
        context="w",
        dockerfile="../D",
        contexts={
            "a": "docker-image://x",
            "b": "oci-layout:///o:1@sha256:2",
            "c": "cwd:///c",
            "d": "target:e",
        },
        secret=[{"id": "a", "src": "/s"}],
        output=[{"type": "local", "dest": "/out"}],
        cache_from=["type=local,src=/from"],
        cache_to=[{"type": "local", "dest": "/to"}, {"type": "inline"}],
    )
    assert list(allowed.paths(one)) == [
        *("w", "docker-image://x"),
        *("/o:1@sha256:2", "/o", "/o:1", "/o:1@sha256", "oci-layout:///o:1@sha256:2"),
        *("/c", "target:e", "w/../D", "w/../D.rego"),
        *("/from", "/to", "/out", "/s"),
    ]
    assert list(allowed.written(one)) == ["/out", "/to"]


@pytest.mark.parametrize(
    ("definition", "file"),
    [
        pytest.param({}, "./Dockerfile", id="none"),
        pytest.param({"context": "cwd://w"}, "w/Dockerfile", id="in a context of this machine"),
        pytest.param({"context": "w", "dockerfile": "cwd://../D"}, "../D", id="beside the context"),
        pytest.param({"context": "https://a/b.git", "dockerfile": "/D"}, "/D", id="absolute"),
        pytest.param(
            {"context": "git@x", "dockerfile": "D"}, "git@x/D", id="in what may be a link"
        ),
    ],
)
def test_where_a_dockerfile_is(definition: dict[str, object], file: str) -> None:
    assert list(allowed.paths(target(**definition)))[-2:] == [file, f"{file}.rego"]


@pytest.mark.parametrize(
    ("context", "is_strange"),
    [
        (".", False),
        ("services/web", False),
        ("cwd://services", False),
        ("git@x", False),
        ("https://github.com/me/app.git#main:dir", False),
        ("http://example.com/a.tar", False),
        ("git://example.com/a.git", False),
        ("git@github.com:me/app.git", True),
        ("ssh://git@github.com/me/app.git", True),
        ("cwd://git@github.com:me/app", True),
        ("file:///etc", True),
        ("https:///etc", True),
        ("https://exa mple.com/a", True),
        ("https://[1/a", True),
        ("HTTPS:x", True),
        ("target:x", True),
        ("docker-image://x", True),
    ],
)
def test_a_context_is_a_path_or_a_url(context: str, is_strange: bool) -> None:  # noqa: FBT001
    found = list(allowed.strange_contexts(target(context=context)))
    assert found == ([context] if is_strange else [])
    named = list(allowed.strange_contexts(target(contexts={"a": context})))
    is_known = context.startswith(("target:", "docker-image://"))
    assert named == ([context] if is_strange and not is_known else [])


def test_an_oci_layout_is_a_context_of_its_own_kind() -> None:
    assert not list(allowed.strange_contexts(target(contexts={"a": "oci-layout://o:1"})))
