"""Paths that files and inputs of untrusted code name, and where they lead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from warmbuild import trust
from warmbuild.bake.targets import Target
from warmbuild.commands import confinement
from warmbuild.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from warmbuild.inputs.values import Inputs

FORK = "the code comes from a fork"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a checkout with the link `away`, and the files `Dockerfile` and `lib/file`."""
    place = tmp_path / "checkout"
    (place / "lib").mkdir(parents=True)
    (place / "lib" / "file").touch()
    (place / "Dockerfile").touch()
    (place / "away").symlink_to(tmp_path)
    (place / "loop").symlink_to("loop")
    (place / "near").symlink_to("lib")
    monkeypatch.chdir(place)
    return place


def target(**definition: object) -> Target:
    found = {name.replace("_", "-"): value for name, value in definition.items()}
    return Target(name="web", definition=found, linked=False)


class TestInputs:
    @pytest.mark.parametrize(
        ("values", "name", "path"),
        [
            pytest.param({"context": "away"}, "context", "away", id="the context"),
            pytest.param({"context": "lib/../away/x"}, "context", "lib/../away/x", id="below it"),
            pytest.param({"context": "loop"}, "context", "loop", id="a link to itself"),
            pytest.param({"file": "away/D"}, "file", "away/D", id="the Dockerfile"),
            pytest.param({"build_contexts": "a=away"}, "build-contexts", "away", id="a context"),
            pytest.param(
                {"build_contexts": "a=oci-layout://away:1"}, "build-contexts", "away", id="a layout"
            ),
            pytest.param({"secret_files": "a=away/s"}, "secret-files", "away/s", id="a secret"),
            pytest.param({"ssh": "a=away/k"}, "ssh", "away/k", id="a key"),
            pytest.param({"outputs": "away"}, "outputs", "away", id="an output"),
            pytest.param(
                {"outputs": "type=tar,dest=away/t"}, "outputs", "away/t", id="an output in a file"
            ),
            pytest.param(
                {"cache_from": "type=local,src=away"}, "cache-from", "away", id="a cache to read"
            ),
            pytest.param(
                {"cache_to": "type=local,dest=away"}, "cache-to", "away", id="a cache to write"
            ),
            pytest.param(
                {"cache_backend": "local", "cache_dir": "away"}, "cache-dir", "away", id="caches"
            ),
            pytest.param(
                {"buildkitd_config": "away/t"}, "buildkitd-config", "away/t", id="a configuration"
            ),
            pytest.param({"output_file": "away/o"}, "output-file", "away/o", id="the outputs"),
            pytest.param({"summary_file": "away/s"}, "summary-file", "away/s", id="the summary"),
            pytest.param({"bake_files": "away/b.hcl"}, "bake-files", "away/b.hcl", id="a file"),
        ],
    )
    def test_a_link_leads_out(
        self, parsed: Callable[..., Inputs], values: dict[str, str], name: str, path: str
    ) -> None:
        with pytest.raises(InputError) as caught:
            confinement.check_inputs(parsed(**values), {}, trust.FORK)
        said = f"leads out of this directory by a link, and {FORK}."
        assert f"{name}: {path!r} {said}" in str(caught.value)
        confinement.check_inputs(parsed(**values), {}, trust.TRUSTED)

    @pytest.mark.parametrize(
        "values",
        [
            pytest.param({}, id="nothing"),
            pytest.param({"context": "lib", "file": "Dockerfile"}, id="what is here"),
            pytest.param({"context": "near"}, id="a link that stays here"),
            pytest.param({"context": "nowhere"}, id="what is missing"),
            pytest.param({"context": "https://github.com/me/app.git#main"}, id="a URL"),
            pytest.param(
                {"context": "../other", "secret_files": "a=/etc/s"}, id="what lies elsewhere"
            ),
            pytest.param({"outputs": "type=registry,name=r.io/a", "ssh": "default"}, id="no path"),
        ],
    )
    def test_what_no_link_changes(
        self, parsed: Callable[..., Inputs], values: dict[str, str]
    ) -> None:
        confinement.check_inputs(parsed(**values), {}, trust.FORK)

    def test_a_link_may_lead_through_the_whole_checkout(
        self, parsed: Callable[..., Inputs], here: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (here / ".git").mkdir()
        (here / "lib" / "all").symlink_to("..")
        monkeypatch.chdir(here / "lib")
        confinement.check_inputs(parsed(context="all"), {}, trust.FORK)
        with pytest.raises(InputError, match=r"'\.\./away' leads out"):
            confinement.check_inputs(parsed(context="../away"), {}, trust.FORK)


class TestFiles:
    def check(self, *paths: str) -> str:
        """Return what is wrong with compose files."""
        try:
            confinement.check_files([("compose-files", path) for path in paths], trust.FORK)
        except InputError as error:
            return str(error)
        return ""

    def test_a_link_is_none_of_the_checkout(self, here: Path, tmp_path: Path) -> None:
        (tmp_path / "bake.hcl").touch()
        (here / "bake.hcl").symlink_to(tmp_path / "bake.hcl")
        assert "'bake.hcl' leads out of this directory by a link" in self.check("bake.hcl")
        assert "'away/bake.hcl' leads out" in self.check("away/bake.hcl")
        confinement.check_files([("bake-files", "bake.hcl")], trust.LOCAL)

    def test_what_a_compose_file_reads(self, here: Path) -> None:
        (here / "compose.yml").write_text("include: [lib/a.yml]")
        (here / "lib" / "a.yml").write_text(
            "services: {a: {extends: {file: b.yml, service: b}, env_file: ../e}}"
        )
        (here / "lib" / "b.yml").write_text("include: [../compose.yml]")
        assert self.check("compose.yml") == ""
        (here / "lib" / "b.yml").write_text("services: {b: {env_file: ../../e}}")
        assert "lib/b.yml reads 'lib/../../e', which lies outside" in self.check("compose.yml")

    def test_what_buildx_reads_beside_it(self, here: Path, tmp_path: Path) -> None:
        (here / "compose").write_text("include: [lib/a.yml]")
        (here / "lib" / "a.yml").touch()
        (here / "lib" / ".env").symlink_to(tmp_path / "secret")
        assert "lib/a.yml reads 'lib/.env', which lies outside" in self.check("compose")

    def test_a_definition_of_bake_reads_nothing(self, here: Path) -> None:
        (here / "bake.HCL").write_text("include: [/etc/passwd]")
        assert self.check("bake.HCL") == ""

    def test_what_cannot_be_checked(self, here: Path) -> None:
        (here / "compose.yml").write_text("a: [")
        said = (
            "compose.yml is not YAML, at line 1, column 5, so that its paths cannot be checked, "
            f"and {FORK}"
        )
        assert said in self.check("compose.yml")


class TestTargets:
    def check(self, **definition: object) -> str:
        """Return what is wrong with a target."""
        try:
            confinement.confined([target(**definition)], "bake-files", trust.FORK)
        except InputError as error:
            return str(error)
        return ""

    def test_trusted_code_may_define_anything(self) -> None:
        found = [target(context="/", ssh=["default"])]
        assert confinement.confined(found, "bake-files", trust.TRUSTED) is found

    def test_what_untrusted_code_may_not_define_is_left_out(self) -> None:
        (found,) = confinement.confined([target(ssh=["default"])], "bake-files", trust.FORK)
        assert found == Target(
            name="web",
            definition={},
            linked=False,
            left_out=(f"ssh of the target web is ignored: {FORK}",),
        )

    @pytest.mark.parametrize(
        ("definition", "what"),
        [
            pytest.param({"context": "/etc"}, "uses '/etc', which lies outside", id="a directory"),
            pytest.param({"context": "away"}, "uses 'away', which lies outside", id="a link"),
            pytest.param({"context": "a\0b"}, "uses 'a\\x00b', which lies outside", id="no path"),
            pytest.param(
                {"output": ["type=local,dest=loop"]}, "uses 'loop', which lies outside", id="a loop"
            ),
            pytest.param(
                {"context": "ssh://git@h/a"},
                "uses 'ssh://git@h/a', which is neither a path nor a URL (https, http or git)",
                id="a URL for an agent",
            ),
            pytest.param(
                {"output": ["type=tar,dest=.git/config"]},
                "writes to '.git/config', which holds a git repository",
                id="a file of git",
            ),
        ],
    )
    def test_what_leads_elsewhere_is_refused(
        self, definition: dict[str, object], what: str
    ) -> None:
        assert f"bake-files: the target web {what}" in self.check(**definition)

    def test_what_is_written_beside_git_is_refused(self, here: Path) -> None:
        written = {"output": ["type=local,dest=."]}
        assert self.check(**written) == ""
        (here / ".git").mkdir()
        assert "writes to '.', which holds a git repository" in self.check(**written)
        assert self.check(output=["type=local,dest=out"]) == ""


@pytest.mark.parametrize(
    ("path", "driver", "is_refused"),
    [
        ("kubeconfig", "kubernetes", True),
        ("{here}/deep/kubeconfig", "kubernetes", True),
        ("link", "kubernetes", True),
        ("{here}/../to-it", "kubernetes", True),
        ("{here}/../kubeconfig", "kubernetes", False),
        ("", "kubernetes", False),
        ("kubeconfig", "docker-container", False),
    ],
)
def test_untrusted_code_does_not_bring_its_own_cluster(
    parsed: Callable[..., Inputs],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    driver: str,
    *,
    is_refused: bool,
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    (here / "kubeconfig").touch()
    (here / "link").symlink_to(tmp_path / "away")
    (tmp_path / "to-it").symlink_to(here / "kubeconfig")
    given, env = parsed(driver=driver), {"KUBECONFIG": path.format(here=here)}
    confinement.check_inputs(given, env, trust.TRUSTED)
    if not is_refused:
        confinement.check_inputs(given, env, trust.FORK)
        return
    with pytest.raises(InputError, match=r"KUBECONFIG: names .* in the checkout"):
        confinement.check_inputs(given, env, trust.FORK)
