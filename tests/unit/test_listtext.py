"""What is taken out of a list's text before it is parsed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pullcore.listtext import next_page, only, without_managed_fields

NASTY = ']},"spec":{ \\ " ,"managedFields":[ ]},"involvedObject":{'


def fields(*keys: str) -> list[dict[str, Any]]:
    """managedFields as API servers write them (sigs.k8s.io/structured-merge-diff, fieldpath/serialize.go)."""
    inner: dict[str, Any] = {f"f:{key}": {} for key in keys} | {'k:{"name":"a]"}': {".": {}}, 'v:"]}"': {}}
    return [
        {"manager": "kubelet", "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": inner, "subresource": "status"}
    ]


def text_of(*items: dict[str, Any], **metadata: str) -> bytes:
    document = {"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "12", **metadata}, "items": items}
    return json.dumps(document, separators=(",", ":")).encode()


def an_object(after: str = "spec", name: str = "web", managed: object = None) -> dict[str, Any]:
    value: dict[str, Any] = {"name": name, "annotations": {"note": NASTY}}
    return {"metadata": {**value, "managedFields": fields(NASTY) if managed is None else managed}, after: {"text": NASTY}}


@pytest.mark.parametrize("after", ["spec", "involvedObject"])
def test_objects_are_the_same_but_for_their_managed_fields(after: str) -> None:
    text = text_of(*(an_object(after, f"web-{number}") for number in range(3)))
    slim = without_managed_fields(text)
    expected = json.loads(text)
    for item in expected["items"]:
        del item["metadata"]["managedFields"]
    assert json.loads(slim) == expected
    assert len(slim) < len(text)


@pytest.mark.parametrize(
    "item",
    [
        an_object("data"),
        {"metadata": {"name": "web", "annotations": {"note": NASTY}}, "spec": {"text": NASTY}},
        {"metadata": {"managedFields": fields("a"), "name": "web"}, "spec": {}},
    ],
)
def test_what_is_written_otherwise_stays_as_it_is(item: dict[str, Any]) -> None:
    text = text_of(item)
    assert without_managed_fields(text) == text


@pytest.mark.parametrize("second", [an_object(), {"metadata": {"name": "x", "finalizers": ["a"]}, "spec": {}}])
def test_the_end_of_another_objects_metadata_is_not_taken_for_its_own(second: dict[str, Any]) -> None:
    """One without the field that follows (a Domain without a spec), and behind it one with it."""
    text = text_of(an_object("status"), second)
    assert without_managed_fields(text) == text


@pytest.mark.parametrize("text", [b"", b"{", b',"managedFields":[', text_of(an_object())[:-40]])
def test_half_a_text_is_no_matter(text: bytes) -> None:
    assert text.startswith(without_managed_fields(text)[:10])


def test_token_of_the_next_page() -> None:
    assert next_page(text_of(an_object(), **{"continue": "abc=", "remainingItemCount": "1"})) == "abc="
    assert next_page(text_of({"metadata": {"continue": "abc"}})) is None
    assert next_page(text_of()) is None


@pytest.mark.parametrize("names", [[], ["a"], ["c"], ["b", "c"], ["a", "b", "c"]])
def test_only_some_objects(names: list[str]) -> None:
    """And the last one."""
    items = [an_object(name=name) for name in "abc"]
    text = text_of(*items, **{"continue": "abc="})
    found = only(text + b"\n", lambda one: any(one.startswith(f'"name":"{name}"'.encode()) for name in names))
    expected = [item for item in items if item["metadata"]["name"] in (*names, "c")]
    assert json.loads(found) == {**json.loads(text), "items": expected}
    assert next_page(found) == "abc="


def test_a_template_in_a_field_is_no_object_of_its_own() -> None:
    claim = {"volumeClaimTemplate": {"metadata": {"creationTimestamp": None}, "spec": {"x": NASTY}}}
    items = [{"metadata": {"name": name}, "spec": {"volumes": [{"name": "a", "ephemeral": claim}] * 2}} for name in "ab"]
    assert json.loads(only(text_of(*items), lambda one: one.startswith(b'"name":"b"')))["items"] == items[1:]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        text_of(),
        text_of({"kind": "Pod", "metadata": {"name": "a"}}),
        text_of(an_object())[:-1],
        json.dumps({"items": [{"metadata": {"name": "a"}}]}).encode(),
        b'{"items":[{"metadata":{"name":"a"}}],"kind":"PodList"}',
    ],
)
def test_objects_that_cannot_be_told_apart_stay(text: bytes) -> None:
    assert only(text, lambda _: False) == text


def test_a_text_that_is_cut_anywhere_is_no_list() -> None:
    """Also where what is left ends as a list does, and what was cut is not wanted."""
    mounts = {"containerStatuses": [{"name": "a", "volumeMounts": [{"name": "x"}]}]}
    text = text_of(*({"metadata": {"name": name}, "spec": {}, "status": mounts} for name in "abc"))
    for end in range(1, len(text)):
        with pytest.raises(json.JSONDecodeError):
            json.loads(only(text[:end], lambda _: False))
