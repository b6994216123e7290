from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, get_args, get_origin

import pytest

from warmbuild.backends import BACKENDS, Backend
from warmbuild.drivers import Driver
from warmbuild.errors import InputError
from warmbuild.inputs import lists, parsing, table
from warmbuild.inputs.builders import Node
from warmbuild.inputs.logins import Login
from warmbuild.inputs.tag_rules import Flavor, Rule
from warmbuild.inputs.values import Inputs, Passed, Secret
from warmbuild.refs import Reference

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a:1, b:2\n c:3 ,", ("a:1", "b:2", "c:3"), id="newlines and commas"),
        pytest.param('"a:1,b:2"\nc', ("a:1", "b:2", "c"), id="a quoted comma still separates"),
        pytest.param("# comment\na", ("# comment", "a"), id="there are no comments"),
        pytest.param("linux/amd64 linux/arm64", ("linux/amd64 linux/arm64",), id="spaces do not"),
        pytest.param("a\r\nb\r\n", ("a", "b"), id="CRLF"),
        pytest.param("", (), id="nothing"),
    ],
)
def test_words_are_read_as_docker_build_push_action_does(
    text: str, expected: tuple[str, ...]
) -> None:
    assert lists.words(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a=b, c\n  d=e", ("a=b, c", "d=e"), id="a comma is part of the item"),
        pytest.param('a="quoted"', ('a="quoted"',), id="a quote inside is literal"),
        pytest.param('A=it"s', ('A=it"s',), id="an odd quote inside is literal"),
        pytest.param('a={"k":"v","z":"w"}', ('a={"k":"v","z":"w"}',), id="JSON in a value"),
        pytest.param('"a=x\ny"', ("a=x\ny",), id="a quoted item holds newlines"),
        pytest.param('"a={""k"":""v""}"', ('a={"k":"v"}',), id="a doubled quote is one"),
        pytest.param("A=1\n\n\nB=2", ("A=1", "B=2"), id="empty lines are skipped"),
        pytest.param("A=foo # not comment", ("A=foo # not comment",), id="no comments"),
        pytest.param('A=1\n  "B=x\ny"\nC=3', ("A=1", '"B=x', 'y"', "C=3"), id="indented quote"),
        pytest.param(
            'type=registry,"ref=a,b",mode=max', ("type=registry,ref=a,b,mode=max",), id="inner"
        ),
        pytest.param('"a"b', ('"a"b',), id="a quote closed too early is literal"),
    ],
)
def test_lines_are_read_as_docker_build_push_action_does(
    text: str, expected: tuple[str, ...]
) -> None:
    assert lists.lines(text) == expected


def test_an_open_quote_is_an_error() -> None:
    with pytest.raises(ValueError, match="never closed"):
        lists.lines('"A=unterminated')


def test_secrets_keep_their_spaces() -> None:
    assert lists.untrimmed_lines("A=abc  \nB=  x \n\n") == ("A=abc  ", "B=  x ")
    assert lists.untrimmed_lines('A="b\nc"') == ('A="b', 'c"')


def test_raw_lines_keep_quotes() -> None:
    assert lists.raw_lines('"env.no_proxy=a,b"\r\nnetwork=host') == (
        '"env.no_proxy=a,b"',
        "network=host",
    )


@pytest.mark.parametrize(
    ("flags", "env", "expected"),
    [
        pytest.param({}, {"INPUT_CACHE-FROM": "a"}, {"cache-from": "a"}, id="as GitHub spells it"),
        pytest.param({}, {"INPUT_CACHE_FROM": "a"}, {"cache-from": "a"}, id="as a shell can"),
        pytest.param(
            {},
            {"INPUT_CACHE-FROM": "hyphen", "INPUT_CACHE_FROM": "underscore"},
            {"cache-from": "hyphen"},
            id="GitHub's spelling wins",
        ),
        pytest.param(
            {"cache-from": "flag"}, {"INPUT_CACHE-FROM": "env"}, {"cache-from": "flag"}, id="a flag"
        ),
        pytest.param({}, {"INPUT_TAGS": "", "PATH": "/bin"}, {}, id="empty is not given"),
    ],
)
def test_inputs_come_from_flags_and_environment(
    flags: dict[str, str], env: dict[str, str], expected: dict[str, str]
) -> None:
    assert parsing.gather(flags, env) == expected


