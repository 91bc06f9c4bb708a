"""Objects that are made again: what their manifests hold, and the files that keep them meanwhile."""

from __future__ import annotations

import copy
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

import pytest
import yaml
from pullcore.errors import CommandError
from pullcore.pull import Target
from repull.manifests import manifest_of
from repull.saved import left_over, save

from .builders import Object
from .repull_builders import changed

SERVER = "https://cluster.example.com:6443"
SET_BY_SERVERS: Object = {
    "uid": "u-1",
    "resourceVersion": "7",
    "creationTimestamp": "2026-03-01T12:00:00Z",
    "generation": 3,
    "selfLink": "/api/v1/x",
    "deletionTimestamp": "2026-03-01T12:00:00Z",
    "deletionGracePeriodSeconds": 30,
}


def managed(*fields: str, manager: str = "kubectl-run") -> Object:
    """Who wrote what, as an API server notes it."""
    return {"manager": manager, "operation": "Update", "fieldsV1": {"f:spec": {f"f:{name}": {} for name in fields}}}


def of_status() -> Object:
    return {"manager": "kubelet", "operation": "Update", "subresource": "status", "fieldsV1": {"f:status": {"f:phase": {}}}}


def a_pod(written: Optional[Sequence[Object]], *secrets: str, **spec: Any) -> Object:
    metadata = {"name": "test", "namespace": "ns", "labels": {"a": "b"}, "annotations": {"c": "d"}, **SET_BY_SERVERS}
    if written is not None:
        metadata["managedFields"] = list(written)
    body: Object = {
        "containers": [{"name": "main", "image": "x:1"}],
        "serviceAccountName": "default",
        "nodeName": "n1",
        **spec,
    }
    if secrets:
        body["imagePullSecrets"] = [{"name": name} for name in secrets]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": body, "status": {"phase": "Pending"}}


def test_a_pod_as_somebody_would_have_written_it() -> None:
    value = a_pod([managed("containers"), of_status()], "good", ephemeralContainers=[{"name": "debug"}], priority=0)
    before = copy.deepcopy(value)
    assert manifest_of(value, ("good",)) == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "test", "namespace": "ns", "labels": {"a": "b"}, "annotations": {"c": "d"}},
        "spec": {"containers": [{"name": "main", "image": "x:1"}], "serviceAccountName": "default", "priority": 0},
    }
    assert value == before


@pytest.mark.parametrize(
    ("written", "account", "keeps_node", "keeps_list"),
    [
        # Who wrote what is known.
        ([managed("containers")], ("good",), False, False),
        ([managed("containers")], ("other",), False, False),  # its account listed good then
        ([managed("containers", "imagePullSecrets")], ("good",), False, True),
        ([managed("containers", "imagePullSecrets")], (), False, True),
        ([managed("containers", "nodeName")], ("good",), True, False),
        ([managed("containers"), managed("nodeName", "imagePullSecrets", manager="x")], (), True, True),
        ([managed("containers", "imagePullSecrets"), of_status()], (), False, True),
        # It is not: the list of its account decides.
        (None, ("good",), False, False),
        (None, ("other",), False, True),
        (None, (), False, True),
        ([], ("good",), False, False),
        ([of_status()], ("good",), False, False),
        ([of_status()], (), False, True),
    ],
)
def test_who_wrote_the_node_and_the_list_of_a_pod(
    written: Optional[Sequence[Object]], account: Sequence[str], keeps_node: bool, keeps_list: bool
) -> None:
    spec = manifest_of(a_pod(written, "good"), account)["spec"]
    assert spec.get("nodeName") == ("n1" if keeps_node else None)
    assert spec.get("imagePullSecrets") == ([{"name": "good"}] if keeps_list else None)


def test_a_pod_without_a_list() -> None:
    for account in ((), ("good",)):
        assert "imagePullSecrets" not in manifest_of(a_pod(None), account)["spec"]


BY_UID = {
    "controller-uid": "u-1",
    "batch.kubernetes.io/controller-uid": "u-1",
    "job-name": "import",
    "batch.kubernetes.io/job-name": "import",
}


def a_job(**spec: Any) -> Object:
    labels = {**BY_UID, "app": "x"}
    body = {
        "parallelism": 1,
        "selector": {"matchLabels": {"batch.kubernetes.io/controller-uid": "u-1"}},
        "template": {"metadata": {"labels": labels, "annotations": {"a": "b"}}, "spec": {"containers": []}},
        **spec,
    }
    metadata = {"name": "import", "namespace": "ns", "labels": dict(labels), **SET_BY_SERVERS}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": body, "status": {"active": 1}}


