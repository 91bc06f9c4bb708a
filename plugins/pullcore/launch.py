"""Starts a plugin with a Python that can run it. Parses on Python 3.6; the path of --help imports nothing heavy."""

# ruff: noqa: PTH112, PTH118, PTH119, PTH120, PTH123, UP036
# pathlib costs start-up time; an old Python is what this file is for.
import os
import sys

# Set while one Python hands over to another, so that they cannot hand over in a circle.
HANDED_OVER = "PULLKIT_HANDED_OVER"
COMPLETER = "kubectl_complete-"  # what kubectl calls for the words that can follow those of a plugin

# What `make dist` packs: the packages that the plugins need. They come before any that are installed, after our own.
ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
LIBRARY = os.path.join(ROOT, "lib")
if os.path.isdir(os.path.join(LIBRARY, "kubernetes")):
    sys.path.insert(1, LIBRARY)


def launch(name: str) -> None:
    """Runs `<name>.main.main(arguments)` and ends the process with what it returns.

    name: the plugin without `kubectl-`. Help is answered here from `<name>.usage`, in any Python. A link that is called
    kubectl_complete-<name> completes.
    """
    end_by_interrupt()
    if os.path.basename(sys.argv[0]) == COMPLETER + name:
        complete(name)
    handed_over = os.environ.pop(HANDED_OVER, "")
    open_all()
    try:
        text = help_text(name, sys.argv[1:])
        if text is not None:
            sys.exit(show(shown_as(name), name, text))
        if sys.argv[1:] == ["completion"] and sys.version_info >= (3, 9):
            advice = getattr(__import__("pullcore.completion", fromlist=["advice"]), "advice")  # noqa: B009
            sys.exit(show(shown_as(name), name, advice(name, sys.argv[0], os.environ)))
        problem = unfit(name)
        if problem:
            if not handed_over:
                hand_over()
            sys.stderr.write("error: " + problem + "\n")
            sys.exit(2 if name == "pullcheck" else 1)
        for stream in (sys.stdout, sys.stderr):
            getattr(stream, "reconfigure")(errors="backslashreplace")  # noqa: B009 - a Latin-1 terminal must not stop a report
        spare_collector()
        main = getattr(__import__(name + ".main", fromlist=["main"]), "main")  # noqa: B009
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)


def open_all() -> None:
    """Opens what was closed by whoever started us, in the order of the descriptors: no other file may get their numbers."""
    if sys.stdin is None:
        sys.stdin = open(os.devnull)  # noqa: SIM115
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115


def end_by_interrupt() -> None:
    """Has Ctrl-C end the process at once, as SIGTERM does: nothing is there yet that would have to be put in order, and an
    exception in the middle of an import is shown. Once a plugin runs, pullcore.signals knows more. Where it is ignored (a
    job in the background) it stays so."""
    import _signal  # type: ignore[import-not-found,unused-ignore]  # signal itself takes time to import

    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)


def complete(name: str) -> None:
    """Prints what can follow the arguments, as kubectl asks for it, and ends the process. Nothing that goes wrong is told:
    it would stand in the middle of what the user types."""
    end_by_interrupt()
    handed_over = os.environ.pop(HANDED_OVER, "")
    text = ":0\n"  # leaves it to the shell
    try:
        if sys.version_info < (3, 9):
            if not handed_over:
                hand_over()
        else:
            answer = getattr(__import__("pullcore.completion", fromlist=["answer"]), "answer")  # noqa: B009
            text = answer(name, sys.argv[1:])
    except (Exception, KeyboardInterrupt):  # noqa: BLE001, S110 - see above
        pass
    try:  # noqa: SIM105
        os.write(1, text.encode("utf-8"))
    except OSError:  # the shell has gone
        pass
    sys.exit(0)


def spare_collector() -> None:
    """Makes the garbage collector rare: lists of objects hold no cycles, and to look for some in thousands of pods took
    a quarter of a scan's processor time. What is not part of a cycle is freed at once as ever."""
    import gc

    gc.set_threshold(200000)


def shown_as(name: str) -> str:
    """What the user called: `kubectl pullcheck` through kubectl or krew, else the name of the file."""
    own = os.path.basename(sys.argv[0])
    return "kubectl " + name if own.startswith("kubectl-") or own == "__main__.py" else own


def help_text(name: str, argv: "list[str]") -> "str | None":
    """The help that `argv` asks for, or None: -h or --help before `--`, for the whole plugin or one of its verbs.

    `<name>.usage` holds HELP, and VERBS (verb -> text) when the plugin has verbs.
    """
    asked = argv[: argv.index("--")] if "--" in argv else argv
    if "-h" not in asked and "--help" not in asked:
        return None
    usage = __import__(name + ".usage", fromlist=["HELP"])
    verbs = getattr(usage, "VERBS", {})  # type: dict[str, str]
    for word in asked:
        if word in verbs:
            return verbs[word]
    return str(usage.HELP)


def show(shown: str, name: str, text: str) -> int:
    """Prints help under the name the user called; the exit status. A reader that has gone is no error."""
    status = 0
    try:
        sys.stdout.write(text.replace("kubectl " + name, shown))
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is left would be written, and fail, at the end
        if not isinstance(error, BrokenPipeError):
            status = 2 if name == "pullcheck" else 1
            try:  # noqa: SIM105
                os.write(2, ("error: can't write: " + str(error.strerror).lower() + "\n").encode("ascii", "replace"))
            except OSError:  # nobody can be told
                pass
    return status


def unfit(name: str) -> str:
    """Why this Python cannot run the plugin, in one line, or an empty text."""
    if sys.version_info < (3, 9):
        return (
            shown_as(name)
            + " needs Python 3.9 or newer, and "
            + sys.executable
            + " is "
            + sys.version.split()[0]
            + ": install a newer one beside it (python3.12, say); it is found on PATH"
        )
    import importlib.util

    if importlib.util.find_spec("kubernetes") is None:
        return (
            shown_as(name)
            + " needs the Python package kubernetes, which "
            + sys.executable
            + " does not have: pip install kubectl-pullkit"
        )
    return ""


def hand_over() -> None:
    """Becomes the first better Python there is: the clone's own, else the newest on PATH. Returns if there is none."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    own = os.path.join(root, ".venv", "bin", "python")
    found = [own] if os.path.isdir(os.path.join(root, "plugins")) else []
    if sys.version_info < (3, 9):
        for minor in range(20, 8, -1):
            for directory in os.environ.get("PATH", "").split(os.pathsep):
                found.append(os.path.join(directory or ".", "python3." + str(minor)))
    for python in found:
        if os.access(python, os.X_OK) and not os.path.isdir(python) and (python == own or works(python)):
            environment = dict(os.environ)
            environment[HANDED_OVER] = "1"
            try:
                os.execve(python, [python, *sys.argv], environment)  # noqa: S606
            except OSError:
                continue


def works(python: str) -> bool:
    """Whether this file is a Python that is new enough: version managers put shims on PATH that only print an error."""
    import subprocess

    code = "import sys; sys.exit(sys.version_info < (3, 9))"
    with open(os.devnull, "w") as nothing:
        try:
            return subprocess.call([python, "-c", code], stdout=nothing, stderr=nothing) == 0
        except OSError:
            return False
