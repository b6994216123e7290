from __future__ import annotations

from warmbuild.buildkit import builder_commands


def test_removal_is_forced() -> None:
    assert builder_commands.remove("b", keep_state=False) == ("rm", "--force", "b")


def test_the_arguments_that_ask_for_nodes() -> None:
    assert builder_commands.inspect("b", bootstrap=False) == ("inspect", "b")
    assert builder_commands.inspect("b", bootstrap=True) == ("inspect", "--bootstrap", "b")
