"""The help of kubectl pullcheck. Text only: `--help` imports this and nothing else of the plugin."""

from pullcore.usage import CONNECTION_OPTIONS, REGISTRY_OPTIONS

HELP = (
    """\
Say why an image cannot be pulled, step by step along the pull, and what mends it.

A NAME is looked for among Domains, Deployments, StatefulSets, DaemonSets, Jobs, CronJobs, ReplicaSets and Pods.
Without a name, everything in the namespace that waits for an image is explained. Nothing is changed.

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
