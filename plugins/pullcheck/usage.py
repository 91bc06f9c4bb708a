"""The help of kubectl pullcheck. Text only: `--help` imports this and nothing else of the plugin."""

from pullcore.usage import CONNECTION_OPTIONS, REGISTRY_OPTIONS

HELP = (
    """\
Say why an image cannot be pulled, step by step along the pull, and what mends it.

A NAME is looked for among Domains, Deployments, StatefulSets, DaemonSets, Jobs, CronJobs, ReplicaSets and Pods.
Without a name, everything in the namespace that waits for an image is explained, on a page: where there is too much for
one, by cause with the first names of each; -o wide lists every image. Nothing is changed; only --probe makes pods, and
removes them.

Usage:
  kubectl pullcheck [options] [-f FILE]... [--as-group=GROUP]... [--as-user-extra=KEY=VALUE]... [NAME...]

Examples:
  # Why does this WebLogic Domain (or workload, or pod) not start
  kubectl pullcheck domain1
  # An object by its type
  kubectl pullcheck deployment/web pod/web-0
  # Everything that waits for an image, in all namespaces
  kubectl pullcheck -A
  # Would a pod in this namespace get an image, and would it with another secret
  kubectl pullcheck --image some.registry.com/owner/domain1:1.0 -n sample-ns
  kubectl pullcheck domain1 --with-secret secret2
  # Before it is deployed
  helm template . | kubectl pullcheck -f -
  # Have the nodes themselves try: each makes its kubelet pull the image, and starts nothing
  kubectl pullcheck domain1 --probe
  # Keep what was seen, and explain it again elsewhere
  kubectl pullcheck domain1 --save evidence.json
  kubectl pullcheck -f evidence.json --offline

Options:
  -A, --all-namespaces           Look in all namespaces
  -l, --selector=SELECTOR        Only pods (with -f: objects) with these labels, such as app=web
  -f, --filename=FILE            Read Kubernetes objects or saved evidence from a file, - for standard input
  -o, --output=FORMAT            One of: wide, json, yaml, name
      --no-headers               Leave the headers of a table out
      --offline                  Contact neither cluster nor registry: judge by the files alone
      --image=REF                Ask only whether a pod in the namespace would get this image; can be repeated
      --serviceaccount=NAME      With --image: the service account of that pod (if absent: default)
      --secret=NAME              With --image: a pull secret that it names itself; can be repeated
      --with-secret=NAME         What if this secret were used, besides those that are; can be repeated
      --no-registry              Do not ask registries
"""
    + REGISTRY_OPTIONS
    + """\
      --probe                    Let the kubelet of each node that may run it pull the image: a pod that runs nothing,
                                 with the same pull secrets, made for this and removed
      --nodes=NAMES              With --probe: only these nodes, with commas between them
      --probe-policy=POLICY      With --probe: Always, IfNotPresent or Never instead of the container's own. Always has
                                 every node ask the registry, which moves a tag there and takes disk
      --parallelism=COUNT        With --probe: so many nodes at a time [default: 5]
      --probe-timeout=TIME       With --probe: how long for all nodes together [default: 10m]
      --dry-run=HOW              With --probe: none, client (only show) or server (the server tries it); alone it means
                                 client
  -y, --yes                      With --probe: do not ask
      --save=FILE                Write what was seen to a file; it holds no credentials
      --color=WHEN               One of: auto, always, never [default: auto]
      --version                  Show the version

"""
    + CONNECTION_OPTIONS
    + """
'kubectl pullcheck completion' tells how the shell completes this with TAB.
Exit status: 0 nothing is blocked, 1 an image is blocked, 2 it could not be checked.
"""
)
