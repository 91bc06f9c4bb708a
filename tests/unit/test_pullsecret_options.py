"""The command lines of kubectl pullsecret: what parses, what is refused and with which words, and the help."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pullcore.changes import Manner
from pullcore.command import Connection
from pullcore.errors import UsageError
from pullcore.registryoptions import RegistryOptions
from pullcore.version import described as version
from pullsecret.options import (
    Add,
    Attach,
    Common,
    Copy,
    Explain,
    List,
    LoginOptions,
    Remove,
    Rotate,
    Show,
    Verify,
    parse,
)
from pullsecret.usage import HELP, HIDDEN, OPTIONS, VERBS

PLUGINS = Path(__file__).parents[2] / "plugins"
SEE = "\nSee 'kubectl pullsecret{} --help' for usage."
BARE = Common()


@pytest.fixture(autouse=True)
def _called_by_kubectl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/local/bin/kubectl-pullsecret"])


def login(**given: Any) -> LoginOptions:
    return LoginOptions(**given)


def manner(**given: Any) -> Common:
    return Common(manner=Manner(**given))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("add", Add(BARE, None, login(), ())),
        ("add regcred", Add(BARE, "regcred", login(), ())),
        ("add -- regcred", Add(BARE, "regcred", login(), ())),
        (
            "add a --docker-server r.io --docker-username=bob --docker-email b@x --docker-password-stdin --no-verify",
            Add(BARE, "a", login(server="r.io", username="bob", email="b@x", password_stdin=True, verify=False), ()),
        ),
        ("add a --docker-password-file pw", Add(BARE, "a", login(password_file="pw"), ())),
        ("add a --docker-password secret", Add(BARE, "a", login(password="secret"), ())),
        ("add a --docker-password=-x", Add(BARE, "a", login(password="-x"), ())),
        ("add a --from-docker-config", Add(BARE, "a", login(from_docker_config=True), ())),
        ("add a --docker-config f", Add(BARE, "a", login(from_docker_config=True, docker_config="f"), ())),
        (
            "add a --for domain/d --for sa/builder --for=deploy/web",
            Add(BARE, "a", login(), ("domain/d", "sa/builder", "deploy/web")),
        ),
        ("add a -y", Add(Common(yes=True), "a", login(), ())),
        ("add a --dry-run", Add(manner(dry_run="client"), "a", login(), ())),
        ("add a --dry-run=server -o yaml", Add(manner(dry_run="server", output="yaml"), "a", login(), ())),
        ("add a --dry-run=none -oname", Add(manner(output="name"), "a", login(), ())),
        ("add a -o json --show-secrets", Add(manner(output="json", show_secrets=True), "a", login(), ())),
        ("add a --field-manager ci", Add(manner(manager="ci"), "a", login(), ())),
        ("attach a --for domain/d", Attach(BARE, "a", ("domain/d",))),
        ("attach --for domain/d a --yes", Attach(Common(yes=True), "a", ("domain/d",))),
        ("detach a --for d --for e --dry-run", Attach(manner(dry_run="client"), "a", ("d", "e"))),
        ("verify", Verify(BARE, (), True)),
        ("verify a b --no-headers", Verify(BARE, ("a", "b"), False)),
        ("verify -o json", Verify(manner(output="json"), (), True)),
        ("list", List(BARE, False, True)),
        ("list -A --no-headers -o name", List(manner(output="name"), True, False)),
        ("explain --key k --image i", Explain("k", "i", None)),
        ("explain --image i --key= -o yaml", Explain("", "i", "yaml")),
        ("copy a --to-namespace x --to-namespace=y", Copy(BARE, "a", ("x", "y"), False, (), False)),
        ("copy a --all-namespaces --except x --except y", Copy(BARE, "a", (), True, ("x", "y"), False)),
        ("copy a --check", Copy(BARE, "a", (), False, (), True)),
        ("copy a --check --to-namespace x", Copy(BARE, "a", ("x",), False, (), True)),
        ("rotate a", Rotate(BARE, "a", login())),
        ("rotate a --docker-server r --docker-password-stdin", Rotate(BARE, "a", login(server="r", password_stdin=True))),
        ("remove a", Remove(BARE, "a", None, False)),
        ("remove a --docker-server r --detach -y", Remove(Common(yes=True), "a", "r", True)),
        ("-n ns list", List(Common(Connection(namespace="ns")), False, True)),
        ("list -n ns --context c", List(Common(Connection(namespace="ns", context="c")), False, True)),
        (
            "verify --plain-http r:5000 --registry-ca f --insecure-skip-registry-verify r",
            Verify(Common(registries=RegistryOptions("f", ("r:5000",), ("r",))), (), True),
        ),
        ("add list", Add(BARE, "list", login(), ())),
    ],
)
def test_what_parses(line: str, expected: object) -> None:
    argv = line.split(" ")
    verb, options = parse(argv)
    assert options == expected
    assert verb in argv


@pytest.mark.parametrize("argv", [["--version"], ["add", "--version"], ["--version", "nonsense"]])
def test_version(argv: list[str]) -> None:
    assert parse(argv) == ("version", Show(f"kubectl pullsecret {version()}\n"))


def test_options_lists_what_every_command_takes() -> None:
    verb, shown = parse(["options"])
    assert isinstance(shown, Show)
    for name in ("--registry-ca", "--plain-http", "--namespace", "--context", "--kubeconfig", "--token", "--help"):
        assert re.search(rf"{name}\b", shown.text)
    assert (verb, shown.text[0]) == ("options", " ")


ADD = " add"
WAYS = "both give a password: one is enough"
FORMATS = "unable to match a printer suitable for the output format"


@pytest.mark.parametrize(
    ("line", "text", "see"),
    [
        ("", "a command is needed: add, attach, detach, verify, list, explain, copy, rotate, remove, options", ""),
        ("-n ns", "a command is needed: add, attach, detach, verify, list, explain, copy, rotate, remove, options", ""),
        ("ad", 'unknown command "ad" for "kubectl pullsecret"; did you mean add?', ""),
        ("\x1b[31m", 'unknown command "^[[31m" for "kubectl pullsecret" (there are add, attach, ', ""),
        ("add --bogus", "unknown flag: --bogus", ""),
        ("add a b", 'unexpected argument "b"', None),
        ("add a --docker-pass x", "unknown flag: --docker-pass (did you mean --docker-password", ""),
        ("add a --docker-password", "flag needs an argument: --docker-password", ""),
        ("add a --dry-run=maybe", 'invalid value "maybe" for --dry-run: one of none, client, server', " add"),
        ("add a -o wide", f'{FORMATS} "wide", allowed formats are: name,json,yaml', " add"),
        ("add a --docker-password x --docker-password-stdin", f"--docker-password and --docker-password-stdin {WAYS}", ADD),
        ("add a --docker-password-file x --docker-config f", f"--docker-password-file and --from-docker-config {WAYS}", ADD),
        (
            "add a --from-docker-config --docker-username bob",
            "--from-docker-config brings its own user: leave --docker-username out", " add",
        ),
        ("attach", "arguments are missing: kubectl pullsecret attach [options] NAME", None),
        ("attach a", "--for=TYPE/NAME is needed: to what, or from what", " attach"),
        ("attach a b --for domain/d", 'unexpected argument "b"', None),
        ("detach a", "--for=TYPE/NAME is needed: to what, or from what", " detach"),
        ("verify -o name", f'{FORMATS} "name", allowed formats are: json,yaml', " verify"),
        ("verify --dry-run", "unknown flag: --dry-run", None),
        ("list a", 'unexpected argument "a"', None),
        ("list -o wide", f'{FORMATS} "wide", allowed formats are: name,json,yaml', " list"),
        ("explain", "--key and --image are both needed", " explain"),
        ("explain --key k", "--key and --image are both needed", " explain"),
        ("explain a --key k --image i", 'unexpected argument "a"', None),
        ("copy", "arguments are missing: kubectl pullsecret copy [options] NAME", None),
        ("copy a", "--to-namespace=NAMESPACE or --all-namespaces is needed: where to", " copy"),
        ("copy a --to-namespace x --all-namespaces", "--to-namespace and --all-namespaces can't be given together", " copy"),
        ("copy a --to-namespace x --except y", "--except goes with --all-namespaces", " copy"),
        ("rotate", "arguments are missing: kubectl pullsecret rotate [options] NAME", None),
        ("rotate a --for domain/d", "unknown flag: --for", None),
        ("remove", "arguments are missing: kubectl pullsecret remove [options] NAME", None),
        ("remove a --docker-username bob", "unknown flag: --docker-username", None),
        ("verify --plain-http https://r", '"https://r" is no host', " verify"),
    ],
)  # fmt: skip
def test_what_is_refused_and_with_which_words(line: str, text: str, see: str | None) -> None:
    argv = line.split(" ") if line else []
    with pytest.raises(UsageError) as caught:
        parse(argv)
    assert str(caught.value).startswith(f"error: {text}")
    assert str(caught.value).endswith(SEE.format(see) if see is not None else "--help' for usage.")
    assert all(one.isprintable() for one in str(caught.value).split("\n"))


@pytest.mark.parametrize("line", ["add {} --bogus", "add {} a b", "add a {} --dry-run=x", "verify {}", "{}"])
def test_a_password_is_in_no_usage_error(line: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(line.format("--docker-password=tiger-9").split())
    assert "tiger-9" not in str(caught.value)


def test_a_password_is_in_no_repr() -> None:
    _, options = parse(["add", "a", "--docker-password=tiger-9", "--token=TOKEN"])
    assert "tiger-9" not in repr(options)
    assert "TOKEN" not in repr(options)


# --- Help ----------------------------------------------------------------------------------------------------------

TEXTS = {"": HELP, **{verb: text for verb, text in VERBS.items() if verb != "options"}}


@pytest.mark.parametrize("verb", TEXTS)
def test_help_fits_a_screen(verb: str) -> None:
    lines = TEXTS[verb].splitlines()
    assert len(lines) <= 40
    assert [line for line in lines if len(line) > 100] == []


def test_the_common_options_fit_a_screen() -> None:
    assert len(OPTIONS.splitlines()) <= 40


def described(text: str) -> list[tuple[str, str]]:
    """The options that a help text describes, each with the name of its value."""
    found = []
    for line in text.splitlines():
        match = re.match(r" +((?:-\w, )?--[\w-]+(?:=[A-Z]+)?|-\w)(?:\s|$)", line)
        if match:
            name, _, value = match[1].rpartition(" ")[2].partition("=")
            found.append((name, value))
    return found


VALUES = {"--dry-run": "client", "--output": "json", "--request-timeout": "5s", "--v": "6", "--as-user-extra": "k=v"}
NEEDED = {
    "attach": ["NAME", "--for=sa/x"], "detach": ["NAME", "--for=sa/x"], "explain": ["--key=k", "--image=i"],
    "copy": ["NAME", "--check"], "rotate": ["NAME"], "remove": ["NAME"],
}  # fmt: skip
# Those that exclude each other, with what else they need.
ALONE = {
    "--docker-password": [], "--docker-password-stdin": [], "--docker-password-file": [], "--from-docker-config": [],
    "--docker-config": [], "--to-namespace": ["NAME"], "--all-namespaces": ["NAME"],
    "--except": ["NAME", "--all-namespaces"],
}  # fmt: skip


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "options"])
def test_every_option_that_the_help_describes_parses(verb: str) -> None:
    given = {
        name: f"{name}={VALUES.get(name, 'value')}" if value else name
        for name, value in (*described(VERBS[verb]), *described(HIDDEN))
        if name not in ("--help", "--version")
    }
    assert len(given) > 15, "hardly anything was found in the help"
    together = [given[name] for name in given if name not in ALONE or (verb, name) == ("list", "--all-namespaces")]
    assert parse([verb, *together, *NEEDED.get(verb, [])])[0] == verb
    for name in ALONE.keys() & given.keys():
        assert parse([verb, given[name], *(ALONE[name] if verb == "copy" else NEEDED.get(verb, []))])[0] == verb, name


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in ("options", "explain")])
def test_the_help_tells_where_the_other_options_are(verb: str) -> None:
    assert "'kubectl pullsecret options'" in VERBS[verb]


def test_the_help_names_every_verb_and_each_has_its_own() -> None:
    for verb, text in VERBS.items():
        assert re.search(rf"^  {verb} +\S", HELP, re.M), verb
        assert f"kubectl pullsecret {verb}" in text


def test_writing_verbs_share_what_the_issue_promises() -> None:
    for verb in ("add", "attach", "detach", "copy", "rotate", "remove"):
        names = [name for name, _ in described(VERBS[verb])]
        assert {"--dry-run", "--output", "--show-secrets", "--field-manager", "--yes"} <= set(names), verb


TELL = """
import atexit, sys
heavy = ("kubernetes", "urllib3", "tabulate")
atexit.register(lambda: print("heavy:", *[name for name in heavy if name in sys.modules], file=sys.stderr))
sys.argv[0] = "kubectl-pullsecret"
from pullcore.launch import launch
launch("pullsecret")
"""


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("add --help", 0),
        ("options", 0),
        ("", 1),
        ("attach x", 1),
        ("add x -o wide", 1),
        ("explain --key r.io --image r.io/x", 0),
    ],
)
def test_help_and_usage_errors_import_no_network_library(line: str, code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TELL, *line.split()], capture_output=True, text=True, timeout=60,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "PYTHONPATH": str(PLUGINS)},
    )  # fmt: skip
    assert (done.returncode, done.stderr.splitlines()[-1]) == (code, "heavy:")
    assert (done.stdout != "") is (code == 0)