GIVEN_BY_NAME = {"imgae": "x", "config": "y", "zzzzz": "z", "image": "a"}


@pytest.mark.parametrize(
    ("given", "flags", "expected"),
    [
        pytest.param({"image": "a"}, {}, {}, id="only inputs"),
        pytest.param(
            GIVEN_BY_NAME,
            {"zzzzz"},
            {
                "imgae": "imgae is not an input, so its value has no effect. Did you mean 'image'?",
                "config": "config is not an input, so its value has no effect. "
                "Here it is 'buildkitd-config'.",
            },
            id="all but a flag",
        ),
        pytest.param(GIVEN_BY_NAME | {"strict-inputs": " true"}, {}, {}, id="none if strict"),
    ],
)
def test_unknown_inputs_may_be_ignored(
    given: dict[str, str], flags: set[str], expected: dict[str, str]
) -> None:
    assert parsing.ignored(given, flags) == expected


def test_defaults_are_those_of_the_table(parsed: Callable[..., Inputs]) -> None:
    found = parsed()
    assert found.context == ""
    assert found.cache == "auto"
    assert found.cache_mode == "max"
    assert found.push is None
    assert found.cleanup is True
    assert found.logins == ()
    assert found.logout is True


def test_every_row_has_a_field_and_a_sentence() -> None:
    login = {"registry", "username", "password", "registry_auth", "ecr", "scope"}
    secrets = {"secret_files", "secret_envs"}
    builder = {"name", "install", "cache_binary", "cache_image"}
    others = {"images", "files", "strict_inputs"}
    passed = {row.field for row in table.PASSED}
    rows = (*table.TABLE, *table.VARIABLES)
    fields = {row.field for row in rows} - login - secrets - builder - others
    others = {"logins", "idle", "tag_rules", "passed", "warnings", "given"}
    assert fields - passed == set(Inputs.__dataclass_fields__) - others
    assert passed == set(Passed.__dataclass_fields__)
    assert all(row.help.endswith(".") for row in rows)


GIVEN = {
    "annotations": "a=b",
    "append": "- endpoint: tcp://h:1",
    "endpoint": "tcp://h:1",
    "driver": "remote",
    "call": "build",
    "qemu-platforms": "arm64",
    "cache-options": "compression=zstd",
    "cache-repository": "ghcr.io/me/cache",
    "cache-fallback": "a",
    "cache-max-age": "7d",
    "cache-timeout": "5m",
    "flavor": "latest=true",
    "labels": "a=b",
    "lint-ignore": "early-arg",
    "load": "true",
    "push": "true",
    "password": "p",
    "username": "u",
    "secrets": "A=1",
    "tags": "type=sha\nr.io/a:1",
    "use": "true",
    **{row.name: "a:b=c" for row in table.PASSED},
    "allow": "network.host",
    "network": "host",
    "shm-size": "1g",
}


@pytest.mark.parametrize("given", [{}, GIVEN], ids=["the defaults", "what is given"])
def test_every_value_is_of_its_fields_type(given: dict[str, str]) -> None:
    found = parsing.parse({"image": "ghcr.io/me/app"} | given, {})
    for values in (found, found.passed):
        for name, annotation in values.__annotations__.items():
            value = getattr(values, name)
            assert is_of(value, eval(annotation, TYPES)), name  # noqa: S307 (ours)


TYPES = {
    **{one.__name__: one for one in (timedelta, Backend, Driver, Flavor, Login, Node, Passed)},
    **{one.__name__: one for one in (Reference, Rule, Secret)},
    "Mapping": dict,
}


def is_of(value: object, annotation: object) -> bool:
    """Say whether a value is of a type, one of several, or a tuple of any length of one."""
    if get_origin(annotation) is tuple:
        return isinstance(value, tuple) and all(
            isinstance(item, get_args(annotation)[0]) for item in value
        )
    if get_origin(annotation) is dict:
        return isinstance(value, dict)
    return type(value) in (get_args(annotation) or (annotation,))


def test_what_was_given_is_told_without_what_may_be_secret() -> None:
    given = {
        "image": "r.io/a",
        "build-args": "A=1\nB=2",
        "pull": "false",
        "cache": "auto",
        "secrets": "a=hunter2",
        "username": "me",
        "password": "hunter2",
        "cache-from": "type=s3,secret_access_key=hunter2",
        "github-token": "ghp_of_every_job",
    }
    assert parsing.parse(given, {"image": "r.io/known", "branch": "main"}).given == {
        "image": "r.io/a",
        "build-args": "A=1\nB=2",
        "secrets": "",
        "username": "me",
        "password": "",
        "cache-from": "",
    }


