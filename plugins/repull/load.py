"""kubectl repull TARGET --load ARCHIVE: checks, plan, loading, proof. What starts the pods again comes after it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Optional

from pullcore import canary
from pullcore.canary import Canary, Outcome
from pullcore.case import CHECKS_COPIES
from pullcore.diagnosis import diagnose
from pullcore.errors import CommandError, one_line
from pullcore.evidence import Evidence
from pullcore.kinds import KINDS
from pullcore.permissions import Action, demand
from pullcore.platforms import may_be_tried_on, may_run_on
from pullcore.probe import Prober, Try
from pullcore.pull import Object, Pull
from pullcore.sizes import in_bytes
from pullcore.terminal import clean
from pullcore.workload import Index

from repull import archive, by_pod, load_plan
from repull.archive import Archive
from repull.archivedimage import ArchivedImage
from repull.archivestream import write_stream
from repull.bars import Bars
from repull.by_pod import PodCarrier
from repull.by_ssh import SshCarrier
from repull.carrier_ssh import shown
from repull.carrying import Carrier, carry_all
from repull.intended import is_waited_for
from repull.load_plan import Chosen, Job, Plan
from repull.options import LoadOptions
from repull.runtimes import pins, unpin
from repull.session import Session

NODES = "/api/v1/nodes"
HERE = b"\n"  # what goes to a node that has the image already
PROOF, A_PROOF = 120.0, 30.0  # seconds for all canaries, at least, and for each: none of them pulls
PAUSES = (0.0, 1.0, 3.0, 6.0)  # seconds before each try: a runtime tells its kubelet of a new image a moment later


@dataclass(frozen=True)
class OnNode:
    """What became of one image on one node: loaded, there already, or planned (a dry run)."""

    node: str
    image: str
    digest: str
    result: str


@dataclass(frozen=True)
class Loaded:
    """images: of Pulls, as these write them, that the nodes have now or would have."""

    archive: str
    images: frozenset[str]
    nodes: tuple[OnNode, ...]


def load(session: Session, evidence: Evidence, options: LoadOptions) -> Loaded:
    """Loads the archive onto the nodes. Raises CommandError where a node did not get it: then nothing is started again."""
    with archive.read(options.archive) as opened:
        for note in opened.notes:
            session.say(f"Note: {clean(note)}")
        return _Loading(session, evidence, options, opened).all()


class _Loading:
    def __init__(self, session: Session, evidence: Evidence, options: LoadOptions, opened: Archive) -> None:
        self.session, self.options = session, options
        self.evidence, self.index, self.archive = evidence, Index(evidence), opened
        self.namespace = options.namespace or session.namespace

    def all(self) -> Loaded:
        asked = {one.pull: is_waited_for(one) for one in diagnose(self.evidence, self.session.context).pulls}
        chosen = load_plan.choose(self.archive.images, asked, self.options.to or "")
        whole = self._nodes()
        plans = [
            load_plan.plan(one, self._for(one, whole), self.size_of, self.options.socket or "", pin=self.options.pin)
            for one in chosen
        ]
        carrier = self._carrier() if any(one.jobs for one in plans) else None
        self._say(plans, carrier)
        if carrier:
            self._check(plans, carrier)
        if not self.session.options.dry_run:
            if carrier:
                self._carry(plans, carrier)
            self._prove(plans)
        done = "planned" if self.session.options.dry_run else "loaded"
        nodes = [
            OnNode(job.node_name, job.name, job.digest, "there" if job.there else result)
            for plan in plans
            for some, result in ((plan.jobs, done), (plan.present, "there"))
            for job in some
        ]
        everywhere = {pull.image for one in chosen for pull in one.pulls} - self._elsewhere(chosen)
        return Loaded(self.archive.shown, frozenset(everywhere), tuple(nodes))

    def size_of(self, image: ArchivedImage) -> int:
        """Bytes of its stream, but for its name."""
        return write_stream(self.archive, image, [])[0]

    # Where to

    def _nodes(self) -> list[Object]:
        return list(self.session.cluster.items(NODES))

    def _for(self, chosen: Chosen, whole: Sequence[Object]) -> list[Object]:
        by_name = {node["metadata"]["name"]: node for node in whole}
        if self.options.nodes:
            missing = [name for name in self.options.nodes if name not in by_name]
            if missing:
                raise CommandError(f"no such node: {', '.join(one_line(name, 100) for name in missing)}")
            return [by_name[name] for name in self.options.nodes]
        names = {name for pull in chosen.pulls for name in self._may_run(pull)}
        return [node for name, node in by_name.items() if name in names]

    def _elsewhere(self, chosen: Sequence[Chosen]) -> set[str]:
        """The images whose pods may also start on nodes that --nodes leaves out."""
        return {pull.image for one in chosen for pull in one.pulls if self._left_out(pull)}

    def _left_out(self, pull: Pull) -> set[str]:
        return {*self._may_run(pull)} - {*self.options.nodes} if self.options.nodes else set()

    def _may_run(self, pull: Pull) -> Iterator[str]:
        """Where its pods may come to be: those of a DaemonSet are tied to their nodes, its template is not."""
        of_pods = may_be_tried_on(pull, self.evidence, self.index)
        of_templates = may_run_on(pull._replace(containers=()), self.evidence, self.index) if pull.sources else []
        return (node["metadata"]["name"] for node in (*of_pods, *of_templates))

    # How

    def _carrier(self) -> Carrier:
        if self.options.via == "ssh":
            return SshCarrier(self.options.ssh_user, pin=self.options.pin, at_once=self.options.parallelism)
        cluster, namespace = self.session.cluster, self.namespace
        helpers: dict[str, list[str]] = {}

        def known(node: Object) -> Sequence[str]:
            name = node["metadata"]["name"]
            if name not in helpers:
                helpers[name] = by_pod.helpers_of(cluster, namespace, node)
            return helpers[name]

        run, at_once = secrets.token_hex(4), self.options.parallelism
        return PodCarrier(cluster, namespace, known, run, pin=self.options.pin, at_once=at_once)

    def _say(self, plans: Sequence[Plan], carrier: Optional[Carrier]) -> None:
        say = self.session.say
        for plan in plans:
            size = self.size_of(plan.chosen.image)
            say(f"Plan to load {self.archive.shown} ({in_bytes(size)} a node at most):")
            if isinstance(carrier, SshCarrier) and plan.jobs:
                how = f"by `{shown(carrier.command(plan.jobs[0], self._stream(plan.jobs[0])[0]))}`"
            else:
                how = f"by a pod in namespace {self.namespace} that is root on its node, and goes"
            for line in plan.lines(how):
                say(f"  {clean(line, 600)}")
            left = (
                sorted({name for pull in plan.chosen.pulls for name in self._left_out(pull)}) if self.options.nodes else []
            )
            if left:
                say(f"  pods may also start on {clean(', '.join(left), 300)}, which --nodes leaves out")
            if self.options.pin:
                for line in dict.fromkeys(unpin(job.runtime, job.name) for job in plan.jobs if pins(job.node)):
                    say(f"  pin it against garbage collection; what takes that back, on the node: {clean(line, 400)}")

    def _check(self, plans: Sequence[Plan], carrier: Carrier) -> None:
        jobs = [job for plan in plans for job in plan.jobs]
        namespaces = dict.fromkeys(pull.namespace for plan in plans for pull in plan.chosen.pulls)
        proofs = [Action(verb, KINDS["Pod"], name) for name in namespaces for verb in ("create", "get", "delete")]
        if not isinstance(carrier, PodCarrier):
            demand(self.session.cluster, proofs)
        else:
            demand(self.session.cluster, [*by_pod.actions(self.namespace), *proofs])
            for job in jobs:
                carrier.manifest(job, self._stream(job)[0], 0)  # whether there is an image for it
            if self.session.options.manner.dry_run != "client":
                carrier.try_out(jobs[0], self._stream(jobs[0])[0])
        names = ", ".join(dict.fromkeys(job.node_name for job in jobs))
        how = "ssh" if isinstance(carrier, SshCarrier) else f"a pod in namespace {self.namespace}"
        yes = self.session.options.yes or self.session.options.dry_run
        self.session.confirm(f"{how} is root on {names} while it loads the image", yes=yes)

    def _carry(self, plans: Sequence[Plan], carrier: Carrier) -> None:
        if isinstance(carrier, PodCarrier):
            for name in carrier.sweep():
                self.session.say(f"deleted pod/{name}, left behind by an earlier run")
        bars = Bars(self.session.stderr, live=self.session.stderr.isatty())
        jobs = [job for plan in plans for job in plan.jobs]
        try:
            results = carry_all(jobs, carrier, self._stream, bars, parallelism=self.options.parallelism)
        finally:
            for name in carrier.left if isinstance(carrier, PodCarrier) else ():
                self.session.say(f"Warning: a pod could not be removed: kubectl delete pod {name} -n {self.namespace}")
        failed = [one for one in results if one.fault]
        if failed:
            raise CommandError(_told([(one.job, one.fault) for one in failed], len(results), "did not get the image"))

    def _prove(self, plans: Sequence[Plan]) -> None:
        """Has each kubelet say that it would start a pod with what is there, by a canary that may not pull. The digest that
        a canary tells is not looked at: it may be that of another manifest of the very same image."""
        proofs = [
            (job, Try(pull, job.node, "Never"))
            for plan in plans
            for job in (*plan.jobs, *plan.present)
            for pull in _each_way(plan.chosen.pulls)
        ]
        failed = proofs
        faults: list[tuple[Job, str]] = []
        for pause in PAUSES:
            time.sleep(pause)
            seconds = max(PROOF, A_PROOF * len(failed) / self.options.parallelism)
            prober = Prober(self.session.cluster, self.options.parallelism, seconds, self._proven)
            if not pause:
                prober.clear_earlier(sorted({one.pull.namespace for _, one in proofs}))
            now = self.session.now()
            with prober.telling_what_stays(self.session.say):
                outcomes = [canary.outcome(one, now) for one in prober.probe([one for _, one in failed])]
            told = [(proof, one) for proof, one in zip(failed, outcomes) if not one.good]
            failed = [proof for proof, _ in told]
            faults = [(proof[0], _refusal(proof[0], one)) for proof, one in told]
            if not failed:
                return
        count = len({job.node_name for job, _ in proofs})
        raise CommandError(_told(faults, count, "have the image, but their kubelets do not prove that they would use it"))

    def _proven(self, one: Canary, outcome: Outcome) -> None:
        if outcome.good:
            self.session.tell(f"{one.node}: its kubelet starts pods with {one.asked[0]} without a pull")

    def _stream(self, job: Job) -> tuple[int, Iterator[bytes]]:
        """What goes over, and how many bytes it is."""
        return (len(HERE), iter((HERE,))) if job.there else write_stream(self.archive, job.image, [job.name])


def _each_way(asked: Sequence[Pull]) -> list[Pull]:
    """One Pull for each namespace, service account and list of secrets: a kubelet may let one use what is there, and another
    not (KEP-2535)."""
    return list({(pull.namespace, pull.service_account, pull.secrets, pull.image): pull for pull in asked}.values())


def _refusal(job: Job, outcome: Outcome) -> str:
    """Why a kubelet would not use what its runtime has: for the credentials of an earlier pull it says that it is absent."""
    version = load_plan.kubelet_version(job.node)
    if outcome.word is None or outcome.word.cause not in ("never-pull", "present-not-usable") or version < CHECKS_COPIES:
        return outcome.text
    return (
        f"{outcome.text}, though its runtime has {job.digest[:19]}: most likely the same image was pulled there with a "
        "secret that this pod has not, and its kubelet keeps it to pods that have it (present-not-usable): give the target "
        "that secret"
    )


def _told(failed: Sequence[tuple[Job, str]], count: int, what: str) -> str:
    faults = "; ".join(dict.fromkeys(f"{job.node_name}: {one_line(fault, 500)}" for job, fault in failed))
    nodes = len({job.node_name for job, _ in failed})
    return f"{nodes} of {count} nodes {what}, and nothing was started again: {faults}"
