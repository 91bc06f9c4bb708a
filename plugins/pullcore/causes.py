"""The catalogue of causes: one name, one meaning and one remedy for everything that keeps an image from being pulled.

The names are part of the report format: they stay. `python -m pullcore.causes > docs/causes.md` renders the page.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Cause(NamedTuple):
    """Why an image cannot be pulled.

    `name` is the kebab-case word of the reports, `title` a few words, `meaning` one sentence, `remedy` what to do.
    `from_objects`: proven by Kubernetes objects, not by what a kubelet or a registry says.
    """

    name: str
    title: str
    meaning: str
    remedy: str
    from_objects: bool = False


_SAID = (
    Cause(
        "invalid-name",
        "The image name is not valid",
        "The image reference breaks the grammar of names, so nothing was asked of any registry.",
        "Correct the image where it is written (for a WebLogic Domain: `kubectl edit domain NAME`, usually spec.image):"
        " lower-case repository, no `https://`, no blanks or invisible characters, one `:` before the tag. "
        "`kubectl pullcheck` shows the place.",
    ),
    Cause(
        "short-name",
        "The image name has no registry",
        "The container runtime of the node (CRI-O) refuses to guess which registry a name without a host belongs to.",
        "Write the full name, such as `docker.io/library/nginx:1.27` or "
        "`container-registry.oracle.com/middleware/weblogic:14.1.2.0`.",
    ),
    Cause(
        "never-pull",
        "The node may not pull, and has no usable copy",
        "imagePullPolicy is Never and the node has no copy of the image that this pod may use.",
        "Set imagePullPolicy to IfNotPresent, or bring the image onto every node under exactly this name: "
        "`kubectl repull TARGET --load ARCHIVE` does it. "
        "From Kubernetes 1.35 on a copy that was pulled with another pod's credentials gives the same message.",
    ),
    Cause(
        "no-credentials",
        "No credentials were offered",
        "The registry wants a login and the node sent none.",
        "Create a secret for exactly this registry host in the namespace of the pod (`kubectl pullsecret add`), and name "
        "it in imagePullSecrets (for a WebLogic Domain: spec.imagePullSecrets). "
        "`kubectl pullcheck` shows which secrets are offered, and why others are not.",
    ),
    Cause(
        "bad-credentials",
        "The credentials were refused",
        "Credentials were sent, and the registry did not accept them.",
        "Check user name and password or token by logging in to the registry from your own machine, and put the "
        "right ones into the pull secret. The kubelet reads the secret again at its next try.",
    ),
    Cause(
        "expired-credentials",
        "The credentials have expired",
        "The token in the pull secret was good once; cloud registries give tokens for some hours only.",
        "Get a new token and put it into the pull secret; for a lasting cure let the nodes use the cloud provider's "
        "own credential provider, or renew the secret on a schedule.",
    ),
    Cause(
        "forbidden",
        "The account may not pull this",
        "The registry understood who asks, or from where, and does not allow it.",
        "Ask the owner of the registry for pull permission on this repository for this account, and about firewall "
        "rules for the addresses of the nodes. Oracle Container Registry wants the licence of the repository accepted "
        "once in its web pages.",
    ),
    Cause(
        "denied-or-missing",
        "Refused: not allowed, or not there",
        "The registry refuses without saying whether the credentials, the permission or the image itself is missing.",
        "Check the spelling of the image first, then the credentials: `kubectl pullcheck` shows which secrets are offered. "
        "Logging in to the registry with the same account, or asking its owner, settles which of the two it is.",
    ),
    Cause(
        "image-not-found",
        "The tag or digest does not exist",
        "The registry has no such tag or digest in this repository.",
        "Check the tag against the registry's list and correct the image. If it only exists on somebody's machine: "
        "`kubectl repull TARGET --push ARCHIVE` pushes it, and `--load ARCHIVE` brings it onto the nodes instead.",
    ),
    Cause(
        "repository-not-found",
        "The repository does not exist",
        "The registry has no repository of this name.",
        "Check host, project and repository in the image name for spelling. If the image only exists on somebody's machine: "
        "`kubectl repull TARGET --push ARCHIVE` pushes it; many registries want the repository created first.",
    ),
    Cause(
        "dns",
        "The registry's name does not resolve",
        "The node could not turn the registry's host name into an address.",
        "Check the host name for spelling. If it is right, the node's DNS servers do not know it: this is solved on "
        "the nodes (`/etc/resolv.conf`), not in the cluster's own DNS.",
    ),
    Cause(
        "connection",
        "The registry cannot be reached",
        "The connection from the node was refused, reset or had no route.",
        "Check host and port in the image name, whether the registry is up, and routes and firewalls between the "
        "nodes and the registry.",
    ),
    Cause(
        "timeout",
        "The registry does not answer in time",
        "The registry, or the way to it, was too slow or silent.",
        "Check firewalls and proxies between nodes and registry (silence is typical of a firewall). If the pull merely "
        "takes long, wait: the kubelet tries again. For a WebLogic introspector see "
        "spec.configuration.introspectorJobActiveDeadlineSeconds.",
    ),
    Cause(
        "tls-untrusted",
        "The registry's certificate is not trusted",
        "The certificate is signed by an authority that the node does not know, such as a company's own.",
        "Install the certificate of that authority for the container runtime on every node and restart the runtime. "
        "Trust on your own machine or in a pod does not help: the node pulls.",
    ),
    Cause(
        "tls-other",
        "TLS with the registry fails",
        "The certificate is expired, for another name or otherwise not valid, or both sides agree on no protocol.",
        "Have the registry's certificate renewed or issued for the host name that the image uses, and check the clock "
        "of the node.",
    ),
    Cause(
        "http-https-mismatch",
        "HTTP and HTTPS are mixed up",
        "One side speaks HTTPS and the other plain HTTP.",
        "Check the port in the image name. A registry without TLS must be declared insecure in the container runtime's "
        "configuration on every node; better, give it a certificate.",
    ),
    Cause(
        "proxy",
        "The proxy of the node is at fault",
        "The node pulls through an HTTP proxy, which is wrong, down or refuses.",
        "Check HTTP_PROXY, HTTPS_PROXY and NO_PROXY of the container runtime's service on the nodes: an internal "
        "registry usually belongs into NO_PROXY. Restart the runtime afterwards.",
    ),
    Cause(
        "rate-limited",
        "The registry limits pulls",
        "Too many pulls came from this account or address in a short time.",
        "Wait, or pull with an account (Docker Hub counts anonymous pulls per address), or use a mirror of your own.",
    ),
    Cause(
        "registry-error",
        "The registry itself fails",
        "The registry, or a gateway in front of it, answered with an error of its own.",
        "Wait for the next try and look at the registry's status page or logs; credentials and names are not at fault.",
    ),
    Cause(
        "platform-mismatch",
        "The image is not built for this node",
        "The image exists, but not for the operating system or processor of the node.",
        "Use an image for the node's platform, or place the pod on fitting nodes with a nodeSelector on "
        "kubernetes.io/arch or kubernetes.io/os.",
    ),
    Cause(
        "bad-content",
        "The image's content is broken or not supported",
        "What the registry delivered, or the node has stored, is incomplete, altered, or of a kind the runtime "
        "does not read.",
        "Pull the image elsewhere to see whether it is whole, and push it again, in a current format, if not. "
        "If only one node fails, remove the image there and let it pull again.",
    ),
    Cause(
        "disk-full",
        "The disk of the node is full or fails",
        "The node cannot write the image's layers.",
        "See `kubectl describe node NAME` for DiskPressure, free or enlarge the file system of the container runtime, "
        "or move the pod to another node; an input/output error means a failing disk.",
    ),
    Cause(
        "throttled",
        "The kubelet limits its own pulls",
        "The kubelet starts only some pulls per second (registryPullQPS, registryBurst); the registry was not asked.",
        "Wait: it passes by itself. If it returns, raise registryPullQPS in the kubelet's configuration.",
    ),
    Cause(
        "canceled",
        "The pull was broken off",
        "The pull was canceled, or its own deadline passed, before it was done.",
        "Wait for the next try. If it comes back, the pull is too slow: look at the network, the size of the image "
        "and the runtime's progress deadline; for a WebLogic introspector also at "
        "spec.configuration.introspectorJobActiveDeadlineSeconds.",
    ),
    Cause(
        "runtime",
        "The container runtime of the node fails",
        "The image service on the node (unpacking, snapshots, inspecting) failed; the registry is not at fault.",
        "Look at the runtime's log on the node (`journalctl -u containerd` or `-u crio`) and restart it; meanwhile "
        "`kubectl cordon NODE` keeps pods away from it.",
    ),
    Cause(
        "policy",
        "A policy of the node or registry forbids the image",
        "A signature, scan or registry policy rejects this image.",
        "Sign or scan the image as the policy asks, or ask those who own the policy. More credentials do not help.",
    ),
    Cause(
        "backoff-only",
        "The kubelet only says that it waits",
        "The message tells that a pull failed and will be tried again, but not why.",
        "See the pod's events (`kubectl describe pod NAME`), or wait for the next try, whose message carries the "
        "reason for some seconds.",
    ),
    Cause(
        "unknown",
        "Not recognised",
        "The message is in none of the known wordings; it is shown as it is.",
        "Read the message itself, and the runtime's log on the node.",
    ),
)

_PROVEN = (
    Cause(
        "secret-missing",
        "A pull secret does not exist",
        "The pod names a pull secret that its namespace does not have, or that the kubelet may not read; the kubelet "
        "goes on without it.",
        "Create the secret in the namespace of the pod (secrets are not shared between namespaces), or correct its "
        "name. Compare `kubectl get secrets -n NAMESPACE`.",
        True,
    ),
    Cause(
        "secret-malformed",
        "A pull secret cannot be read",
        "The JSON or an `auth` value of one pull secret is broken, which stops every pull of the pod, even of public "
        "images.",
        "Delete that secret and create it again with `kubectl pullsecret add`, or take it out of "
        "imagePullSecrets. `kubectl pullcheck` names it.",
        True,
    ),
    Cause(
        "secret-ignored",
        "A pull secret is of no use to the kubelet",
        "The secret exists, but its type, its key or its kind of login (credsStore, identitytoken) is one that the "
        "kubelet passes over in silence.",
        "Create it again as type kubernetes.io/dockerconfigjson with user name and password inside: "
        "`kubectl pullsecret add` does.",
        True,
    ),
    Cause(
        "key-mismatch",
        "The secret is for another server",
        "A pull secret has credentials, but under a server name that never matches this image.",
        "Store the credentials under the registry host exactly as the image names it, without path: "
        "`--docker-server=some.registry.com`, not `some.registry.com/v2`.",
        True,
    ),
    Cause(
        "service-account-shadowed",
        "The service account's secrets are not used",
        "The pod has an imagePullSecrets list of its own, so the list of its service account is ignored, not added.",
        "Name all needed secrets in the pod's own list (for a WebLogic Domain: spec.imagePullSecrets), or empty it.",
        True,
    ),
    Cause(
        "stale-pod",
        "The pod is older than its secrets",
        "The pod's list of pull secrets was fixed when it was created and differs from what it would be given today.",
        "Let the pod be created again: `kubectl repull` does it in the least disruptive way, for a WebLogic introspector "
        "with a new spec.introspectVersion of the Domain.",
        True,
    ),
    Cause(
        "latest-tag",
        "The tag may mean something else tomorrow",
        "The image has no tag or the tag `latest`, so nodes may run different contents.",
        "Give a fixed tag or a digest.",
        True,
    ),
    Cause(
        "tag-drift",
        "The tag means another image by now",
        "Running pods have another digest than the registry gives for their tag: it was pushed anew since they were made.",
        "If that is meant, restart them when it suits, so that all run the same. Else name the image by its digest, or "
        "never push a tag twice.",
        True,
    ),
    Cause(
        "always-needs-registry",
        "Every start needs the registry",
        "imagePullPolicy is Always, so even an image that is on the node needs the registry and valid credentials.",
        "Set imagePullPolicy to IfNotPresent, together with a fixed tag.",
        True,
    ),
    Cause(
        "present-not-usable",
        "The image is on the node, but this pod may not use it",
        "From Kubernetes 1.35 on the kubelet lets a pod use an image that was pulled with credentials only if the pod "
        "has them too.",
        "Give the pod a pull secret for this image; a copy that was loaded by hand is usable only under a name that "
        "no pull has used.",
        True,
    ),
    Cause(
        "domain-aborted",
        "The WebLogic operator has given up",
        "The Domain failed for longer than spec.failureRetryLimitMinutes, and the operator tries no more by itself.",
        "Remove the cause first, then `kubectl repull` the Domain: it changes spec.introspectVersion, which makes the "
        "operator try again. Do not delete the Domain.",
        True,
    ),
)

CAUSES: Mapping[str, Cause] = MappingProxyType({cause.name: cause for cause in (*_SAID, *_PROVEN)})


def page() -> str:
    """docs/causes.md as text."""
    return "\n".join(
        [
            "# Causes",
            "",
            "Why an image cannot be pulled, as the reports name it. Generated from `plugins/pullcore/causes.py`",
            "by `python -m pullcore.causes > docs/causes.md`.",
            "",
            "## From what the kubelet says or the registry answers",
            *_entries(_SAID),
            "",
            "## From the Kubernetes objects",
            *_entries(_PROVEN),
            "",
        ]
    )


def _entries(causes: tuple[Cause, ...]) -> list[str]:
    return [
        line
        for cause in causes
        for line in ("", f"### {cause.name}", "", f"**{cause.title}.** {cause.meaning}", "", cause.remedy)
    ]


if __name__ == "__main__":
    sys.stdout.write(page())
