"""The help of kubectl repull. Text only: `--help` imports this and nothing else of the plugin."""

from pullcore.usage import CONNECTION_OPTIONS, REGISTRY_OPTIONS

HELP = (
    """\
Bring back what waits for an image, with the least that works, and stay until it runs.

It checks first that nothing blocks the image any more, says what it will do and why, and does just that: pods in
which a container runs are left alone, pods that nobody would make again are not deleted.
Without a NAME it looks at everything in the namespace that waits for an image.

Usage:
  kubectl repull [options] [--as-group=GROUP]... [--as-user-extra=KEY=VALUE]... [NAME...]

Examples:
  # A WebLogic Domain (or workload, or pod), once its image or its pull secret is mended
  kubectl repull domain1
  # What would be done
  kubectl repull domain1 --dry-run
  # Everything that waits, in all namespaces
  kubectl repull -A
  # Only wait for the kubelet's own next try
  kubectl repull deployment/web --keep-waiting-pods
  # The image is missing: push it there first, from an archive or from docker, podman or nerdctl
  kubectl repull domain1 --push domain1.tar
  # No registry is to have it: load it onto the nodes
  kubectl repull domain1 --load domain1.tar
  # Pods that nobody controls, too: saved to a file, deleted, and made again
  kubectl repull pod/test --recreate-pods

Options:
  -A, --all-namespaces           Look in all namespaces
  -l, --selector=SELECTOR        Only pods with these labels, such as app=web
      --force                    Go on although an image is still blocked
      --keep-waiting-pods        Recreate no pod only to skip its back-off: the kubelet tries again within 5 minutes
      --recreate-pods            Recreate pods that nobody controls, and Jobs with outdated pods: saved to a file first
      --roll-running             Roll what waits for an image in a pod in which another container runs
      --push=SOURCE              First push this, as the image that it is called or else the one that is waited for: an
                                 archive of docker save or in OCI layout (tar or folder), or an image of docker, podman
                                 or nerdctl
      --to=REF                   With --push or --load: as this image
      --overwrite                With --push: replace what the tag stands for now
      --docker-username=USER     With --push: sign in as this user, not with the pull secrets
      --docker-password-stdin    Read the password from standard input
      --docker-password-file=FILE  Read the password from a file
      --docker-config=FILE       With --push: sign in with the login in this Docker config
      --load=ARCHIVE             First load this archive (as for --push) onto the nodes that may run what waits for the
                                 image, and have each kubelet prove that it would use it
      --nodes=NAMES              With --load: onto these nodes, with commas between them
      --via=CARRIER              With --load: pod (one on each node, root there meanwhile; the default) or ssh (your
                                 own, with its configuration and keys)
      --carrier-namespace=NAMESPACE  With --load: where these pods are made, if not where the target is
      --ssh-user=USER            With --via=ssh: root, or somebody who may use sudo without a password
      --containerd-socket=PATH   With --load: where the nodes' runtime listens, if not at its usual place; {node} in it
                                 stands for the node's name
      --pin                      With --load: keep the image from garbage collection on the nodes
      --parallelism=COUNT        With --load: how many nodes at once, 5 if not given
      --recreate-domain=NAME     Last resort: delete this Domain, which stops it, and recreate it; asks for its name
      --save-dir=DIR             Where objects are saved before they are deleted [default: ~/.kube/kubectl-repull]
      --no-wait                  Do not wait until it runs
      --timeout=TIME             How long to wait, such as 90s or 10m [default: 10m]
      --dry-run=HOW              none, client (only show) or server (the server tries it); alone it means client
  -o, --output=FORMAT            One of: json, yaml, name
      --field-manager=NAME       Under which name changes are recorded [default: kubectl-repull]
  -y, --yes                      Do not ask
      --no-registry              Do not ask registries whether they give the image
"""
    + REGISTRY_OPTIONS
    + """\
      --color=WHEN               One of: auto, always, never [default: auto]
      --version                  Show the version

"""
    + CONNECTION_OPTIONS
    + """
'kubectl repull completion' tells how the shell completes this with TAB.
Exit status: 0 everything got its image and started, or there was nothing to do; 1 else.
"""
)