def test_a_job_gets_new_labels_from_its_controller() -> None:
    value = a_job(suspend=False)
    before = copy.deepcopy(value)
    made = manifest_of(value)
    assert made == {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "import", "namespace": "ns", "labels": {"app": "x"}},
        "spec": {
            "parallelism": 1,
            "suspend": False,
            "template": {"metadata": {"labels": {"app": "x"}, "annotations": {"a": "b"}}, "spec": {"containers": []}},
        },
    }
    assert value == before


def test_a_job_with_a_selector_of_its_own_keeps_it() -> None:
    own = {"matchLabels": {"app": "x"}}
    assert manifest_of(a_job(manualSelector=True, selector=own))["spec"] == a_job(manualSelector=True, selector=own)["spec"]


def test_a_job_without_labels() -> None:
    value = changed(a_job(template={"spec": {"containers": []}}), metadata__labels=None)
    made = manifest_of(value)
    assert "labels" not in made["metadata"]
    assert made["spec"]["template"]["spec"] == {"containers": []}


def test_a_job_stays_its_cron_jobs() -> None:
    owners = [{"apiVersion": "batch/v1", "kind": "CronJob", "name": "nightly", "uid": "u-9", "controller": True}]
    assert manifest_of(changed(a_job(), metadata__ownerReferences=owners))["metadata"]["ownerReferences"] == owners


def a_domain(**spec: Any) -> Object:
    metadata = {"name": "domain1", "namespace": "ns", "finalizers": ["x/y"], **SET_BY_SERVERS}
    body = {"image": "x:1", "imagePullSecrets": [{"name": "good"}], **spec}
    value: Object = {"apiVersion": "weblogic.oracle/v9", "kind": "Domain", "metadata": metadata, "spec": body}
    return {**value, "status": {"conditions": []}}


def test_a_domain_keeps_all_that_was_written() -> None:
    made = manifest_of(a_domain(introspectVersion="3"), ("good",))
    assert made["spec"] == {"image": "x:1", "imagePullSecrets": [{"name": "good"}], "introspectVersion": "3"}
    assert made["metadata"] == {"name": "domain1", "namespace": "ns", "finalizers": ["x/y"]}
    assert "status" not in made
    assert list(made)[:3] == ["apiVersion", "kind", "metadata"]


# Files

POD, DOMAIN = manifest_of(a_pod(None)), manifest_of(a_domain())


