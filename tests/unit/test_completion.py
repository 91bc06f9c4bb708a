"""What completion offers: words in, candidates out, with a kubectl that is only played."""

from __future__ import annotations

import ast
import configparser
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Callable

import pytest
from pullcheck import options as pullcheck
from pullcore.completion import BARE, advice, ask, brief, choices, complete, plain
from pullcore.flags import read_flags
from pullcore.kinds import CHECKABLE
from pullsecret import options as pullsecret
from pullsecret.usage import VERBS
from repull import options as repull

ROOT = Path(__file__).parents[2]
PLUGINS = ROOT / "plugins"
NAMES = ("pullcheck", "pullsecret", "repull")
NO_SPACE, NO_FILES = 2, 4
TYPES = [f"{kind.name.lower()}/" for kind in CHECKABLE]

OBJECTS = {
    "domains.weblogic.oracle": "domain.weblogic.oracle/domain1\n",
    "deployments.apps": "deployment.apps/web\ndeployment.apps/api\n",
    "pods": "pod/web-1\npod/web\n",
    "serviceaccounts": "serviceaccount/default\n",
    "secrets": "secret/regcred\nsecret/secret1\n",
    "namespaces": "namespace/default\nnamespace/sample-ns\n",
}


class Kubectl:
    """Answers from OBJECTS, and keeps what it was asked."""

    def __init__(self, **config: str) -> None:
        self.config = config
        self.calls: list[list[str]] = []

    def __call__(self, calls: Sequence[Sequence[str]]) -> list[str]:
        self.calls += [list(call) for call in calls]
        return [self.one(*call) for call in calls]

    def one(self, verb: str, what: str, *_: str) -> str:
        if verb == "config":
            return self.config[what.replace("-", "_")]
        return "".join(OBJECTS.get(kind, "") for kind in what.split(","))


def nothing(calls: Sequence[Sequence[str]]) -> list[str]:
    return [""] * len(calls)


def never(calls: Sequence[Sequence[str]]) -> list[str]:
    raise AssertionError(f"kubectl was asked {calls}")


Run = Callable[[Sequence[Sequence[str]]], Sequence[str]]


def offered(line: str, run: Run = never) -> tuple[list[str], int]:
    """For `pullcheck -o ^`: what can stand at the ^, and the number for the shell."""
    plugin, *words = line.replace("^", "").split(" ")
    candidates, directive = complete(plugin, words, run)
    return [text for text, _ in candidates], directive


# --- Options and their values --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("pullcheck --al^", ["--all-namespaces"]),
        ("pullcheck --no-^", ["--no-headers", "--no-registry"]),
        ("pullcheck -A^", ["-A"]),
        ("pullcheck --zzz^", []),
        ("pullcheck -A --all^", []),
        ("pullcheck -A --no-h^", ["--no-headers"]),
        ("pullcheck -n x --namesp^", []),
        ("pullcheck -nx --namesp^", []),
        ("pullcheck --image=x --image^", ["--image"]),
        ("pullcheck --as-group x --as-gr^", ["--as-group"]),
        ("pullcheck --out^", ["--output"]),
        ("pullcheck -A -- -^", []),
        ("repull --recr^", ["--recreate-pods", "--recreate-domain"]),
        ("repull --dry-run --keep^", ["--keep-waiting-pods"]),
        ("pullsecret --cont^", ["--context"]),
        ("pullsecret --docker^", []),
        ("pullsecret add --docker-p^", ["--docker-password-stdin", "--docker-password-file", "--docker-password"]),
        ("pullsecret -n x add --docker-u^", ["--docker-username"]),
        ("pullsecret list --docker^", []),
        ("pullsecret options --^", []),
        ("pullsecret nonsense --^", []),
    ],
)
def test_names_of_options(line: str, expected: list[str]) -> None:
    assert offered(line) == (expected, NO_FILES)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("pullcheck -o ^", list(pullcheck.OUTPUTS)),
        ("pullcheck -o=^", list(pullcheck.OUTPUTS)),
        ("pullcheck --output=^", list(pullcheck.OUTPUTS)),
        ("pullcheck --output w^", ["wide"]),
        ("pullcheck -oj^", ["-ojson"]),
        ("pullcheck -Aoj^", ["-Aojson"]),
        ("pullcheck --color ^", list(pullcheck.COLOURS)),
        ("repull --color ^", list(repull.COLOURS)),
        ("repull -o ^", list(repull.OUTPUTS)),
        ("repull --dry-run=^", list(repull.DRY_RUNS)),
        ("pullsecret add --dry-run=s^", ["server"]),
        ("pullsecret remove --dry-run=^", list(pullsecret.DRY_RUNS)),
        ("pullsecret --dry-run=client copy -o ^", ["name", "json", "yaml"]),
        ("pullsecret verify -o ^", ["json", "yaml"]),
        ("pullsecret list -o ^", ["name", "json", "yaml"]),
        ("pullsecret explain -o ^", ["json", "yaml"]),
        ("pullcheck -A=^", ["true", "false"]),
        ("pullcheck --offline=f^", ["false"]),
        ("pullcheck --image ^", []),
        ("pullcheck --image=^", []),
        ("pullcheck -l ^", []),
        ("pullcheck --token ^", []),
        ("repull --field-manager=^", []),
        ("pullcheck --tls-server-name ^", []),
        ("pullcheck --nonsense=^", []),
    ],
)
def test_values_of_options(line: str, expected: list[str]) -> None:
    assert offered(line) == (expected, NO_FILES)


