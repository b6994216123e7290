from __future__ import annotations

from typing import TYPE_CHECKING

from warmbuild.ci import gitlab

if TYPE_CHECKING:
    from pathlib import Path


def test_gitlab_gets_nodes_without_a_space(tmp_path: Path) -> None:
    gitlab.publish({"CI_PROJECT_DIR": str(tmp_path)}, {"nodes": '["--debug --oci"]'}, "")
    text = (tmp_path / "warmbuild.env").read_text()
    assert text == 'WARMBUILD_NODES=["--debug\\u0020--oci"]\n'
