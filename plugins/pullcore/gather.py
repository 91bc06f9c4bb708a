"""Gathers the Evidence: what is named or waits, its pods and owners, and what the kubelet would read with them.

The only module that decides what is asked of a cluster. What may not be read is said in `not_checked`; the rest goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import partial
from typing import Optional, TypeVar

from pullcore.apierrors import ApiError
from pullcore.canary import is_ours
from pullcore.census import Census, waits
from pullcore.errors import CommandError
from pullcore.evidence import Evidence, Name, NotChecked
from pullcore.keyring import SecretFacts, look_up
from pullcore.kinds import CHECKABLE, KINDS, Kind
from pullcore.kubelet import as_refused, failed_pods, is_crashing
from pullcore.overlap import overlapped, started, together
from pullcore.podspec import secret_names, service_account_of
from pullcore.prune import prune_object
from pullcore.pull import Object, Pull, Target
from pullcore.reference import InvalidReference, parse
from pullcore.store import Store
from pullcore.target import domains_of_cluster, find, owners_of, parse_names, pods_of
from pullcore.weblogic import clusters_named, is_failed
from pullcore.workload import asks_of, controller_of, pulls, target_of, waits_for_image

T = TypeVar("T")
MAX_EVENT_QUERIES = 12  # with more waiting pods than this, one list of all failures is cheaper
NOT_YET = datetime.fromtimestamp(0, timezone.utc)  # until gathering ends
OFFLINE = "not asked: --offline"


@dataclass(frozen=True)
class Request:
    """What to look at. `files` is True when the objects come from files: then all of them count, waiting or not."""

    namespace: str
    names: tuple[str, ...] = ()
    selector: str = ""
    all_namespaces: bool = False
    files: bool = False
    everything: bool = False  # what is there, waiting or not
    images: tuple[Object, ...] = ()  # of kind Image: pods that are only asked about
    what_if: tuple[str, ...] = ()  # secrets that every Pull is taken to name
    unambiguous: bool = False  # a name without a type that fits several kinds is refused


@dataclass
class Gathering:
    """One run. `objects` is where targets and pods are; `behind` where secrets, service accounts and nodes are looked for,
    in order (files, then the cluster); `complete` says whether what none of them has does not exist."""

    request: Request
    objects: Store
    behind: Sequence[Store]
    complete: bool
    not_checked: dict[str, NotChecked] = field(default_factory=dict)
    census: Optional[Census] = None

    def evidence(self, now: datetime) -> Evidence:
        """Raises CommandError for a target that does not exist, and ApiError where not even the pods can be read."""
        # A scan of one namespace most often finds nothing, and there may be thousands of nodes.
        early = self.request.names or self.request.all_namespaces
        every_node = started(self._every_node).result if early else self._every_node
        found = self._wanted()
        everywhere = self.request.all_namespaces or self.request.files
        place = "any namespace" if everywhere else f"namespace {self.request.namespace}"
        evidence = replace(found, observed_at=now, place=place, what_if=self.request.what_if)
        evidence = self._with_owners(evidence)
        evidence = self._with_accounts(evidence)
        asked = pulls(evidence)
        steps: list[Callable[[], dict[str, object]]] = [
            lambda: {"secrets": self._secrets(evidence, asked)},
            lambda: {"nodes": self._nodes(asked, every_node)},
            lambda: {"events": self._events(evidence)},
        ]
        for fields in together(steps):
            evidence = replace(evidence, **fields)  # type: ignore[arg-type]
        evidence = self._second_look(evidence, asked)
        return replace(evidence, not_checked=tuple(self.not_checked.values()))

    def tried(self, what: str, read: Callable[[], T]) -> Optional[T]:
        """The result of a read that the diagnosis can do without; None, and a note, where it is refused or fails."""
        try:
            return read()
        except ApiError as error:
            self.not_checked.setdefault(what, NotChecked(what, str(error)))
            return None

    # What to look at

    def _wanted(self) -> Evidence:
        if self.request.images:
            imagined = tuple(map(prune_object, self.request.images))
            return Evidence(observed_at=NOT_YET, targets=tuple(map(target_of, imagined)), objects=imagined)
        if self.request.names:
            return self._named()
        return self._everything() if self.request.files or self.request.everything else self._waiting()

    def _named(self) -> Evidence:
        namespace = self.request.namespace
        roots: list[Object] = []
        notes: list[str] = []
        for named in parse_names(self.request.names):
            found, remarks = find(named, namespace, self.objects, unambiguous=self.request.unambiguous)
            notes += remarks
            if found["kind"] == "Cluster":
                domains = domains_of_cluster(found, self.objects)
                if not domains:
                    raise CommandError(f"no Domain in namespace {namespace} refers to cluster/{named.name}")
                names = ", ".join(target_of(one).ref for one in domains)
                notes.append(f"cluster/{named.name} belongs to {names}, which holds its image and pull secrets")
                roots += domains
            else:
                roots.append(found)
        roots = list({target_of(root): root for root in roots}.values())
        pods: list[Object] = []
        between: list[Object] = []
        for more_pods, more_between in overlapped(lambda root: pods_of(root, self.objects), roots):
            pods += more_pods
            between += more_between
        return Evidence(
            observed_at=NOT_YET,
            targets=tuple(target_of(root) for root in roots),
            notes=tuple(notes),
            objects=tuple(_unique([root for root in roots if root["kind"] != "Pod"] + between)),
            pods=tuple(self._as_refused(_unique(pods))),
        )

    def _everything(self) -> Evidence:
        # A file's objects count wherever they belong.
        namespace = None if self.request.files or self.request.all_namespaces else self.request.namespace
        labels = self.request.selector
        kinds = [kind for kind in CHECKABLE if kind.name != "Cluster"]

        def read(kind: Kind) -> list[Object]:
            where = f"{kind.plural} in {namespace or 'all namespaces'}"
            return (
                self.tried(where, lambda: list(self.objects.select(kind, namespace, labels=labels, wanted=not_ours))) or []
            )

        values = [value for some in overlapped(read, kinds) for value in some]
        names = {target_of(value) for value in values}
        roots = [value for value in values if controller_of(value) not in names]
        return Evidence(
            observed_at=NOT_YET,
            targets=tuple(target_of(root) for root in roots),
            objects=tuple(value for value in values if value["kind"] != "Pod"),
            pods=tuple(value for value in values if value["kind"] == "Pod"),
        )

    def _waiting(self) -> Evidence:
        namespace = None if self.request.all_namespaces else self.request.namespace
        self.census = census = Census()

        def domains() -> list[Object]:
            if self.request.selector:
                return []
            where = f"domains in {namespace or 'all namespaces'}"
            return self.tried(where, lambda: list(self.objects.select(KINDS["Domain"], namespace, wanted=is_failed))) or []

        def wanted(pod: Object) -> bool:
            return not_ours(pod) and census.wanted(pod)

        def pods() -> list[Object]:
            select = self.objects.select
            labels, text_wanted = self.request.selector, census.text_wanted
            found = list(select(KINDS["Pod"], namespace, labels=labels, wanted=wanted, text_wanted=text_wanted))
            return [pod for pod in self._as_refused(found) if waits(pod)]

        failed_domains, waiting_pods = together([domains, pods])
        if namespace and not census.lists and self._is_missing(namespace):
            raise CommandError(f'namespaces "{namespace}" not found')
        return Evidence(
            observed_at=NOT_YET,
            waiting_only=True,
            objects=tuple(failed_domains),
            pods=tuple(waiting_pods),
        )

    def _as_refused(self, pods: list[Object]) -> list[Object]:
        """The pods, those with what their kubelet told of the image whose state tells only of an earlier run."""

        def read(pod: Object) -> list[Object]:
            namespace, uid = pod["metadata"].get("namespace", ""), pod["metadata"].get("uid", "")
            fields = f"involvedObject.uid={uid}"
            what = f"events in {namespace}"
            return self.tried(what, lambda: list(self.objects.select(KINDS["Event"], namespace, fields=fields))) or []

        crashing = [pod for pod in pods if is_crashing(pod)][:MAX_EVENT_QUERIES]
        mended = {_pod_uid(pod): as_refused(pod, events) for pod, events in zip(crashing, overlapped(read, crashing))}
        return [mended.get(_pod_uid(pod), pod) for pod in pods]

    def _is_missing(self, namespace: str) -> bool:
        """Whether a namespace without pods does not exist at all; who may not ask is not told."""
        found: list[Optional[Object]] = []
        _quietly(lambda: found.append(self.objects.get(KINDS["Namespace"], "", namespace)))
        return found == [None]

    # What belongs to it

    def _with_owners(self, evidence: Evidence) -> Evidence:
        known = (*evidence.objects, *evidence.pods)
        owners = owners_of(known, known, self._owner)
        objects = [*evidence.objects, *owners]
        referring = {
            value["metadata"].get("namespace", "")
            for value in objects
            if value["kind"] == "Domain" and clusters_named(value)
        }
        for namespace in sorted(referring):
            where = f"clusters.weblogic.oracle in {namespace}"
            objects += self.tried(where, partial(_listed, self.objects, "Cluster", namespace)) or []
        return replace(evidence, objects=tuple(_unique(objects)))

    def _owner(self, owner: Target) -> Optional[Object]:
        kind = KINDS[owner.kind]
        where = f"{kind.plural} in {owner.namespace}"
        return self.tried(where, lambda: self.objects.get(kind, owner.namespace, owner.name))

    def _with_accounts(self, evidence: Evidence) -> Evidence:
        wanted = {(pod["metadata"].get("namespace", ""), service_account_of(pod.get("spec", {}))) for pod in evidence.pods}
        for value in evidence.objects:
            wanted |= {(value["metadata"].get("namespace", ""), ask.service_account) for ask in asks_of(value)}

        def read(name: Name) -> tuple[Name, object]:
            return name, self._behind("service accounts", name[0], lambda store: store.get(KINDS["ServiceAccount"], *name))

        accounts = {name: value for name, value in overlapped(read, sorted(wanted)) if value is not UNREAD}
        return replace(evidence, service_accounts=accounts)  # type: ignore[arg-type]

    def _secrets(self, evidence: Evidence, asked: Sequence[Pull]) -> dict[Name, Optional[SecretFacts]]:
        wanted = {(pull.namespace, name) for pull in asked for name in pull.secrets}
        for pull in asked:
            account = evidence.service_accounts.get((pull.namespace, pull.service_account))
            wanted |= {(pull.namespace, name) for name in secret_names(account or {})}
        for value in evidence.objects:
            wanted |= {(value["metadata"].get("namespace", ""), name) for ask in asks_of(value) for name in ask.secrets}

        def read(name: Name) -> tuple[Name, object]:
            return name, self._behind("secrets", name[0], lambda store: store.secret(*name))

        return {name: facts for name, facts in overlapped(read, sorted(wanted)) if facts is not UNREAD}  # type: ignore[misc]

    def _every_node(self) -> list[Object]:
        """The nodes of the first store that has some."""
        return next((nodes for store in self.behind if (nodes := _listed(store, "Node", None))), [])

    def _nodes(self, asked: Sequence[Pull], every_node: Callable[[], list[Object]]) -> Optional[tuple[Object, ...]]:
        if not asked:
            return None
        names = {image_name(pull.image) for pull in asked}
        nodes = self.tried("nodes", every_node)
        if nodes:
            return tuple(_with_images_of(names, node) for node in nodes)
        if not self.complete:
            self.not_checked.setdefault("nodes", NotChecked("nodes", OFFLINE, excused=True))
        return None

    def _events(self, evidence: Evidence) -> tuple[Object, ...]:
        kind, namespaces = KINDS["Event"], sorted({pod["metadata"].get("namespace", "") for pod in evidence.pods})
        waiting = {pod["metadata"].get("uid", ""): pod for pod in evidence.pods if waits(pod) or _is_starting(pod)}
        waiting.pop("", None)
        domains = [value for value in evidence.objects if value["kind"] == "Domain"]

        def of_pods() -> list[Object]:
            if len(waiting) <= MAX_EVENT_QUERIES:
                queries = [(pod["metadata"]["namespace"], f"involvedObject.uid={uid}") for uid, pod in waiting.items()]
                found = overlapped(lambda query: list(self.objects.select(kind, query[0], fields=query[1])), queries)
                return [event for events in found for event in events]
            scope = namespaces[0] if len(namespaces) == 1 else None
            fields = "involvedObject.kind=Pod,reason=Failed"
            return list(self.objects.select(kind, scope, fields=fields, wanted=lambda event: _uid(event) in waiting))

        def of_domains() -> list[Object]:
            found: list[Object] = []
            for domain in domains:
                own = target_of(domain)
                spoken_of = [("Domain", own.name), *(("Pod", name) for name in sorted(failed_pods(domain)))]
                for about, name in spoken_of:
                    fields = f"involvedObject.kind={about},involvedObject.name={name}"
                    found += self.objects.select(kind, own.namespace, fields=fields)
            return found

        what = f"events in {', '.join(namespaces) if len(namespaces) == 1 else 'these namespaces'}"
        events = [*(self.tried(what, of_pods) or []), *(self.tried(what, of_domains) or [])]
        return tuple(
            {(event["metadata"].get("namespace"), event["metadata"].get("name")): event for event in events}.values()
        )

    # What explains a refusal

    def _second_look(self, evidence: Evidence, asked: Sequence[Pull]) -> Evidence:
        """For Pulls that no credential is offered for and that fail, or were never tried: the other pull secrets of their
        namespaces, missing secrets in other namespaces, and the lists that pods of the same account were given earlier."""
        wanting = [pull for pull in asked if not _is_served(pull, evidence)]
        namespaces = sorted({pull.namespace for pull in wanting})
        secrets = dict(evidence.secrets)
        places = [(store, namespace) for namespace in namespaces for store in self.behind]
        for found in overlapped(lambda place: _quietly(partial(place[0].pull_secrets, place[1])), places):
            for facts in found or []:
                # Others are nobody's business: saved evidence is made for sharing.
                if any(_would_serve(facts, pull) for pull in wanting if pull.namespace == facts.namespace):
                    secrets.setdefault((facts.namespace, facts.name), facts)
        missing = sorted({name for (namespace, name), facts in evidence.secrets.items() if facts is None})
        elsewhere = dict(zip(missing, overlapped(self._elsewhere, missing)))
        accounts = sorted({(pull.namespace, pull.service_account) for pull in wanting})
        census = self.census
        if census is None or self.request.selector:  # a scan without a selector has seen every pod
            census = Census()
            overlapped(partial(self._look_at_pods_of, census), accounts)
        return replace(
            evidence,
            secrets=secrets,
            elsewhere={name: where for name, where in elsewhere.items() if where},
            earlier_lists={account: tuple(sorted(census.lists[account])) for account in accounts if account in census.lists},
            anonymous_registries=census.registries(),
        )

    def _elsewhere(self, name: str) -> tuple[str, ...]:
        found = [_quietly(partial(store.namespaces_with_secret, name)) or [] for store in self.behind]
        return tuple(sorted({namespace for namespaces in found for namespace in namespaces}))

    def _look_at_pods_of(self, census: Census, account: Name) -> None:
        def look(pod: Object) -> bool:
            census.look(pod)
            return False

        fields = f"spec.serviceAccountName={account[1]}"
        _quietly(lambda: list(self.objects.select(KINDS["Pod"], account[0], fields=fields, wanted=look)))

    def _behind(self, what: str, namespace: str, read: Callable[[Store], Optional[T]]) -> object:
        """The first answer of the stores behind; None for what does not exist, UNREAD for what could not be read."""
        where = f"{what} in {namespace}"
        unread = False
        for store in self.behind:
            try:
                value = read(store)
            except ApiError as error:
                self.not_checked.setdefault(where, NotChecked(where, str(error)))
                unread = True
                continue
            if value is not None:
                return value
        if not self.complete:
            self.not_checked.setdefault(where, NotChecked(where, OFFLINE, excused=True))
            return UNREAD
        return UNREAD if unread else None


UNREAD = object()


def not_ours(value: Object) -> bool:
    """Pods that only try something, as --probe makes them, are not what somebody waits for."""
    return not is_ours(value)


def _pod_uid(pod: Object) -> str:
    return str(pod["metadata"].get("uid", ""))


def _is_starting(pod: Object) -> bool:
    """Whether a pod has a container whose image may still be on its way: its events may speak of a pull."""
    volumes = pod.get("spec", {}).get("volumes", [])
    return bool(pod.get("status", {}).get("phase") == "Pending" or any(one.get("image") for one in volumes))


def _is_served(pull: Pull, evidence: Evidence) -> bool:
    """Whether nothing more has to be known about a Pull's credentials: it runs, or a credential is offered."""
    if pull.containers and not any(waits_for_image(use) for use in pull.containers) and pull.live:
        return True
    try:
        reference = parse(pull.image)
    except InvalidReference:
        return True
    known = {name: facts for (namespace, name), facts in evidence.secrets.items() if namespace == pull.namespace}
    return bool(look_up(reference, pull.secrets, known).attempts)