def problems_of(**values: str) -> dict[str, str]:
    given = {name.replace("_", "-"): value for name, value in values.items()}
    with pytest.raises(InputError) as raised:
        parsing.parse(given, {})
    return {problem.name: problem.text for problem in raised.value.problems}


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        (
            "cache",
            "readonly",
            (
                "'readonly' is not accepted; use auto, read-write, read-only, "
                "write-only or off. Did you mean 'read-only'?"
            ),
        ),
        ("cache-mode", "maximum", "'maximum' is not accepted; use max or min. Did you mean 'max'?"),
        (
            "driver",
            "podman",
            "'podman' is not accepted; use docker-container, docker, remote or kubernetes.",
        ),
        ("push", "yes", "'yes' is not accepted; use true or false."),
        ("platforms", "amd64", "'amd64' is not accepted; use os/arch, such as linux/amd64."),
        ("labels", "a", "'a' is not accepted; use name=value."),
        ("driver-opts", "host", "'host' is not accepted; use name=value."),
        (
            "buildkit-image-mirrors",
            "r.io/buildkit:1, A B",
            "'A B' is not an image: 'a b' is not a repository's name.",
        ),
        ("build-args", '"A=1', "'\"A=1' cannot be read: a quote is opened and never closed."),
        (
            "cache-repository",
            "a:1",
            "'a:1' has a tag or digest; set the repository only, and use tags for its tags.",
        ),
        ("cache-repository", "A B", "'A B' is not a repository: 'a b' is not a repository's name."),
        (
            "cache-repository",
            "docker.io/me/app/cache",
            (
                "'me/app/cache' cannot be a repository of Docker Hub, which takes "
                "NAMESPACE/REPOSITORY."
            ),
        ),
        (
            "tags",
            "a b",
            "'a b' is neither a tag nor an image reference: 'a b' is not a repository's name.",
        ),
        (
            "builder",
            "1x",
            ("'1x' is not accepted; use a letter, followed by letters, digits and . _ -."),
        ),
        (
            "cache-tag-prefix",
            "-x",
            (
                "'-x' cannot begin a tag; use at most 40 letters, digits and . _ -, "
                "and begin with neither a dot nor a hyphen."
            ),
        ),
        ("registry", "a b", "is not a registry's host, such as ghcr.io."),
        (
            "lint-ignore",
            "cache-mount, cache-monut",
            (
                "'cache-monut' is not accepted; use secret-build-arg, early-arg, early-copy, "
                "dockerignore, file-modes, cache-mount, mode-min, cache-from-only, copy-link or "
                "newest-version. Did you mean 'cache-mount'?"
            ),
        ),
        ("add-hosts", "nexus", "'nexus' is not accepted; use NAME:IP."),
        ("attests", "sbom", "'sbom' is not accepted; use type=provenance or type=sbom."),
        (
            "build-contexts",
            "../lib",
            "'../lib' is not accepted; use NAME=directory, image or URL.",
        ),
        (
            "build-contexts",
            "a={{default}}",
            "'{{default}}' is not supported; use {{defaultContext}}.",
        ),
        (
            "call",
            "checks",
            (
                "'checks' is not accepted; use build, check, lint, outline, targets "
                "or subrequests.describe. Did you mean 'check'?"
            ),
        ),
        (
            "context",
            "https://me:token@r.io/{{ branch }}",
            "'{{ branch }}' is not supported; use {{defaultContext}}.",
        ),
        ("ulimit", "nofile", "'nofile' is not accepted; use NAME=soft:hard."),
        ("imgae", "x", "is not an input. Did you mean 'image'?"),
        ("zzzzz", "x", "is not an input."),
        ("config", "x", "is not an input. Here it is 'buildkitd-config'."),
        ("session", "x", "is not an input. Set AWS_SESSION_TOKEN in the environment."),
        ("strict-inputs", "x", "'x' is not accepted; use true or false."),
        ("cache-image", "x", "'x' is not accepted; use true or false."),
    ],
)
def test_a_wrong_input_says_what_is_accepted(name: str, value: str, text: str) -> None:
    given = {"image": "app", "username": "me", "password": "secret"} | {name: value}
    with pytest.raises(InputError) as raised:
        parsing.parse(given, {})
    assert [(problem.name, problem.text) for problem in raised.value.problems] == [(name, text)]


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"call": "check"}, id="a call"),
        pytest.param({"call": "check", "push": "true"}, id="a call, whatever else"),
        pytest.param({"outputs": "type=local,dest=out"}, id="an output"),
        pytest.param({"push": "false"}, id="no push"),
        pytest.param({}, id="nothing"),
        pytest.param({"call": "build"}, id="a build"),
        pytest.param({"source": "."}, id="files of the usual names"),
        pytest.param({"targets": "web", "push": "true"}, id="targets, which have names"),
    ],
)
def test_what_is_not_told_to_be_pushed_needs_no_name(given: dict[str, str]) -> None:
    assert parsing.parse(given, {}).image == ()


