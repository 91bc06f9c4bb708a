"""200 images in one registry: `kubectl pullcheck -f FILE` against skopeo one after the other, and crane side by side.

All three have the registry's password, and ask for the manifest alone. skopeo and crane try TLS first, which this registry
does not speak and which costs them a connection for each image; the plugin is told by --plain-http.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pullcore.inquiry import AT_ONCE_EACH

from tests.e2e.cluster.images import Image, Pusher, build, digest
from tests.e2e.cluster.model import Cluster, Registry
from tests.e2e.conftest import Kubectl, make_pod, make_secret

from . import tools
from .measure import BenchError, Command, Comparison, compare

IMAGES = 200
SECRET = "bench-pull"
SKOPEO = """\
set -e
for image in $(cat {images}); do
  skopeo inspect --raw --tls-verify=false --authfile {authfile} docker://$image
done
"""
CRANE = "DOCKER_CONFIG={folder} xargs -a {images} -P {parallel} -n 1 {crane} digest --insecure\n"


@dataclass(frozen=True)
class Measured:
    """Against skopeo, against crane, and how many requests we sent to the registry for one image."""

    skopeo: Comparison
    crane: Comparison
    requests: float


def measure(
    admin: Kubectl, cluster: Cluster, folder: Path, say: Callable[[str], None], few_runs: int, runs: int
) -> Measured:
    """few_runs: of skopeo, which is slow."""
    tools.skopeo(say)
    crane = tools.crane(say)
    registry = cluster.registries["htpasswd"]
    names = [f"bench/app-{number:03d}:1.0" for number in range(IMAGES)]
    push(registry, names)
    images = [registry.image(name) for name in names]
    (folder / "images").write_text("".join(f"{image}\n" for image in images))
    login = base64.b64encode(f"{registry.user}:{registry.password}".encode()).decode()
    authfile = folder / "config.json"
    authfile.touch(mode=0o600)
    authfile.write_text(json.dumps({"auths": {registry.address: {"auth": login}}}))
    with asked_for(admin, registry, images, folder / "pods.json") as argv:
        ours = Command(f"kubectl pullcheck -f, {IMAGES} images", argv, says=(f"{IMAGES} images", images[0], images[-1]))
        one_by_one = _script(folder / "skopeo.sh", SKOPEO.format(images=folder / "images", authfile=authfile))
        theirs = Command("a loop of skopeo inspect --raw", one_by_one, says=(digest(_image(names[-1]).config),))
        against_skopeo = compare(ours, theirs, admin.env, folder, few_runs)
        line = CRANE.format(folder=folder, images=folder / "images", parallel=AT_ONCE_EACH, crane=crane)
        shown = f"crane digest, {AT_ONCE_EACH} at once"
        side_by_side = Command(shown, _script(folder / "crane.sh", line), says=(digest(_image(names[-1]).manifest),))
        against_crane = compare(ours, side_by_side, admin.env, folder, runs)
        return Measured(against_skopeo, against_crane, _requests(admin, argv, registry) / IMAGES)


def _image(name: str) -> Image:
    return build(b"nothing that runs\n", name)


def push(registry: Registry, names: Sequence[str]) -> None:
    """Those that are not there yet."""

    def add(some: Sequence[str]) -> None:
        pusher = Pusher(registry)
        for name in some:
            image = _image(name)
            if pusher.call("HEAD", name.partition(":")[0], f"/manifests/{digest(image.manifest)}")[0] != 200:
                pusher.image(name, image)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, [names[start::4] for start in range(4)]))


@contextmanager
def asked_for(admin: Kubectl, registry: Registry, images: Sequence[str], file: Path) -> Iterator[list[str]]:
    """Our command: a pod for each image, in a file, and a namespace with the secret that they list."""
    namespace = f"pullkit-bench-{secrets.token_hex(4)}"
    pods = [make_pod(f"pod-{number}", image, SECRET) for number, image in enumerate(images)]
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": pods}))
    kubectl = Kubectl(admin.env, namespace)
    admin("create", "namespace", namespace)
    try:
        kubectl.apply(make_secret(SECRET, registry))
        _wait_for_account(kubectl)
        yield ["kubectl", "pullcheck", "-f", str(file), "-n", namespace, "--plain-http", registry.address]
    finally:
        admin("delete", "namespace", namespace, "--wait=false")


def _wait_for_account(kubectl: Kubectl) -> None:
    deadline = time.monotonic() + 60
    while not kubectl.get("serviceaccount", "default"):
        if time.monotonic() > deadline:
            raise BenchError("waited 60 s for the default service account")
        time.sleep(0.3)


def _script(file: Path, text: str) -> list[str]:
    file.write_text(text)
    return ["sh", str(file)]


def _requests(admin: Kubectl, argv: Sequence[str], registry: Registry) -> int:
    """Those that one more run logs."""
    result = admin.run(*argv[1:], "-v", "6")
    found = re.findall(rf"^\w+ {re.escape(registry.url)}/", result.err, re.MULTILINE)
    if len(found) < IMAGES:
        raise BenchError(f"-v 6 shows {len(found)} requests to {registry.url}:\n{result.err[-1000:]}")
    return len(found)
