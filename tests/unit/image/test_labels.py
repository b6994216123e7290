from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tests.plans import planned
from tests.runs import SHA, SHOP
from warmbuild import trust
from warmbuild.image import labels
from warmbuild.run_context import Project, RunContext

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.inputs.values import Inputs


def test_rules_add_labels_and_given_ones_win(
    parsed: Callable[..., Inputs],
) -> None:
    assert planned(parsed(labels="a=b"), SHOP).labels == ("a=b",)
    title = "org.opencontainers.image.title=Socks"
    found = planned(parsed(tags="type=sha", labels=f"a=b\n{title}"), SHOP)
    assert found.labels == (
        "a=b",
        "org.opencontainers.image.created=2025-12-31T23:59:58Z",
        "org.opencontainers.image.description=Sells socks",
        "org.opencontainers.image.licenses=MIT",
        f"org.opencontainers.image.revision={SHA}",
        "org.opencontainers.image.source=https://github.com/octo/shop",
        title,
        "org.opencontainers.image.url=https://github.com/octo/shop",
        "org.opencontainers.image.version=sha-860c190",
    )
    # The same commit is the same image whenever it is built.
    later = replace(SHOP, begun=datetime(2027, 1, 1, tzinfo=UTC))
    assert planned(parsed(tags="type=sha", labels=f"a=b\n{title}"), later).labels == found.labels


def test_unknown_facts_are_left_out_of_labels(parsed: Callable[..., Inputs]) -> None:
    found = planned(
        parsed(flavor="latest=true"), RunContext(ci="local", trust=trust.LOCAL, branch="x")
    )
    assert found.labels == ("org.opencontainers.image.version=x",)
    assert found.tags == ("ghcr.io/me/app:x", "ghcr.io/me/app:latest")


def test_rules_add_labels_to_given_annotations(
    parsed: Callable[..., Inputs],
) -> None:
    run = RunContext(ci="local", trust=trust.LOCAL, branch="x", commit=SHA)
    given = "index:org.opencontainers.image.title=Socks\nkey=value"
    assert planned(parsed(annotations=given), run).annotations == tuple(given.splitlines())
    assert planned(parsed(tags="type=sha"), run).annotations == ()
    assert planned(parsed(tags="type=sha", annotations=given), run).annotations == (
        "manifest:key=value",
        f"manifest:org.opencontainers.image.revision={SHA}",
        "manifest:org.opencontainers.image.version=sha-860c190",
        "index:org.opencontainers.image.title=Socks",
    )


def test_annotations_are_told_of_an_image_that_has_none(parsed: Callable[..., Inputs]) -> None:
    run = RunContext(ci="local", trust=trust.LOCAL, branch="x", commit=SHA)
    levels = ("manifest", "index[linux/amd64]")
    found = planned(replace(parsed(tags="type=sha"), annotations_levels=levels), run)
    assert found.annotations == ()
    assert found.told_annotations == (
        f"manifest:org.opencontainers.image.revision={SHA}",
        "manifest:org.opencontainers.image.version=sha-860c190",
        f"index[linux/amd64]:org.opencontainers.image.revision={SHA}",
        "index[linux/amd64]:org.opencontainers.image.version=sha-860c190",
    )
    # Without rules, the levels are those that the annotations name.
    plain = planned(replace(parsed(annotations="a=b"), annotations_levels=levels), run)
    assert plain.annotations == plain.told_annotations == ("a=b",)


def test_one_of_our_own_labels_replaces_what_is_known(parsed: Callable[..., Inputs]) -> None:
    run = RunContext(ci="local", trust=trust.LOCAL, branch="x")
    given = "org.opencontainers.image.version=7"
    assert planned(parsed(tags="type=sha\nx", annotations=given), run).annotations == (
        f"manifest:{given}",
    )


def test_expressions_and_comments_in_labels(parsed: Callable[..., Inputs]) -> None:
    run = replace(SHOP, project=Project())
    labels = (
        "# ours\norg.opencontainers.image.created={{commit_date 'YYYY-MM-DD[T]HH:mm:ss.SSS[Z]'}}\n"
        "com.example.branch={{branch}}"
    )
    found = planned(parsed(tags="type=sha", labels=labels, flavor="# none\nlatest=false"), run)
    assert found.labels == (
        "com.example.branch=main",
        "org.opencontainers.image.created=2025-12-31T23:59:58.000Z",
        f"org.opencontainers.image.revision={SHA}",
        "org.opencontainers.image.version=sha-860c190",
    )


def test_expressions_in_annotations(parsed: Callable[..., Inputs]) -> None:
    given = "# ours\nindex:com.example.built={{date 'YYYY'}}"
    found = planned(parsed(tags="type=sha", annotations=given), SHOP)
    assert found.annotations[-1] == "index:com.example.built=2026"


def test_labels_without_rules_are_not_changed(parsed: Callable[..., Inputs]) -> None:
    assert planned(parsed(labels="rule={{ .Host }}"), SHOP).labels == ("rule={{ .Host }}",)


def test_what_changes_with_each_commit_is_no_part_of_what_lasts() -> None:
    names = ("created", "revision", "version", "title")
    given = [f"org.opencontainers.image.{name}=x" for name in names]
    assert labels.lasting(given) == (given[-1],)
    leveled = [f"index[linux/amd64]:{text}" for text in given]
    assert labels.lasting(("a=b", *leveled)) == ("a=b", leveled[-1])