@pytest.mark.parametrize("given", [{}, {"outputs": "out"}, {"call": "build"}])
def test_what_is_pushed_needs_a_name(given: dict[str, str]) -> None:
    assert problems_of(push="true", **given) == {
        "image": "is missing, and push is true; set it to the image's repository, such as "
        "ghcr.io/me/app."
    }


def test_bake_knows_no_cgroup() -> None:
    found = problems_of(
        image="a",
        cgroup_parent="/ci",
        cache_backend="azblob",
        cache_options="account_url=https://a",
    )
    assert found == {
        "cgroup-parent": "cannot be set with cache backend 'azblob', which needs buildx bake; "
        "bake does not support it."
    }


def test_all_problems_come_at_once() -> None:
    assert set(problems_of(cache="x", push="x", imgae="x")) == {"cache", "push", "imgae"}


def test_problems_come_in_the_order_of_the_table_each_once() -> None:
    given = {"probe": "x", "keep-state": "y", "builder": "b", "push": "z", "imgae": "x"}
    with pytest.raises(InputError) as raised:
        parsing.parse({"image": "a", "cache-history": "0"} | given, {})
    names = [problem.name for problem in raised.value.problems]
    assert names == ["imgae", "push", "keep-state", "cache-history", "probe"]


def test_an_error_counts_its_problems() -> None:
    with pytest.raises(InputError, match="2 inputs are not usable, so nothing was started:\n  "):
        parsing.parse({"image": "app", "cache": "x", "push": "y"}, {})
    with pytest.raises(InputError, match="one input is not usable"):
        parsing.parse({"image": "app", "cache": "x"}, {})


@pytest.mark.parametrize(
    ("given", "name"),
    [
        pytest.param({"secrets": "hunter2"}, "secrets", id="no value"),
        pytest.param({"secrets": "a,b=hunter2"}, "secrets", id="a comma in the ID"),
        pytest.param({"secrets": "A=hunter2\n=hunter2"}, "secrets", id="no ID"),
        pytest.param({"secrets": '"A=hunter2'}, "secrets", id="an open quote"),
        pytest.param({"secret-files": "hunter2"}, "secret-files", id="a file without an ID"),
        pytest.param({"secret-envs": "hunter2"}, "secret-envs", id="a variable without an ID"),
        pytest.param({"password": "hunter2"}, "username", id="a password without a name"),
    ],
)
def test_a_wrong_secret_is_never_shown(given: dict[str, str], name: str) -> None:
    with pytest.raises(InputError) as raised:
        parsing.parse({"image": "app"} | given, {})
    assert [problem.name for problem in raised.value.problems] == [name]
    assert "hunter2" not in str(raised.value)


def test_one_id_has_the_last_value(parsed: Callable[..., Inputs]) -> None:
    found = parsed(secrets="A=1\nB=2\nA=3", secret_files="A=/a", secret_envs="A=X,B=Y")
    assert found.secrets == (Secret(id="A", path="/a"), Secret(id="B", value="2"))
    assert found.warnings == (
        "item 1 of secret-envs is ignored: item 1 of secrets has the same ID",
        "item 2 of secret-envs is ignored: item 2 of secrets has the same ID",
        "item 1 of secrets is ignored: item 3 of secrets has the same ID",
        "item 3 of secrets is ignored: item 1 of secret-files has the same ID",
    )


