"""The command lines of kubectl pullsecret as small values, one type for each verb."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional, Union

from pullcore import command
from pullcore.changes import Manner
from pullcore.command import Connection
from pullcore.errors import UsageError, one_line
from pullcore.registryoptions import RegistryOptions

from pullsecret.usage import HIDDEN, OPTIONS, VERBS

PLUGIN = "pullsecret"
MANAGER = "kubectl-pullsecret"
BARE = {"--dry-run": "client"}  # what an option means without its value
DRY_RUNS = ("none", "client", "server")


@dataclass(frozen=True)
class Common:
    """What every verb takes."""

    connection: Connection = field(default_factory=Connection)
    registries: RegistryOptions = field(default_factory=RegistryOptions)
    manner: Manner = field(default_factory=Manner)
    yes: bool = False


@dataclass(frozen=True)
class LoginOptions:
    """Where registry, user and password come from; what is None is asked for on a terminal."""

    server: Optional[str] = None
    username: Optional[str] = None
    email: str = ""
    password: Optional[str] = field(default=None, repr=False)
    password_stdin: bool = False
    password_file: Optional[str] = None
    from_docker_config: bool = False
    docker_config: Optional[str] = None
    verify: bool = True


@dataclass(frozen=True)
class Add:
    common: Common
    name: Optional[str]
    login: LoginOptions
    targets: tuple[str, ...]


@dataclass(frozen=True)
class Attach:
    """Also for detach."""

    common: Common
    name: str
    targets: tuple[str, ...]


@dataclass(frozen=True)
class Verify:
    common: Common
    names: tuple[str, ...]
    headers: bool


@dataclass(frozen=True)
class List:
    common: Common
    all_namespaces: bool
    headers: bool


@dataclass(frozen=True)
class Explain:
    key: str
    image: str
    output: Optional[str]


@dataclass(frozen=True)
class Copy:
    common: Common
    name: str
    namespaces: tuple[str, ...]
    all_namespaces: bool
    excepted: tuple[str, ...]
    check: bool


@dataclass(frozen=True)
class Rotate:
    common: Common
    name: str
    login: LoginOptions


@dataclass(frozen=True)
class Remove:
    common: Common
    name: str
    server: Optional[str]
    detach: bool


@dataclass(frozen=True)
class Show:
    """A text that is asked for: the version, or the common options."""

    text: str


Options = Union[Add, Attach, Verify, List, Explain, Copy, Rotate, Remove, Show]


def parse(argv: Sequence[str]) -> tuple[str, Options]:
    """The verb and its options. Raises UsageError."""
    from pullcore.version import described

    if "--version" in argv:
        return "version", Show(f"kubectl pullsecret {described()}\n")
    texts = {verb: text + HIDDEN for verb, text in VERBS.items() if verb != "options"}
    verb = command.verb_of(argv, {**texts, "options": OPTIONS}, PLUGIN, BARE)
    if verb == "options":
        return verb, Show(OPTIONS.partition("Registry options:")[2].lstrip("\n"))
    given = command.parse(texts[verb], argv, PLUGIN, optional=BARE)
    try:
        return verb, READERS[verb](given)
    except UsageError as error:
        raise UsageError(error.text, see=f"See '{command.shown_as(PLUGIN)} {verb} --help' for usage.") from None


def _common(given: Mapping[str, Any], *outputs: str) -> Common:
    dry_run, output = given.get("--dry-run") or "none", given.get("--output")
    if dry_run not in DRY_RUNS:
        raise UsageError(f'invalid value "{one_line(dry_run, 60)}" for --dry-run: one of {", ".join(DRY_RUNS)}')
    if output is not None and output not in outputs:
        raise UsageError(
            f'unable to match a printer suitable for the output format "{one_line(output, 60)}", '
            f"allowed formats are: {','.join(outputs)}"
        )
    manager = given.get("--field-manager") or MANAGER
    manner = Manner(dry_run, output, manager, bool(given.get("--show-secrets")))
    connection, registries = Connection.from_arguments(given), RegistryOptions.from_arguments(given)
    return Common(connection, registries, manner, bool(given.get("--yes")))


def _writing(given: Mapping[str, Any]) -> Common:
    return _common(given, "name", "json", "yaml")


def _login(given: Mapping[str, Any]) -> LoginOptions:
    found = LoginOptions(
        server=given["--docker-server"],
        username=given["--docker-username"],
        email=given["--docker-email"] or "",
        password=given["--docker-password"],
        password_stdin=given["--docker-password-stdin"],
        password_file=given["--docker-password-file"],
        from_docker_config=given["--from-docker-config"] or given["--docker-config"] is not None,
        docker_config=given["--docker-config"],
        verify=not given["--no-verify"],
    )
    ways = [
        ("--docker-password", found.password is not None),
        ("--docker-password-stdin", found.password_stdin),
        ("--docker-password-file", found.password_file is not None),
        ("--from-docker-config", found.from_docker_config),
    ]
    chosen = [name for name, is_given in ways if is_given]
    if len(chosen) > 1:
        raise UsageError(f"{' and '.join(chosen)} both give a password: one is enough")
    if found.from_docker_config and found.username is not None:
        raise UsageError("--from-docker-config brings its own user: leave --docker-username out")
    return found


def _add(given: Mapping[str, Any]) -> Add:
    return Add(_writing(given), given["NAME"], _login(given), tuple(given["--for"]))


def _attach(given: Mapping[str, Any]) -> Attach:
    targets = tuple(given["--for"])
    if not targets:
        raise UsageError("--for=TYPE/NAME is needed: to what, or from what")
    return Attach(_writing(given), given["NAME"], targets)


def _verify(given: Mapping[str, Any]) -> Verify:
    return Verify(_common(given, "json", "yaml"), tuple(given["NAME"]), not given["--no-headers"])


def _list(given: Mapping[str, Any]) -> List:
    return List(_common(given, "name", "json", "yaml"), given["--all-namespaces"], not given["--no-headers"])


def _explain(given: Mapping[str, Any]) -> Explain:
    common = _common(given, "json", "yaml")
    if given["--key"] is None or given["--image"] is None:
        raise UsageError("--key and --image are both needed")
    return Explain(given["--key"], given["--image"], common.manner.output)


def _copy(given: Mapping[str, Any]) -> Copy:
    namespaces, everywhere = tuple(given["--to-namespace"]), given["--all-namespaces"]
    check = given["--check"]
    if not namespaces and not everywhere and not check:
        raise UsageError("--to-namespace=NAMESPACE or --all-namespaces is needed: where to")
    if namespaces and everywhere:
        raise UsageError("--to-namespace and --all-namespaces can't be given together")
    if given["--except"] and not everywhere:
        raise UsageError("--except goes with --all-namespaces")
    return Copy(_writing(given), given["NAME"], namespaces, everywhere, tuple(given["--except"]), check)


def _rotate(given: Mapping[str, Any]) -> Rotate:
    return Rotate(_writing(given), given["NAME"], _login(given))


def _remove(given: Mapping[str, Any]) -> Remove:
    return Remove(_writing(given), given["NAME"], given["--docker-server"], given["--detach"])


READERS: Mapping[str, Callable[[Mapping[str, Any]], Options]] = {
    "add": _add,
    "attach": _attach,
    "detach": _attach,
    "verify": _verify,
    "list": _list,
    "explain": _explain,
    "copy": _copy,
    "rotate": _rotate,
    "remove": _remove,
}
