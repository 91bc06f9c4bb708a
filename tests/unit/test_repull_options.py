"""The command line of kubectl repull: what is read from it, what is refused and in which words, and the help."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pullcore.changes import Manner
from pullcore.command import Connection
from pullcore.errors import UsageError
from pullcore.launch import help_text
from pullcore.password import PasswordOptions
from pullcore.registryoptions import RegistryOptions
from repull.options import LoadOptions, Options, PushOptions, parse
from repull.usage import HELP

PLUGINS = Path(__file__).parents[2] / "plugins"
OWN = Manner(manager="kubectl-repull")
DEFAULTS = Options(Connection(), RegistryOptions(), OWN, save_dir=Path("~/.kube/kubectl-repull").expanduser())


@pytest.fixture(autouse=True)
def _called_by_kubectl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/local/bin/kubectl-repull"])


def test_nothing_is_a_scan_with_the_defaults() -> None:
    found = parse([])
    assert found == DEFAULTS
    assert found.scan
    assert not found.dry_run
    assert "tiger" not in repr(parse(["--token=tiger"]))


# What an option means: the words, and what differs from the defaults.
GIVEN: list[tuple[str, dict[str, Any]]] = [
    ("domain1", {"names": ("domain1",)}),
    ("domain/a deploy/b", {"names": ("domain/a", "deploy/b")}),
    ("deploy b -- c", {"names": ("deploy", "b", "c")}),
    ("-A", {"all_namespaces": True}),
    ("--all-namespaces", {"all_namespaces": True}),
    ("--all-namespaces=false", {}),
    ("-l app=web", {"selector": "app=web"}),
    ("--selector=app=web -A", {"selector": "app=web", "all_namespaces": True}),
    ("--force", {"force": True}),
    ("--keep-waiting-pods", {"keep_waiting_pods": True}),
    ("--recreate-pods", {"recreate_pods": True}),
    ("--roll-running", {"roll_running": True}),
    ("--roll-running --recreate-pods", {"roll_running": True, "recreate_pods": True}),
    ("--keep-waiting-pods --recreate-pods", {"keep_waiting_pods": True, "recreate_pods": True}),
    ("--recreate-domain=d", {"recreate_domain": "d", "names": ("domain/d",)}),
    ("--recreate-domain d", {"recreate_domain": "d", "names": ("domain/d",)}),
    ("d --recreate-domain=d", {"recreate_domain": "d", "names": ("d",)}),
    ("domain/d --recreate-domain=d", {"recreate_domain": "d", "names": ("domain/d",)}),
    ("--save-dir=/tmp/x", {"save_dir": Path("/tmp/x")}),
    ("--save-dir ~/x", {"save_dir": Path("~/x").expanduser()}),
    ("--no-wait", {"wait": False}),
    ("--timeout=90s", {"timeout": 90.0}),
    ("--timeout 1h30m", {"timeout": 5400.0}),
    ("--timeout=45", {"timeout": 45.0}),
    ("--timeout=0", {"timeout": 0.0}),
    ("--timeout=1.5m --timeout=2m", {"timeout": 120.0}),
    ("--dry-run", {"manner": dataclasses.replace(OWN, dry_run="client")}),
    ("--dry-run domain1", {"manner": dataclasses.replace(OWN, dry_run="client"), "names": ("domain1",)}),
    ("--dry-run=server", {"manner": dataclasses.replace(OWN, dry_run="server")}),
    ("--dry-run=none", {}),
    ("-o json", {"output": "json"}),
    ("-oyaml", {"output": "yaml"}),
    ("--output=name", {"output": "name", "manner": dataclasses.replace(OWN, output="name")}),
    ("--field-manager=ci", {"manner": Manner(manager="ci")}),
    ("-y", {"yes": True}),
    ("--yes", {"yes": True}),
    ("--no-registry", {"registry": False}),
    ("--registry-ca=ca.pem --plain-http a --plain-http=b:5000 --insecure-skip-registry-verify=c",
     {"registries": RegistryOptions("ca.pem", ("a", "b:5000"), ("c",))}),
    ("--color=never", {"color": "never"}),
    ("--version", {"version": True}),
    ("-n x --context c", {"connection": Connection(namespace="x", context="c")}),
    ("--kubeconfig=k --cluster=c --user=u", {"connection": Connection(kubeconfig="k", cluster="c", user="u")}),
    ("-s https://x --token=t", {"connection": Connection(server="https://x", token="t")}),
    ("--as=a --as-group=g --as-group=h --as-uid=1 --as-user-extra=k=v --as-user-extra=k=w",
     {"connection": Connection(as_user="a", as_groups=("g", "h"), as_uid="1", as_user_extra=(("k", "v"), ("k", "w")))}),
    ("domain1 --load=a.tar", {"names": ("domain1",), "load": LoadOptions("a.tar")}),
    ("domain1 --load a.tar --to=x:1 --nodes=n1,n2 --pin --parallelism=2 --carrier-namespace=c "
     "--containerd-socket=/run/{node}",
     {"names": ("domain1",),
      "load": LoadOptions("a.tar", "x:1", ("n1", "n2"), namespace="c", socket="/run/{node}", pin=True, parallelism=2)}),
    ("domain1 --load=a.tar --via=ssh --ssh-user=bob",
     {"names": ("domain1",), "load": LoadOptions("a.tar", via="ssh", ssh_user="bob")}),
    ("domain1 --push=a.tar", {"names": ("domain1",), "push": PushOptions("a.tar")}),
    ("domain1 --push=a.tar --to=r.example.com/a:1 --overwrite --docker-config=c.json",
     {"names": ("domain1",),
      "push": PushOptions("a.tar", to="r.example.com/a:1", overwrite=True, docker_config="c.json")}),
    ("domain1 --push=a.tar --docker-username=bob --docker-password-stdin",
     {"names": ("domain1",), "push": PushOptions("a.tar", username="bob", password=PasswordOptions(stdin=True))}),
    ("domain1 --push=a.tar --docker-username=bob --docker-password-file=pw",
     {"names": ("domain1",), "push": PushOptions("a.tar", username="bob", password=PasswordOptions(file="pw"))}),
    ("--request-timeout=5s --tls-server-name=x --insecure-skip-tls-verify -v 6",
     {"connection": Connection(request_timeout=5, tls_server_name="x", insecure_skip_tls_verify=True, verbosity=6)}),
    ("--certificate-authority=a --client-certificate=b --client-key=c",
     {"connection": Connection(certificate_authority="a", client_certificate="b", client_key="c")}),
]  # fmt: skip


@pytest.mark.parametrize(("line", "differs"), GIVEN, ids=[row[0] for row in GIVEN])
def test_what_an_option_means(line: str, differs: dict[str, Any]) -> None:
    assert parse(line.split(" ")) == dataclasses.replace(DEFAULTS, **differs)


def described() -> list[str]:
    """The long names of the options that the help describes."""
    names = [match[1] for line in HELP.splitlines() if (match := re.match(r" +(?:-\w, )?(--[\w-]+)", line))]
    return [name for name in names if name != "--help"]


def test_every_option_of_the_help_is_read() -> None:
    """Each is in the table above under its long or its short name, so none is described and then passed over."""
    assert len(described()) > 30
    words = {word.partition("=")[0] for line, differs in GIVEN if differs for word in line.split(" ")}
    short = {"--namespace": "-n", "--server": "-s", "--v": "-v"}
    assert [name for name in described() if name not in words and short.get(name) not in words] == []


def test_every_field_can_be_set() -> None:
    changed = {name for _, differs in GIVEN for name in differs}
    assert changed == {one.name for one in dataclasses.fields(Options)}


def test_the_help_names_its_defaults() -> None:
    for option, default in (("--timeout", "10m"), ("--save-dir", "~/.kube/kubectl-repull"), ("--color", "auto")):
        assert re.search(rf"{option}=.*\[default: {re.escape(default)}\]", HELP), option


@pytest.mark.parametrize("argv", [["-h"], ["--help"], ["domain1", "-h"], ["--dry-run", "--help"]])
def test_help(argv: list[str]) -> None:
    assert help_text("repull", argv) == HELP


def test_help_is_not_asked_for_behind_two_dashes() -> None:
    assert help_text("repull", ["--", "-h"]) is None


@pytest.mark.parametrize("example", re.findall(r"^  kubectl repull (.*)$", HELP[HELP.index("Examples:") :], re.M))
def test_examples_of_the_help_parse(example: str) -> None:
    parse(example.split())


def test_the_help_fits_a_terminal() -> None:
    assert [line for line in HELP.splitlines() if len(line) > 120] == []


WAYS = "are two ways to restart: one is enough"
ALONE = "--recreate-domain goes with no other name, selector or -A"
BARE = "--recreate-domain needs the name of a Domain, without a type"
FORMATS = "unable to match a printer suitable for the output format"

REFUSED = [
    ("web --to=x:1", "--to says as which image something is pushed or loaded: it needs --push or --load"),
    ("web --pin", "--pin says how something is loaded: it needs --load"),
    ("web --nodes=n1", "--nodes says how something is loaded: it needs --load"),
    ("web --via=pod", "--via says how something is loaded: it needs --load"),
    ("web --parallelism=5", "--parallelism says how something is loaded: it needs --load"),
    ("--load=a.tar", "--load needs the name of what waits for the image, such as pod/web-0 or domain1"),
    ("web --load=", "--load needs the name of an archive"),
    ("web --load=a --nodes=,", "--nodes needs names, with commas between them"),
    ("web --load=a --push=b", "--push and --load are two ways to supply the image: one is enough"),
    ("web --load=a --via=train", 'invalid value "train" for --via: one of pod, ssh'),
    ("web --load=a --ssh-user=bob", "--ssh-user goes with --via=ssh only"),
    ("web --load=a --via=ssh --carrier-namespace=c", "--carrier-namespace is of pods: it goes not with --via=ssh"),
    ("web --load=a --containerd-socket=run/x", "--containerd-socket needs a path on the nodes that begins with /"),
    ("web --load=a --parallelism=0", 'invalid value "0" for --parallelism: a number from 1 to 50'),
    ("web --load=a --parallelism=many", 'invalid value "many" for --parallelism: a number from 1 to 50'),
    ("web --overwrite", "--overwrite says how something is pushed: it needs --push"),
    ("web --docker-password-stdin", "--docker-password-stdin says how something is pushed: it needs --push"),
    ("--push=a.tar", "--push needs the name of what waits for the image, such as pod/web-0 or domain1"),
    ("web --push=", "--push needs the name of an archive or of an image"),
    ("web --push=a --docker-username=b --docker-password-stdin --docker-password-file=f",
     "--docker-password-stdin and --docker-password-file are two passwords: one is enough"),
    ("web --push=a --docker-username=b --docker-config=c",
     "--docker-config and a user or password are two logins: one is enough"),
    ("web --push=a --docker-password-stdin", "a password needs its user: --docker-username"),
    ("web -l app=web", "a name cannot be given together with a selector"),
    ("web -A", "a name cannot be looked for in all namespaces: give -n NAMESPACE instead of -A"),
    ("--recreate-domain=", BARE),
    ("--recreate-domain=domain/d", BARE),
    ("--recreate-domain=d other", ALONE),
    ("--recreate-domain=d d other", ALONE),
    ("--recreate-domain=d domain/other", ALONE),
    ("--recreate-domain=d deploy/d", ALONE),
    ("--recreate-domain=d -l a=b", ALONE),
    ("--recreate-domain=d -A", ALONE),
    ("--recreate-domain=d --keep-waiting-pods", f"--keep-waiting-pods and --recreate-domain {WAYS}"),
    ("--recreate-domain=d --recreate-pods", f"--recreate-pods and --recreate-domain {WAYS}"),
    ("--recreate-domain=d --roll-running", f"--roll-running and --recreate-domain {WAYS}"),
    ("--roll-running --keep-waiting-pods",
     "--roll-running recreates pods, --keep-waiting-pods leaves them alone: one of the two"),
    ("--save-dir=", "--save-dir needs the name of a folder"),
    ("--timeout=soon", 'invalid value "soon" for --timeout: write 90s, 10m or 1h'),
    ("--timeout=", 'invalid value "" for --timeout: write 90s, 10m or 1h'),
    ("--timeout=-5s", 'invalid value "-5s" for --timeout: write 90s, 10m or 1h'),
    ("--timeout=5d", 'invalid value "5d" for --timeout: write 90s, 10m or 1h'),
    ("--timeout=\x1b[1m", 'invalid value "^[[1m" for --timeout: write 90s, 10m or 1h'),
    ("--dry-run=maybe", 'invalid value "maybe" for --dry-run: one of none, client, server'),
    ("--color=pink", 'invalid value "pink" for --color: one of auto, always, never'),
    ("-o wide", f'{FORMATS} "wide", allowed formats are: json,yaml,name'),
    ("--bogus", "unknown flag: --bogus"),
    ("--keep-waiting", "unknown flag: --keep-waiting (did you mean --keep-waiting-pods?)"),
    ("--selector", "flag needs an argument: --selector"),
    ("-y=maybe", 'invalid argument "maybe" for "-y, --yes" flag: must be true or false'),
    ("--plain-http=https://r", '"https://r" is no host: write it as images do, such as some.registry.com:5000'),
]  # fmt: skip


@pytest.mark.parametrize(("line", "text"), REFUSED, ids=[row[0] for row in REFUSED])
def test_what_is_refused_and_in_which_words(line: str, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(line.split(" "))
    assert str(caught.value) == f"error: {text}\nSee 'kubectl repull --help' for usage."


TELL = """
import atexit, sys
heavy = ("kubernetes", "urllib3", "yaml", "tabulate")
atexit.register(lambda: print("heavy:", *[name for name in heavy if name in sys.modules], file=sys.stderr))
sys.argv[0] = "kubectl-repull"
from pullcore.launch import launch
launch("repull")
"""


def test_help_imports_no_network_library() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TELL, "--help"], capture_output=True, text=True, timeout=60,
        env={"HOME": "/nonexistent", "PYTHONPATH": str(PLUGINS)},
    )  # fmt: skip
    assert (done.returncode, done.stderr.splitlines()) == (0, ["heavy:"])
    assert done.stdout == HELP
