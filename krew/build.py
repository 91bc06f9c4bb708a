"""Builds what krew installs: one archive that holds all three plugins and what they need, and a manifest for each.

    python -m krew.build [--out dist] [--manifests krew] [--url URL] [--wheels DIR]

The sources of the wheel and the source archive are left in build/source, with the commit in them. The same commit gives the
same bytes: names are sorted, owners, modes and times are fixed (SOURCE_DATE_EPOCH, else the time of the commit).
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HERE = Path(__file__).parent
PLUGINS = ("pullcheck", "pullsecret", "repull")
SOURCES = ("plugins", "LICENSE", "README.md", "CHANGELOG.md", "setup.cfg", "pyproject.toml")
UNWANTED = ("__pycache__", "*.egg-info", "*.yaml", "_build.py")
URL = "https://github.com/kubectl-pullkit/kubectl-pullkit/releases/download"
OLDEST = 315532800  # 1980: zip knows nothing before
# The newest first, behind what the user calls python3.
NAMES = ("python3", *(f"python3.{minor}" for minor in range(20, 8, -1)))

# The files of the kubernetes package that are used: those that make connections, and those that know the old auth-providers
# of a kubeconfig. Its 800 others are one class or API each, which plugins that work on plain JSON never name.
KUBERNETES = re.compile(
    r"kubernetes/(client/(api_client|configuration|exceptions|rest)"
    r"|config/(__init__|config_exception|dateutil|exec_provider|incluster_config|kube_config))\.py"
)
# In place of those that would import the others.
SHORT = {
    "kubernetes/__init__.py": '__version__ = "35.0.0"\n',
    "kubernetes/client/__init__.py": (
        "from kubernetes.client.configuration import Configuration\n"
        "from kubernetes.client.exceptions import ApiException\n"
        "from kubernetes.client.api_client import ApiClient\n"
    ),
    "kubernetes/client/models/__init__.py": "",
}
NOTICE = "# Changed for kubectl-pullkit, which packs only what it uses of this package: the original imports the rest.\n"
# Of the others nothing is left out but this: compiled parts, what belongs to them, and what is for other platforms.
LEFT_OUT = re.compile(r"\.(so|pyd|pyi|pyx|c|h|tar\.gz)$|^_yaml/|^urllib3/contrib/emscripten/|^[^/]+\.data/|(^|/)tests?/")
LICENCE = re.compile(r"[^/]+\.dist-info/(?:licenses/)?((?:LICEN[CS]E|COPYING|NOTICE|AUTHORS)[^/]*)", re.IGNORECASE)

# Both a shell and Python read this: to the first, the quotes hide the rest, to the other, the beginning. A machine without
# Python is told what it lacks, which #!/usr/bin/env can't do. -S: no package that is installed there is looked at.
START = """#!/bin/sh
''':' # a shell reads the first lines and looks for a Python, which reads the others
for python in {names}; do
  command -v "$python" >/dev/null 2>&1 && exec "$python" -S "$0" "$@"
done
{without}
'''
"""
WITHOUT = """echo "error: kubectl {name} needs Python 3.9 or newer, and there is no python3 on PATH: install python3" >&2
exit {status}"""
WITHOUT_TO_COMPLETE = "echo :0"  # leaves it to the shell


class BuildError(Exception):
    """What is wrong, in one line."""


def main() -> int:
    reader = argparse.ArgumentParser(prog="python -m krew.build", description="Builds what krew installs.")
    reader.add_argument("--out", type=Path, default=ROOT / "dist", help="where the archive goes")
    reader.add_argument("--manifests", type=Path, default=HERE, help="where the manifests go")
    reader.add_argument("--url", default=URL, help="where releases can be fetched from")
    reader.add_argument("--wheels", type=Path, help="a folder with the wheels of requirements.txt; else they are downloaded")
    given = reader.parse_args()
    try:
        path = build(given.out, given.manifests, given.url, given.wheels)
    except (BuildError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.write(f"{path}\n")
    return 0


def build(
    out: Path, manifests: Path, url: str = URL, wheels: Path | None = None, work: Path = ROOT / "build", version: str = ""
) -> Path:
    """Makes the archive and the manifests; the path of the archive. work: for what is not kept. version: instead of that of
    the sources."""
    source = work / "source"
    version = stage(source, version)
    if wheels is None:
        wheels = download(work / "wheels")
    out.mkdir(parents=True, exist_ok=True)
    manifests.mkdir(parents=True, exist_ok=True)
    tag = f"v{version}"
    path = out / f"kubectl-pullkit-krew-{tag}.tar.gz"
    pack(path, contents(source, wheels), made_at())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    (out / f"{path.name}.sha256").write_text(f"{digest}  {path.name}\n")
    for name in PLUGINS:
        template = (HERE / "templates" / f"{name}.yaml").read_text(encoding="utf-8")
        text, address = fill_in(template, tag, digest, url)
        if not address.endswith(f"/{path.name}"):
            raise BuildError(f"krew/templates/{name}.yaml names {address}, not {path.name}")
        (manifests / f"{name}.yaml").write_text(text, encoding="utf-8")
    return path


def stage(folder: Path, version: str = "") -> str:
    """Copies the sources, with the commit written into them; the version."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in SOURCES:
        origin = ROOT / name
        if origin.is_dir():
            shutil.copytree(origin, folder / name, ignore=shutil.ignore_patterns(*UNWANTED))
        else:
            shutil.copy(origin, folder / name)
    core = folder / "plugins" / "pullcore"
    text = (core / "version.py").read_text(encoding="utf-8")
    found = re.search(r'^VERSION = "(.+)"$', text, re.MULTILINE)
    if not found:
        raise BuildError("plugins/pullcore/version.py names no VERSION")
    if version:
        (core / "version.py").write_text(text.replace(found.group(0), f'VERSION = "{version}"'), encoding="utf-8")
    commit = _git("describe", "--always", "--dirty", "--exclude=*", "--abbrev=7")
    if commit:
        (core / "_build.py").write_text(f'"""Written by `make dist`."""\n\nCOMMIT = "{commit}"\n', encoding="utf-8")
    return version or found.group(1)


