"""What the evidence proves: primary causes, their order, and verdicts."""

from __future__ import annotations

import dataclasses
import json
import random
from pathlib import Path
from typing import Any, Optional

import pytest
from pullcore.causes import CAUSES
from pullcore.diagnosis import diagnose
from pullcore.evidence import Evidence, NotChecked, from_document, to_json
from pullcore.keyring import SecretFacts
from pullcore.kubelet import classify
from pullcore.workload import Index

from .builders import (
    DNS,
    IMAGE,
    MALFORMED,
    NOT_FOUND,
    REFUSED,
    REGISTRY,
    RUNNING,
    UNAUTHORIZED,
    UNTRUSTED,
    account,
    causes,
    container,
    domain,
    errors,
    event,
    evidence,
    failed_condition,
    introspector_labels,
    node,
    only,
    pod,
    report,
    secret,
    server_labels,
    waiting,
    workload,
)

Object = dict[str, Any]
SAMPLES: list[Object] = json.loads((Path(__file__).parents[1] / "data" / "pull_errors.json").read_text())
BACK_OFF = f'Back-off pulling image "{IMAGE}"'
OPAQUE = secret("opaque", type="Opaque")
V2 = secret("v2", f"https://{REGISTRY}/v2")
GOOD = secret("good")
BAD = secret("malformed", **MALFORMED)
NO_SECRETS = NotChecked("secrets in default", "forbidden")


# The objects' faults, each with the kubelet's word beside it

FAULTS: list[tuple[str, Object, list[SecretFacts], list[str], str]] = [
    # primary cause, pod, secrets, missing secrets, words of the summary
    (
        "secret-missing",
        pod(secrets=["gone"], state=waiting(REFUSED)),
        [],
        ["gone"],
        "gone does not exist in namespace default",
    ),
    ("secret-malformed", pod(secrets=["malformed"], state=waiting(BACK_OFF)), [BAD], [], "malformed is malformed"),
    ("secret-ignored", pod(secrets=["opaque"], state=waiting(REFUSED)), [OPAQUE], [], "opaque holds nothing"),
    ("key-mismatch", pod(secrets=["v2"], state=waiting(REFUSED)), [V2], [], "v2 is for a server that never matches"),
    ("no-credentials", pod(state=waiting(REFUSED)), [], [], "no pull secret"),
]


@pytest.mark.parametrize(("cause", "value", "secrets", "missing", "words"), FAULTS, ids=[row[0] for row in FAULTS])
def test_fault_of_secrets_explains_a_refusal(
    cause: str, value: Object, secrets: list[SecretFacts], missing: list[str], words: str
) -> None:
    one = only(report(value, secrets=secrets, missing=missing))
    assert one.verdict == "blocked"
    assert one.findings[0].cause == cause
    assert one.findings[0].severity == "error"
    assert words in one.findings[0].summary
    assert one.findings[0].fix
    assert one.findings[0].containers == ("web-1/main",)
    assert causes(one)[-1] in ("no-credentials", "backoff-only")  # the kubelet's class follows


@pytest.mark.parametrize("message", [NOT_FOUND, DNS, UNTRUSTED])
@pytest.mark.parametrize(("cause", "value", "secrets", "missing", "words"), FAULTS[:-1], ids=[row[0] for row in FAULTS[:-1]])
def test_fault_of_secrets_does_not_explain_another_error(
    cause: str, value: Object, secrets: list[SecretFacts], missing: list[str], words: str, message: str
) -> None:
    """What the registry was asked, it was asked: the kubelet's class is first, the secret a warning."""
    names = [one["name"] for one in value["spec"]["imagePullSecrets"]]
    one = only(report(pod(secrets=names, state=waiting(message)), secrets=secrets, missing=missing))
    assert one.findings[0].cause == classify(message).cause
    assert errors(one) == [classify(message).cause]
    assert cause in causes(one)


@pytest.mark.parametrize(
    "state", [RUNNING, {"terminated": {"exitCode": 0, "reason": "Completed"}}, waiting("", "CrashLoopBackOff")]
)
@pytest.mark.parametrize(("cause", "value", "secrets", "missing", "words"), FAULTS[:-1], ids=[row[0] for row in FAULTS[:-1]])
def test_bad_secret_of_what_runs_is_a_warning(
    cause: str, value: Object, secrets: list[SecretFacts], missing: list[str], words: str, state: Object
) -> None:
    names = [one["name"] for one in value["spec"]["imagePullSecrets"]]
    one = only(report(pod(secrets=names, state=state), secrets=secrets, missing=missing))
    assert one.verdict == "pullable"
    assert errors(one) == []
    assert {finding.cause: finding.severity for finding in one.findings}[cause] == "warning"