def test_secrets_come_from_values_files_and_variables(
    parsed: Callable[..., Inputs],
) -> None:
    found = parsed(secrets="A=1=2\nB= x ", secret_files="C=/c,d", secret_envs="D=TOKEN").secrets
    assert found == (
        Secret(id="D", variable="TOKEN"),
        Secret(id="A", value="1=2"),
        Secret(id="B", value=" x "),
        Secret(id="C", path="/c,d"),
    )


def test_secrets_are_in_no_representation(parsed: Callable[..., Inputs]) -> None:
    found = parsed(username="me", password="hunter2", secrets="A=hunter2", github_token="hunter2")
    assert "hunter2" not in repr(found)
    assert set(found.secret_values) == {"hunter2"}


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"tags": "latest"}, {"tags": "'latest' is a tag without an image; set image."}),
        (
            {"image": "app:1"},
            {
                "image": "'app:1' has a tag or digest; set the repository only, "
                "and use tags for its tags."
            },
        ),
        (
            {"image": "app", "username": "me"},
            {
                "password": "is missing: a login needs a user name and a password; Docker Hub "
                "takes a user name and an access token."
            },
        ),
    ],
)
def test_inputs_that_do_not_go_together(given: dict[str, str], text: dict[str, str]) -> None:
    with pytest.raises(InputError) as raised:
        parsing.parse(given, {})
    assert {problem.name: problem.text for problem in raised.value.problems} == text


def test_full_references_need_no_image() -> None:
    assert parsing.parse({"tags": "ghcr.io/me/app:1"}, {}).tags == ("ghcr.io/me/app:1",)


def test_nothing_to_name_is_fine_where_nothing_is_pushed() -> None:
    assert parsing.parse({"push": "false"}, {}).image == ()


KNOWN = {"image": "r.io/group/app", "registry": "r.io", "username": "job", "password": "token"}


@pytest.mark.parametrize(
    ("given", "missing"), [({"username": "me"}, "password"), ({"password": "x"}, "username")]
)
def test_half_a_login_is_not_completed_by_the_ci_systems(
    given: dict[str, str], missing: str
) -> None:
    with pytest.raises(InputError) as raised:
        parsing.parse(given, KNOWN)
    assert [problem.name for problem in raised.value.problems] == [missing]


def test_an_input_has_a_variable_that_a_shell_can_set() -> None:
    assert table.variable("cache-from") == "INPUT_CACHE_FROM"