def test_the_values_are_those_that_the_commands_take() -> None:
    for verb, text in VERBS.items():
        needed = {"attach": ["x", "--for=sa/x"], "detach": ["x", "--for=sa/x"], "explain": ["--key=k", "--image=i"],
                  "copy": ["x", "--check"], "rotate": ["x"], "remove": ["x"]}  # fmt: skip
        for flag in read_flags(text):
            if verb != "options" and flag.value in ("FORMAT", "HOW"):
                assert choices(flag.description)
                for value in choices(flag.description):
                    pullsecret.parse([verb, f"{flag.key}={value}", *needed.get(verb, [])])


@pytest.mark.parametrize(
    ("line", "directive"),
    [
        ("pullcheck -f ^", 0),
        ("pullcheck --filename=x^", 0),
        ("pullcheck --save ^", 0),
        ("pullcheck --kubeconfig ^", 0),
        ("pullsecret add --docker-password-file ^", 0),
        ("repull --save-dir ^", 16),
    ],
)
def test_files_are_left_to_the_shell(line: str, directive: int) -> None:
    assert offered(line) == ([], directive)


def test_options_that_stand_without_a_value_are_those_of_the_plugins() -> None:
    assert set(BARE) == set(pullsecret.BARE) == set(repull.BARE)


def test_descriptions() -> None:
    candidates, _ = complete("pullcheck", ["--"], never)
    said = dict(candidates)
    assert said["--all-namespaces"] == "Look in all namespaces"
    assert said["--request-timeout"] == "The length of time to wait before giving up on a single server request"
    assert all(text and len(text) < 90 and "\t" not in text for text in said.values())
    assert brief("word " * 30).endswith("word ...")


# --- Verbs ---------------------------------------------------------------------------------------------------------


def test_verbs_with_what_they_do() -> None:
    candidates, directive = complete("pullsecret", [""], never)
    assert (dict(candidates).keys(), directive) == (VERBS.keys(), NO_FILES)
    assert dict(candidates)["verify"] == "Try every entry of the namespace's pull secrets at its registry"
    assert all(said for _, said in candidates)
    assert offered("pullsecret -n sample-ns a^") == (["add", "attach"], NO_FILES)
    assert offered("pullsecret --for=domain/domain1 at^") == (["attach"], NO_FILES)


# --- What kubectl knows --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("pullcheck -n ^", ["default", "sample-ns"]),
        ("pullcheck --namespace=s^", ["sample-ns"]),
        ("pullcheck -nsam^", ["-nsample-ns"]),
        ("pullcheck -n=sam^", ["sample-ns"]),
        ("pullsecret -n ^", ["default", "sample-ns"]),
        ("pullsecret copy secret1 --to-namespace=default --to-namespace ^", ["sample-ns"]),
        ("pullsecret copy secret1 --all-namespaces --except ^", ["default", "sample-ns"]),
        ("pullcheck --context ^", ["dev", "arn:aws:eks:eu:1:cluster/prod"]),
        ("pullcheck --cluster ^", ["kind"]),
        ("pullcheck --user=^", ["bob@kind"]),
        ("pullcheck --image x --secret ^", ["regcred", "secret1"]),
        ("pullcheck --image x --secret regcred --secret ^", ["secret1"]),
        ("pullcheck domain1 --with-secret=s^", ["secret1"]),
        ("pullcheck --image x --serviceaccount ^", ["default"]),
        ("repull --recreate-domain ^", ["domain1"]),
        ("pullsecret verify ^", ["regcred", "secret1"]),
        ("pullsecret verify regcred ^", ["secret1"]),
        ("pullsecret remove r^", ["regcred"]),
        ("pullsecret copy --all-namespaces ^", ["regcred", "secret1"]),
        ("pullsecret add ^", ["regcred", "secret1"]),
    ],
)
def test_names_from_kubectl(line: str, expected: list[str]) -> None:
    config = {
        "get_contexts": "dev\narn:aws:eks:eu:1:cluster/prod\n",
        "get_clusters": "NAME\nkind\n",
        "get_users": "NAME\nbob@kind\n",
    }
    assert offered(line, Kubectl(**config)) == (expected, NO_FILES)


