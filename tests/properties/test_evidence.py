"""What `--save` writes: it says the same when it is read back, and nothing of a credential is in it, in whatever form."""

from __future__ import annotations

import base64
import io
import json
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hypothesis import given, settings
from hypothesis import strategies as st
from pullcheck.main import check
from pullcore.errors import CommandError
from pullcore.evidence import from_document, to_json

Object = dict[str, Any]

# A word that no other text has; around it what passwords and files have.
PLANTED = "pL4nt3d/w0rd+of~secrets"
passwords = st.tuples(st.text(max_size=4), st.text('"\\: \n=%\u00e4', max_size=3)).map(
    lambda ends: f"{ends[0]}{PLANTED}{ends[1]}"
)
names = st.sampled_from(["web", "web-0", "regcred", "default", "a.b", ""])
texts = st.one_of(st.sampled_from(["reg.test/team/app:1", "", "401 Unauthorized", "\x1b[31m"]), st.text(max_size=20))
images = st.sampled_from(["reg.test/team/app:1", "team/app", "Reg/App", "", "reg.test/app@sha256:" + "a" * 64])
junk = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=6,
)


@st.composite
def manifests(draw: st.DrawFn, password: str = "") -> list[Object]:
    """A pod, a workload, a service account and secrets; the password in every place where people leave one."""
    pair = base64.b64encode(f"bob:{password}".encode("utf-8", "surrogatepass")).decode()
    keys = ["reg.test", "https://reg.test/v2", f"https://bob:{quote(password, safe='')}@reg.test"]
    entries: list[Object] = [
        {"username": "bob", "password": password},
        {"auth": pair},
        {"auth": f"bob:{password}"},  # malformed
        {"identitytoken": password, "username": "bob"},
    ]
    config = {"auths": {draw(st.sampled_from(keys)): draw(st.sampled_from(entries))}}
    text = json.dumps(config) + draw(st.sampled_from(["", "", "x", password]))
    field = draw(st.sampled_from(["data", "stringData", "data in plain text"]))
    content = base64.b64encode(text.encode("utf-8", "surrogatepass")).decode() if field == "data" else text
    secret = {
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "regcred", "annotations": {"last-applied": password}},
        "type": draw(st.sampled_from(["kubernetes.io/dockerconfigjson", "Opaque", "kubernetes.io/dockercfg"])),
        field.partition(" ")[0]: {".dockerconfigjson": content, "password": password},
    }  # fmt: skip
    secrets = [{"name": draw(names)}, {"name": "regcred"}]
    container = {"name": "main", "image": draw(images), "args": [password], "env": [{"name": "P", "value": password}]}
    waiting = {"reason": "ErrImagePull", "message": draw(texts)}
    status = {"containerStatuses": [{"name": "main", "state": {"waiting": waiting}}]}
    metadata = {"name": "web-0", "uid": "u", "annotations": {"password": password}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status,
           "spec": {"containers": [container], "imagePullSecrets": secrets}}  # fmt: skip
    template = {"spec": {"containers": [container]}, "metadata": {"annotations": {"p": password}}}
    web = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"template": template}}
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "labels": {"p": password}},
               "imagePullSecrets": secrets}  # fmt: skip
    event = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e", "annotations": {"p": password}},
             "reason": "Failed", "message": draw(texts),
             "involvedObject": {"kind": "Pod", "name": "web-0", "uid": "u"}}  # fmt: skip
    return draw(st.permutations([pod, web, account, secret, event]))


def saved(values: list[Object], folder: Path) -> tuple[str, str, str]:
    """What pullcheck saves of these files, and what it prints of them and of what it saved."""
    given, kept = folder / "given.json", folder / "kept.json"
    given.write_text("\n".join(map(json.dumps, values)))
    printed = run("-f", str(given), "--save", str(kept))
    return kept.read_text(), printed, run("-f", str(kept))


def run(*argv: str) -> str:
    out, err = io.StringIO(), io.StringIO()
    check([*argv, "--offline", "-o", "json"], io.TextIOWrapper(io.BytesIO()), out, err)
    return out.getvalue()


def forms(text: str) -> set[str]:
    """A text as it is, as JSON, URLs and base64 have it, in base64 wherever it may stand in something longer."""
    raw = text.encode()
    found = {text, json.dumps(text)[1:-1], quote(text, safe=""), text[::-1], raw.hex()}
    for before in range(3):
        for coded in (base64.b64encode(bytes(before) + raw), base64.urlsafe_b64encode(bytes(before) + raw)):
            found.add(coded.decode()[(0, 2, 3)[before] : -4].rstrip("="))
    return found


@settings(max_examples=40)
@given(passwords.flatmap(lambda password: manifests(password)))
def test_it_says_the_same_and_holds_no_credential(values: list[Object]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        text, printed, again = saved(values, Path(folder))
    assert again == printed
    read = to_json(from_document(json.loads(text)))
    assert to_json(from_document(json.loads(read))) == read
    told = [form for form in forms(PLANTED) if form in text or form in printed]
    assert told == []


def test_the_forms_are_found_where_they_are() -> None:
    """The test above can fail."""
    for before in ("", "b", "bo", "bob:"):
        coded = base64.b64encode(f"{before}{PLANTED} and more".encode()).decode()
        assert any(form in coded for form in forms(PLANTED))


def _places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, one in inner for place in _places(one, (*at, key)))]


EVIDENCE = Path(__file__).parents[2] / "examples" / "domain1-evidence.json"
PLACES = _places(json.loads(EVIDENCE.read_text("utf-8")))[1:]


@given(st.lists(st.tuples(st.sampled_from(PLACES), junk), min_size=1, max_size=3))
def test_damaged_in_any_place_it_is_a_line_or_a_diagnosis(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    document = json.loads(EVIDENCE.read_text("utf-8"))
    for (*above, last), value in changes:
        at = document
        try:
            for key in above:
                at = at[key]
            at[last] = value
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took it away
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "evidence.json"
        file.write_text(json.dumps(document))
        try:
            run("-f", str(file))
        except CommandError as error:
            assert str(error).isprintable()
