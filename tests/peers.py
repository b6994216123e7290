"""The jobs with which Docker's actions test themselves, and the tests that show them here.

The names are those of the workflows `ci.yml` and `ci-subaction.yml` in the actions' repositories.
A job is shown if warmbuild, in the place of the action, does what the job asserts. A few tests show
what warmbuild does instead on purpose: docs/migrating.md says where.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

# Job: the test, below tests/integration.
BUILD_PUSH: Final = {
    "minimal": "peers/test_build_push.py::TestGitContext::test_minimal",
    "git-context": "peers/test_build_push.py::TestGitContext::test_git_context",
    "git-context-query": "peers/test_build_push.py::TestGitContext::test_git_context",
    "git-context-secret": "peers/test_build_push.py::TestGitContext::test_git_context",
    "path-context": "peers/test_build_push.py::test_path_context",
    "example": "peers/test_build_push.py::test_example",
    "error": "peers/test_build_push.py::TestErrors::test_error",
    "error-buildx": "peers/test_build_push.py::TestErrors::test_error_buildx",
    "docker-driver": "test_drivers.py::TestEngine"
    "::test_it_builds_and_pushes_without_a_cache_and_says_so",
    "export-docker": "test_build_push_action.py::TestProvenance::test_is_not_in_what_is_loaded",
    "secret": "peers/test_build_push.py::TestSecrets::test_secret",
    "secret-files": "peers/test_build_push.py::TestSecrets::test_secret",
    "secret-envs": "peers/test_build_push.py::TestSecrets::test_secret",
    "network": "peers/test_build_push.py::TestCommands::test_network",
    "shm-size": "test_build_push_action.py::TestCommands::test_run_as_they_are_told_to",
    "ulimit": "peers/test_build_push.py::TestCommands::test_ulimit",
    "cgroup-parent": "peers/test_build_push.py::TestCommands::test_cgroup_parent",
    "add-hosts": "test_build_push_action.py::TestCommands::test_run_as_they_are_told_to",
    "no-cache-filters": "peers/test_build_push.py::TestCommands::test_no_cache_filters",
    "attests-compat": "peers/test_build_push.py::TestAttestations::test_attests_compat",
    "provenance": "peers/test_build_push.py::TestAttestations::test_provenance",
    "sbom": "peers/test_build_push.py::TestAttestations::test_sbom",
    "multi": "peers/test_build_push.py::test_multi",
    "digest": "peers/test_build_push.py::test_digest",
    "registry-cache": "peers/test_build_push.py::TestCaches::test_registry_cache",
    "github-cache": "peers/test_build_push.py::TestCaches::test_github_cache",
    "local-cache": "peers/test_build_push.py::TestCaches::test_local_cache",
    "standalone": "peers/test_build_push.py::test_standalone",
    "named-context-pin": "peers/test_build_push.py::TestNamedContext::test_named_context_pin",
    "named-context-docker": "peers/test_build_push.py::TestNamedContext::test_named_context_docker",
    "named-context-container": "peers/test_build_push.py::TestNamedContext"
    "::test_named_context_container",
    "docker-config-malformed": "peers/test_build_push.py::test_docker_config_malformed",
    "proxy-docker-config": "peers/test_build_push.py::TestProxies::test_proxy_docker_config",
    "proxy-buildkitd": "peers/test_build_push.py::TestProxies::test_proxy_buildkitd",
    "annotations": "peers/test_build_push.py::test_annotations",
    "multi-output": "peers/test_build_push.py::TestOutputs::test_multi_output",
    "load-and-push": "peers/test_build_push.py::TestOutputs::test_load_and_push",
    "summary-disable": "peers/test_build_push.py::test_summary_disable",
    "record-upload-disable": "peers/test_build_push.py::test_record",
    "record-retention-days": "peers/test_build_push.py::test_record",
    "checks": "test_build_push_action.py::TestWarnings::test_stand_in_the_line_they_are_about",
    "annotations-disabled": "test_build_push_action.py::TestWarnings::test_can_be_switched_off",
    "call-check": "peers/test_steps.py::test_what_a_step_says_is_used_by_the_next",
    "no-default-attestations": "peers/test_build_push.py::TestAttestations"
    "::test_no_default_attestations",
}
BAKE: Final = {
    "bake": "peers/test_bake.py::test_bake",
    "error-msg": "peers/test_bake.py::TestErrors::test_error_msg",
    "error-check": "peers/test_bake.py::TestErrors::test_error_check",
    "error-source": "peers/test_bake.py::TestErrors::test_error_source",
    "standalone": "peers/test_bake.py::test_standalone",
    "remote": "peers/test_bake.py::test_remote",
    "provenance": "peers/test_bake.py::TestAttestations::test_provenance",
    "sbom": "peers/test_bake.py::TestAttestations::test_sbom",
    "set": "peers/test_bake.py::test_set",
    "group": "peers/test_bake.py::test_group",
    "docker-config-malformed": "peers/test_bake.py::test_docker_config_malformed",
    "proxy-docker-config": "peers/test_bake.py::TestProxies::test_proxy_docker_config",
    "proxy-buildkitd": "peers/test_bake.py::TestProxies::test_proxy_buildkitd",
    "git-context": "peers/test_bake.py::TestGitContext::test_git_context",
    "git-context-query": "peers/test_bake.py::TestGitContext::test_git_context",
    "git-context-and-local": "peers/test_bake.py::TestGitContext::test_git_context_and_local",
    "multi-output": "peers/test_bake.py::TestOutputs::test_multi_output",
    "load-and-push": "peers/test_bake.py::TestOutputs::test_load_and_push",
    "summary-disable": "peers/test_bake.py::test_summary_disable",
    "record-upload-disable": "peers/test_bake.py::test_record",
    "record-retention-days": "peers/test_bake.py::test_record",
    "checks": "peers/test_bake.py::TestChecks::test_checks",
    "annotations-disabled": "peers/test_bake.py::TestChecks::test_checks",
    "allow": "peers/test_bake.py::test_allow",
    "no-default-attestations": "peers/test_bake.py::TestAttestations::test_no_default_attestations",
    "call-check": "peers/test_bake.py::TestChecks::test_call_check",
    "call-check-multi": "peers/test_bake.py::TestChecks::test_call_check",
    "call-check-nowarning": "peers/test_bake.py::TestChecks::test_call_check_nowarning",
    "attest-override": "peers/test_bake.py::TestAttestations::test_attest_override",
    "var": "peers/test_bake.py::TestOutputs::test_var",
}
SETUP_BUILDX: Final = {
    "main": "test_drivers.py::test_what_a_builder_is_comes_out",
    "multi": "peers/test_setup_buildx.py::test_multi",
    "error": "peers/test_setup_buildx.py::test_error",
    "debug": "peers/test_setup_buildx.py::test_debug",
    "use": "peers/test_setup_buildx.py::test_use",
    "driver": "peers/test_setup_buildx.py::test_driver",
    "docker-driver": "peers/test_setup_buildx.py::test_docker_driver",
    "endpoint": "peers/test_setup_buildx.py::test_endpoint",
    "buildkitd-config": "peers/test_setup_buildx.py::test_buildkitd_config",
    "buildkitd-config-inline": "peers/test_setup_buildx.py::test_buildkitd_config",
    "with-qemu": "test_emulation.py::test_what_no_node_serves_is_emulated_where_that_is_asked_for",
    "build-ref": "peers/test_setup_buildx.py::test_build_ref",
    "standalone-cmd": "peers/test_setup_buildx.py::test_cleanup",
    "standalone-action": "peers/test_setup_buildx.py::test_standalone_action",
    "append": "test_drivers.py::test_containers_of_two_nodes_are_made_and_removed",
    "platforms": "peers/test_setup_buildx.py::test_platforms",
    "docker-context": "peers/test_setup_buildx.py::test_docker_context",
    "cleanup": "peers/test_setup_buildx.py::test_cleanup",
    "cache-binary": "peers/test_setup_buildx.py::test_use",
    "keep-state": "test_drivers.py::test_a_state_that_is_kept_serves_the_next_builder_of_its_name",
    "keep-state-error": "peers/test_setup_buildx.py::test_keep_state_error",
}
METADATA: Final = {
    "context": "peers/test_metadata.py::test_context",
    "multi-images": "peers/test_metadata.py::test_multi_images",
    "tag-schedule": "peers/test_metadata.py::test_tag_schedule",
    "tag-match": "peers/test_metadata.py::test_tag_match",
    "tag-semver": "peers/test_metadata.py::test_tag_semver",
    "flavor": "peers/test_metadata.py::test_flavor",
    "images": "peers/test_metadata.py::test_images",
    "custom-labels-annotations": "peers/test_metadata.py::test_custom_labels_annotations",
    "global-exps": "peers/test_metadata.py::test_global_exps",
    "json": "peers/test_steps.py::test_what_a_step_says_is_used_by_the_next",
    "docker-push": "peers/test_metadata.py::test_docker_push",
    "bake": "peers/test_metadata.py::TestBake::test_bake",
    "sep-tags": "peers/test_metadata.py::test_sep_tags",
    "output-env": "peers/test_steps.py::test_what_a_step_says_is_a_variable_of_the_next",
    "no-output-env": "peers/test_metadata.py::test_no_output_env",
    "bake-annotations": "peers/test_metadata.py::TestBake::test_bake_annotations",
    "no-images": "peers/test_metadata.py::test_no_images",
    "bake-path-context": "peers/test_metadata.py::TestBake::test_bake",
    "sha-short": "peers/test_metadata.py::test_sha_short",
}
LOGIN: Final = {
    "stop-docker": "peers/test_login.py::test_stop_docker",
    "logout": "test_logins.py::TestLogout::test_another_run_finds_it",
    "dind": "peers/test_login.py::test_dind",
    "ghcr": "test_migrating.py::test_one_step_on_github_with_everything_as_it_was",
    "registry-auth": "test_logins.py::TestSeveral"
    "::test_the_image_by_a_password_and_the_cache_by_a_token",
    "registry-auth-dup": "peers/test_login.py::test_registry_auth_dup",
    "registry-auth-exclusive": "peers/test_login.py::test_registry_auth_exclusive",
    "scope-ghcr": "test_logins.py::TestScopes::test_one_pushes_and_another_reads",
    "scope-ghcr-repo": "test_logins.py::TestLogout::test_another_run_finds_it",
}
SETUP_QEMU: Final = {
    "default": "test_emulation.py::test_what_no_node_serves_is_emulated_where_that_is_asked_for",
    "main": "test_emulation.py::test_what_no_node_serves_is_emulated_where_that_is_asked_for",
    "error": "peers/test_setup_qemu.py::test_error",
    "cache-image": "peers/test_setup_qemu.py::test_cache_image",
    "version": "test_emulation.py::test_what_no_node_serves_is_emulated_where_that_is_asked_for",
    "reset": "test_emulation.py::test_what_no_node_serves_is_emulated_where_that_is_asked_for",
}
SHOWN: Final[Mapping[str, Mapping[str, str]]] = {
    "build-push-action": BUILD_PUSH,
    "bake-action": BAKE,
    "setup-buildx-action": SETUP_BUILDX,
    "metadata-action": METADATA,
    "login-action": LOGIN,
    "setup-qemu-action": SETUP_QEMU,
}
_ACCOUNT: Final = "it needs an account there"
# Job: why no test here can show it.
ABSENT: Final[Mapping[str, Mapping[str, str]]] = {
    "build-push-action": {"summary-not-supported": "it downloads an old buildx"},
    "bake-action": {
        "summary-not-supported": "it downloads an old buildx",
        "matrix": "it is of a sub-action that makes a matrix; one run builds all targets here",
    },
    "setup-buildx-action": {
        "k3s": "it needs a cluster",
        "windows-error": "it needs Windows",
    },
    "metadata-action": {"dump": "it does not use the action"},
    "login-action": {
        **dict.fromkeys(
            ("acr", "dockerhub", "gitlab", "google-artifact", "google-container"), _ACCOUNT
        ),
        **dict.fromkeys(("scope-dockerhub", "scope-dockerhub-repo"), _ACCOUNT),
        # Tokens of AWS are tested with a small server in its place: test_logins.py::TestAmazon.
        **dict.fromkeys(("ecr", "ecr-aws-creds", "ecr-public", "ecr-public-aws-creds"), _ACCOUNT),
    },
    "setup-qemu-action": {},
}
