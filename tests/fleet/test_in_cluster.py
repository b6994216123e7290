"""Jobs whose own pods are in the cluster, as those of runners are, with no privilege in them."""

from __future__ import annotations

import base64
import re
import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

from lab import cluster_network
from tests import recipes
from tests.fleet.cluster import wait
from tests.fleet.test_examples import certificates, example
from tests.integration.conftest import ROOT, SMALL, buildx, gitlab, of_part
from tests.integration.git_server import committed, served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tests.fleet.cluster import Cluster
    from tests.integration.conftest import Lab

EXAMPLES: Final = ROOT / "examples" / "kubernetes"
LEVEL: Final = "pod-security.kubernetes.io/enforce"
# What the last line of a run says of its steps.
STEPS: Final = re.compile(r"(\d+) of \d+ steps run, (\d+) cached")
UP: Final = re.compile(r"^builder \S+ is up after ([0-9.]+) s$", re.MULTILINE)
# A login is asked for by the manifest, and by no registry here.
LOGIN: Final[Mapping[str, Any]] = {
    "kind": "Secret",
    "metadata": {"name": "registry"},
    "type": "kubernetes.io/dockerconfigjson",
    "stringData": {".dockerconfigjson": '{"auths": {}}'},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What the job of a pod has said at its end."""

    log: str

    @property
    def steps(self) -> tuple[int, int]:
        """How many steps were run, and how many were cached."""
        found = STEPS.search(self.log)
        assert found, self.log
        return int(found[1]), int(found[2])

    @property
    def boot(self) -> float:
        """How long the builder took to be up, in seconds."""
        found = UP.search(self.log)
        assert found, self.log
        return float(found[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Jobs:
    """The namespace of jobs, and that of their builders."""

    here: Cluster
    builders: Cluster
    image: str  # warmbuild's own
    context: str
    repository: str
    config: str  # by which BuildKit reaches the lab's registries

    def example(self, file: str) -> Sequence[dict[str, Any]]:
        """Return the objects of a file, for these namespaces."""
        text = (EXAMPLES / file).read_text()
        names = {r"\bci-jobs$": self.here, r"(?<=namespace=)buildkit$": self.builders}
        names[r"(?<=namespace: )buildkit$"] = self.builders
        for pattern, there in names.items():
            text = re.sub(pattern, there.namespace, text, flags=re.MULTILINE)
        return list(yaml.safe_load_all(text))

    def job(self, **inputs: str) -> dict[str, Any]:
        """Return the example's job, for the lab's registry and git server."""
        (job,) = self.example("job.yaml")
        (container,) = job["spec"]["template"]["spec"]["containers"]
        container["image"] = self.image
        given = {
            "image": self.repository,
            "context": self.context,
            "buildkitd_config_inline": self.config,
            **inputs,
        }
        named = {f"INPUT_{name.upper()}": value for name, value in given.items()}
        kept = [one for one in container["env"] if one["name"] not in named]
        container["env"] = [*kept, *({"name": name, "value": it} for name, it in named.items())]
        job["metadata"]["name"] = f"image-{secrets.token_hex(4)}"
        return job

    def runner(
        self, pod: Mapping[str, Any], script: Sequence[str], env: Mapping[str, str]
    ) -> dict[str, Any]:
        """Return a job as a runner's: it has a shell in warmbuild's image, as root."""
        job = self.job()
        template = job["spec"]["template"]
        (container,) = template["spec"]["containers"]
        given = {one["name"]: one["value"] for one in container["env"]}
        # The lab's names, and of the example's inputs none that a runner's job lacks.
        own = {"INPUT_IMAGE", "INPUT_BUILDKITD_CONFIG_INLINE", "DOCKER_CONFIG"}
        given = {**env, **{name: text for name, text in given.items() if name in own}}
        container |= {
            "command": ["sh", "-e", "-c", "\n".join(script)],
            "env": [{"name": name, "value": text} for name, text in given.items()],
            "securityContext": {"allowPrivilegeEscalation": False},
        }
        template["metadata"] |= pod.get("metadata", {})
        template["spec"] |= {"securityContext": {}, **pod["spec"]}
        return job

    def named(self, text: str) -> str:
        """Return a text of a recipe with the namespace of the builders."""
        return text.replace("namespace=buildkit", f"namespace={self.builders.namespace}")

    def run(self, job: Mapping[str, Any]) -> Built:
        """Run a job, which has to end well."""
        self.here.create(job)
        name = job["metadata"]["name"]
        path = self.here.path("Job", name)

        def status() -> Mapping[str, int]:
            found: Mapping[str, int] = self.here.call("GET", path)["status"]
            return found

        def begun() -> Sequence[str]:
            selector = f"?labelSelector=job-name%3D{name}"
            found = self.here.call("GET", self.here.path("Pod") + selector)["items"]
            return [one["metadata"]["name"] for one in found if one["status"]["phase"] != "Pending"]

        wait(begun)
        (pod,) = begun()
        # Its end is that of the container.
        log = self.here.asked("GET", self.here.path("Pod", pod) + "/log?follow=true").text
        wait(lambda: status().get("succeeded") or status().get("failed"))
        assert status().get("succeeded"), log
        return Built(log=log)


@pytest.fixture(scope="module")
def image(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Build the Dockerfile of this checkout where nodes pull it; return the image's name."""
    registry, config = of_part(lab, "kubernetes", "registry", "buildkitd_config").values()
    ref = f"{registry}/warmbuild:test-{secrets.token_hex(4)}"
    builder = ref.rpartition(":")[2]
    env = {**lab.env, "BUILDX_CONFIG": str(tmp_path_factory.mktemp("buildx"))}
    options = [part for opt in lab.driver_opts.splitlines() for part in ("--driver-opt", opt)]
    create = ["create", "--name", builder, "--driver=docker-container", *options]
    try:
        buildx(env, *create, "--buildkitd-config", config)
        buildx(env, "build", "--builder", builder, "--push", "--tag", ref, ".")
    finally:
        buildx(env, "rm", "--force", builder)
    return ref


@pytest.fixture
def jobs(cluster: Cluster, lab: Lab, image: str, small: Path, repository: str) -> Iterator[Jobs]:
    """Apply runners.yaml beside a namespace of builders, and serve a repository to its pods."""
    here = replace(cluster, namespace=f"{cluster.namespace}-jobs")
    committed(small)
    config = of_part(lab, "kubernetes", "buildkitd_config")["buildkitd_config"]
    with served(small, is_public=True, address=cluster_network.HOST) as server:
        found = Jobs(
            here=here,
            builders=cluster,
            image=image,
            context=f"{server.url}/octo-org/shop.git#main",
            repository=repository,
            config=Path(config).read_text(),
        )
        cluster.create(*found.example("jobs.yaml"))
        namespace, *others = found.example("runners.yaml")
        here.call("POST", "api/v1/namespaces", namespace)
        for one in others:
            there = replace(cluster, namespace=one["metadata"]["namespace"])
            there.create(one)
        here.create(LOGIN)
        yield found
    here.call("DELETE", f"api/v1/namespaces/{here.namespace}")


def test_a_job_without_any_privilege_builds_and_the_next_one_is_warm(jobs: Jobs) -> None:
    # The highest level, where the example's own is lower for runners whose pods are root's.
    restricted = {"metadata": {"labels": {LEVEL: "restricted"}}}
    jobs.here.call("PATCH", f"api/v1/namespaces/{jobs.here.namespace}", restricted)
    cold = jobs.run(jobs.job())
    assert cold.steps == (2, 0)
    wait(lambda: jobs.builders.content() == [])
    warm = jobs.run(jobs.job(branch="feature"))
    assert warm.steps == (0, 2)
    wait(lambda: jobs.builders.content() == [])
    assert max(cold.boot, warm.boot) < 6


def test_where_jobs_run_no_pod_is_privileged(jobs: Jobs) -> None:
    job = jobs.job()
    spec = job["spec"]["template"]["spec"]
    privileged = {"name": "x", "image": "x", "securityContext": {"privileged": True}}
    pod = {"metadata": {"name": "x"}, "spec": {**spec, "containers": [privileged]}}
    answer = jobs.here.asked("POST", jobs.here.path("Pod"), {"kind": "Pod", **pod})
    assert answer.status_code == 403
    assert 'violates PodSecurity "baseline:latest": privileged' in answer.json()["message"]


def test_who_has_no_account_of_jobs_has_no_builder(jobs: Jobs) -> None:
    job = jobs.job()
    job["spec"]["template"]["spec"]["serviceAccountName"] = "default"
    with pytest.raises(AssertionError, match=r"system:serviceaccount:\S+-jobs:default may not "):
        jobs.run(job)
    assert jobs.builders.content() == []


def test_a_job_of_gitlabs_executor_builds(jobs: Jobs) -> None:
    settings = recipes.of_gitlab()
    pod = {"spec": {"serviceAccountName": settings["service_account"]}}
    (include,) = recipes.recipe(".gitlab-ci.yml")["include"]
    inputs = {name: jobs.named(text) for name, text in include["inputs"].items() if text}
    env = {f"INPUT_{name.upper().replace('-', '_')}": text for name, text in inputs.items()}
    template = yaml.safe_load_all((ROOT / "gitlab-component/templates/build.yml").read_text())
    script = list(template)[1]["$[[ inputs.job-name ]]"]["script"]
    job = jobs.runner(pod, script, {**gitlab("main"), "CI_PROJECT_DIR": "/builds/me/app", **env})
    # What the runner's own container has cloned.
    jobs.here.create({"kind": "ConfigMap", "metadata": {"name": "checkout"}, "data": SMALL})
    spec = job["spec"]["template"]["spec"]
    spec["volumes"].append({"name": "checkout", "configMap": {"name": "checkout"}})
    (container,) = spec["containers"]
    container["workingDir"] = "/builds/me/app"
    container["volumeMounts"] += [
        {"name": "checkout", "mountPath": f"/builds/me/app/{file}", "subPath": file}
        for file in SMALL
    ]
    assert jobs.run(job).steps == (2, 0)
    wait(lambda: jobs.builders.content() == [])


def test_a_job_of_a_runner_scale_set_builds(jobs: Jobs) -> None:
    pod = yaml.safe_load(recipes.recipe("hook.yaml")["data"]["job.yaml"])
    step = recipes.step_of_github()
    env = {name: jobs.named(text) for name, text in step["env"].items()}
    env |= {
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": "push",
        "GITHUB_REF": "refs/heads/main",
        "GITHUB_REPOSITORY": "octo-org/shop",
        "GITHUB_SERVER_URL": "https://github.com",
        # That of github.com is out of reach.
        "INPUT_CONTEXT": jobs.context,
    }
    assert jobs.run(jobs.runner(pod, [step["run"]], env)).steps == (2, 0)
    wait(lambda: jobs.builders.content() == [])


@pytest.fixture
def daemons(jobs: Jobs, lab: Lab, volumes: Callable[[int], None], tmp_path: Path) -> str:
    """Have daemons behind TLS, and their client's certificate in a secret; return their address."""
    made = certificates("buildkit", tmp_path / "certificates")
    for place, name, whose in (
        (jobs.builders, "buildkitd-certificates", "server"),
        (jobs.here, "buildkit-client", "client"),
    ):
        files = (made / whose).iterdir()
        data = {file.name: base64.b64encode(file.read_bytes()).decode() for file in files}
        place.create({"kind": "Secret", "metadata": {"name": name}, "data": data})
    volumes(1)
    jobs.builders.create(*example("remote.yaml", lab))
    wait(jobs.builders.ready)
    service = jobs.builders.call("GET", jobs.builders.path("Service", "buildkitd"))
    return str(service["spec"]["clusterIP"])


def without_account(job: dict[str, Any], daemons: str) -> dict[str, Any]:
    """Return a job that may call no API, and knows the daemons by the name that they have."""
    spec = job["spec"]["template"]["spec"]
    del spec["serviceAccountName"]
    spec["automountServiceAccountToken"] = False
    # The lab has no DNS.
    spec["hostAliases"] = [{"ip": daemons, "hostnames": ["buildkitd.buildkit.svc"]}]
    return job


def test_a_job_with_a_certificate_needs_no_account(jobs: Jobs, daemons: str) -> None:
    job = without_account(jobs.job(buildkitd_config_inline=""), daemons)
    (container,) = job["spec"]["template"]["spec"]["containers"]
    replaced = {"INPUT_DRIVER", "INPUT_DRIVER_OPTS"}
    kept = [one for one in container["env"] if one["name"] not in replaced]
    container["env"] = [*kept, *recipes.recipe("env: ")]
    assert jobs.run(job).steps == (2, 0)
    assert [pod["metadata"]["name"] for pod in jobs.builders.pods()] == ["buildkitd-0"]


def test_a_runner_may_mount_the_certificate(jobs: Jobs, daemons: str) -> None:
    inputs = recipes.recipe("inputs: ")
    del inputs["dind"]
    given = {name.replace("-", "_"): text for name, text in inputs.items()}
    job = without_account(jobs.job(buildkitd_config_inline="", **given), daemons)
    spec = job["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    volume = recipes.volume_of_gitlab()
    secret = {"secretName": volume["name"]}
    spec["volumes"].append({"name": "certificates", "secret": secret})
    mount = {"name": "certificates", "mountPath": volume["mount_path"], "readOnly": True}
    container["volumeMounts"].append(mount)
    assert jobs.run(job).steps == (2, 0)
