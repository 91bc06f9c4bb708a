"""What `--load` would do, decided before anything is done: which image of the archive becomes which of the target's, and
onto which nodes it goes. Pure: the archive's contents, the evidence and the nodes go in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Optional

from pullcore.errors import CommandError, few, one_line
from pullcore.platforms import platform_of
from pullcore.pull import Object, Pull
from pullcore.reference import valid
from pullcore.sizes import in_bytes, quantity

from repull.archivedimage import ArchivedImage
from repull.intended import intended, key_of, keys_of, named_by_to
from repull.runtimes import Runtime, pins, repository_of, runtime_of, shown

COPIES = (1, 35)  # kubelets from here on check by default who may use a copy that is there (KEP-2535)
UNPACKED = 3  # times its size is about what an image takes on a node: its layers, packed and unpacked


@dataclass(frozen=True)
class Chosen:
    """An image of the archive and the full reference that it gets on the nodes. pulls: those that ask for it; was: its name
    in the archive where that is another."""

    image: ArchivedImage
    name: str
    pulls: tuple[Pull, ...]
    was: str = ""


@dataclass(frozen=True)
class Job:
    """One image for one node. image: for the node's platform alone, but where a digest is asked for; there: the node has it,
    so that nothing goes over, and it is only pinned."""

    node: Object
    runtime: Runtime
    image: ArchivedImage
    name: str
    there: bool = False

    @property
    def node_name(self) -> str:
        return str(self.node["metadata"]["name"])

    @property
    def digest(self) -> str:
        """What the node has to say of it afterwards."""
        if self.runtime.by_config:
            return self.image.manifests[0].blobs[0].digest
        return self.image.digest


@dataclass(frozen=True)
class Plan:
    """What is done for one image of the archive."""

    chosen: Chosen
    jobs: tuple[Job, ...]
    present: tuple[Job, ...] = ()  # have it already
    notes: tuple[str, ...] = ()

    @property
    def untested(self) -> str:
        return shown([one.runtime for one in self.jobs])

    def lines(self, how: str) -> list[str]:
        """The plan for people. how: "by a pod in namespace default that is root on its node"."""
        was = f" ({one_line(self.chosen.was, 200)} in the archive)" if self.chosen.was else ""
        found = []
        for digest, there in dict.fromkeys((one.digest, one.there) for one in self.jobs):
            some = ", ".join(one.node_name for one in self.jobs if (one.digest, one.there) == (digest, there))
            if there:
                found.append(f"pin {self.chosen.name}, {digest[:19]}, on {some}, where it is already: {how}")
            else:
                found.append(f"load {self.chosen.name}{was}, {digest[:19]}, onto {some}: {how}")
        if self.present:
            found.append(f"leave {', '.join(one.node_name for one in self.present)}: it is there already")
        if self.untested:
            found.append(f"untested: no test of ours ran on {self.untested}")
        return [*found, *(f"note: {note}" for note in self.notes)]


# Which image


def choose(images: Sequence[ArchivedImage], asked: Mapping[Pull, bool], to: str) -> list[Chosen]:
    """Which images of the archive are which of the target's (see `intended`). asked: its Pulls, and whether each is waited
    for; to: what the user wants the image to be, or "". Raises CommandError that names both sides."""
    by_key: dict[str, list[Pull]] = {}
    for pull in asked:
        for reference in valid([pull.image]):
            by_key.setdefault(key_of(reference), []).append(pull)
    if not by_key:
        raise CommandError("nothing of the target names an image that could be loaded")
    if to:
        key = key_of(named_by_to(to))
        if key not in by_key:
            raise CommandError(f"--to {one_line(to, 200)} is not an image of the target, which asks for {_some(by_key)}")
        by_key = {key: by_key[key]}
    held = {key for one in images for key in keys_of(one)}
    wanted = intended({key: any(asked[pull] for pull in some) for key, some in by_key.items()}, held)
    same = [(key, one) for key in wanted for one in images if key in keys_of(one)]
    if same:
        return [_checked(Chosen(one, key, tuple(by_key[key]))) for key, one in same]
    holds = _some([one.shown for one in images])
    if len(images) != 1:
        raise CommandError(f"the archive holds {holds}, but the target asks for {_some(wanted)}: save just that one")
    if len(wanted) != 1:
        raise CommandError(f"the archive holds {holds}, the target asks for {_some(wanted)}: tell which with --to=REF")
    return [_checked(Chosen(images[0], wanted[0], tuple(by_key[wanted[0]]), was=images[0].shown))]


def _checked(chosen: Chosen) -> Chosen:
    """Raises CommandError where loading would be of no use."""
    digest = chosen.name.partition("@")[2]
    if digest and digest != chosen.image.digest:
        raise CommandError(
            f"{chosen.name} asks for a digest, and the archive holds {chosen.image.digest}: kubelets would not take the one "
            "for the other"
        )
    always = [pull for pull in chosen.pulls if pull.policy == "Always"]
    if always:
        where = ", ".join(sorted({pull.asker.ref for pull in always}))
        raise CommandError(
            f"loading {chosen.name} would change nothing: the imagePullPolicy in {where} is Always, so kubelets ask the "
            "registry whatever the node has; make it IfNotPresent, or push the image to the registry"
        )
    return chosen


def _some(names: Sequence[str] | Mapping[str, object]) -> str:
    return few([one_line(name, 200) for name in names], 4)


# Onto which nodes


def plan(
    chosen: Chosen, nodes: Sequence[Object], size: Callable[[ArchivedImage], int], socket: str = "", *, pin: bool = False
) -> Plan:
    """What each of these nodes (whole Node objects) gets. size: bytes of an image's stream; socket: of the runtime where it
    is not at its usual place, `{node}` in it standing for the node's name. Raises CommandError, one line for all nodes that
    can't be served."""
    faults, jobs, notes = [], [], []
    for node in nodes:
        name = str(node["metadata"]["name"])
        job, fault = _job(chosen, node, socket)
        if job is None:
            faults.append(f"{name}: {fault}")
            continue
        there = lists(node, job.name, job.digest)
        if fault := _unfit(node, 0 if there else UNPACKED * size(job.image)):
            faults.append(f"{name}: {fault}")
        jobs.append(replace(job, there=there))
        notes += _node_notes(job, pin=pin)
    if not nodes:
        faults.append(f"no node is known on which a pod with {chosen.name} may run: name some with --nodes")
    if faults:
        raise CommandError(f"{chosen.name} can't be loaded: {'; '.join(faults)} (--nodes=NAME,... leaves nodes out)")
    present = tuple(job for job in jobs if job.there and not (pin and job.runtime.marks_pins))
    return Plan(chosen, tuple(job for job in jobs if job not in present), present, tuple(dict.fromkeys(notes)))


