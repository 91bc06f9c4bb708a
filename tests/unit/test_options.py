"""The command line of kubectl pullcheck: what may stand together, and what is said where it may not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from pullcheck.options import Options, ProbeOptions, parse
from pullcore.command import Connection
from pullcore.errors import CommandError, UsageError
from pullcore.podspec import imagined
from pullcore.registryoptions import RegistryOptions

IMAGE = "some.registry.com/owner/domain1:1.0"
ALONE = "--image asks about a pod that is not there: it goes with no name, selector or -A"
NAMED = "--with-secret needs a name, a file or --image: it asks what would be, not what waits"


@pytest.fixture(autouse=True)
def _called_by_kubectl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/local/bin/kubectl-pullcheck"])


def test_nothing_is_a_scan() -> None:
    found = parse([])
    assert found.scan
    assert found.registry
    assert (found.images, found.secrets, found.what_if, found.service_account) == ((), (), (), None)
    assert found.registries == RegistryOptions()


@pytest.mark.parametrize(
    ("argv", "field", "value"),
    [
        (["--image", IMAGE], "images", (IMAGE,)),
        (["--image", IMAGE, "--image=nginx"], "images", (IMAGE, "nginx")),
        (["--image", IMAGE, "--serviceaccount", "robot"], "service_account", "robot"),
        (["--image", IMAGE, "--secret=a", "--secret", "b"], "secrets", ("a", "b")),
        (["--image", IMAGE, "--with-secret", "a"], "what_if", ("a",)),
        (["domain1", "--with-secret", "a", "--with-secret=b"], "what_if", ("a", "b")),
        (["-f", "x.yaml", "--with-secret", "a"], "what_if", ("a",)),
        (["--no-registry"], "registry", False),
        (["--no-registry=false"], "registry", True),
    ],
)
def test_new_options(argv: list[str], field: str, value: object) -> None:
    found = parse(argv)
    assert getattr(found, field) == value
    if argv[0] != "--no-registry" and "--no-registry=false" not in argv:
        assert not found.scan


@pytest.mark.parametrize(
    ("argv", "found"),
    [
        ([], None),
        (["--probe"], ProbeOptions()),
        (["--probe", "--nodes=n1, n2,n1", "-y"], ProbeOptions(("n1", "n2"), yes=True)),
        (["--probe", "--probe-policy", "Always", "--parallelism=20"], ProbeOptions((), "Always", 20)),
        (["--probe", "--probe-timeout=90s", "--dry-run"], ProbeOptions(timeout=90.0, dry_run="client")),
        (["--probe", "--dry-run=server"], ProbeOptions(dry_run="server")),
    ],
)
def test_probe(argv: list[str], found: object) -> None:
    assert parse(["domain1", *argv]).probe == found


def test_how_registries_are_reached() -> None:
    found = parse(
        [
            "--registry-ca=ca.pem",
            "--plain-http",
            "a.test:5000",
            "--plain-http=b.test",
            "--insecure-skip-registry-verify",
            "c",
        ]
    )
    assert found.registries == RegistryOptions("ca.pem", ("a.test:5000", "b.test"), ("c",))
    assert found.scan


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["--image", IMAGE, "domain1"], ALONE),
        (["--image", IMAGE, "-l", "a=b"], ALONE),
        (["--image", IMAGE, "-A"], ALONE),
        (["--secret", "a"], "--secret says something of the pod of --image only"),
        (["--secret", "a", "domain1"], "--secret says something of the pod of --image only"),
        (["--serviceaccount", "a"], "--serviceaccount says something of the pod of --image only"),
        (["--serviceaccount=a", "-f", "x"], "--serviceaccount says something of the pod of --image only"),
        (["--secret=a", "--serviceaccount=b"], "--secret says something of the pod of --image only"),
        (["--with-secret", "a"], NAMED),
        (["--with-secret", "a", "-A"], NAMED),
        (["--with-secret", "a", "-l", "x=y"],
         NAMED),
        (["--image", IMAGE, "--offline"], "--offline needs -f FILE: without a cluster there is nothing else to look at"),
        (["--image"], "flag needs an argument: --image"),
        (["--imag", IMAGE], "unknown flag: --imag (did you mean --image?)"),
        (["--probe-policy=Always"], "--probe-policy goes with --probe only"),
        (["domain1", "--nodes=n1"], "--nodes goes with --probe only"),
        (["--dry-run"], "--dry-run goes with --probe only"),
        (["-y"], "--yes goes with --probe only"),
        (["--probe", "--nodes", ","], "--nodes needs names, with commas between them"),
        (["--probe", "--nodes="], "--nodes needs names, with commas between them"),
        (["--probe", "--probe-policy=always"],
         'invalid value "always" for --probe-policy: one of Always, IfNotPresent, Never'),
        (["--probe", "--dry-run=maybe"], 'invalid value "maybe" for --dry-run: one of none, client, server'),
        (["--probe", "--parallelism=0"], 'invalid value "0" for --parallelism: a number from 1 to 100'),
        (["--probe", "--parallelism=101"], 'invalid value "101" for --parallelism: a number from 1 to 100'),
        (["--probe", "--parallelism=five"], 'invalid value "five" for --parallelism: a number from 1 to 100'),
        (["--probe", "--probe-timeout=0"],
         'invalid value "0" for --probe-timeout: write 90s, 10m or 1h, up to 24h'),
        (["--probe", "--probe-timeout=soon"],
         'invalid value "soon" for --probe-timeout: write 90s, 10m or 1h, up to 24h'),
        (["--probe", "--offline", "-f", "x"], "--probe needs the cluster: it goes not with --offline"),
        (["--insecure-skip-registry-verify"], "flag needs an argument: --insecure-skip-registry-verify"),
    ],
)  # fmt: skip
def test_what_does_not_go_together(argv: list[str], text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(argv)
    assert str(caught.value) == f"error: {text}\nSee 'kubectl pullcheck --help' for usage."


HOSTS = "r.test r.test:5000 localhost:5000 10.0.0.1 10.0.0.1:5000 [::1] [fd00::1]:5000 some_host Some.Host".split()
NO_HOSTS = "https://r.test r.test/team r.test/team/app:1 r.test: r.test:port :5000 r.test:123456 bob@r.test ::1 *".split()
NO_HOSTS += ["", "a b", "r.test\n", "\u0440.test"]


@pytest.mark.parametrize("option", ["--plain-http", "--insecure-skip-registry-verify"])
@pytest.mark.parametrize("host", HOSTS)
def test_hosts(option: str, host: str) -> None:
    found = parse([f"{option}={host}"]).registries
    assert (*found.plain_http, *found.skip_verify) == (host,)


@pytest.mark.parametrize("option", ["--plain-http", "--insecure-skip-registry-verify"])
@pytest.mark.parametrize("host", NO_HOSTS)
def test_what_is_no_host(option: str, host: str) -> None:
    """A host that is written otherwise than images do would be passed over without a word."""
    with pytest.raises(UsageError, match=r"is no host: write it as images do, such as some\.registry\.com:5000"):
        parse([f"{option}={host}"])


def test_a_hostile_host_is_shown_escaped() -> None:
    with pytest.raises(UsageError) as caught:
        parse(["--plain-http=\x1b[31mred"])
    assert '"^[[31mred" is no host' in str(caught.value)


def test_the_help_names_every_option() -> None:
    from pullcheck.usage import HELP

    for name in ("--image=", "--serviceaccount=", "--secret=", "--with-secret=", "--no-registry", "--registry-ca=",
                 "--plain-http=", "--insecure-skip-registry-verify="):  # fmt: skip
        assert f"      {name}" in HELP


# The way to registries


def wired(options: Options, tell: list[str]) -> object:
    return options.registries.wire(options.connection, "test", {}, tell.append)


def test_what_was_given_decides_the_way() -> None:
    from pullcore.wire import REQUEST_TIMEOUT, Access, Wire

    told: list[str] = []
    found = wired(parse(["--plain-http=a:1", "--insecure-skip-registry-verify=b", "--request-timeout=3s"]), told)
    assert isinstance(found, Wire)
    assert found.access == Access(None, frozenset({"a:1"}), frozenset({"b"}), request_timeout=3.0)
    found = wired(parse(["--request-timeout=0"]), [])
    assert isinstance(found, Wire)
    assert found.access.request_timeout == REQUEST_TIMEOUT  # never without an end


def test_a_certificate_that_is_not_verified_is_said_loudly() -> None:
    told: list[str] = []
    wired(parse(["--insecure-skip-registry-verify=r.test:5000"]), told)
    assert len(told) == 1
    assert told[0].startswith("Warning: the certificate of r.test:5000 is not verified")
    told.clear()
    wired(parse(["--plain-http=r.test"]), told)
    assert not told


def test_a_file_of_certificates_that_is_none(tmp_path: Path) -> None:
    missing, wrong, good = tmp_path / "gone.pem", tmp_path / "wrong.pem", tmp_path / "key.pem"
    wrong.write_text("no certificate at all\n")
    good.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    for file, text in (
        (missing, f"--registry-ca: {missing}: no such file or directory"),
        (wrong, f"--registry-ca: {wrong} holds no certificate in PEM"),
        (good, f"--registry-ca: {good} holds no certificate in PEM"),
        (tmp_path, f"--registry-ca: {tmp_path}: is a directory"),
    ):
        with pytest.raises(CommandError) as caught:
            wired(parse([f"--registry-ca={file}"]), [])
        assert caught.value.text == text


def test_the_connections_log_is_the_registries_too() -> None:
    from pullcore.wire import Wire

    for argv, logs in ((["-v6"], True), ([], False)):
        options = parse(argv)
        found = wired(options, [])
        assert isinstance(found, Wire)
        assert (found._log is not None) == logs
    assert parse([]).connection == Connection()


# The pod that is asked about


def test_an_imagined_pod_is_what_was_asked_for() -> None:
    found = imagined(IMAGE, "ns", "robot", ("a", "b"))
    assert (found["kind"], found["metadata"]) == ("Image", {"namespace": "ns", "name": IMAGE})
    assert found["spec"]["serviceAccountName"] == "robot"
    assert found["spec"]["imagePullSecrets"] == [{"name": "a"}, {"name": "b"}]
    assert [one["image"] for one in found["spec"]["containers"]] == [IMAGE]
