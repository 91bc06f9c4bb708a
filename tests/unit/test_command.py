"""Flags and arguments as kubectl takes them, and failures as exit statuses."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Optional

import pytest
from pullcore.command import (
    CONNECTION_OPTIONS,
    Connection,
    parse,
    parse_duration,
    pasteable,
    run,
)
from pullcore.errors import CommandError, UsageError, one_line

PLUGINS = Path(__file__).parents[2] / "plugins"

HELP = f"""Does things.

Usage:
  kubectl demo [options] [NAME...]

Options:
  -A, --all-namespaces  If present, all namespaces
  -f, --filename=FILE   A file; this flag can be repeated
  -o, --output=FORMAT   A format
      --dry-run=MODE    Must be none, client or server
      --wide            Wide

{CONNECTION_OPTIONS}"""

VERBS = """Usage:
  kubectl demo add NAME [options] [--label=PAIR]...
  kubectl demo list [options]

Options:
  --label=PAIR   A label
  --force        Force
"""


@pytest.fixture(autouse=True)
def _called_by_kubectl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/local/bin/kubectl-demo"])


def given(*argv: str, **changes: Any) -> dict[str, Any]:
    """What is not as it is without arguments."""
    optional = {"--dry-run": "client"}
    plain = parse(HELP, [], "demo", optional=optional)
    return {key: value for key, value in parse(HELP, argv, "demo", optional=optional).items() if value != plain[key]}


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ([], {}),
        (["a", "b"], {"NAME": ["a", "b"]}),
        (["-"], {"NAME": ["-"]}),
        (["-n", "x", "a"], {"--namespace": "x", "NAME": ["a"]}),
        (["-nx"], {"--namespace": "x"}),
        (["-n=x"], {"--namespace": "x"}),
        (["-n", "=x"], {"--namespace": "=x"}),
        (["--namespace=x=y"], {"--namespace": "x=y"}),
        (["--namespace", "-x"], {"--namespace": "-x"}),
        (["--namespace="], {"--namespace": ""}),
        (["-n", "a", "--namespace=b"], {"--namespace": "b"}),
        (["-A"], {"--all-namespaces": True}),
        (["-A=true"], {"--all-namespaces": True}),
        (["-A=1"], {"--all-namespaces": True}),
        (["--all-namespaces=false"], {}),
        (["-A", "-A=false"], {}),
        (["-A", "true"], {"--all-namespaces": True, "NAME": ["true"]}),
        (["-An", "x"], {"--all-namespaces": True, "--namespace": "x"}),
        (["-Anx"], {"--all-namespaces": True, "--namespace": "x"}),
        (["--dry-run"], {"--dry-run": "client"}),
        (["--dry-run", "server"], {"--dry-run": "client", "NAME": ["server"]}),
        (["--dry-run=server"], {"--dry-run": "server"}),
        (["-f", "a", "-fb", "--filename=c"], {"--filename": ["a", "b", "c"]}),
        (["--as-group=g", "--as-group", "h"], {"--as-group": ["g", "h"]}),
        (["--", "--help", "-A", "-5", "x"], {"NAME": ["--help", "-A", "-5", "x"]}),
        (["a", "--", "--"], {"NAME": ["a", "--"]}),
        (["demo"], {"NAME": ["demo"]}),
        (["--user", "żółw"], {"--user": "żółw"}),
        (["-v", "6"], {"--v": "6"}),
        (["--v=6"], {"--v": "6"}),
    ],
)
def test_arguments_are_taken_as_kubectl_takes_them(argv: list[str], expected: dict[str, Any]) -> None:
    assert given(*argv) == expected


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["--bogus"], "unknown flag: --bogus"),
        (["--namespac", "x"], "unknown flag: --namespac (did you mean --namespace?)"),
        (["--name", "x"], "unknown flag: --name (did you mean --namespace?)"),
        (["--al"], "unknown flag: --al (did you mean --all-namespaces?)"),
        (["--\x1b[31m"], "unknown flag: --^[[31m"),
        (["-Z"], "unknown shorthand flag: 'Z' in -Z"),
        (["-AZn"], "unknown shorthand flag: 'Z' in -AZn"),
        (["-5"], "unknown shorthand flag: '5' in -5"),
        (["-n"], "flag needs an argument: 'n' in -n"),
        (["--namespace"], "flag needs an argument: --namespace"),
        (["-A=maybe"], 'invalid argument "maybe" for "-A, --all-namespaces" flag: must be true or false'),
    ],
)
def test_flags_that_do_not_fit(argv: list[str], text: str) -> None:
    with pytest.raises(UsageError) as caught:
        given(*argv)
    assert str(caught.value) == f"error: {text}\nSee 'kubectl demo --help' for usage."


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        ([], "a command is needed: add, list"),
        (["ad", "x"], 'unknown command "ad" for "kubectl demo"; did you mean add?'),
        (["\x1bzz"], 'unknown command "^[zz" for "kubectl demo" (there are add, list)'),
        (["--", "add", "x"], 'unknown command "add" for "kubectl demo"; did you mean add?'),
        (["add"], "arguments are missing: kubectl demo add NAME [options] [--label=PAIR]..."),
        (["add", "x", "y"], 'unexpected argument "y"'),
        (["list", "x"], 'unexpected argument "x"'),
    ],
)
def test_words_that_do_not_fit(argv: list[str], text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(VERBS, argv, "demo")
    assert caught.value.text == text


def test_verbs_and_an_option_that_the_usage_repeats() -> None:
    found = parse(VERBS, ["--label", "a=b", "add", "x", "--label=c", "--force"], "demo")
    assert found == {"add": True, "list": False, "NAME": "x", "--label": ["a=b", "c"], "--force": True}


def test_docopt_says_nothing_itself(capfd: pytest.CaptureFixture[str]) -> None:
    for argv in (["--bogus"], ["add", "x", "y"], []):
        with pytest.raises(UsageError):
            parse(VERBS, argv, "demo")
    assert capfd.readouterr() == ("", "")


def test_the_name_shown_is_that_of_the_file_when_kubectl_did_not_start_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["./demo"])
    with pytest.raises(UsageError, match=r"See 'demo --help'"):
        given("--bogus")


def test_connection_holds_what_was_given() -> None:
    options = [
        "--kubeconfig=k", "--context=c", "--cluster=cl", "--user=u", "-n", "ns", "-s", "https://x", "--token=SECRET",
        "--as=a", "--as-group=g1", "--as-group=g2", "--as-uid=7", "--as-user-extra=k=v=w", "--request-timeout=1m30s",
        "--tls-server-name=t", "--insecure-skip-tls-verify", "--certificate-authority=ca", "--client-certificate=cc",
        "--client-key=ck", "-v8",
    ]  # fmt: skip
    connection = Connection.from_arguments(parse(HELP, options, "demo"))
    assert connection == Connection(
        kubeconfig="k", context="c", cluster="cl", user="u", namespace="ns", server="https://x", token="SECRET",
        as_user="a", as_groups=("g1", "g2"), as_uid="7", as_user_extra=(("k", "v=w"),), request_timeout=90.0,
        tls_server_name="t", insecure_skip_tls_verify=True, certificate_authority="ca", client_certificate="cc",
        client_key="ck", verbosity=8,
    )  # fmt: skip
    assert "SECRET" not in repr(connection)
    assert Connection.from_arguments(parse(HELP, [], "demo")) == Connection() == Connection.from_arguments({})


@pytest.mark.parametrize("option", ["--request-timeout=5x", "--request-timeout=-1", "--as-user-extra=x", "-v=x"])
def test_connection_refuses_values_that_are_none(option: str) -> None:
    with pytest.raises(UsageError):
        Connection.from_arguments(parse(HELP, [option], "demo"))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0), ("0s", 0), ("30", 30), ("30s", 30), ("1m", 60), ("1m30s", 90), ("1.5h", 5400), (".5s", 0.5),
        ("250ms", 0.25), ("1h1m1s", 3661), ("99999999999999999999h", 366 * 86400),
        ("", None), ("s", None), ("5x", None), ("-1", None), ("-1s", None), ("1s2", None), ("1 s", None), ("٣s", None),
        ("1m 30s", None), ("nan", None), ("1e3", None),
    ],
)  # fmt: skip
def test_durations(text: str, seconds: Optional[float]) -> None:
    if seconds is None:
        with pytest.raises(ValueError):
            parse_duration(text)
    else:
        assert parse_duration(text) == pytest.approx(seconds)


def test_pasteable_repeats_what_names_the_cluster_and_nothing_secret() -> None:
    assert pasteable(Connection(token="t", as_user="a", verbosity=6)) == []
    connection = Connection(namespace="ns", context="my ctx", kubeconfig="~/k'x", cluster="-c", token="t")
    assert pasteable(connection) == [
        "-n", "ns", "--context", "'my ctx'", "--cluster=-c", "--kubeconfig", "'~/k'\"'\"'x'",
    ]  # fmt: skip
    assert pasteable(Connection(server="https://me:word@host")) == []


def ran(plugin: str, failure: Optional[BaseException], status: int = 0) -> tuple[int, str, str]:
    stdout, stderr = io.StringIO(), io.StringIO()

    def function() -> int:
        stdout.write("found\n")
        if failure:
            raise failure
        return status

    return run(function, plugin, stdout, stderr), stdout.getvalue(), stderr.getvalue()


def test_run_maps_failures_to_exit_statuses() -> None:
    assert ran("repull", None, 1) == (1, "found\n", "")
    assert ran("pullcheck", CommandError("no")) == (2, "found\n", "error: no\n")
    assert ran("repull", CommandError("no")) == (1, "found\n", "error: no\n")
    assert ran("repull", CommandError("no", exit_status=7)) == (7, "found\n", "error: no\n")
    assert ran("repull", UsageError("no", see="See x")) == (1, "found\n", "error: no\nSee x\n")
    assert ran("pullcheck", KeyboardInterrupt()) == (130, "found\n", "")
    assert ran("pullcheck", BrokenPipeError()) == (141, "found\n", "")
    assert ran("pullcheck", KeyError("\x1b")) == (2, "found\n", "error: internal: KeyError: '\\x1b'\n")
    assert ran("repull", RecursionError("deep\nline")) == (1, "found\n", "error: internal: RecursionError: deep line\n")


def test_run_shows_a_traceback_only_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULLKIT_DEBUG", "1")
    assert "Traceback" in ran("repull", ValueError("x"))[2]
    assert "Traceback" not in ran("repull", CommandError("x"))[2]


def test_a_closed_pipe_is_quiet_to_the_very_end() -> None:
    code = (
        "import sys\nfrom pullcore.command import run\n"
        "def many():\n    for _ in range(100000): print('x' * 50)\n    return 0\n"
        "sys.exit(run(many, 'repull', sys.stdout, sys.stderr))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(PLUGINS)},
    )  # fmt: skip
    assert process.stdout and process.stderr
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 141


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("two\n  lines\t", "two lines"),
        ("\x1b[31mred\x07\x7f", "^[[31mred^G^?"),
        ("\x9b31m \u202eevil\u200b", "\\x9b31m \\u202eevil\\u200b"),
        ("\udc80", "\\udc80"),
        ("żółw ✓", "żółw ✓"),
        ("x" * 5000, "x" * 997 + "..."),
    ],
)
def test_foreign_text_becomes_one_harmless_line(text: str, shown: str) -> None:
    assert one_line(text) == shown
