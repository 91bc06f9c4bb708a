"""The archive: always the same bytes, nothing in it but text, and all that the plugins need."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from krew import build, licences

from . import tools
from .conftest import Release

EXECUTABLES = [f"kubectl{kind}-{name}" for kind in ("", "_complete") for name in build.PLUGINS]
FITTING = {f"{major}.{minor}": path for (major, minor), path in tools.pythons().items() if (major, minor) >= (3, 9)}
TOO_OLD = {f"{major}.{minor}": path for (major, minor), path in tools.pythons().items() if (major, minor) < (3, 9)}


def start(path: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(path), *arguments], capture_output=True, text=True, env={"HOME": "/nonexistent", **env})


def on_path(folder: Path, **commands: Path) -> str:
    """A PATH with these commands and a shell."""
    folder.mkdir()
    for name, path in commands.items():
        (folder / name).symlink_to(path)
    return str(folder)


def test_same_bytes_again(release: Release, wheels: Path, url: str, tmp_path: Path) -> None:
    again = build.build(tmp_path / "dist", tmp_path, url, wheels, tmp_path / "work")
    assert again.read_bytes() == release.archive.read_bytes()
    assert (tmp_path / "repull.yaml").read_text() == (release.manifests / "repull.yaml").read_text()


def test_what_is_in_it(release: Release) -> None:
    with tarfile.open(release.archive) as archive:
        entries = {entry.name: entry for entry in archive}
    assert all(entry.isreg() and entry.uid == entry.gid == 0 for entry in entries.values())
    assert len({entry.mtime for entry in entries.values()}) == 1
    assert {name for name, entry in entries.items() if entry.mode == 0o755} == set(EXECUTABLES)
    assert {entry.mode for entry in entries.values()} == {0o755, 0o644}
    assert {name.split("/")[0] for name in entries} == {
        *EXECUTABLES,
        *build.PLUGINS,
        "pullcore",
        "lib",
        "licenses",
        "LICENSE",
    }
    pinned = re.findall(r"^([\w.-]+)==(\S+)", (build.HERE / "requirements.txt").read_text(), re.MULTILINE)
    assert len(pinned) == 13
    licensed = {name.split("/")[1].lower() for name in entries if name.startswith("licenses/")}
    assert licensed == {f"{name.replace('-', '_').lower()}-{version}" for name, version in pinned}


def test_all_that_is_in_it_may_be_passed_on(wheels: Path) -> None:
    found = {str(one["Name"]): licences.licence_of(one) for one in licences.of_wheels(wheels.glob("*.whl"))}
    assert found
    assert {name: licence for name, licence in found.items() if not licences.allowed(licence)} == {}


def test_small(release: Release) -> None:
    assert release.archive.stat().st_size < 2 << 20


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("lib/x.so", b"", tarfile.REGTYPE),
        ("lib/x.cpython-39-darwin.so", b"", tarfile.REGTYPE),
        ("lib/x", b"\x7fELF", tarfile.REGTYPE),
        ("lib/x.pyc", b"", tarfile.REGTYPE),
        ("/etc/x", b"", tarfile.REGTYPE),
        ("lib/../../x", b"", tarfile.REGTYPE),
        ("x", b"", tarfile.SYMTYPE),
        ("x", b"", tarfile.LNKTYPE),
    ],
)
def test_refused(name: str, content: bytes, kind: bytes, tmp_path: Path) -> None:
    import io

    entry = tarfile.TarInfo(name)
    entry.size, entry.type, entry.linkname = len(content), kind, "LICENSE" if kind != tarfile.REGTYPE else ""
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as archive:
        archive.addfile(entry, io.BytesIO(content))
    with pytest.raises(build.BuildError):
        build.check(tmp_path / "x.tar.gz")


def test_templates_are_those_of_the_bot() -> None:
    """It knows these two expressions; both stand for what it fills in."""
    template = 'version: {{ .TagName }}\n    {{addURIAndSha "https://x/{{ .TagName }}/y.tar.gz" .TagName }}\n'
    text, address = build.fill_in(template, "v1.2.3", "abc", "https://elsewhere")
    assert text == "version: v1.2.3\n    uri: https://x/v1.2.3/y.tar.gz\n    sha256: abc\n"
    assert address == "https://x/v1.2.3/y.tar.gz"
    with pytest.raises(build.BuildError):
        build.fill_in("{{ .Other }}", "v1.2.3", "abc", "x")


# With Python alone


@pytest.mark.parametrize("version", FITTING)
def test_demo_on_each_python(version: str, unpacked: Path, tmp_path: Path) -> None:
    """Python alone, without what is installed for it."""
    evidence = build.ROOT / "examples" / "domain1-evidence.json"
    path = on_path(tmp_path / "bin", python3=FITTING[version])
    done = start(unpacked / "kubectl-pullcheck", "-f", str(evidence), "--offline", PATH=path)
    assert (done.returncode, done.stderr) == (1, "")
    assert "(key-mismatch)" in done.stdout


# Everything that any command can import, below the top level of a module, too.
IMPORTS = """
import importlib, sys
assert not [path for path in sys.path if "site-packages" in path], sys.path
import pullcore.launch, pullcore.pool
with pullcore.pool._no_package_init("kubernetes", "kubernetes.client", "kubernetes.utils"):
    import kubernetes.client.configuration, kubernetes.client.rest
