from __future__ import annotations

import pytest

from warmbuild.ci.local import PROVIDER
from warmbuild.run_context import RunContext
from warmbuild.trust import LOCAL

SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param({}, {}, id="no repository"),
        pytest.param(
            {
                "/w/.git/HEAD": "ref: refs/heads/feature/x\n",
                "/w/.git/refs/heads/feature/x": f"{SHA}\n",
                "/w/.git/refs/remotes/origin/HEAD": "ref: refs/remotes/origin/main\n",
            },
            {"branch": "feature/x", "commit": SHA, "default_branch": "main"},
            id="a branch",
        ),
        pytest.param(
            {
                "/w/.git/HEAD": "ref: refs/heads/main",
                "/w/.git/packed-refs": f"# pack-refs with: peeled\n{SHA} refs/heads/main\n^{SHA}\n",
            },
            {"branch": "main", "commit": SHA},
            id="packed refs",
        ),
        pytest.param({"/w/.git/HEAD": SHA}, {"commit": SHA}, id="detached"),
        pytest.param({"/w/.git/HEAD": "ref: refs/heads/.invalid"}, {}, id="a reftable repository"),
        pytest.param(
            {
                "/w/.git": "gitdir: /repo/.git/worktrees/w\n",
                "/repo/.git/worktrees/w/HEAD": "ref: refs/heads/x",
                "/repo/.git/worktrees/w/commondir": "../..\n",
                "/repo/.git/worktrees/w/../../refs/heads/x": SHA,
            },
            {"branch": "x", "commit": SHA},
            id="a linked work tree",
        ),
        pytest.param({"/w/.git/HEAD": "ref: refs/bisect/x"}, {}, id="a ref that is no branch"),
    ],
)
def test_a_local_run_reads_gits_own_files(
    files: dict[str, str], expected: dict[str, object]
) -> None:
    found = PROVIDER.context({}, "/w/sub", files.get)
    assert found == RunContext(ci="local", event="local", trust=LOCAL, **expected)  # type: ignore[arg-type]


def test_a_local_run_writes_plain_text(capsys: pytest.CaptureFixture[str]) -> None:
    PROVIDER.open_group("plan")
    PROVIDER.warning("careful", "", 0)
    PROVIDER.fail("gone", "", 0)
    PROVIDER.close_group("plan")
    PROVIDER.publish({}, {"digest": "x"})
    assert capsys.readouterr().out == "== plan\nwarning: careful\nerror: gone\n"
    assert PROVIDER.known_inputs({}, {}) == {}
    assert PROVIDER.output_files({}) == ()
    assert PROVIDER.mask is None
    assert PROVIDER.pipeline_file({"CI_CONFIG_PATH": "ci/build.yml"}) == ""
