"""The command line of kubectl repull as one small value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from pullcore import command
from pullcore.changes import Manner
from pullcore.errors import UsageError, one_line
from pullcore.password import PasswordOptions
from pullcore.registryoptions import RegistryOptions

from repull.usage import HELP

PLUGIN = "repull"
BARE = {"--dry-run": "client"}  # what an option means without its value
OUTPUTS = ("json", "yaml", "name")
DRY_RUNS = ("none", "client", "server")
CARRIERS = ("pod", "ssh")
MOST_AT_ONCE = 50  # nodes
NO_PASSWORD = PasswordOptions()
COLOURS = ("auto", "always", "never")


@dataclass(frozen=True)
class PushOptions:
    """What is pushed before anything is brought back, as which image, and who signs in for it."""

    source: str
    to: Optional[str] = None
    overwrite: bool = False
    username: str = ""
    password: PasswordOptions = NO_PASSWORD
    docker_config: Optional[str] = None


@dataclass(frozen=True)
class LoadOptions:
    """What is loaded onto nodes before anything is brought back, as which image, and how it gets there.

    nodes: empty for those that may run the target's pods; namespace: of the carriers, None for the target's own; socket: of
    the runtime, `{node}` in it standing for a node's name, None for its usual place; parallelism: how many nodes at once."""

    archive: str
    to: Optional[str] = None
    nodes: tuple[str, ...] = ()
    via: str = "pod"
    namespace: Optional[str] = None
    ssh_user: str = ""
    socket: Optional[str] = None
    pin: bool = False
    parallelism: int = 5


@dataclass(frozen=True)
class Options:
    """What was asked for. `timeout` is in seconds."""

    connection: command.Connection
    registries: RegistryOptions
    manner: Manner
    names: tuple[str, ...] = ()
    selector: str = ""
    all_namespaces: bool = False
    registry: bool = True
    force: bool = False
    keep_waiting_pods: bool = False
    recreate_pods: bool = False
    roll_running: bool = False
    recreate_domain: Optional[str] = None
    push: Optional[PushOptions] = None
    load: Optional[LoadOptions] = None
    save_dir: Path = Path("~/.kube/kubectl-repull")
    wait: bool = True
    timeout: float = 600.0
    output: Optional[str] = None
    yes: bool = False
    color: str = "auto"
    version: bool = False

    @property
    def scan(self) -> bool:
        """Nothing is named: everything that waits is meant."""
        return not self.names

    @property
    def dry_run(self) -> bool:
        return self.manner.dry_run != "none"


def parse(argv: Sequence[str]) -> Options:
    """Reads the command line. Raises UsageError."""
    given = command.parse(HELP, argv, PLUGIN, optional=BARE)
    try:
        options = _typed(given)
        _validate(options)
    except UsageError as error:
        raise UsageError(error.text, see=f"See '{command.shown_as(PLUGIN)} --help' for usage.") from None
    return options


def _typed(given: Mapping[str, Any]) -> Options:
    dry_run, output = given["--dry-run"] or "none", given["--output"]
    _one_of("--dry-run", dry_run, DRY_RUNS)
    _one_of("--color", given["--color"], COLOURS)
    if output is not None and output not in OUTPUTS:
        raise UsageError(
            f'unable to match a printer suitable for the output format "{one_line(output, 60)}", '
            f"allowed formats are: {','.join(OUTPUTS)}"
        )
    domain = given["--recreate-domain"]
    return Options(
        connection=command.Connection.from_arguments(given),
        registries=RegistryOptions.from_arguments(given),
        # json and yaml are one document of the whole run, so that each change is not a document of its own.
        manner=Manner(dry_run, "name" if output == "name" else None, given["--field-manager"]),
        names=tuple(given["NAME"]) or ((f"domain/{domain}",) if domain else ()),
        selector=given["--selector"] or "",
        all_namespaces=given["--all-namespaces"],
        registry=not given["--no-registry"],
        force=given["--force"],
        keep_waiting_pods=given["--keep-waiting-pods"],
        recreate_pods=given["--recreate-pods"],
        roll_running=given["--roll-running"],
        recreate_domain=domain,
        push=_push(given),
        load=_load(given),
        save_dir=_folder(given["--save-dir"]),
        wait=not given["--no-wait"],
        timeout=_timeout(given["--timeout"]),
        output=output,
        yes=given["--yes"],
        color=given["--color"],
        version=given["--version"],
    )