for name in sys.argv[1:]:
    importlib.import_module(name)
import kubernetes.config, requests, yaml, certifi
for module in (kubernetes, requests, yaml, certifi, sys.modules["kubernetes.client.rest"]):
    assert "/lib/" in module.__file__, module.__file__
assert kubernetes.__version__ == "35.0.0" and not yaml.__with_libyaml__
"""


@pytest.mark.parametrize("version", FITTING)
def test_nothing_is_missing(version: str, unpacked: Path) -> None:
    """So it is safe to leave out most of the kubernetes package, and to have no dependency that only the rest needs."""
    names = set()
    for path in unpacked.glob("*/*.py"):
        if path.parent.name == "lib":
            continue
        names.add(f"{path.parent.name}.{path.stem}")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module)
    names -= {"pullcore._build"}
    code = f"import sys; sys.path.insert(0, {str(unpacked)!r})" + IMPORTS
    done = subprocess.run(
        [str(FITTING[version]), "-S", "-B", "-W", "error", "-c", code, *sorted(names)], capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()


def test_what_is_installed_does_not_win(unpacked: Path, tmp_path: Path) -> None:
    """Not even on PYTHONPATH, nor without -S."""
    for name in ("kubernetes", "urllib3", "yaml", "docopt", "tabulate"):
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('the wrong {name}')\n")
    evidence = build.ROOT / "examples" / "domain1-evidence.json"
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-B", str(unpacked / "kubectl-pullcheck"), "-f", str(evidence), "--offline"]
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    assert (done.returncode, done.stderr) == (1, "")
    done = start(
        unpacked / "kubectl-pullcheck", "-n", "x", "--kubeconfig", "/nonexistent", PYTHONDONTWRITEBYTECODE="1", **env
    )
    assert "wrong" not in done.stderr


def test_commands_with_these_packages(unpacked: Path) -> None:
    """The integration tests that talk to API servers and registries, with the packages of the archive in place of those that
    are installed: all verbs, the old auth-providers, proxies, YAML."""
    verbs = [f"test_pullsecret_{verb}" for verb in ("verify", "list", "explain", "copy", "rotate", "remove")]
    tests = ["test_cluster_api", "test_pullcheck_files", *verbs, "test_repull", "test_registry_faults"]
    code = (
        "import sys, pytest, kubernetes, yaml\n"
        f"assert kubernetes.__file__.startswith({str(unpacked)!r}) and not yaml.__with_libyaml__\n"
        "sys.exit(pytest.main(sys.argv[1:]))"
    )
    arguments = ["-q", "-p", "no:cacheprovider", *(f"tests/integration/{name}.py" for name in tests)]
    env = {**os.environ, "PYTHONPATH": str(unpacked / "lib"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, cwd=build.ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


# An old Python, or none


@pytest.mark.parametrize("version", TOO_OLD)
def test_an_old_python_gets_one_line(version: str, unpacked: Path, tmp_path: Path) -> None:
    path = on_path(tmp_path / "bin", python3=TOO_OLD[version])
    done = start(unpacked / "kubectl-repull", "web", PATH=path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith("error: kubectl repull needs Python 3.9 or newer, and ")
    assert f" is {version}." in done.stderr


@pytest.mark.parametrize("version", TOO_OLD)
def test_a_newer_one_beside_it_is_found(version: str, unpacked: Path, tmp_path: Path, oldest: Path) -> None:
    path = on_path(tmp_path / "bin", **{"python3": TOO_OLD[version], "python3.9": oldest})
    done = start(unpacked / "kubectl-repull", "--version", PATH=path)
    assert (done.returncode, done.stderr) == (0, "")


def test_one_without_the_short_name_is_found(unpacked: Path, tmp_path: Path, oldest: Path) -> None:
    done = start(unpacked / "kubectl-repull", "--version", PATH=on_path(tmp_path / "bin", **{"python3.9": oldest}))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("name", "status"), [("pullcheck", 2), ("pullsecret", 1), ("repull", 1)])
def test_no_python_gets_one_line(name: str, status: int, unpacked: Path, tmp_path: Path) -> None:
    done = start(unpacked / f"kubectl-{name}", "--help", PATH=on_path(tmp_path / "bin"))
    told = f"error: kubectl {name} needs Python 3.9 or newer, and there is no python3 on PATH: install python3\n"
    assert (done.returncode, done.stdout, done.stderr) == (status, "", told)


def test_completion_without_python_is_silent(unpacked: Path, tmp_path: Path) -> None:
    done = start(unpacked / "kubectl_complete-repull", "", PATH=on_path(tmp_path / "bin"))
    assert (done.returncode, done.stdout, done.stderr) == (0, ":0\n", "")