def test_what_is_saved_is_found_again(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "folder"
    cluster = {"apiVersion": "weblogic.oracle/v1", "kind": "Cluster", "metadata": {"name": "c1", "namespace": "ns"}}
    saved = save(folder, SERVER, "u-1", [DOMAIN, cluster])
    assert saved.path.name == "ns_domain_domain1_u-1.yaml"
    assert stat.S_IMODE(saved.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert saved.target == Target("Domain", "ns", "domain1")
    assert left_over(folder, SERVER) == [saved]
    assert list(yaml.safe_load_all(saved.path.read_text())) == [DOMAIN, cluster]
    assert [path.name for path in folder.iterdir()] == [saved.path.name], "nothing else is left"
    saved.remove()
    saved.remove()
    assert left_over(folder, SERVER) == []


def test_one_file_for_each_object(tmp_path: Path) -> None:
    for uid in ("u-1", "u-2", "u-1"):
        save(tmp_path, SERVER, uid, [POD])
    assert [one.uid for one in left_over(tmp_path, SERVER)] == ["u-1", "u-2"]


def test_those_of_another_server_are_passed_over(tmp_path: Path) -> None:
    save(tmp_path, "https://other.example.com", "u-1", [POD])
    mine = save(tmp_path, SERVER, "u-2", [POD])
    assert left_over(tmp_path, SERVER) == [mine]
    assert left_over(tmp_path, SERVER + "0") == []


HEAD = f"# Saved by kubectl repull before it was deleted. Server: {SERVER} UID: u-1\n"
DAMAGED = {
    "empty": "",
    "no head": yaml.safe_dump(POD),
    "the head of another tool": "# Saved by somebody\n" + yaml.safe_dump(POD),
    "nothing but a head": HEAD,
    "cut off": (HEAD + yaml.safe_dump(POD))[:-30] + "{",
    "no YAML": HEAD + "a: [",
    "text": HEAD + "hello",
    "a list": HEAD + "[1, 2]",
    "no kind": HEAD + "metadata: {name: x, namespace: ns}",
    "a kind that is not known": HEAD + "kind: Gadget\nmetadata: {name: x, namespace: ns}",
    "a kind that is none": HEAD + "kind: [Pod]\nmetadata: {name: x, namespace: ns}",
    "no name": HEAD + "kind: Pod\nmetadata: {namespace: ns}",
    "a name that is none": HEAD + "kind: Pod\nmetadata: {name: 5, namespace: ns}",
    "no metadata": HEAD + "kind: Pod",
    "metadata that is none": HEAD + "kind: Pod\nmetadata: x",
    "the second is broken": HEAD + yaml.safe_dump(POD) + "---\nkind: Pod\n",
    "a tag of Python": HEAD + "!!python/object/apply:os.system ['true']",
    "nested too deep": HEAD + "[" * 100_000,
    "half a tab": HEAD + "\tkind: Pod",
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_files_are_passed_over(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.yaml").write_text(DAMAGED[name])
    mine = save(tmp_path, SERVER, "u-2", [POD])
    assert left_over(tmp_path, SERVER) == [mine]


def test_other_files_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "b.yaml").mkdir()
    (tmp_path / "c.yaml").symlink_to(tmp_path / "nowhere")
    (tmp_path / "d.txt").write_text(HEAD + yaml.safe_dump(POD))
    assert left_over(tmp_path, SERVER) == []


def test_no_folder_is_nothing_left_over(tmp_path: Path) -> None:
    assert left_over(tmp_path / "nowhere", SERVER) == []
    (tmp_path / "file").write_text("x")
    assert left_over(tmp_path / "file", SERVER) == []


@pytest.mark.parametrize(
    ("namespace", "name", "uid"),
    [
        ("ns", "../../etc/passwd", "u"),
        ("..", "..", ".."),
        ("ns", "a\nUID: other", "u\nx"),
        ("ns", "\x1b[31m", "u/../v"),
        ("ns", "ünïcode", "u"),
    ],
)
def test_hostile_names_stay_in_the_folder(tmp_path: Path, namespace: str, name: str, uid: str) -> None:
    value = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace}}
    folder = tmp_path / "folder"
    saved = save(folder, SERVER, uid, [value])
    assert saved.path.parent == folder
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
    assert saved.path.name.isprintable()
    (found,) = left_over(folder, SERVER)
    assert found.documents == (value,)


def test_names_as_long_as_they_may_be(tmp_path: Path) -> None:
    metadata = {"name": "p" * 253, "namespace": "n" * 63}
    saved = save(tmp_path, SERVER, "0a1b2c3d-0a1b-2c3d-4e5f-0a1b2c3d4e5f", [{"kind": "Pod", "metadata": metadata}])
    assert [one.target.name for one in left_over(tmp_path, SERVER)] == ["p" * 253]
    assert "0a1b2c3d-0a1b-2c3d-4e5f-0a1b2c3d4e5f" in saved.path.name


TEXTS = [
    "yes",
    "y",
    "N",
    ".5e3",
    "-7",
    "<<",
    "1e3",
    "1234e56",
    "0x1f",
    "012",
    "0o17",
    "1_000",
    "null",
    "~",
    "2026-03-01",
    "12:30:45",
    "- x",
    "a: b",
    "é\u2028",
]


def test_texts_are_texts_for_other_readers_too(tmp_path: Path) -> None:
    """kubectl reads by other rules (YAML 1.2): a label such as 1234e56 must not become a number."""
    labels = dict(zip("abcdefghijklmnopqrstuv", TEXTS))
    saved = save(tmp_path, SERVER, "u", [changed(POD, metadata__labels=labels)])
    (found,) = left_over(tmp_path, SERVER)
    assert found.documents[0]["metadata"]["labels"] == labels
    text = saved.path.read_text()
    for one in ("y", "N", "1e3", "1234e56", "0o17", ".5e3", "-7", "<<"):
        assert f'"{one}"' in text or f"'{one}'" in text, one


@pytest.mark.parametrize("server", ["https://x\x1b[31m", "https://x y", "https://" + "x" * 400])
def test_hostile_servers(tmp_path: Path, server: str) -> None:
    save(tmp_path, server, "u", [POD])
    assert all(one.server and one.documents == (POD,) for one in left_over(tmp_path, server))
    assert left_over(tmp_path, SERVER) == []


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(CommandError) as caught:
            save(folder, SERVER, "u-1", [POD])
        assert str(caught.value).startswith(f"error: {folder} can't be written: ")
        assert str(caught.value).endswith("(--save-dir); nothing was deleted")


def test_a_disk_that_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a file would be worse than none."""

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(CommandError, match=r"No space left on device \(--save-dir\); nothing was deleted"):
        save(tmp_path, SERVER, "u-1", [POD])
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save(tmp_path, SERVER, "u-1", [POD])
    assert list(tmp_path.iterdir()) == []
