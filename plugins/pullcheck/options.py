"""The command line of kubectl pullcheck as one small value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Optional

from pullcore import command
from pullcore.errors import UsageError, one_line
from pullcore.registryoptions import RegistryOptions

from pullcheck.usage import HELP

OUTPUTS = ("wide", "json", "yaml", "name")
BARE = {"--dry-run": "client"}  # what an option means without its value
POLICIES = ("Always", "IfNotPresent", "Never")
DRY_RUNS = ("none", "client", "server")
# The options of --probe, as they are where they are not given.
ABSENT: dict[str, object] = {
    "--nodes": None,
    "--probe-policy": None,
    "--parallelism": "5",
    "--probe-timeout": "10m",
    "--dry-run": None,
    "--yes": False,
}
MOST_AT_ONCE = 100
COLOURS = ("auto", "always", "never")


class ProbeOptions(NamedTuple):
    """How nodes are to try. nodes: their names, empty for all that may run it; policy: None for the Pull's own; timeout: in
    seconds, for all of them."""

    nodes: tuple[str, ...] = ()
    policy: Optional[str] = None
    parallelism: int = 5
    timeout: float = 600.0
    dry_run: str = "none"
    yes: bool = False


class Options(NamedTuple):
    """What was asked for. `output` None is the report for people."""

    connection: command.Connection
    names: tuple[str, ...]
    files: tuple[str, ...]
    selector: str
    all_namespaces: bool
    output: Optional[str]
    headers: bool
    offline: bool
    images: tuple[str, ...]
    service_account: Optional[str]
    secrets: tuple[str, ...]
    what_if: tuple[str, ...]
    registry: bool
    registries: RegistryOptions
    probe: Optional[ProbeOptions]
    save: Optional[str]
    color: str
    version: bool

    @property
    def scan(self) -> bool:
        """Nothing is named: everything that waits is wanted."""
        return not self.names and not self.files and not self.images


def parse(argv: Sequence[str]) -> Options:
    """Reads the command line. Raises UsageError."""
    given = command.parse(HELP, argv, "pullcheck", optional=BARE)
    try:
        options = _typed(given)
        _validate(options)
    except UsageError as error:
        raise UsageError(error.text, see=f"See '{command.shown_as('pullcheck')} --help' for usage.") from None
    return options


def _typed(given: Mapping[str, Any]) -> Options:
    return Options(
        connection=command.Connection.from_arguments(given),
        names=tuple(given["NAME"]),
        files=tuple(given["--filename"]),
        selector=given["--selector"] or "",
        all_namespaces=given["--all-namespaces"],
        output=given["--output"],
        headers=not given["--no-headers"],
        offline=given["--offline"],
        images=tuple(given["--image"]),
        service_account=given["--serviceaccount"],
        secrets=tuple(given["--secret"]),
        what_if=tuple(given["--with-secret"]),
        registry=not given["--no-registry"],
        registries=RegistryOptions.from_arguments(given),
        probe=_probe(given),
        save=given["--save"],
        color=given["--color"] or "auto",
        version=given["--version"],
    )


def _probe(given: Mapping[str, Any]) -> Optional[ProbeOptions]:
    if not given["--probe"]:
        for name, default in ABSENT.items():
            if given[name] != default:
                raise UsageError(f"{name} goes with --probe only")
        return None
    policy, dry_run = given["--probe-policy"], given["--dry-run"] or "none"
    if policy is not None and policy not in POLICIES:
        raise UsageError(f'invalid value "{one_line(policy, 60)}" for --probe-policy: one of {", ".join(POLICIES)}')
    if dry_run not in DRY_RUNS:
        raise UsageError(f'invalid value "{one_line(dry_run, 60)}" for --dry-run: one of {", ".join(DRY_RUNS)}')
    count = command.parse_count("--parallelism", given["--parallelism"], MOST_AT_ONCE)
    names = command.parse_list("--nodes", given["--nodes"])
    return ProbeOptions(names, policy, count, _timeout(given["--probe-timeout"]), dry_run, given["--yes"])


def _timeout(text: str) -> float:
    try:
        seconds = command.parse_duration(text)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= 24 * 3600:
        raise UsageError(f'invalid value "{one_line(text, 60)}" for --probe-timeout: write 90s, 10m or 1h, up to 24h')
    return seconds


def _validate(options: Options) -> None:
    if options.output is not None and options.output not in OUTPUTS:
        raise UsageError(
            f'unable to match a printer suitable for the output format "{one_line(options.output, 60)}", '
            f"allowed formats are: {','.join(OUTPUTS)}"
        )
    if options.color not in COLOURS:
        raise UsageError(f'invalid value "{one_line(options.color, 60)}" for --color: one of {", ".join(COLOURS)}')
    if options.names and options.selector:
        raise UsageError("a name cannot be given together with a selector")
    if options.names and options.all_namespaces and not options.files:
        raise UsageError("a name cannot be looked for in all namespaces: give -n NAMESPACE instead of -A")
    if options.offline and not options.files:
        raise UsageError("--offline needs -f FILE: without a cluster there is nothing else to look at")
    if options.probe and options.offline:
        raise UsageError("--probe needs the cluster: it goes not with --offline")
    if options.save == "":
        raise UsageError("--save needs the name of a file")
    if options.images and (options.names or options.selector or options.all_namespaces):
        raise UsageError("--image asks about a pod that is not there: it goes with no name, selector or -A")
    if "" in options.images:
        raise UsageError("--image needs the name of an image")
    if not options.images and (options.secrets or options.service_account):
        raise UsageError(f"--{'secret' if options.secrets else 'serviceaccount'} says something of the pod of --image only")
    if options.what_if and options.scan:
        raise UsageError("--with-secret needs a name, a file or --image: it asks what would be, not what waits")
    if options.files.count("-") > 1:
        raise UsageError("standard input can be read only once: give -f - once")
