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
  # Pods that nobody controls, too: saved to a file, deleted, and made again
  kubectl repull pod/test --recreate-pods
  # No registry has it: from a file (docker save) onto the nodes that may run it, then start again
  kubectl repull domain1 --load domain1.tar

Options:
  -A, --all-namespaces           Look in all namespaces
  -l, --selector=SELECTOR        Only pods with these labels, such as app=web
      --force                    Go on although an image is still blocked
      --keep-waiting-pods        Recreate no pod only to skip its back-off: the kubelet tries again within 5 minutes
      --recreate-pods            Recreate pods that nobody controls, and Jobs with outdated pods: saved to a file first
      --roll-running             Roll what waits for an image in a pod in which another container runs
      --recreate-domain=NAME     Last resort: delete this Domain, which stops it, and recreate it; asks for its name
      --load=ARCHIVE             First load an image onto the nodes: from docker save, podman save, an OCI layout
      --load-as=IMAGE            Which of the target's images it is, where the archive has it under another name
      --nodes=NODE,...           Load onto these nodes instead of those that may run the target's pods
      --via=CARRIER              How it gets there: pod (root on its node while it loads) or ssh [default: pod]
      --carrier-namespace=NAME   Where these pods are made, if not in the target's namespace
      --ssh-user=USER            Whom ssh logs in as; that user is root or may use sudo without a password
      --containerd-socket=PATH   Where the nodes' runtime listens, if not where it usually does; {node} is the node's name
      --pin                      Keep what is loaded from the nodes' garbage collection
      --parallelism=COUNT        How many nodes at once [default: 5]
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