def _job(chosen: Chosen, node: Object, socket: str) -> tuple[Optional[Job], str]:
    name, platform, runtime = str(node["metadata"]["name"]), platform_of(node), runtime_of(node)
    if runtime is None:
        told = node.get("status", {}).get("nodeInfo", {}).get("containerRuntimeVersion")
        return None, f"it is not known how to load into {one_line(told or 'a runtime that the node does not name', 60)}"
    if not platform.startswith("linux/"):
        return None, f"it is {platform or 'of no known platform'}, and images are only loaded into Linux nodes"
    if platform not in chosen.image.platforms:
        return None, f"it is {platform}, the image in the archive for {', '.join(chosen.image.platforms)} only"
    # Less than all would be another digest; without one that is asked for, a node needs its own platform only.
    image = chosen.image if "@" in chosen.name else chosen.image.only({platform})
    return Job(node, replace(runtime, socket=socket.replace("{node}", name)) if socket else runtime, image, chosen.name), ""


def _unfit(node: Object, need: int) -> str:
    conditions = {one.get("type"): one.get("status") for one in node.get("status", {}).get("conditions") or ()}
    if conditions.get("Ready", "True") != "True":
        return "its kubelet is not ready"
    if conditions.get("DiskPressure") == "True":
        return "it is short of disk space (DiskPressure)"
    text = (node.get("status", {}).get("allocatable") or {}).get("ephemeral-storage")
    try:
        there = quantity(str(text)) if text is not None else None
    except ValueError:
        there = None
    if isinstance(there, Fraction) and there < need:
        return f"the image takes about {in_bytes(need)} there, and all its space for pods is {in_bytes(int(there))}"
    return ""


def _node_notes(job: Job, *, pin: bool) -> list[str]:
    version = str(job.node.get("status", {}).get("nodeInfo", {}).get("kubeletVersion", ""))
    notes = []
    repository = repository_of(job.name)
    elsewhere = [
        name
        for names in _listed(job.node)
        for name in names
        if name.endswith(f"@{job.digest}") and name.partition("@")[0] != repository
    ]
    if kubelet_version(job.node) >= COPIES and elsewhere:
        notes.append(
            f"{job.node_name} (kubelet {version}) has this digest as {elsewhere[0].partition('@')[0]}: if it got that with "
            "a pull secret, it may refuse it to pods without one (present-not-usable)"
        )
    if pin and not pins(job.node):
        notes.append(f"the runtime of {job.node_name} knows no pinned images: garbage collection may take it")
    return notes


def kubelet_version(node: Object) -> tuple[int, int]:
    """1.35 as a pair of numbers; zeros where the node does not tell."""
    text = str(node.get("status", {}).get("nodeInfo", {}).get("kubeletVersion", ""))
    found = re.match(r"v?(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def lists(node: Object, name: str, digest: str) -> bool:
    """Whether a node says that it has just this digest under this name. Not listed is not absent: the list is capped."""
    by_digest = f"{repository_of(name)}@{digest}"
    return any(by_digest in names and (name in names or "@" in name) for names in _listed(node))


def _listed(node: Object) -> list[list[str]]:
    return [list(one.get("names") or ()) for one in node.get("status", {}).get("images") or ()]
