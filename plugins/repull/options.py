"""The command line of kubectl repull as one small value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from pullcore import command
from pullcore.changes import Manner
from pullcore.errors import UsageError, one_line
from pullcore.registryoptions import RegistryOptions

from repull.usage import HELP

PLUGIN = "repull"
MOST_AT_ONCE = 50  # nodes
BARE = {"--dry-run": "client"}  # what an option means without its value
OUTPUTS = ("json", "yaml", "name")
DRY_RUNS = ("none", "client", "server")
CARRIERS = ("pod", "ssh")
COLOURS = ("auto", "always", "never")


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
    load: Optional[Path] = None
    load_as: str = ""
    nodes: tuple[str, ...] = ()
    via: str = "pod"
    carrier_namespace: str = ""
    ssh_user: str = ""
    containerd_socket: str = ""
    pin: bool = False
    parallelism: int = 5
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
    _one_of("--via", given["--via"], CARRIERS)
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
        load=_archive(given["--load"]),
        load_as=given["--load-as"] or "",
        nodes=tuple(name for name in (given["--nodes"] or "").split(",") if name),
        via=given["--via"],
        carrier_namespace=given["--carrier-namespace"] or "",
        ssh_user=given["--ssh-user"] or "",
        containerd_socket=_socket(given["--containerd-socket"]),
        pin=given["--pin"],
        parallelism=_count(given["--parallelism"]),
        save_dir=_folder(given["--save-dir"]),
        wait=not given["--no-wait"],
        timeout=_timeout(given["--timeout"]),
        output=output,
        yes=given["--yes"],
        color=given["--color"],
        version=given["--version"],
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


def _archive(text: Optional[str]) -> Optional[Path]:
    if text == "":
        raise UsageError("--load needs the name of an archive")
    return Path(text).expanduser() if text else None


def _socket(text: Optional[str]) -> str:
    if text and not text.startswith("/"):
        raise UsageError("--containerd-socket needs a path on the nodes that begins with /")
    return text or ""


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= MOST_AT_ONCE:
        raise UsageError(f'invalid value "{one_line(text, 60)}" for --parallelism: a number from 1 to {MOST_AT_ONCE}')
    return int(text)


def _validate(options: Options) -> None:
    _validate_load(options)
    if options.recreate_domain is not None:
        _validate_last_resort(options)
    if options.names and options.selector:
        raise UsageError("a name cannot be given together with a selector")
    if options.names and options.all_namespaces:
        raise UsageError("a name cannot be looked for in all namespaces: give -n NAMESPACE instead of -A")
    if options.roll_running and options.keep_waiting_pods:
        raise UsageError("--roll-running recreates pods, --keep-waiting-pods leaves them alone: one of the two")


def _validate_load(options: Options) -> None:
    if options.load is None:
        for option, given in (
            ("--load-as", options.load_as),
            ("--nodes", options.nodes),
            ("--via=ssh", options.via == "ssh"),
            ("--carrier-namespace", options.carrier_namespace),
            ("--ssh-user", options.ssh_user),
            ("--containerd-socket", options.containerd_socket),
            ("--pin", options.pin),
        ):
            if given:
                raise UsageError(f"{option} says how to load an image: it needs --load=ARCHIVE")
    elif not options.names:
        raise UsageError("--load needs a NAME: what the image is for")
    if options.via == "ssh" and options.carrier_namespace:
        raise UsageError("--carrier-namespace is for --via=pod")
    if options.via != "ssh" and options.ssh_user:
        raise UsageError("--ssh-user is for --via=ssh")


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
