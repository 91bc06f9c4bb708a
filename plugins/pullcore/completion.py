"""What can follow the words of a command line that is being typed, as kubectl's completion asks for it.

kubectl starts `kubectl_complete-<plugin>` with the words so far, the last of which is being completed, and reads one
candidate per line, a description after a tab, and at last `:` with a number for the shell (cobra's ShellCompDirective).
All options, verbs and their values come from the help. What takes time to import is imported where kubectl is asked anyway.
"""

from __future__ import annotations

import os

from pullcore.flags import Flag, read_flags
from pullcore.usage import CONNECTION_OPTIONS

TYPE_CHECKING = False
if TYPE_CHECKING:  # also these take time
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pullcore.kinds import Kind

    Run = Callable[[Sequence[Sequence[str]]], Sequence[str]]
    Candidates = list[tuple[str, str]]  # each with what is said of it
    Answer = tuple[Candidates, int]

FILES, NO_SPACE, NO_FILES, FOLDERS = 0, 2, 4, 16
BOUND = 2.7  # seconds for all of kubectl's answers
BARE = ("--dry-run",)  # options that mean something without a value: the next word is none
# Names with any other character are left out: shells expand candidates, and bash's compgen -W even runs `...` in them.
PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:@/+=,%")
LONGEST = 80

# How kubectl lists what an option takes, by the name of the option or of its value.
PULL_SECRETS = ("get", "secrets", "--field-selector=type=kubernetes.io/dockerconfigjson", "-o", "name")
LISTS = {
    "--context": ("config", "get-contexts", "-o", "name"),
    "--cluster": ("config", "get-clusters"),
    "--user": ("config", "get-users"),
    "--serviceaccount": ("get", "serviceaccounts", "-o", "name"),
    "--secret": PULL_SECRETS,
    "--with-secret": PULL_SECRETS,
    "--recreate-domain": ("get", "domains.weblogic.oracle", "-o", "name"),
    "NAMESPACE": ("get", "namespaces", "-o", "name"),
    "--nodes": ("get", "nodes", "-o", "name"),
}
CHOICES = ("FORMAT", "HOW", "WHEN", "CARRIER")  # values that the help lists
PATHS = {"FILE": FILES, "DIR": FOLDERS, "SOURCE": FILES, "ARCHIVE": FILES}
TARGET = "TYPE/NAME"
# With these no object of the cluster is named.
NAMELESS = ("--all-namespaces", "--selector", "--image", "--filename", "--recreate-domain")
NOT_FOR_KUBECTL = ("--request-timeout", "--v", "--help")


def answer(plugin: str, words: Sequence[str]) -> str:
    """The text that kubectl wants for the words behind the plugin's name."""
    candidates, directive = complete(plugin, words, ask)
    lines = [f"{text}\t{said}" if said else text for text, said in candidates]
    return "\n".join([*lines, f":{directive}\n"])


def complete(plugin: str, words: Sequence[str], run: Run) -> Answer:
    """The candidates for the last word, and the number for the shell. run: gives what kubectl prints for each of some
    lists of arguments, nothing for what fails."""
    usage = __import__(f"{plugin}.usage", fromlist=["HELP"])
    verbs: dict[str, str] = getattr(usage, "VERBS", {})
    before, word = words[:-1], "".join(words[-1:])
    if not verbs:
        return Line(before, read_flags(usage.HELP), run).complete(word, usage.HELP, objects=True)
    line = Line(before, read_flags("\n".join([*verbs.values(), usage.HIDDEN])), run)
    verb = "".join(line.names[:1])
    if verb:
        text = verbs[verb] + usage.HIDDEN if verb in verbs and verb != "options" else ""
        line = Line(before, read_flags(text), run)
        line.names = line.names[1:]
        return line.complete(word, text, objects=False)
    if line.open or word.startswith("-"):
        return line.complete(word, usage.HIDDEN, objects=False)
    described = {one.split()[0]: one.split(None, 1)[1] for one in usage.HELP.splitlines() if one[2:].split(" ")[0] in verbs}
    return fitting([(verb, described.get(verb, "")) for verb in verbs], word), NO_FILES