@pytest.mark.parametrize(
    "line",
    ["pullsecret attach regcred ^", "pullsecret list ^", "pullsecret explain ^", "pullsecret remove regcred ^",
     "pullcheck -A ^", "pullcheck -l app=web ^", "pullcheck --image x ^", "pullcheck -f x.yaml ^",
     "repull --all-namespaces ^", "repull --recreate-domain=domain1 ^"],
)  # fmt: skip
def test_no_name_where_none_is_taken(line: str) -> None:
    assert offered(line) == ([], NO_FILES)


@pytest.mark.parametrize("plugin", ["pullcheck", "repull"])
def test_types_and_names(plugin: str) -> None:
    names = ["domain1", "web", "api", "web-1"]
    assert offered(f"{plugin} ^", Kubectl()) == ([*TYPES, *names], NO_SPACE | NO_FILES)
    assert offered(f"{plugin} ^", nothing) == (TYPES, NO_SPACE | NO_FILES)
    assert offered(f"{plugin} dep^", Kubectl()) == (["deployment/"], NO_SPACE | NO_FILES)
    assert offered(f"{plugin} web web-1 w^", Kubectl()) == ([], NO_FILES)
    assert offered(f"{plugin} -- w^", Kubectl()) == (["web", "web-1"], NO_FILES)


def test_a_name_says_of_which_types_it_is() -> None:
    assert dict(complete("pullcheck", ["web"], Kubectl())[0]) == {"web": "deployment, pod", "web-1": "pod"}


@pytest.mark.parametrize(
    ("line", "expected", "asked"),
    [
        ("pullcheck deployment/^", ["deployment/web", "deployment/api"], "deployments.apps"),
        ("pullcheck deploy/w^", ["deploy/web"], "deployments.apps"),
        ("repull dom/^", ["dom/domain1"], "domains.weblogic.oracle"),
        ("repull domains.v9.weblogic.oracle/^", ["domains.v9.weblogic.oracle/domain1"], "domains.weblogic.oracle"),
        ("pullcheck pod/web pod/^", ["pod/web-1"], "pods"),
        ("pullcheck deployment web ^", ["api"], "deployments.apps"),
        ("pullsecret attach regcred --for=sa/^", ["sa/default"], "serviceaccounts"),
        ("pullsecret attach regcred --for domain/^", ["domain/domain1"], "domains.weblogic.oracle"),
    ],
)
def test_names_of_a_type(line: str, expected: list[str], asked: str) -> None:
    kubectl = Kubectl()
    assert offered(line, kubectl) == (expected, NO_FILES)
    assert kubectl.calls == [["get", asked, "-o", "name"]]


@pytest.mark.parametrize("line", ["pullcheck secret/^", "pullcheck /^", "pullsecret add --for=pod/^"])
def test_types_without_images_or_lists_have_no_names(line: str) -> None:
    assert offered(line, nothing) == ([], NO_FILES)


def test_what_a_secret_can_be_attached_to() -> None:
    found, directive = offered("pullsecret add --for=^", Kubectl())
    assert directive == NO_SPACE | NO_FILES
    assert {"serviceaccount/", "domain/", "deployment/", "domain1", "web", "default"} <= set(found)
    assert not {"pod/", "job/", "cluster/", "web-1"} & set(found)
    assert "domain1" not in offered("pullsecret add --for domain1 --for ^", Kubectl())[0]


def test_at_most_two_calls_and_that_of_weblogic_by_itself() -> None:
    kubectl = Kubectl()
    offered("pullcheck ^", kubectl)
    assert [call[1].count("weblogic") for call in kubectl.calls] == [1, 0]
    assert kubectl.calls[0][1] == "domains.weblogic.oracle"