def _push(given: Mapping[str, Any]) -> Optional[PushOptions]:
    """Raises UsageError for what makes no sense together."""
    of_login = ("--docker-username", "--docker-password-stdin", "--docker-password-file", "--docker-config")
    if given["--push"] is None:
        for option in ("--overwrite", *of_login):
            if given[option] not in (None, False):
                raise UsageError(f"{option} says how something is pushed: it needs --push")
        if given["--to"] is not None and given["--load"] is None:
            raise UsageError("--to says as which image something is pushed or loaded: it needs --push or --load")
        return None
    if not given["--push"]:
        raise UsageError("--push needs the name of an archive or of an image")
    if not given["NAME"]:
        raise UsageError("--push needs the name of what waits for the image, such as pod/web-0 or domain1")
    if given["--docker-password-stdin"] and given["--docker-password-file"] is not None:
        raise UsageError("--docker-password-stdin and --docker-password-file are two passwords: one is enough")
    if given["--docker-config"] is not None and any(given[option] not in (None, False) for option in of_login[:3]):
        raise UsageError("--docker-config and a user or password are two logins: one is enough")
    has_password = given["--docker-password-stdin"] or given["--docker-password-file"] is not None
    if has_password and not given["--docker-username"]:
        raise UsageError("a password needs its user: --docker-username")
    password = PasswordOptions(stdin=given["--docker-password-stdin"], file=given["--docker-password-file"])
    return PushOptions(
        given["--push"],
        given["--to"],
        given["--overwrite"],
        given["--docker-username"] or "",
        password,
        given["--docker-config"],
    )


def _load(given: Mapping[str, Any]) -> Optional[LoadOptions]:
    """Raises UsageError for what makes no sense together."""
    if given["--load"] is None:
        for option in (
            "--nodes",
            "--via",
            "--carrier-namespace",
            "--ssh-user",
            "--containerd-socket",
            "--pin",
            "--parallelism",
        ):
            if given[option] not in (None, False):
                raise UsageError(f"{option} says how something is loaded: it needs --load")
        return None
    if not given["--load"]:
        raise UsageError("--load needs the name of an archive")
    if given["--push"] is not None:
        raise UsageError("--push and --load are two ways to supply the image: one is enough")
    if not given["NAME"]:
        raise UsageError("--load needs the name of what waits for the image, such as pod/web-0 or domain1")
    via = given["--via"] or "pod"
    _one_of("--via", via, CARRIERS)
    if via == "ssh" and given["--carrier-namespace"] is not None:
        raise UsageError("--carrier-namespace is of pods: it goes not with --via=ssh")
    if via == "pod" and given["--ssh-user"] is not None:
        raise UsageError("--ssh-user goes with --via=ssh only")
    socket, count = given["--containerd-socket"], given["--parallelism"]
    if socket is not None and not socket.startswith("/"):
        raise UsageError("--containerd-socket needs a path on the nodes that begins with /")
    return LoadOptions(
        given["--load"],
        given["--to"],
        command.parse_list("--nodes", given["--nodes"]),
        via,
        given["--carrier-namespace"] or None,
        given["--ssh-user"] or "",
        socket,
        given["--pin"],
        LoadOptions.parallelism if count is None else command.parse_count("--parallelism", count, MOST_AT_ONCE),
    )


def _one_of(option: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise UsageError(f'invalid value "{one_line(value, 60)}" for {option}: one of {", ".join(allowed)}')


def _timeout(text: str) -> float:
    try:
        return command.parse_duration(text)
    except ValueError:
        raise UsageError(f'invalid value "{one_line(text, 60)}" for --timeout: write 90s, 10m or 1h') from None


def _folder(text: str) -> Path:
    if not text:  # which Path takes for the current one
        raise UsageError("--save-dir needs the name of a folder")
    return Path(text).expanduser()


def _validate(options: Options) -> None:
    if options.recreate_domain is not None:
        _validate_last_resort(options)
    if options.names and options.selector:
        raise UsageError("a name cannot be given together with a selector")
    if options.names and options.all_namespaces:
        raise UsageError("a name cannot be looked for in all namespaces: give -n NAMESPACE instead of -A")
    if options.roll_running and options.keep_waiting_pods:
        raise UsageError("--roll-running recreates pods, --keep-waiting-pods leaves them alone: one of the two")


def _validate_last_resort(options: Options) -> None:
    domain = options.recreate_domain
    if not domain or "/" in domain:
        raise UsageError("--recreate-domain needs the name of a Domain, without a type")
    if options.names not in ((domain,), (f"domain/{domain}",)) or options.selector or options.all_namespaces:
        raise UsageError("--recreate-domain goes with no other name, selector or -A")
    for option, is_given in (
        ("--keep-waiting-pods", options.keep_waiting_pods),
        ("--recreate-pods", options.recreate_pods),
        ("--roll-running", options.roll_running),
    ):
        if is_given:
            raise UsageError(f"{option} and --recreate-domain are two ways to restart: one is enough")