def test_most_specific_first() -> None:
    names = ["malformed", "gone", "opaque", "v2"]
    one = only(report(pod(secrets=names, state=waiting(BACK_OFF)), secrets=[BAD, OPAQUE, V2], missing=["gone"]))
    assert errors(one) == ["secret-malformed", "key-mismatch", "backoff-only"]
    names.remove("malformed")
    one = only(report(pod(secrets=names, state=waiting(REFUSED)), secrets=[OPAQUE, V2], missing=["gone"]))
    assert errors(one) == ["secret-missing", "secret-ignored", "key-mismatch", "no-credentials"]


@pytest.mark.parametrize("fault", [OPAQUE, V2, None])
def test_another_secret_that_is_offered_makes_faults_warnings(fault: Optional[SecretFacts]) -> None:
    names = ["good", fault.name if fault else "gone"]
    missing = [] if fault else ["gone"]
    one = only(
        report(pod(secrets=names, state=waiting(UNAUTHORIZED)), secrets=[GOOD, *([fault] if fault else [])], missing=missing)
    )
    assert errors(one) == ["bad-credentials"]
    assert "good (bob)" in one.findings[0].summary


def test_malformed_secret_stops_good_ones() -> None:
    one = only(report(pod(secrets=["good", "malformed"], state=waiting(BACK_OFF)), secrets=[GOOD, BAD]))
    assert one.findings[0].cause == "secret-malformed"
    assert "illegal base64" not in one.findings[0].summary


def test_malformed_secret_is_the_waiting_reason_from_1_33_on() -> None:
    state = waiting("illegal base64 data at input byte 0", "illegal base64 data at input byte 0")
    one = only(report(pod(secrets=["malformed"], state=state), secrets=[BAD]))
    assert causes(one)[0] == "secret-malformed"
    assert one.verdict == "blocked"


# The kubelet's classes

SIMPLE = {
    # where the keyring settles nothing: no secret, no node
    cause
    for cause in CAUSES
    if cause not in ("no-credentials", "bad-credentials", "denied-or-missing", "invalid-name", "secret-missing")
}
ONE_EACH = {row["cause"]: row for row in SAMPLES if row["cause"] in SIMPLE and "Back-off" not in row["message"]}


@pytest.mark.parametrize("sample", ONE_EACH.values(), ids=ONE_EACH)
def test_kubelets_class_is_primary(sample: Object) -> None:
    reason = sample["reason"] if sample["reason"] and sample["reason"] != "Failed" else "ErrImagePull"
    if reason not in ("ErrImagePull", "ErrImageNeverPull"):
        reason = "ErrImagePull"
    message = sample["message"]
    value = pod("p", container(image="registry.example.com/team/app:1.0"), state=waiting(message, reason))
    found = report(value, secrets=[])
    if not only(found).said:
        pytest.skip("the sample quotes another image")
    assert causes(only(found))[0] == classify(message, reason).cause
    assert found.verdict == "blocked"


def test_denied_or_missing_stays_open() -> None:
    """Docker Hub says the same of a private and of a missing repository: nobody can know from here."""
    image = "team/app:1.0"
    said = (
        f'failed to pull and unpack image "docker.io/{image}": failed to resolve reference "docker.io/{image}": pull access '
        "denied, repository does not exist or may require authorization: server message: insufficient_scope: "
        "authorization failed"
    )
    one = only(report(pod("p", container(image=image), state=waiting(said))))
    assert causes(one) == ["denied-or-missing"]


def test_plain_401_is_settled_by_the_keyring() -> None:
    assert causes(only(report(pod(state=waiting(UNAUTHORIZED)))))[0] == "no-credentials"
    one = only(report(pod(secrets=["good"], state=waiting(UNAUTHORIZED)), secrets=[GOOD]))
    assert causes(one)[0] == "bad-credentials"