def download(folder: Path) -> Path:
    """The wheels of requirements.txt, checked against their hashes. Raises BuildError."""
    shutil.rmtree(folder, ignore_errors=True)
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes",
        "--only-binary=:all:", "--python-version=3.9", "--implementation=cp", "--abi=cp39", "--abi=none",
        "--platform=manylinux2014_x86_64", "--platform=any", f"--dest={folder}", "-r", str(HERE / "requirements.txt"),
    ]  # fmt: skip
    run = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if run.returncode:
        raise BuildError(f"the packages in krew/requirements.txt can't be had:\n{run.stderr[-2000:]}")
    return folder


def made_at() -> int:
    """The time that all files get."""
    told = os.environ.get("SOURCE_DATE_EPOCH") or _git("log", "-1", "--format=%ct")
    return max(int(told), OLDEST) if told else OLDEST


def _git(*arguments: str) -> str:
    try:
        run = subprocess.run(
            ["git", "--no-optional-locks", "-C", str(ROOT), *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    except OSError:
        return ""
    return run.stdout.decode().strip() if run.returncode == 0 else ""


# What is in the archive


def contents(source: Path, wheels: Path) -> dict[str, tuple[bytes, int]]:
    """Of each file its name in the archive, its content and its mode."""
    files = {"LICENSE": ((source / "LICENSE").read_bytes(), 0o644)}
    for path in sorted((source / "plugins").rglob("*")):
        name = path.relative_to(source / "plugins").as_posix()
        if path.is_dir():
            continue
        content = path.read_bytes()
        files[name] = (startable(path.name, content), 0o755) if "/" not in name else (content, 0o644)
    for wheel in sorted(wheels.glob("*.whl")):
        for name, content in unpacked(wheel):
            files[name] = (content, 0o644)
    for name, text in SHORT.items():
        files[f"lib/{name}"] = ((NOTICE + text).encode(), 0o644)
    return files


def startable(name: str, content: bytes) -> bytes:
    """An executable with the lines in front that find a Python. Raises BuildError for one that does not start as ours do."""
    first, _, rest = content.partition(b"\n")
    plugin = name.partition("-")[2]
    if first != b"#!/usr/bin/env python3" or b"'''" in rest or plugin not in PLUGINS:
        raise BuildError(f"plugins/{name} is none of the executables that can be packed")
    without = WITHOUT.format(name=plugin, status=2 if plugin == "pullcheck" else 1)
    if name.startswith("kubectl_complete-"):
        without = WITHOUT_TO_COMPLETE + "\nexit 0"
    return START.format(names=" ".join(NAMES), without=without).encode() + rest


def unpacked(wheel: Path) -> Iterator[tuple[str, bytes]]:
    """The files of a wheel that are packed, and its licences. Raises BuildError for a wheel without one."""
    distribution = "-".join(wheel.name.split("-")[:2])
    licences = 0
    with zipfile.ZipFile(wheel) as opened:
        for name in opened.namelist():
            licence = LICENCE.fullmatch(name)
            if licence:
                licences += 1
                yield f"licenses/{distribution}/{licence.group(1)}", opened.read(name)
            elif name.endswith("/") or ".dist-info/" in name or LEFT_OUT.search(name):
                continue
            elif not name.startswith("kubernetes/") or KUBERNETES.fullmatch(name):
                yield f"lib/{name}", opened.read(name)
    if not licences:
        raise BuildError(f"{wheel.name} has no licence in it")


def pack(path: Path, files: Mapping[str, tuple[bytes, int]], when: int) -> None:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(files):
            content, mode = files[name]
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(content), mode, when
            archive.addfile(entry, io.BytesIO(content))
    with path.open("wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as zipped:
        zipped.write(made.getvalue())
    check(path)


def check(path: Path) -> None:
    """Raises BuildError for what krew would refuse to unpack, and for what would run on some machines only."""
    with tarfile.open(path) as archive:
        for entry in archive:
            parts = entry.name.split("/")
            if not entry.isreg():
                raise BuildError(f"{path.name}: {entry.name} is no regular file")
            if entry.name.startswith("/") or ".." in parts or "\\" in entry.name:
                raise BuildError(f"{path.name}: {entry.name} leads out of the folder")
            file = archive.extractfile(entry)
            begin = file.read(4) if file else b""
            if begin in (b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe") or begin[:2] == b"MZ":
                raise BuildError(f"{path.name}: {entry.name} is compiled")
            if re.search(r"\.(so|pyd|dylib|dll|pyc)(\.|$)", parts[-1]):
                raise BuildError(f"{path.name}: {entry.name} is compiled")


# The manifests


def fill_in(template: str, tag: str, digest: str, url: str) -> tuple[str, str]:
    """A template of krew-release-bot with its two expressions filled in as the bot does it, and the address of the archive.
    url: in place of URL. Raises BuildError for other expressions."""
    addresses = []

    def address(found: re.Match[str]) -> str:
        addresses.append(found.group(1).replace("{{ .TagName }}", tag).replace(URL, url, 1))
        return f"uri: {addresses[-1]}\n    sha256: {digest}"

    text = re.sub(r'\{\{addURIAndSha "([^"]+)" \.TagName \}\}', address, template)
    text = text.replace("{{ .TagName }}", tag)
    if "{{" in text or len(addresses) != 1:
        raise BuildError("a template in krew/templates has an expression that is not known here, or not one address")
    return text, addresses[0]


if __name__ == "__main__":
    sys.exit(main())