def test_kubectl_gets_the_connection() -> None:
    kubectl = Kubectl(get_contexts="")
    line = "-n sample-ns --context=dev --kubeconfig k --as-group a --as-group=b --insecure-skip-tls-verify -v 9"
    offered(f"pullcheck {line} --request-timeout 1m -s https://x -o json pod/^", kubectl)
    assert kubectl.calls.pop()[4:] == [
        "--namespace=sample-ns", "--context=dev", "--kubeconfig=k", "--server=https://x", "--as-group=a", "--as-group=b",
        "--insecure-skip-tls-verify",
    ]  # fmt: skip
    offered("pullsecret --kubeconfig=k -nx verify --context ^", kubectl)
    assert kubectl.calls == [["config", "get-contexts", "-o", "name", "--kubeconfig=k"]]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a b",
        "a\tb",
        "\x1b[31m",
        "$(touch x)",
        "`id`",
        "a;b",
        "-n",
        ":4",
        "a'b",
        'a"b',
        "a\\b",
        "~",
        "*",
        "ü",
        "a\u202eb",
    ],
)
def test_names_that_a_shell_could_take_for_more_are_left_out(name: str) -> None:
    assert not plain(name)
    assert offered("pullcheck pod/^", lambda calls: [f"pod/{name}\npod/good\n"]) == (["pod/good"], NO_FILES)


# --- kubectl as a process ------------------------------------------------------------------------------------------


@pytest.fixture
def kubectl_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def write(script: str) -> None:
        path = tmp_path / "other-kubectl"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setenv("KUBECTL_PATH", str(path))

    return write


def test_kubectl_is_that_of_the_environment(kubectl_path: Callable[[str], None], capfd: pytest.CaptureFixture[str]) -> None:
    kubectl_path('echo "$@"; echo noise >&2; exit 1')
    assert ask([["get", "x"], ["get", "y"]]) == ["get x --request-timeout=2s\n", "get y --request-timeout=2s\n"]
    assert capfd.readouterr() == ("", "")


def test_kubectl_is_looked_for_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECTL_PATH", "")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ask([["get", "x"]]) == [""]
    (tmp_path / "kubectl").write_text("#!/bin/sh\necho it\n")
    (tmp_path / "kubectl").chmod(0o755)
    assert ask([["get", "x"]]) == ["it\n"]