def test_plain_401_is_not_settled_where_secrets_could_not_be_read() -> None:
    refused = (NotChecked("secrets in default", "forbidden"),)
    one = only(report(pod(secrets=["unreadable"], state=waiting(UNAUTHORIZED)), not_checked=refused))
    assert one.verdict == "blocked"
    assert causes(one)[0] == classify(UNAUTHORIZED).cause
    assert "none is offered" not in one.findings[0].summary


def test_credential_given_after_an_anonymous_try_is_not_called_wrong() -> None:
    one = only(report(pod(secrets=["good"], state=waiting(REFUSED)), secrets=[GOOD]))
    assert causes(one)[0] == "no-credentials"
    assert "will be offered at the next try" in one.findings[0].summary


def test_unknown_message_is_verbatim() -> None:
    one = only(report(pod(state=waiting("the moon is in the wrong house"))))
    assert causes(one) == ["unknown"]
    assert one.findings[0].evidence == ("the moon is in the wrong house",)
    assert one.verdict == "blocked"


def test_back_off_is_explained_by_an_event() -> None:
    value = pod(state=waiting(BACK_OFF, "ImagePullBackOff"))
    told = event(value, f'Failed to pull image "{IMAGE}": rpc error: code = NotFound desc = {NOT_FOUND}')
    assert causes(only(report(value, told)))[0] == "image-not-found"
    assert causes(only(report(value)))[0] == "backoff-only"


def test_invalid_name() -> None:
    value = pod(
        "p", container(image="Registry.example.com/Team/App:1.0"), state=waiting("couldn't parse", "InvalidImageName")
    )
    one = only(report(value))
    assert (one.verdict, causes(one)) == ("blocked", ["invalid-name"])
    assert "Registry.example.com/team/app:1.0" in one.findings[0].fix[0]


PUSH, LOAD = "kubectl repull pod/p --push=ARCHIVE -n shop", "kubectl repull pod/p --load=ARCHIVE -n shop"


@pytest.mark.parametrize(
    ("image", "policy", "says", "supplied"),
    [
        (IMAGE, "IfNotPresent", NOT_FOUND, [PUSH, LOAD]),
        (IMAGE, "Always", NOT_FOUND, [PUSH]),  # nodes would ask the registry in any case
        ("nginx:no-such", "IfNotPresent", "docker.io/library/nginx:no-such: not found", [LOAD]),  # nobody's to push to
        (IMAGE, "Never", f'Container image "{IMAGE}" is not present with pull policy of Never', [LOAD]),
        (IMAGE, "IfNotPresent", "dial tcp 10.0.0.1:443: connect: connection refused", []),
    ],
)
def test_an_image_that_is_only_on_somebodys_machine(image: str, policy: str, says: str, supplied: list[str]) -> None:
    """The ways to supply it stand after what mends a wrong name, each marked as another way."""
    reason = "ErrImageNeverPull" if policy == "Never" else "ErrImagePull"
    value = pod("p", container(image=image, policy=policy), state=waiting(says, reason), namespace="shop")
    fix = only(report(value, node("n1"))).findings[0].fix
    last = fix[len(fix) - len(supplied) :]
    assert [line.partition(":' ")[2] for line in last] == supplied
    assert all(line.startswith(": 'or, if you have the image, ") for line in last)
    assert not any("ARCHIVE" in line for line in fix[: len(fix) - len(supplied)])


def test_never_pull_and_present_not_usable() -> None:
    said = f'Container image "{IMAGE}" is not present with pull policy of Never'
    value = pod("p", container(policy="Never"), state=waiting(said, "ErrImageNeverPull"))
    assert causes(only(report(value, node("n1"))))[0] == "never-pull"
    assert causes(only(report(value, node("n1", IMAGE))))[0] == "present-not-usable"
    assert causes(only(report(value, node("n1"), node("n2", IMAGE))))[0] == "never-pull"


def test_always_needs_registry() -> None:
    value = pod("p", container(policy="Always"), state=waiting(DNS))
    assert causes(only(report(value, node("n1", IMAGE)))) == ["dns", "always-needs-registry"]
    assert causes(only(report(value, node("n1"), node("n2", IMAGE)))) == ["dns"]
    assert causes(only(report(pod("p", container(policy="IfNotPresent"), state=waiting(DNS)), node("n1", IMAGE)))) == ["dns"]


