from __future__ import annotations

import pytest

from warmbuild.inputs import peers
from warmbuild.inputs.table import BY_NAME

# The inputs of each action, by the names that `gather` makes of them.
ACTIONS = {
    "docker/build-push-action 7": (
        "add-hosts allow annotations attests build-args build-contexts builder cache-from "
        "cache-to call cgroup-parent context file github-token labels load network no-cache "
        "no-cache-filters outputs platforms provenance pull push sbom secrets secret-envs "
        "secret-files shm-size ssh tags target ulimit"
    ),
    "docker/build-push-action 1": (
        "username password registry repository tags tag-with-ref tag-with-sha path dockerfile "
        "target always-pull build-args labels add-git-labels push"
    ),
    "docker/setup-buildx-action 4": (
        "version driver driver-opts buildkitd-flags buildkitd-config buildkitd-config-inline "
        "use name endpoint platforms append keep-state cache-binary cleanup"
    ),
    "docker/setup-buildx-action 3": "install config config-inline",
    "docker/setup-qemu-action 4": "image platforms reset cache-image",
    "docker/login-action 4": "registry username password ecr scope logout registry-auth",
    "docker/metadata-action 6": (
        "context images tags flavor labels annotations sep-tags sep-labels sep-annotations "
        "bake-target github-token"
    ),
    "docker/bake-action 7": (
        "builder allow call files no-cache pull load provenance push sbom set source targets "
        "vars github-token"
    ),
    "docker/bake-action 5": "workdir",
    "int128/docker-build-cache-config-action": (
        "image cache-type flavor extra-cache-from extra-cache-to pull-request-cache cache-key "
        "cache-key-fallback token"
    ),
    "whoan/docker-build-with-cache-action": (
        "image-name compose-file services-regex username password session registry image-tag "
        "context dockerfile push-image-and-stages stages-image-name push-git-tag "
        "pull-image-and-stages build-extra-args"
    ),
}


@pytest.mark.parametrize(
    ("action", "names"), [pytest.param(*item, id=item[0]) for item in ACTIONS.items()]
)
def test_every_input_of_the_action_is_one_or_has_advice(action: str, names: str) -> None:
    without = [name for name in names.split() if name not in BY_NAME and not peers.advice(name)]
    assert without == [], action


def test_advice_is_for_what_is_no_input_and_names_an_input() -> None:
    assert set(peers.NAMES.values()) <= set(BY_NAME)
    listed = {*peers.NAMES, *peers.REASONS}
    assert listed.isdisjoint(BY_NAME)
    assert listed <= set(" ".join(ACTIONS.values()).split())
    assert set(peers.NAMES).isdisjoint(peers.REASONS)