class Line:
    """The words before the one that is completed, read as pflag does, and leniently: what is wrong is told when it runs."""

    def __init__(self, words: Sequence[str], flags: Sequence[Flag], run: Run) -> None:
        self.by_name = {name: flag for flag in flags for name in flag.names}
        self.run = run
        self.given: dict[str, list[str]] = {}
        self.names: list[str] = []
        self.open: Flag | None = None  # an option whose value comes next
        self.literal = False  # after `--`
        for word in words:
            if self.open:
                self.given.setdefault(self.open.key, []).append(word)
                self.open = None
            elif self.literal or word == "-" or not word.startswith("-"):
                self.names.append(word)
            elif word == "--":
                self.literal = True
            else:
                for flag, value, _ in self.options(word):
                    if value is None and flag.takes_value and flag.key not in BARE:
                        self.open = flag
                    else:
                        self.given.setdefault(flag.key, []).append(value or "")

    def options(self, word: str) -> list[tuple[Flag, str | None, str]]:
        """The options in one word: each with its value, None if it is not in the word, and what stands before the value in
        a candidate (after a `=` shells complete the value alone)."""
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            return [(self.by_name[name], value if equals else None, "")] if name in self.by_name else []
        found: list[tuple[Flag, str | None, str]] = []
        for at, letter in enumerate(word[1:], 1):
            flag, rest = self.by_name.get("-" + letter), word[at + 1 :]
            if flag is None:
                break
            if rest.startswith("="):
                return [*found, (flag, rest[1:], "")]
            if flag.takes_value and rest:
                return [*found, (flag, rest, word[: at + 1])]
            found.append((flag, None, ""))
        return found

    def complete(self, word: str, text: str, *, objects: bool) -> Answer:
        """text: the help that tells what is offered. objects: a NAME is that of an object with images, else of a secret."""
        if self.open:
            return self.value(self.open, word, "")
        if word.startswith("-") and not self.literal:
            options = self.options(word)
            if options and options[-1][1] is not None:
                flag, value, prefix = options[-1]
                return self.value(flag, value or "", prefix)
            return self.option(word, read_flags(text)), NO_FILES
        takes = text.partition("Usage:")[2].lstrip().partition("\n")[0].rpartition(" ")[2]  # the last word of the usage
        if "NAME" not in takes or (self.names and "..." not in takes):
            return [], NO_FILES
        if not objects:
            return self.without(self.listed(PULL_SECRETS), word), NO_FILES
        if any(key in self.given for key in NAMELESS):
            return [], NO_FILES
        return self.target(word, self.names)

    def option(self, word: str, flags: Iterable[Flag]) -> Candidates:
        """Names of options, those left out that are there and count once."""
        found: dict[str, str] = {}
        for flag in flags:
            if flag.repeatable or flag.key not in self.given:
                for name in flag.names:
                    if name.startswith("--") or not word.startswith("--"):
                        found.setdefault(name, brief(flag.description))
        return fitting(found.items(), word)

    def value(self, flag: Flag, word: str, prefix: str) -> Answer:
        """What an option can be set to. prefix: what stands before it in the same word."""
        if flag.value in PATHS:
            return [], PATHS[flag.value]
        directive = NO_FILES
        if flag.value == TARGET:
            candidates, directive = self.target(word, self.given.get(flag.key, []), accounts=True)
        elif flag.value in CHOICES:
            candidates = fitting([(one, "") for one in choices(flag.description)], word)
        elif not flag.takes_value:
            candidates = fitting([("true", ""), ("false", "")], word)
        else:
            command = LISTS.get(flag.key) or LISTS.get(flag.value)
            there = self.listed(command) if command else []
            candidates = fitting([(name, "") for name in there if name not in self.given.get(flag.key, ())], word)
        return [(prefix + text, said) for text, said in candidates], directive

    # What is in the cluster

    def listed(self, command: Sequence[str]) -> list[str]:
        (text,) = self.run([[*command, *self.connection(command[0])]])
        lines = text.splitlines()
        if command[0] == "config":
            return [name for name in lines if plain(name) and (name != "NAME" or "-o" in command)]
        return [name for name in (line.partition("/")[2] for line in lines) if plain(name)]

    def connection(self, command: str) -> list[str]:
        """The options that say which cluster is meant, for kubectl."""
        keys = [flag.key for flag in read_flags(CONNECTION_OPTIONS) if flag.key not in NOT_FOR_KUBECTL]
        if command == "config":
            keys = ["--kubeconfig"]
        by_key = {flag.key: flag for flag in self.by_name.values()}
        return [
            f"{key}={value}" if by_key[key].takes_value or value else key
            for key in keys
            for value in self.given.get(key, ())
        ]

    def without(self, names: Iterable[str], word: str) -> Candidates:
        return fitting([(name, "") for name in names if name not in self.names], word)

    def target(self, word: str, there: Sequence[str], *, accounts: bool = False) -> Answer:
        """Objects, and types for a word without a slash. there: those that are named already. accounts: only what lists
        pull secrets, service accounts among them."""
        from pullcore.kinds import CHECKABLE, KINDS, TARGETS, kind_called

        kinds: Sequence[Kind] = CHECKABLE
        bare = [kind for kind in TARGETS if kind.name != "ReplicaSet"]  # which Deployments have many of
        if accounts:
            from pullcore.attachment import LIST_PATHS

            kinds = tuple(KINDS[name] for name in LIST_PATHS)
            bare = [kind for kind in kinds if kind in bare or kind.name == "ServiceAccount"]
        typed, slash, _ = word.rpartition("/")
        first = there[0] if there and not accounts and not any("/" in one for one in there) else ""
        kind = kind_called(typed if slash else first)
        if slash and accounts and typed.lower() in ("sa", "serviceaccount", "serviceaccounts"):
            kind = KINDS["ServiceAccount"]
        if slash:
            names = self.objects([kind]) if kind in kinds else []
            found = [(f"{typed}/{name}", "") for name, _ in names]
        elif kind:  # `deployment web api`
            found = [(name, "") for name, _ in self.objects([kind])]
        else:
            found = [*((f"{kind.name.lower()}/", "") for kind in kinds), *self.objects(bare)]
        found = fitting([one for one in found if one[0] not in there], word)
        return found, NO_FILES | (NO_SPACE if any(text.endswith("/") for text, _ in found) else 0)

    def objects(self, kinds: Sequence[Kind | None]) -> Candidates:
        """The names of objects with their types. A cluster may know none of WebLogic's types, which fails a call."""
        groups: dict[bool, list[str]] = {}
        for kind in kinds:
            if kind:
                full = f"{kind.plural}.{kind.group}" if kind.group else kind.plural
                groups.setdefault(kind.group == "weblogic.oracle", []).append(full)
        calls = [["get", ",".join(types), "-o", "name", *self.connection("get")] for types in groups.values()]
        found: dict[str, list[str]] = {}
        for line in "\n".join(self.run(calls)).splitlines():
            full, _, name = line.partition("/")
            if plain(name) and plain(full):
                found.setdefault(name, []).append(full.partition(".")[0])
        return [(name, ", ".join(types)) for name, types in found.items()]


