from __future__ import annotations

import pytest

from warmbuild import secret_texts
from warmbuild.secret_texts import redactor


@pytest.mark.parametrize(
    ("secrets", "text", "expected"),
    [
        pytest.param([], "a b", "a b", id="nothing to hide"),
        pytest.param([""], "a b", "a b", id="an empty secret"),
        pytest.param(["it's"], "say it's me", "say *** me", id="a quote"),
        pytest.param(["x"], "axb", "a***b", id="however short"),
        pytest.param(["$a.*"], "aa $a.* aa", "aa *** aa", id="no pattern"),
        pytest.param(["abcd", "abcdef"], "abcdef", "***", id="the longest first"),
        pytest.param(["abcdefghi"], "abcdefgh abcdefghi", "abcdefgh ***", id="a mere beginning"),
        pytest.param(["first line\nab\nlast line"], "last line", "***", id="a line of it"),
        pytest.param(["first line\nab\nlast line"], "ab", "ab", id="but for tiny ones"),
        pytest.param([" spaced "], "a spaced b", "a *** b", id="without its spaces"),
        pytest.param(['a"b,c'], '"token=a""b,c"', '"token=***"', id="as CSV has it"),
        pytest.param(["hunter2"], "https://me:hunter2@a", "https://***@a", id="within an address"),
    ],
)
def test_secrets_are_hidden(secrets: list[str], text: str, expected: str) -> None:
    assert redactor(secrets)(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://me:hunter2@a/b", ["hunter2", "hunter2"]),
        ("https://hunter2@a", ["hunter2", "hunter2"]),
        ("https://hunter2:x-oauth-basic@a", ["hunter2", "hunter2"]),
        ("http://me:s%2Fsame@a and git://b:sesame@c", ["s%2Fsame", "s/same", "sesame", "sesame"]),
        ("ssh://git@a/b git@a:b docker-image://a:b@sha256:c", []),
        ("http://me:abc@a", []),
    ],
)
def test_what_is_secret_in_an_address(text: str, expected: list[str]) -> None:
    assert list(secret_texts.in_urls(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("type=s3,name=a,secret_access_key=b/c+d==", ["b/c+d=="]),
        ('type=azblob,"secret_access_key=a,""b""c"', ['a,"b"c']),
        ("type=gha,TOKEN=one1,ghtoken=two2,mytoken=four,token=,token=abc", ["one1", "two2"]),
        ("*.cache-to=type=s3,session_token=one1\nb.args.token=two2", ["one1", "two2"]),
        ("type=s3,endpoint_url=http://me:hunter2@a", ["hunter2", "hunter2"]),
    ],
)
def test_what_is_secret_in_the_entry_of_a_cache(text: str, expected: list[str]) -> None:
    assert list(secret_texts.in_attributes(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("type=s3,name=a,secret_access_key=b,mode=max", "type=s3,name=a,mode=max"),
        ('"token=a,b",type=gha', "type=gha"),
        ("type=s3,url=http://a:b@c", "type=s3,url=http://c"),
        ('type="registry",ref=a/b:c', 'type="registry",ref=a/b:c'),
        ("a/b:c", "a/b:c"),
    ],
)
def test_an_entry_without_its_secrets(text: str, expected: str) -> None:
    assert secret_texts.left_out(text) == expected