def _would_serve(facts: SecretFacts, pull: Pull) -> bool:
    try:
        return bool(look_up(parse(pull.image), (facts.name,), {facts.name: facts}).attempts)
    except InvalidReference:
        return False


def image_name(image: str) -> str:
    """registry/repository of an image as written; the text itself where it can't be parsed."""
    try:
        return parse(image).name
    except InvalidReference:
        return image


def _with_images_of(names: set[str], node: Object) -> Object:
    """A node with only the images of these repositories; thousands of names per node are of no use to anybody."""
    images = node.get("status", {}).get("images", [])
    ends = {name.rpartition("/")[2] for name in names}  # cheaper to look for than names are to parse

    def wanted(listed: str) -> bool:
        end = listed.partition("@")[0].rpartition("/")[2].partition(":")[0]
        return end in ends and image_name(listed) in names

    kept = [image for image in images if any(wanted(str(one)) for one in image.get("names", []))]
    return {**node, "status": {**node.get("status", {}), "images": kept}}


def _uid(event: Object) -> str:
    return str((event.get("involvedObject") or {}).get("uid", ""))


def _listed(store: Store, kind: str, namespace: Optional[str]) -> list[Object]:
    return list(store.select(KINDS[kind], namespace))


def _unique(values: Sequence[Object]) -> list[Object]:
    return list({target_of(value): value for value in values}.values())


def _quietly(read: Callable[[], T]) -> Optional[T]:
    """The result of a look that only adds to an explanation; None where it is not allowed."""
    try:
        return read()
    except ApiError:
        return None
