"""What the user may do, asked of a stand-in API server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pullcore.cluster import Cluster
from pullcore.command import Connection
from pullcore.errors import CommandError
from pullcore.kinds import KINDS
from pullcore.permissions import REVIEWS, Action, Permissions, demand

from tests.integration.standin import Answer, Asked, ClusterStandIn, status

PATCH = Action("patch", KINDS["ServiceAccount"], "ns", "builder")
CREATE = Action("create", KINDS["Secret"], "ns")
DOMAIN = Action("patch", KINDS["Domain"], "other", "domain1")
EVICT = Action("create", KINDS["Pod"], "ns", sub="eviction")


@pytest.fixture
def server() -> Iterator[ClusterStandIn]:
    stand_in = ClusterStandIn()
    yield stand_in
    stand_in.close()


@pytest.fixture
def cluster(server: ClusterStandIn, tmp_path: Path) -> Cluster:
    return Cluster.connect(Connection(server=server.url), user_agent="test", environ={"HOME": str(tmp_path)})


def test_an_action_is_worded_as_kubectl_auth_can_i_is_asked() -> None:
    assert str(PATCH) == "patch serviceaccounts/builder in namespace ns"
    assert str(CREATE) == "create secrets in namespace ns"
    assert str(DOMAIN) == "patch domains.weblogic.oracle/domain1 in namespace other"
    assert str(EVICT) == "create pods/eviction in namespace ns"
    assert str(Action("create", KINDS["Pod"], "ns", "web-1", "eviction")) == "create pods/web-1/eviction in namespace ns"


def test_each_action_is_asked_once_and_nothing_else_is_sent(cluster: Cluster, server: ClusterStandIn) -> None:
    demand(cluster, [PATCH, CREATE, PATCH, DOMAIN])
    assert server.writes == []
    asked = [json.loads(one.body)["spec"]["resourceAttributes"] for one in server.asked]
    assert sorted(asked, key=str) == sorted(
        [
            {"verb": "patch", "resource": "serviceaccounts", "namespace": "ns", "name": "builder"},
            {"verb": "create", "resource": "secrets", "namespace": "ns"},
            {"verb": "patch", "group": "weblogic.oracle", "resource": "domains", "namespace": "other", "name": "domain1"},
        ],
        key=str,
    )
    demand(cluster, [])
    assert len(server.asked) == 3


def test_everything_that_is_missing_is_named_at_once(cluster: Cluster, server: ClusterStandIn) -> None:
    server.denied = {("patch", "*", "*")}
    with pytest.raises(CommandError) as caught:
        demand(cluster, [PATCH, CREATE, DOMAIN])
    assert caught.value.text == (
        "you are not allowed to patch serviceaccounts/builder in namespace ns; patch domains.weblogic.oracle/domain1 in "
        "namespace other: nothing was changed"
    )


@pytest.mark.parametrize(
    "answer",
    [
        status(403, "Forbidden", "no"),
        status(404, "NotFound", "no such thing"),
        status(500, "InternalError", "oops"),
        Answer(201, {}),
        Answer(201, {"status": None}),
    ],
    ids=["forbidden", "not served", "broken", "no status", "empty status"],
)
def test_a_server_that_does_not_answer_the_question_lets_it_pass(
    cluster: Cluster, server: ClusterStandIn, answer: Answer
) -> None:
    """It refuses the action itself."""
    server.before = lambda asked: answer
    demand(cluster, [PATCH])
    assert [one.path for one in server.asked] == [REVIEWS]


def test_a_name_is_shown_harmlessly(cluster: Cluster, server: ClusterStandIn) -> None:
    server.denied = {("*", "*", "*")}
    with pytest.raises(CommandError) as caught:
        demand(cluster, [Action("delete", KINDS["Secret"], "ns", "\x1b[31m\nx")])
    assert caught.value.text.isprintable()


def test_a_subresource_is_asked_about_as_one(cluster: Cluster, server: ClusterStandIn) -> None:
    demand(cluster, [EVICT])
    (asked,) = (json.loads(one.body)["spec"]["resourceAttributes"] for one in server.asked)
    assert asked == {"verb": "create", "resource": "pods", "subresource": "eviction", "namespace": "ns"}


def test_each_permission_is_asked_about_once(cluster: Cluster, server: ClusterStandIn) -> None:
    server.denied = {("patch", "serviceaccounts", "ns")}
    mine = Permissions(cluster)
    mine.ask([PATCH, CREATE, PATCH])
    assert len(server.asked) == 2
    assert [mine.may(one) for one in (PATCH, CREATE, PATCH)] == [False, True, False]
    assert len(server.asked) == 2
    assert mine.may(DOMAIN)
    mine.ask([DOMAIN, PATCH])
    assert len(server.asked) == 3


def test_permissions_are_asked_side_by_side(cluster: Cluster, server: ClusterStandIn) -> None:
    both = threading.Barrier(2)
    answer = server.answer

    def wait(asked: Asked) -> Answer:
        both.wait(10)  # broken, and the answer lost, where the second question waits for the first answer
        return answer(asked)

    server.answer = wait
    mine = Permissions(cluster)
    mine.ask([PATCH, CREATE])
    assert not both.broken
    assert mine.may(PATCH)


def test_a_server_that_does_not_answer_is_taken_for_a_yes(cluster: Cluster, server: ClusterStandIn) -> None:
    server.before = lambda asked: status(403, "Forbidden", "no")
    mine = Permissions(cluster)
    assert mine.may(PATCH)
    assert mine.may(PATCH)
    assert len(server.asked) == 1, "that is an answer, too"