def every_problem(**values: str) -> list[tuple[str, str]]:
    given = {"image": "app"} | {name.replace("_", "-"): value for name, value in values.items()}
    with pytest.raises(InputError) as raised:
        parsing.parse(given, {})
    return [(problem.name, problem.text) for problem in raised.value.problems]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param(
            {"cache_backend": "registries", "cache_options": "bucket=b", "cache_dir": "/c"},
            [
                (
                    "cache-backend",
                    (
                        "'registries' is not accepted; use registry, inline, local, gha, "
                        "s3 or azblob. Did you mean 'registry'?"
                    ),
                )
            ],
            id="an unknown backend, whose options nobody knows",
        ),
        pytest.param(
            {"cache_backend": "s3", "cache_options": "bukcet=b"},
            [
                (
                    "cache-options",
                    "'bukcet' cannot be set for backend 's3'. Did you mean 'bucket'?",
                ),
                ("cache-options", "backend 's3' needs bucket=…."),
                ("cache-options", "backend 's3' needs region=…."),
            ],
            id="a slip of the pen",
        ),
        pytest.param(
            {"cache_backend": "s3", "cache_options": "bucket, region="},
            [
                ("cache-options", "item 1 is not of the form name=value."),
                ("cache-options", "item 2 is not of the form name=value."),
            ],
            id="no values",
        ),
        pytest.param(
            {"cache_options": "mode=max, bucket=b, compression=zstd"},
            [
                ("cache-options", "'mode' cannot be set for backend 'registry'."),
                ("cache-options", "'bucket' cannot be set for backend 'registry'."),
            ],
            id="attributes that are warmbuild's to set, and another backend's",
        ),
        pytest.param(
            {"cache_backend": "azblob"},
            [("cache-options", "backend 'azblob' needs account_url=….")],
            id="an account that is missing",
        ),
        pytest.param(
            {"cache_backend": "local"},
            [("cache-dir", "is missing: backend 'local' needs a directory.")],
            id="a directory that is missing",
        ),
        pytest.param(
            {
                "cache_backend": "gha",
                "cache_dir": "/c",
                "cache_stages": "build",
                "cache_history": "2",
                "cache_max_age": "7d",
            },
            [
                (
                    "cache-dir",
                    "is not supported by backend 'gha'; use cache-backend: local.",
                ),
                (
                    "cache-stages",
                    (
                        "is not supported by backend 'gha', which caches all stages anyway; "
                        "cache-stages is for cache-backend: inline."
                    ),
                ),
                (
                    "cache-history",
                    "is not supported by backend 'gha', which keeps one generation only.",
                ),
                (
                    "cache-max-age",
                    "is not supported by backend 'gha', which does not tell the age of a cache.",
                ),
            ],
            id="four inputs that are of no use at once",
        ),
        pytest.param(
            {"cache_backend": "gha", "lazy": "true"},
            [
                (
                    "lazy",
                    "is not supported by backend 'gha', whose layers BuildKit reads as a whole.",
                )
            ],
            id="layers that cannot be read in part",
        ),
        pytest.param(
            {
                "cache_options": "compression=zstd,compression-level=3,force-compression=true",
                "lazy": "true",
            },
            [
                (
                    "cache-options",
                    "compression conflicts with lazy, which sets it; set only one of them.",
                ),
                (
                    "cache-options",
                    "compression-level conflicts with lazy, which sets it; set only one of them.",
                ),
                (
                    "cache-options",
                    "force-compression conflicts with lazy, which sets it; set only one of them.",
                ),
            ],
            id="a compression that is set twice",
        ),
        pytest.param(
            {"compression": "zstd", "lazy": "true"},
            [("compression", "conflicts with lazy, which sets it; set only one of them.")],
            id="another one than lazy needs",
        ),
        pytest.param(
            {"compression": "zstd", "cache_options": "compression-level=3"},
            [
                (
                    "cache-options",
                    (
                        "compression-level conflicts with compression, which sets it; set only one "
                        "of them."
                    ),
                )
            ],
            id="a level in two places",
        ),
        pytest.param(
            {"compression": "lz4"},
            [
                (
                    "compression",
                    (
                        "'lz4' is not accepted; use gzip or zstd, with a level if need be, such as "
                        "gzip:1."
                    ),
                )
            ],
            id="an unknown compression",
        ),
        pytest.param(
            {"cache_stages": "1st, final stage"},
            [
                (
                    "cache-stages",
                    (
                        "is not supported by backend 'registry', which caches all stages anyway; "
                        "cache-stages is for cache-backend: inline."
                    ),
                ),
                ("cache-stages", "'1st' is not accepted; use the name of a stage."),
                ("cache-stages", "'final stage' is not accepted; use the name of a stage."),
            ],
            id="names that no stage can have",
        ),
        pytest.param(
            {"cache_scope": "a b", "cache_version": "v+1"},
            [
                ("cache-scope", "'a b' is not accepted; use letters, digits and . _ / -."),
                ("cache-version", "'v+1' is not accepted; use letters, digits and . _ / -."),
            ],
            id="a scope and a version with other signs",
        ),
        pytest.param(
            {"cache_history": "0", "cache_max_age": "0d", "cache_timeout": "5"},
            [
                ("cache-history", "'0' is not accepted; use 1 to 9."),
                (
                    "cache-max-age",
                    "'0d' is not a duration; use a number and s, m, h, d or w, such as 90m.",
                ),
                (
                    "cache-timeout",
                    "'5' is not a duration; use a number and s, m, h, d or w, such as 90m.",
                ),
            ],
            id="numbers and times",
        ),
        pytest.param(
            {"cache_history": "10"},
            [("cache-history", "'10' is not accepted; use 1 to 9.")],
            id="more generations than there can be",
        ),
        pytest.param(
            {"cache_history": "two", "cache_import": "all", "cache_export": "before"},
            [
                ("cache-import", "'all' is not accepted; use auto, first or union."),
                ("cache-export", "'before' is not accepted; use after or with."),
                ("cache-history", "'two' is not accepted; use 1 to 9."),
            ],
            id="words that are none",
        ),
    ],
)
def test_every_problem_of_the_cache_is_said_at_once(
    values: dict[str, str], expected: list[tuple[str, str]]
) -> None:
    assert every_problem(**values) == expected


