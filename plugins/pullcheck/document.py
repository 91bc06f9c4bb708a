"""The report for machines (`-o json`, `-o yaml`): stable, additions only; docs/report.schema.json describes it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Optional

from pullcore.canary import Outcome
from pullcore.diagnosis import Diagnosis, Report
from pullcore.errors import one_line
from pullcore.keyring import LookUp
from pullcore.printed import printed
from pullcore.pull import ContainerUse
from pullcore.registry_view import View

API_VERSION = "pullcheck/v1"


def document(report: Report) -> dict[str, Any]:
    """The report as plain values, in the order in which they are documented."""
    return {
        "apiVersion": API_VERSION,
        "kind": "PullReport",
        "verdict": report.verdict,
        "targets": [target._asdict() for target in report.targets],
        "pulls": [_pull(one) for one in report.pulls],
        "notChecked": [{"what": one.what, "why": one.why} for one in report.not_checked],
        "notes": list(report.notes),
    }


def render(report: Report, output: str) -> str:
    """The report as text, `output` being json or yaml; ASCII, so that nothing in it can act on a terminal."""
    return printed(document(report), output)


def _pull(one: Diagnosis) -> dict[str, Any]:
    pull, reference = one.pull, one.reference
    return {
        "verdict": one.verdict,
        "image": pull.image,
        "sources": [{"object": source.target.ref, "path": source.path} for source in pull.sources],
        "reference": reference
        and {
            "registry": reference.registry,
            "repository": reference.repository,
            "tag": reference.tag,
            "digest": reference.digest,
        },
        "pullPolicy": pull.policy,
        "namespace": pull.namespace,
        "serviceAccount": pull.service_account,
        "secrets": list(pull.secrets),
        "containers": [_container(use) for use in pull.containers],
        "credentials": _credentials(one.lookup, one.node_sources),
        "registry": one.view and _registry(one.view),
        "nodes": [node._asdict() for node in one.nodes],
        "probes": [_probe(probe) for probe in one.probes],
        "findings": [
            {
                "cause": finding.cause,
                "severity": finding.severity,
                "summary": finding.summary,
                "evidence": list(dict.fromkeys((*finding.evidence, *finding.notes))),
                "fix": list(finding.fix),
                "containers": list(finding.containers),
            }
            for finding in one.findings
        ],
    }


def _probe(one: Outcome) -> dict[str, Any]:
    return {
        "node": one.node,
        "pullPolicy": one.policy,
        "result": one.result,
        "cause": one.cause or None,
        "message": one.word.message if one.word else one_line(one.text, 1000),
        "digest": one.digest or None,
        "seconds": one.took,
        "bytes": one.size,
        "asAsked": one.as_asked,
    }


def _container(use: ContainerUse) -> dict[str, Any]:
    return {
        "pod": use.pod,
        "container": use.container,
        "kind": use.kind,
        "node": use.node,
        "state": use.state,
        "reason": use.reason,
        "message": use.message,
    }


def _registry(view: View) -> dict[str, Any]:
    reach, limit, tags = view.reach, view.reach.limit, view.tags
    return {
        "reachable": reach.answers,
        "manifest": view.manifest,
        "platforms": list(view.content.platforms) if view.content else [],
        "digest": view.given.digest if view.given else None,
        "attempts": [
            {
                "secret": attempt.secret if attempt else None,
                "result": answer.result,
                "status": answer.status,
                "code": answer.code,
                "detail": answer.detail or None,
            }
            for attempt, answer in view.attempts
        ],
        "seenFrom": "this machine",
        "url": reach.url,
        "detail": reach.detail or None,
        "certificate": reach.certificate and {**asdict(reach.certificate), "names": list(reach.certificate.names)},
        "tokenService": reach.token_service,
        "proxy": reach.proxy,
        "nearestTags": list(tags.nearest) if tags else [],
        "pullsLeft": limit and asdict(limit),
    }


def _credentials(lookup: Optional[LookUp], node_sources: str) -> dict[str, Any]:
    found = lookup or LookUp()
    missing = [{"secret": name, "key": None, "reason": "does not exist"} for name in found.missing]
    unread = [{"secret": name, "key": None, "reason": "could not be read from here"} for name in found.unread]
    return {
        "attempts": [{"secret": one.secret, "key": one.key, "username": one.username} for one in found.attempts],
        "ignored": [{"secret": one.secret, "key": one.key, "reason": one.reason} for one in found.ignored]
        + missing
        + unread,
        "blocked": found.blocked,
        "nodeSources": node_sources,
    }