@pytest.mark.parametrize(
    ("image", "found"),
    [("nginx", True), ("nginx:latest", True), ("nginx:1", False), ("nginx:latest@sha256:" + "0" * 64, False)],
)
def test_latest_tag(image: str, found: bool) -> None:
    one = only(report(pod("p", container(image=image), state=RUNNING)))
    assert one.verdict == "pullable"
    assert ("latest-tag" in causes(one)) == found
    assert all(finding.severity == "info" for finding in one.findings)


# Service accounts, templates, the FAQ's traps


def test_service_account_shadowed() -> None:
    value = pod(secrets=["other"], state=waiting(REFUSED))
    found = report(value, account(secrets=["good"]), secrets=[GOOD, secret("other", "elsewhere.example.com")])
    one = only(found)
    assert causes(one)[:2] == ["service-account-shadowed", "no-credentials"]
    assert "good of service account default is not used" in one.findings[0].summary


def test_service_account_is_not_shadowed_where_it_would_not_help() -> None:
    value = pod(secrets=["other"], state=waiting(REFUSED))
    elsewhere = [secret("other", "a.example.com"), secret("good", "b.example.com")]
    one = only(report(value, account(secrets=["good"]), secrets=elsewhere))
    assert causes(one) == ["no-credentials"]


def test_stale_pod_of_a_template_that_was_changed() -> None:
    web = workload(secrets=["good"])
    value = pod(owner=web, state=waiting(REFUSED))
    one = only(report(web, value, secrets=[GOOD]))
    assert causes(one)[:2] == ["stale-pod", "no-credentials"]
    assert "one made today would list good" in one.findings[0].summary
    assert one.findings[0].fix == ("kubectl repull deployment/web -n default",)


def test_stale_pod_of_a_service_account_that_was_changed() -> None:
    web = workload()
    one = only(report(web, pod(owner=web, state=waiting(REFUSED)), account(secrets=["good"]), secrets=[GOOD]))
    assert causes(one)[0] == "stale-pod"


def test_stale_pod_that_would_not_be_helped_is_a_warning() -> None:
    web = workload(secrets=["other"])
    one = only(report(web, pod(owner=web, state=waiting(REFUSED)), secrets=[secret("other", "elsewhere.example.com")]))
    assert errors(one) == ["no-credentials"]
    assert "stale-pod" in causes(one)


def test_stale_introspector_gets_a_new_introspection() -> None:
    mine = domain(secrets=["good"], domainUID="uid1", introspectVersion="7")
    value = pod("uid1-introspector-x", labels=introspector_labels("uid1"), state=waiting(REFUSED))
    one = only(report(mine, value, secrets=[GOOD]))
    assert causes(one)[0] == "stale-pod"
    assert one.findings[0].fix == ("kubectl repull domain/domain1 -n default",)


def test_a_pod_in_which_a_container_runs_is_never_deleted() -> None:
    web = workload("Deployment", "web", container(), container("sidecar", "side.example.com/x:1"), secrets=["good"])
    value = pod("web-1", container(), container("sidecar", "side.example.com/x:1"), owner=web,
                states={"main": waiting(REFUSED), "sidecar": RUNNING})  # fmt: skip
    found = report(web, value, secrets=[GOOD])
    assert not [line for one in found.pulls for finding in one.findings for line in finding.fix if "delete pod" in line]
    lines = [line for one in found.pulls for finding in one.findings for line in finding.fix]
    assert "kubectl repull deployment/web --roll-running -n default" in lines  # the user decides


def test_faq_docker_server_with_v2() -> None:
    one = only(report(pod(secrets=["v2"], state=waiting(REFUSED)), secrets=[V2]))
    assert "path /v2 without its final slash" in one.findings[0].evidence[0]
    assert f"--docker-server={REGISTRY} " in one.findings[0].fix[0]


def test_faq_service_account_list_that_a_patch_replaced() -> None:
    web = workload()
    value = pod(owner=web, secrets=["other"], state=waiting(REFUSED))
    secrets = [GOOD, secret("other", "elsewhere.example.com")]
    earlier = {("default", "default"): (("good",),)}
    one = only(report(web, value, account(secrets=["other"]), secrets=secrets, earlier_lists=earlier))
    assert causes(one)[0] == "no-credentials"
    assert "list good: its list may have been replaced" in one.findings[0].summary
    assert "kubectl pullsecret attach good --for=serviceaccount/default" in one.findings[0].fix[0]


