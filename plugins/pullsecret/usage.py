"""The help of kubectl pullsecret and of its verbs. Text only: `--help` imports this and nothing else of the plugin.

Each text fits a screen; what is parsed is the text with `HIDDEN` behind it, the options that every verb takes.
"""

from pullcore.usage import CONNECTION_OPTIONS, REGISTRY_OPTIONS

HELP = """\
Give registry credentials that work to what needs them: proven before they are written, and
attached without losing others.

Usage:
  kubectl pullsecret COMMAND [options] [NAME...]

Commands:
  add        Create or update a pull secret, proven at its registry, and attach it
  attach     Add a pull secret to the list of a Domain, service account or workload
  detach     Take it out of such a list
  verify     Try every entry of the namespace's pull secrets at its registry
  list       Pull secrets with their registries, users and who uses them
  explain    Would the kubelet offer a key for an image, and why not (needs no cluster)
  copy       Copy a pull secret to other namespaces, or compare the copies
  rotate     Put a new password into a pull secret and all its copies
  remove     Delete a pull secret, or one of its entries, that nothing uses
  options    List the options that every command takes

Examples:
  # Ask for what is missing, and offer the registries that failing pods need
  kubectl pullsecret add
  # For a WebLogic Domain, with the password from a file
  kubectl pullsecret add secret1 --docker-server some.registry.com --docker-username bob \\
    --docker-password-file pw.txt --for domain/domain1
  # Which of the namespace's credentials still work
  kubectl pullsecret verify -n sample-ns

'kubectl pullsecret completion' tells how the shell completes this with TAB.
Exit status: 0 done, or nothing to do; 1 not done, or a credential that does not work.
"""

_WRITING = """\
      --dry-run=HOW              none, client (only show) or server (the server tries it)
  -o, --output=FORMAT            Show what was written: name, json or yaml (passwords hidden)
      --show-secrets             Show passwords in that, too
      --field-manager=NAME       Under which name changes are recorded (kubectl-pullsecret)
  -y, --yes                      Do not ask
"""
_LOGIN = """\
      --docker-server=SERVER     The registry, as images name it
      --docker-username=USER     The user, or the name of a token
      --docker-email=EMAIL       An e-mail address, which no registry needs
      --docker-password-stdin    Read the password from standard input
      --docker-password-file=FILE  Read the password from a file
      --docker-password=PASSWORD  The password, for others to see, and in the shell's history
      --from-docker-config       Take them from the Docker config, its helpers and store
      --docker-config=FILE       Another Docker config than the default
      --no-verify                Do not try them at the registry
"""
_MORE = "\n'kubectl pullsecret options' lists what every command takes, such as -n and --context.\n"

ADD = (
    """\
Create or update a pull secret: tried at its registry, one entry for each registry, others kept.

Without NAME it is called as a failing pod names it, else regcred. What is missing is asked for on a
terminal.

Usage:
  kubectl pullsecret add [options] [NAME]

Options:
      --for=TYPE/NAME            Attach it to a domain, serviceaccount, ...; can be repeated
"""
    + _LOGIN
    + _WRITING
    + _MORE
)

_ATTACHING = (
    """\

Options:
      --for=TYPE/NAME            A domain, serviceaccount, deployment, ...; can be repeated
"""
    + _WRITING
    + _MORE
)
ATTACH = (
    """\
Add a pull secret to the list of what makes pods, at its end, and lose no other name.

It says beforehand what follows: a Domain or workload restarts its pods, a service account reaches
only new ones.

Usage:
  kubectl pullsecret attach [options] NAME
"""
    + _ATTACHING
)
DETACH = (
    """\
Take a pull secret out of the list of what makes pods; the secret itself stays.

Usage:
  kubectl pullsecret detach [options] NAME
"""
    + _ATTACHING
)

VERIFY = (
    """\
Try every entry of pull secrets at its registry: can the kubelet read it, what needs it, does the
registry accept it.

Usage:
  kubectl pullsecret verify [options] [NAME...]

Options:
  -o, --output=FORMAT            json or yaml instead of a table
      --no-headers               Leave the headers of the table out

Exit status: 0 nothing is wrong, 1 an entry fails, or nothing could be looked at.
"""
    + _MORE
)

LIST = (
    """\
List pull secrets with their registries, users, end of life and who uses them.

Usage:
  kubectl pullsecret list [options]

Options:
  -A, --all-namespaces           In all namespaces
  -o, --output=FORMAT            name, json or yaml instead of a table
      --no-headers               Leave the headers of the table out
"""
    + _MORE
)

EXPLAIN = """\
Say whether the kubelet offers a credential stored under a key for an image, why or why not, and
what would match.

Nothing is asked of a cluster or a registry.

Usage:
  kubectl pullsecret explain [options]

Examples:
  kubectl pullsecret explain --key https://some.registry.com/v2 --image some.registry.com/app:1.0

Options:
      --key=KEY                  The key in the secret: the --docker-server it was made with
      --image=IMAGE              The image as a container names it
  -o, --output=FORMAT            json or yaml

Exit status: 0 it is offered, 1 it is not.
"""

COPY = (
    """\
Copy a pull secret to other namespaces, marked as a copy; or compare the copies with it.

Usage:
  kubectl pullsecret copy [options] NAME

Options:
      --to-namespace=NAMESPACE   Where to copy it; can be repeated
      --all-namespaces           To every namespace that there is ...
      --except=NAMESPACE         ... but not to this one; can be repeated
      --check                    Change nothing: tell which copies differ from it (exit status 1)
"""
    + _WRITING
    + _MORE
)

ROTATE = (
    """\
Put a new password for the same registry into a pull secret and all its copies, proven first.

The kubelet reads the new content at its next pull by itself: nothing has to be restarted.

Usage:
  kubectl pullsecret rotate [options] NAME

Options:
"""
    + _LOGIN
    + _WRITING
    + _MORE
)

REMOVE = (
    """\
Delete a pull secret that nothing uses, or one entry of it.

Usage:
  kubectl pullsecret remove [options] NAME

Options:
      --docker-server=SERVER     Only the entry for this registry
      --detach                   Take it out of the lists that name it first
"""
    + _WRITING
    + _MORE
)

OPTIONS = (
    """\
The options that every command takes.

Usage:
  kubectl pullsecret options

Registry options:
"""
    + REGISTRY_OPTIONS
    + "\n"
    + CONNECTION_OPTIONS
)

VERBS = {
    "add": ADD,
    "attach": ATTACH,
    "detach": DETACH,
    "verify": VERIFY,
    "list": LIST,
    "explain": EXPLAIN,
    "copy": COPY,
    "rotate": ROTATE,
    "remove": REMOVE,
    "options": OPTIONS,
}
HIDDEN = "\n" + REGISTRY_OPTIONS + "\n" + CONNECTION_OPTIONS + "      --version                  Show the version\n"