@pytest.mark.parametrize("option", ["secret_access_key", "access_key_id", "session_token"])
def test_a_secret_option_is_refused_with_what_holds_it(option: str) -> None:
    (problem,) = every_problem(
        cache_backend="s3", cache_options=f"bucket=b,region=r,{option}=hunter2"
    )
    assert problem == (
        "cache-options",
        (
            f"{option} is secret, and this input is not; set AWS_{option.upper()} in the "
            "environment instead."
        ),
    )


@pytest.mark.parametrize(
    "values",
    [
        {"cache_backend": "azblob", "cache_options": "account_url=u, secret_access_key=hunter2"},
        {"cache_backend": "gha", "cache_options": "token=hunter2"},
        {"cache_backend": "gha", "cache_options": "ghtoken=hunter2"},
        {"cache_backend": "registry", "cache_options": "secret_access_key=hunter2"},
        {"cache_backend": "s3", "cache_options": '"bucket=b\nsecret_access_key=hunter2'},
        {"cache_from": '"type=s3,secret_access_key=hunter2'},
        {"cache_to": '"type=s3,secret_access_key=hunter2'},
    ],
    ids=str,
)
def test_no_problem_shows_a_secret_option(values: dict[str, str]) -> None:
    assert "hunter2" not in str(every_problem(**values))


@pytest.mark.parametrize(
    "values",
    [
        {"cache_backend": "local", "cache": "off"},
        {"cache_backend": "s3", "cache_to": "type=inline"},
        {"cache_backend": "gha", "cache_from": "type=gha", "cache_dir": "/c"},
    ],
    ids=str,
)
def test_a_backend_that_is_not_used_needs_nothing(
    parsed: Callable[..., Inputs], values: dict[str, str]
) -> None:
    assert parsed(**values).cache_backend.name == values["cache_backend"]


@pytest.mark.parametrize(
    ("values", "options"),
    [
        ({"cache_backend": "registry"}, "registry.insecure=true, compression=zstd"),
        ({"cache_backend": "inline", "cache_stages": "build,Test_2.x"}, "registry.insecure=true"),
        ({"cache_backend": "local", "cache_dir": "/c"}, "compression=zstd,compression-level=3"),
        ({"cache_backend": "gha"}, "version=2,url=u,url_v2=v,timeout=1m"),
        ({"cache_backend": "s3"}, "bucket=b\nregion=r\nprefix=p/\nupload_parallelism=8"),
        ({"cache_backend": "azblob"}, "account_url=https://a?b=c,container=d"),
    ],
    ids=str,
)
def test_every_backend_has_options(
    parsed: Callable[..., Inputs], values: dict[str, str], options: str
) -> None:
    found = parsed(cache_options=options, **values)
    assert found.cache_backend is BACKENDS[values["cache_backend"]]
    assert found.cache_options == tuple(
        part.strip() for line in options.split("\n") for part in line.split(",")
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        ("36h", timedelta(hours=36)),
        (" 7d ", timedelta(days=7)),
        ("99999w", timedelta(weeks=99_999)),
    ],
)
def test_a_time_has_a_unit(
    parsed: Callable[..., Inputs], text: str, expected: timedelta | None
) -> None:
    assert parsed(cache_max_age=text).cache_max_age == expected


@pytest.mark.parametrize("text", ["7", "d", "-7d", "7 d", "7D", "1.5h", "1d12h", "100000d"])
def test_what_is_no_time_is_said(text: str) -> None:
    assert every_problem(cache_max_age=text) == [
        (
            "cache-max-age",
            f"{text!r} is not a duration; use a number and s, m, h, d or w, such as 90m.",
        )
    ]


def test_the_cache_has_defaults(parsed: Callable[..., Inputs]) -> None:
    found = parsed()
    assert found.cache_backend is BACKENDS["registry"]
    assert (found.cache_import, found.cache_export, found.cache_history) == ("auto", "after", 1)
    assert (found.cache_max_age, found.cache_timeout) == (None, timedelta(minutes=10))
    assert (found.cache_strict, found.refresh) == (False, False)
    assert (found.cache_scope, found.cache_version, found.cache_stages) == ("", "", ())


def test_an_input_has_to_be_a_text() -> None:
    given = {"image": "r.io/a", "labels": "a=\udcff", "cache-history": "9" * 5_000}
    with pytest.raises(InputError) as caught:
        parsing.parse(given, {"username": "x", "password": "\ud800", "registry": "r.io"})
    labels, history = caught.value.problems
    assert (labels.name, labels.text) == ("labels", "contains bytes that are not UTF-8.")
    assert history.name == "cache-history"