def test_faq_secret_in_another_namespace() -> None:
    value = pod(secrets=["gone"], state=waiting(REFUSED))
    one = only(report(value, missing=["gone"], elsewhere={"gone": ("weblogic",)}))
    assert causes(one)[0] == "secret-missing"
    assert "is in namespace weblogic" in one.findings[0].evidence[0]
    assert "-n weblogic" in one.findings[0].fix[0]


def test_webhook_rewrote_the_image() -> None:
    web = workload("ReplicaSet", "web", container(image="nginx:1"))
    one = report(web, pod("web-1", container(image="mirror.example.com/nginx:1"), owner=web, state=RUNNING)).pulls[0]
    assert "web says nginx:1" in one.findings[0].summary


# Verdicts


@pytest.mark.parametrize(
    ("verdict", "values", "details"),
    [
        ("pullable", [pod(state=RUNNING)], {}),
        ("blocked", [pod(state=waiting(DNS))], {}),
        ("blocked", [pod(state=waiting("what?"))], {}),
        ("pullable", [pod(state={"waiting": {"reason": "ContainerCreating"}})], {}),
        ("pullable", [pod(live=False)], {}),
        ("pullable", [workload()], {}),
        ("pullable", [domain()], {}),
        ("blocked", [pod("p", container(image="Bad/Name"), live=False)], {}),
        ("blocked", [workload(secrets=["v2"])], {"secrets": [V2]}),
        ("blocked", [workload(secrets=["malformed"])], {"secrets": [BAD]}),
        # offline: what was not asked for by the user's own wish makes nothing unknown
        ("pullable", [workload(secrets=["x"])], {"not_checked": (NotChecked("secrets in default", "--offline", True),)}),
        ("unknown", [workload(secrets=["x"])], {"not_checked": (NO_SECRETS,)}),
        ("pullable", [pod(secrets=["x"], state=RUNNING)], {"not_checked": (NO_SECRETS,)}),
        ("blocked", [pod(secrets=["x"], state=waiting(DNS))], {"not_checked": (NO_SECRETS,)}),
    ],
)  # fmt: skip
def test_verdict(verdict: str, values: list[Object], details: dict[str, Any]) -> None:
    found = report(*values, **details)
    assert found.verdict == only(found).verdict == verdict


def test_report_has_the_worst_verdict_and_blocked_pulls_first() -> None:
    found = report(pod("a", container(image="a.example.com/x:1"), state=RUNNING), pod("b", state=waiting(DNS)))
    assert [one.verdict for one in found.pulls] == ["blocked", "pullable"]
    assert found.verdict == "blocked"


def test_two_containers_with_different_causes() -> None:
    other = "other.example.com/x:1"
    missing = NOT_FOUND.replace(IMAGE, other)
    value = pod("p", container(), container("b", other), states={"main": waiting(DNS), "b": waiting(missing)})
    found = report(value)
    assert {one.pull.image: causes(one)[0] for one in found.pulls} == {IMAGE: "dns", other: "image-not-found"}


def test_nodes_with_different_errors_are_two_findings_of_one_pull() -> None:
    pods = [pod(f"p{number}", node=f"n{number}", state=waiting(DNS if number else UNTRUSTED)) for number in range(3)]
    one = only(report(*pods))
    assert causes(one) == ["dns", "tls-untrusted"]
    assert one.findings[0].containers == ("p1/main", "p2/main")


# WebLogic


def between_tries(message: str, **spec: Any) -> Object:
    said = f"Failure on pod 'uid1-introspector-x' in namespace 'default': {message}"
    return domain(domainUID="uid1", conditions=[failed_condition(said)], **spec)


def test_domain_between_two_tries_of_its_introspector() -> None:
    found = report(between_tries(f'Back-off pulling image "{IMAGE}": ErrImagePull: {NOT_FOUND}'))
    one = only(found)
    assert (found.verdict, causes(one)[0]) == ("blocked", "image-not-found")
    assert one.pull.containers == ()


def test_domain_between_two_tries_with_a_bad_secret() -> None:
    one = only(report(between_tries(f'Back-off pulling image "{IMAGE}"', secrets=["v2"]), secrets=[V2]))
    assert causes(one)[:2] == ["key-mismatch", "backoff-only"]