def fitting(candidates: Iterable[tuple[str, str]], word: str) -> Candidates:
    return [one for one in candidates if one[0].startswith(word)]


def plain(name: str) -> bool:
    """Whether a name from elsewhere can be shown and typed as it is."""
    return bool(name) and PLAIN.issuperset(name) and not name.startswith(("-", ":"))


def brief(description: str) -> str:
    """The first sentence of what the help says of an option, on one line."""
    text = description.partition(". ")[0].partition(";")[0]
    if text.count("(") > text.count(")"):  # `(e.g. 1s, ...)`
        text = text.rpartition(" (")[0]
    return text if len(text) <= LONGEST else text[:LONGEST].rpartition(" ")[0] + " ..."


def choices(description: str) -> list[str]:
    """The values in `One of: wide, json`, `json or yaml instead of a table`, `none, client (only show) or server (...)`."""
    text = ""
    for number, part in enumerate(description.replace("[", "(").replace("]", ")").split("(")):
        text += part if number == 0 else part.partition(")")[2]
    text = text.partition(";")[0].rpartition(":")[2]
    return [part.split()[0] for part in text.replace(" or ", ",").split(",") if part.strip()]


def ask(calls: Sequence[Sequence[str]]) -> list[str]:
    """What kubectl prints for each list of arguments, side by side and in bounded time; nothing for what takes longer. What
    a kubeconfig has it start can't reach the terminal either: it would ask for a password in the middle of a line."""
    import contextlib
    import signal
    import subprocess
    import time

    deadline = time.monotonic() + BOUND
    kubectl = os.environ.get("KUBECTL_PATH") or "kubectl"
    started: list[subprocess.Popen[bytes] | None] = []
    texts = []
    try:
        for call in calls:
            try:
                process = subprocess.Popen(
                    [kubectl, *call, "--request-timeout=2s"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL, start_new_session=True,
                )  # fmt: skip
            except (OSError, ValueError):  # not there, or a word with a NUL
                started.append(None)
            else:
                started.append(process)
        for one in started:
            try:
                text = one.communicate(timeout=max(0.1, deadline - time.monotonic()))[0] if one else b""
            except subprocess.TimeoutExpired:
                text = b""
            texts.append(text.decode("utf-8", "replace"))
    finally:
        for one in started:
            if one and one.poll() is None:
                with contextlib.suppress(OSError):  # gone by now
                    os.killpg(one.pid, signal.SIGKILL)
                one.wait()
    return texts


def advice(plugin: str, path: str, environ: Mapping[str, str]) -> str:
    """What makes kubectl complete the words of a plugin; a shell can run it. path: the file that was started."""
    import shlex

    name = f"kubectl_complete-{plugin}"
    path = os.path.abspath(path)  # noqa: PTH100 - as it was called: a link of krew's outlives an upgrade
    folder = os.path.dirname(path)  # noqa: PTH120
    on_path = [os.path.join(one or ".", name) for one in environ.get("PATH", "").split(os.pathsep)]  # noqa: PTH118
    there = [one for one in on_path if os.path.isfile(one) and os.access(one, os.X_OK)]  # noqa: PTH113
    beside = os.path.join(folder, name)  # noqa: PTH118
    lines = [
        f"# kubectl completes the words of kubectl {plugin} when two things are there:",
        "# 1. Its own completion: 'kubectl completion --help' tells how for your shell.",
        f"# 2. {name} in a directory that is on PATH" + (". It is there:" if there else ". This puts it there:"),
    ]
    if there:
        lines.append(f"#    {there[0]}")
    elif os.access(beside, os.X_OK):
        lines.append(f"export PATH={shlex.quote(folder)}:$PATH")
    else:
        lines.append(f"ln -sf {shlex.quote(path)} {shlex.quote(beside)}")
    if not hasattr(__import__(f"{plugin}.usage", fromlist=["HELP"]), "VERBS"):
        lines.append(f"# (For an object that is called completion, write its type: kubectl {plugin} pod/completion)")
    return "\n".join(lines) + "\n"