def test_what_takes_too_long_is_stopped_and_the_rest_is_kept(
    kubectl_path: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pullcore.completion.BOUND", 0.5)
    kubectl_path(f'[ "$1" = slow ] && {{ sleep 60 & echo $! > {tmp_path}/pid; wait; }}; echo "$1"')
    begun = time.monotonic()
    assert ask([["slow"], ["quick"]]) == ["", "quick\n"]
    assert time.monotonic() - begun < 10
    helper = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 10
    while alive(helper):
        assert time.monotonic() < deadline, "what kubectl had started is still there"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not (state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z")


# --- The executables -----------------------------------------------------------------------------------------------


def start(script: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(script), *words], capture_output=True, text=True, timeout=60,
        env={**os.environ, "KUBECTL_PATH": "/nonexistent", **env},
    )  # fmt: skip


@pytest.mark.parametrize("plugin", NAMES)
def test_the_executables_answer_kubectl(plugin: str) -> None:
    done = start(PLUGINS / f"kubectl_complete-{plugin}", "--kubec")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "--kubeconfig\tPath to the kubeconfig file to use for CLI requests\n:4\n"
    failed = start(PLUGINS / f"kubectl_complete-{plugin}", "--user", "")
    assert (failed.returncode, failed.stdout, failed.stderr) == (0, ":4\n", "")


@pytest.mark.parametrize("plugin", NAMES)
def test_a_link_to_the_plugin_completes(plugin: str, tmp_path: Path) -> None:
    link = tmp_path / f"kubectl_complete-{plugin}"
    link.symlink_to(PLUGINS / f"kubectl-{plugin}")
    assert start(link, "--kubec").stdout.endswith("\n:4\n")


@pytest.mark.parametrize("words", [[], [""], ["\udcff"], ["-n", "\udcff", "pod/"], ["\n"], ["--", ""], ["-"], ["--="]])
def test_silent_whatever_comes(words: list[str]) -> None:
    for plugin in NAMES:
        done = start(PLUGINS / f"kubectl_complete-{plugin}", *words)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines()[-1] in (":0", ":4", ":6")


def test_silent_where_something_is_broken(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['pullcore.completion'] = None\n")
    done = start(PLUGINS / "kubectl_complete-pullcheck", "--", PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (0, ":0\n", "")


def test_silent_where_nobody_reads() -> None:
    line = f"{sys.executable} {PLUGINS}/kubectl_complete-pullsecret '' "
    done = subprocess.run(["sh", "-c", f"{line} >&-; {line} | true"], capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")


def test_an_old_python_hands_over(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.version_info = (3, 6, 8, 'final', 0)\n")
    plugins = tmp_path / "lib"
    (plugins / "pullcore").mkdir(parents=True)
    (plugins / "pullcore" / "__init__.py").touch()
    (plugins / "pullcore" / "launch.py").write_text((PLUGINS / "pullcore" / "launch.py").read_text())
    script = plugins / "kubectl_complete-pullcheck"
    script.write_text((PLUGINS / script.name).read_text())
    better = tmp_path / "python3.11"
    better.write_text('#!/bin/sh\n[ "$1" = -c ] || echo "${1##*/} $2"\n')
    better.chmod(0o755)
    found = start(script, "--x", PYTHONPATH=str(tmp_path), PATH=str(tmp_path))
    assert found.stdout == "kubectl_complete-pullcheck --x\n"
    alone = start(script, "--x", PYTHONPATH=str(tmp_path), PATH="/nonexistent")
    assert (alone.returncode, alone.stdout, alone.stderr) == (0, ":0\n", "")


def test_what_an_old_python_must_read_parses_there() -> None:
    for plugin in NAMES:
        path = PLUGINS / f"kubectl_complete-{plugin}"
        ast.parse(path.read_text(), feature_version=(3, 6))
        assert os.access(path, os.X_OK)


def test_they_are_in_the_archive() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    scripts = setup["options"]["scripts"].split()
    assert [one for one in scripts if "complete" in one] == [f"plugins/kubectl_complete-{plugin}" for plugin in NAMES]


TELL = "import atexit, sys; bare = set(sys.modules); atexit.register(lambda: print('', *(set(sys.modules) - bare)))"
SLOW = {
    "re",
    "enum",
    "typing",
    "dataclasses",
    "pathlib",
    "subprocess",
    "docopt",
    "kubernetes",
    "urllib3",
    "tabulate",
    "yaml",
}


@pytest.mark.parametrize("words", [["--"], ["-o", ""], ["-f", ""], ["--image="]])
def test_what_needs_no_cluster_imports_nothing_that_takes_time(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(TELL)
    done = start(PLUGINS / "kubectl_complete-pullcheck", *words, PYTHONPATH=str(tmp_path))
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "pullcore.completion" in loaded
    assert not loaded & SLOW


# --- kubectl pullcheck completion ----------------------------------------------------------------------------------


@pytest.mark.parametrize("plugin", NAMES)
def test_the_advice_works_as_a_script(plugin: str, tmp_path: Path) -> None:
    """As krew installs it: a link in a folder on PATH, to a store elsewhere."""
    folder = tmp_path / "krew's bin"
    folder.mkdir()
    link = folder / f"kubectl-{plugin}"
    link.symlink_to(PLUGINS / link.name)
    path = os.pathsep.join([str(folder), "/usr/bin", "/bin"])
    done = start(link, "completion", PATH=path)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"ln -sf '{tmp_path}" in done.stdout
    assert ("pod/completion" in done.stdout) is (plugin != "pullsecret")
    for _ in range(2):
        subprocess.run(["sh", "-c", done.stdout], check=True, env={"PATH": path})
    assert start(folder / f"kubectl_complete-{plugin}", "--kubec").stdout.endswith("\n:4\n")
    again = start(link, "completion", PATH=path).stdout
    assert f"{folder}/kubectl_complete-{plugin}" in again
    assert not [line for line in again.splitlines() if not line.startswith("#")]


def test_the_advice_for_a_folder_that_is_not_on_the_path() -> None:
    text = advice("pullcheck", str(PLUGINS / "kubectl-pullcheck"), {"PATH": "/usr/bin"})
    assert f"\nexport PATH={PLUGINS}:$PATH\n" in text


def test_the_advice_needs_no_packages(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(TELL)
    done = start(PLUGINS / "kubectl-repull", "completion", PYTHONPATH=str(tmp_path))
    assert not set(done.stdout.splitlines()[-1].split()) & {"kubernetes", "urllib3", "docopt", "tabulate", "yaml"}


def test_an_object_called_completion_can_be_asked_about() -> None:
    done = start(PLUGINS / "kubectl-pullcheck", "pod/completion", "--kubeconfig=/nonexistent")
    assert (done.returncode, done.stdout) == (2, "")
    assert "/nonexistent" in done.stderr


@pytest.mark.parametrize("plugin", NAMES)
def test_the_help_mentions_it(plugin: str) -> None:
    assert f"'kubectl {plugin} completion' tells how" in __import__(f"{plugin}.usage", fromlist=["HELP"]).HELP