def test_domain_condition_about_another_image_blocks_only_that() -> None:
    auxiliary = "aux.example.com/model:1"
    mine = between_tries(
        f'Back-off pulling image "{auxiliary}"', configuration={"model": {"auxiliaryImages": [{"image": auxiliary}]}}
    )
    assert {one.pull.image: one.verdict for one in report(mine).pulls} == {auxiliary: "blocked", IMAGE: "pullable"}


def test_aborted_domain() -> None:
    aborted = failed_condition("stopped retrying after 1440 minutes", "Aborted")
    one = only(report(domain(conditions=[aborted])))
    assert (one.verdict, causes(one)) == ("pullable", ["domain-aborted"])  # nobody said that a pull failed
    value = pod("uid1-introspector-x", labels=introspector_labels("uid1"), state=waiting(NOT_FOUND))
    one = only(report(domain(domainUID="uid1", conditions=[aborted]), value))
    assert causes(one)[:2] == ["image-not-found", "domain-aborted"]
    assert one.findings[1].fix == ("kubectl repull domain/domain1 -n default",)


def test_server_pod_whose_sidecar_cannot_be_pulled() -> None:
    side = "side.example.com/exporter:1"
    mine = domain(domainUID="uid1", serverPod={"containers": [{"name": "exporter", "image": side}]})
    value = pod("uid1-admin-server", container("exporter", side), container("weblogic-server"), labels=server_labels("uid1"),
                states={"exporter": waiting(NOT_FOUND.replace(IMAGE, side)), "weblogic-server": RUNNING})  # fmt: skip
    found = report(mine, value)
    assert {one.pull.image: one.verdict for one in found.pulls} == {side: "blocked", IMAGE: "pullable"}
    blocked = found.pulls[0]
    assert [(source.target.ref, source.path) for source in blocked.pull.sources] == [
        ("domain/domain1", "spec.serverPod.containers[0].image")
    ]
    assert not any("delete" in line for line in blocked.findings[0].fix)


# Whatever it is called, and in whatever order it comes


def crowd() -> Evidence:
    web, other = (
        workload(secrets=["v2"]),
        workload("StatefulSet", "db", container(image="db.example.com/pg:1"), secrets=["gone"]),
    )
    mine = domain(secrets=["good"], domainUID="uid1")
    refused = waiting(REFUSED.replace(IMAGE, "db.example.com/pg:1"))
    return evidence(
        web, other, mine, account(secrets=["good"]), node("n1", IMAGE), node("n2"),
        *(pod(f"web-{number}", owner=web, secrets=["v2"], state=waiting(REFUSED), node=f"n{number}") for number in range(3)),
        pod("db-0", container(image="db.example.com/pg:1"), owner=other, secrets=["gone"], state=refused),
        pod("uid1-admin-server", labels=server_labels("uid1"), secrets=["good"], state=RUNNING),
        secrets=[GOOD, V2, OPAQUE], missing=["gone"], elsewhere={"gone": ("there",)},
        not_checked=(NotChecked("events in default", "forbidden"),),
    )  # fmt: skip


def found_in(seen: Evidence) -> dict[tuple[Any, ...], tuple[str, list[str]]]:
    return {one.pull.key: (one.verdict, causes(one)) for one in diagnose(seen).pulls}


def test_saving_and_loading_changes_nothing() -> None:
    seen = crowd()
    again = from_document(json.loads(to_json(seen)))
    assert again == seen
    assert diagnose(again).pulls == diagnose(seen).pulls
    assert to_json(again) == to_json(seen)


@pytest.mark.parametrize("seed", range(5))
def test_order_of_observations_does_not_matter(seed: int) -> None:
    seen, mixer = crowd(), random.Random(seed)
    secrets = list(seen.secrets.items())
    mixer.shuffle(secrets)
    shuffled = dataclasses.replace(
        seen,
        pods=tuple(mixer.sample(seen.pods, len(seen.pods))),
        objects=tuple(mixer.sample(seen.objects, len(seen.objects))),
        nodes=tuple(mixer.sample(seen.nodes or (), len(seen.nodes or ()))),
        secrets=dict(secrets),
    )
    assert found_in(shuffled) == found_in(seen)


def test_names_of_objects_do_not_matter() -> None:
    text = to_json(crowd())
    for name, other in (
        ("default", "ns-7"),
        ('"web"', '"timeout"'),
        ('"web-', '"timeout-'),
        ("uid1", "x509"),
        ('"v2"', '"denied"'),
        ("good", "dns"),
    ):
        text = text.replace(name, other)
    renamed = from_document(json.loads(text))
    assert sorted(map(str, found_in(renamed).values())) == sorted(map(str, found_in(crowd()).values()))


def test_more_pods_of_the_same_kind_change_no_cause() -> None:
    one, many = [only(report(*(pod(f"p{n}", state=waiting(DNS)) for n in range(count)))) for count in (1, 200)]
    assert causes(one) == causes(many)
    assert len(many.pull.containers) == 200


# Faults that are known and not mended yet: strict, so that the mark goes with the fault

ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/app:1"
ELSEWHERE = secret("other", "elsewhere.example.com")


def fixes_of(one: Any) -> str:
    return "\n".join(line for finding in one.findings for line in finding.fix)


def test_v8_domain_whose_condition_names_no_image() -> None:
    condition = {"type": "Failed", "status": "True", "reason": "ErrImagePull", "message": "Get https://r/v2/: unauthorized"}
    serverPod = {"auxiliaryImages": [{"image": "aux.example.com/model:1"}]}
    assert report(domain(version="v8", conditions=[condition], serverPod=serverPod)).verdict != "pullable"


def test_aborted_domain_whose_servers_run() -> None:
    aborted = failed_condition("the model does not validate", "Aborted")
    one = only(report(domain(domainUID="u", conditions=[aborted]), pod("u-a", labels=server_labels("u"), state=RUNNING)))
    assert one.verdict == "pullable"


def test_server_with_its_own_service_account_is_not_stale() -> None:
    own = {"serverName": "ms1", "serverPod": {"serviceAccountName": "special"}}
    mine = domain(domainUID="u", managedServers=[own])
    server = pod("u-ms1", labels=server_labels("u", "ms1"), account="special", secrets=["other"], state=waiting(REFUSED))
    one = only(report(mine, server, account(secrets=["good"]), account("special", ["other"]), secrets=[GOOD, ELSEWHERE]))
    assert "stale-pod" not in causes(one)


@pytest.mark.parametrize(("name", "secrets", "missing"), [("gone", [], ["gone"]), ("v2", [V2], [])])
def test_fault_beside_an_unread_secret_proves_nothing(name: str, secrets: list[SecretFacts], missing: list[str]) -> None:
    value = pod(secrets=[name, "unreadable"], state=waiting(UNAUTHORIZED))
    one = only(report(value, secrets=secrets, missing=missing, not_checked=(NO_SECRETS,)))
    assert errors(one) == [classify(UNAUTHORIZED).cause]
    assert "no credential is offered" not in str(one.findings)


def test_untried_with_an_unread_secret_is_unknown() -> None:
    assert report(workload(secrets=["gone", "unreadable"]), missing=["gone"], not_checked=(NO_SECRETS,)).verdict == "unknown"


def test_untried_from_a_cloud_registry_is_not_blocked() -> None:
    assert report(workload("Deployment", "w", container(image=ECR), secrets=["gone"]), missing=["gone"]).verdict == "unknown"


@pytest.mark.parametrize("state", [None, {"waiting": {"reason": "PodInitializing"}}])
def test_missing_secret_alone_does_not_block_what_may_be_public(state: Optional[Object]) -> None:
    value = pod("p", container(image="nginx:1.27"), secrets=["gone"], state=state, live=bool(state))
    assert report(value, missing=["gone"]).verdict != "blocked"


def test_credential_given_after_a_plain_401_is_not_called_wrong() -> None:
    """The workflow of the whole suite: look, give credentials, look again before the kubelet tried again."""
    assert "changed_at" in {field.name for field in dataclasses.fields(SecretFacts)}, "facts hold no time to compare with"


def test_present_not_usable_needs_a_kubelet_that_checks() -> None:
    said = f'Container image "{IMAGE}" is not present with pull policy of Never'
    value = pod("p", container(policy="Never"), state=waiting(said, "ErrImageNeverPull"))
    assert causes(only(report(value, node("n1", IMAGE, kubelet="v1.30.4"))))[0] == "never-pull"


def test_introspector_past_its_deadline_was_not_pulled() -> None:
    state = {"terminated": {"reason": "ContainerStatusUnknown", "exitCode": 137}}
    value = pod("u-introspector-x", secrets=["v2"], labels=introspector_labels("u"), state=state)
    assert report(domain(domainUID="u", secrets=["v2"]), value, secrets=[V2]).verdict == "blocked"


def test_bare_pod_older_than_its_service_accounts_list() -> None:
    one = only(report(pod(state=waiting(REFUSED)), account(secrets=["good"]), secrets=[GOOD]))
    assert causes(one)[0] == "stale-pod"


def test_fix_does_not_add_what_the_account_lists_already() -> None:
    one = only(report(pod(state=waiting(REFUSED)), account(secrets=["good"]), secrets=[GOOD]))
    assert "patch serviceaccount" not in fixes_of(one)


@pytest.mark.parametrize("kind", ["Pod", "Job"])
def test_shadowed_account_has_a_fix_that_can_work(kind: str) -> None:
    job = workload("Job", "job1", secrets=["other"])
    value = pod("p", secrets=["other"], owner=job if kind == "Job" else None, state=waiting(REFUSED))
    objects = [job] if kind == "Job" else []
    one = only(report(*objects, value, account(secrets=["good"]), secrets=[GOOD, ELSEWHERE]))
    assert causes(one)[0] == "service-account-shadowed"
    assert "patch pod" not in fixes_of(one)


def test_fix_for_a_bare_pod_with_its_own_list() -> None:
    one = only(report(pod(secrets=["other"], state=waiting(REFUSED)), secrets=[ELSEWHERE]))
    assert causes(one) == ["no-credentials"]
    assert "patch serviceaccount" not in fixes_of(one)


@pytest.mark.parametrize("own", [(), ("other",)])
def test_fix_keeps_the_secrets_that_pods_have(own: tuple[str, ...]) -> None:
    web = workload(secrets=own)
    value = pod(owner=web, secrets=["other"], state=waiting(REFUSED))
    one = only(report(web, value, account(secrets=["other"]), secrets=[ELSEWHERE]))
    assert "kubectl patch" not in fixes_of(one)
    assert f"pullsecret attach regcred --for={'deployment/web' if own else 'serviceaccount/default'}" in fixes_of(one)


def test_two_workloads_with_the_same_request() -> None:
    first, second = workload(name="first"), workload(name="second")
    found = report(
        first, second, *(pod(f"{one['metadata']['name']}-1", owner=one, state=waiting(REFUSED)) for one in (first, second))
    )
    assert not any("has no pods" in note for note in found.notes)
    fixes = "\n".join(map(fixes_of, found.pulls))
    assert "deployment/first" in fixes
    assert "deployment/second" in fixes


def test_fix_deletes_no_secret_of_another_type() -> None:
    one = only(report(pod(secrets=["opaque"], state=waiting(REFUSED)), secrets=[OPAQUE]))
    assert "delete secret" not in fixes_of(one)


def test_empty_entry_is_not_promised_as_a_credential() -> None:
    empty = secret("empty", config=json.dumps({"auths": {REGISTRY: {"identitytoken": "x"}}}))
    one = only(report(pod(secrets=["empty"], state=waiting(REFUSED)), secrets=[empty]))
    assert causes(one)[0] == "secret-ignored"
    assert "will be offered" not in " ".join(finding.summary for finding in one.findings)


def test_misspelt_official_image_is_no_matter_of_secrets() -> None:
    image = "ngnix:1"
    said = (
        f'failed to pull and unpack image "docker.io/library/{image}": failed to resolve reference '
        f'"docker.io/library/{image}": '
        "pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: "
        "authorization failed"
    )
    one = only(report(pod("p", container(image=image), secrets=["gone"], state=waiting(said)), missing=["gone"]))
    assert errors(one) == ["repository-not-found"]


def test_no_fix_replaces_a_pod_in_which_a_container_runs() -> None:
    said = waiting(f'Container image "{IMAGE}" is not present with pull policy of Never', "ErrImageNeverPull")
    value = pod("p", container(policy="Never"), container("ok", "x:1"), states={"main": said, "ok": RUNNING})
    assert "replace --force" not in "\n".join(map(fixes_of, report(value).pulls))


def test_many_pulls_cost_no_square_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0
    owners = Index.owners

    def counted(self: Index, pod: Object) -> Any:
        nonlocal calls
        calls += 1
        return owners(self, pod)

    monkeypatch.setattr(Index, "owners", counted)
    report(*(pod(f"p{n}", container(image=f"r.test/{n}:1"), state=RUNNING) for n in range(100)))
    assert calls < 100 * 10
