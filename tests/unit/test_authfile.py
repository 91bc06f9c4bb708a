"""The content of a pull secret, changed: the key that is written, and what stays beside it."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from pullcore import authfile
from pullcore.authkey import masked, why
from pullcore.errors import CommandError
from pullcore.keyring import Credentials, look_up, read_secret
from pullcore.reference import Reference, parse

from .builders import secret_object

HOST = "registry.example.com"
HUB = "https://index.docker.io/v1/"
BOB = authfile.entry("bob", "tiger-9")
ALICE = authfile.entry("alice", "lion-8")

# --- The key -------------------------------------------------------------------------------------------------------

# How people write a registry: {} is its host and port.
SPELLINGS = (
    "{}", "https://{}", "http://{}", "HTTPS://{}", "Https://{}", "https:/{}", "https//{}", "//{}", "https://https://{}",
    "oci://{}", "docker://{}", "{}/", "https://{}/", "{}//", "{}/v1/", "{}/v2/", "{}/v1", "{}/v2", "https://{}/v1/",
    "https://{}/v2/", "https://{}/v1", "https://{}/v2", "http://{}/v2/", "{}/v2/_catalog", "{}/api/v2/", " {}", "{} ",
    "{}\n", "\t{}\r\n", " https://{}/v2 ", '"{}"', "'{}'", "\u200b{}", "\ufeff{}", "bob@{}", "https://bob:tiger-9@{}/v2/",
    "{}?service=x", "{}#x",
)  # fmt: skip
# Registries, each with an image of it.
REGISTRIES = {
    HOST: f"{HOST}/team/app:1.0",
    f"{HOST}:5000": f"{HOST}:5000/team/app",
    f"{HOST}:443": f"{HOST}:443/team/app",
    "10.0.0.7": "10.0.0.7/app",
    "10.0.0.7:5000": "10.0.0.7:5000/app@sha256:" + "a" * 64,
    "localhost": "localhost/app",
    "localhost:5000": "localhost:5000/app",
    "[::1]:5000": "[::1]:5000/app",
    "[2001:db8::7]:443": "[2001:db8::7]:443/team/app",
    "fra.ocir.io": "fra.ocir.io/tenancy/app",
}
HUB_NAMES = (
    "docker.io", "index.docker.io", "registry-1.docker.io", "hub.docker.com", "registry.hub.docker.com", "docker.com",
    "www.docker.com",
)  # fmt: skip


def spelt(registry: str) -> list[str]:
    """A registry in every spelling; with a final dot, and in upper case, where its host is a name."""
    host, colon, port = registry.partition(":") if not registry.startswith("[") else (registry, "", "")
    forms = [registry, registry.upper()]
    forms += [f"{host}.{colon}{port}"] if not host.startswith("[") else []
    return list(dict.fromkeys(one.replace("{}", form) for form in forms for one in SPELLINGS))


@pytest.mark.parametrize("named", [False, True], ids=["nothing needs it", "an image needs it"])
@pytest.mark.parametrize("registry", REGISTRIES)
def test_every_spelling_leads_to_a_key_that_matches_and_stays(registry: str, named: bool) -> None:
    reference = parse(REGISTRIES[registry])
    wanted = [parse("ghcr.io/other/app"), reference] if named else []
    for written in spelt(registry):
        found = authfile.server_for(written, wanted)
        assert why(found.key, reference).matches, (written, found)
        assert authfile.server_for(found.key, wanted) == authfile.Server(found.key), (written, found)
        assert bool(found.mended) is (written != found.key), written
        assert found.registry == reference.registry
        assert "tiger-9" not in repr(found)
        assert found.mended.isprintable()


@pytest.mark.parametrize("image", ["nginx", "myorg/app:1.0", "docker.io/myorg/app", "index.docker.io/myorg/app"])
@pytest.mark.parametrize("name", HUB_NAMES)
def test_every_name_of_docker_hub_leads_to_the_key_where_the_kubelet_looks(name: str, image: str) -> None:
    for written in (*spelt(name), f"{name}:443"):
        for wanted in ([], [parse(image)]):
            found = authfile.server_for(written, wanted)
            assert found.key == HUB, written
            assert why(found.key, parse(image)).matches
            assert authfile.server_for(found.key, wanted) == authfile.Server(HUB)
            assert found.registry == "docker.io"


def test_what_was_mended_is_said() -> None:
    assert authfile.server_for(HOST, []).mended == ""
    assert authfile.server_for(f"https://{HOST}/v2", []).mended == (
        f'"https://{HOST}/v2" is stored as {HOST}, as images name that registry'
    )
    assert authfile.server_for("docker.io", []).mended == (
        f'"docker.io" is stored as {HUB}, where the kubelet looks for Docker Hub\'s'
    )
    reason = authfile.server_for(f"{HOST}/v2", [parse(f"{HOST}/team/app")]).mended
    assert "never matches: path /v2 without its final slash" in reason


def test_the_host_is_spelt_as_the_image_that_needs_it() -> None:
    assert authfile.server_for(HOST, [parse("Registry.Example.com/app")]).key == "Registry.Example.com"
    assert authfile.server_for("Registry.Example.com", [parse(f"{HOST}/app")]).key == HOST
    assert authfile.server_for(f"{HOST}:443", [parse(f"{HOST}/app")]).key == HOST
    assert authfile.server_for(f"https://{HOST}", [parse(f"{HOST}:443/app")]).key == f"{HOST}:443"


@pytest.mark.parametrize("key", ["*.example.com", "10.0.0.*:5000", f"{HOST}/team", f"{HOST}/team/", "docker.io/myorg"])
def test_a_pattern_and_a_path_are_meant(key: str) -> None:
    for wanted in ([], [parse(f"{HOST}/team/app")], [parse("10.0.0.7:5000/app")], [parse("myorg/app")]):
        assert authfile.server_for(key, wanted).key == key
        assert authfile.server_for(f"https://{key}", wanted).key == key


@pytest.mark.parametrize(
    ("written", "image"),
    [
        (f"{HOST}/team/app:1.0", f"{HOST}/team/app:1.0"),
        (f"{HOST}/team/app@sha256:ab", f"{HOST}/team/app:1.0"),
        (f"{HOST}/team/*", f"{HOST}/team/app"),
        (f"{HOST}/*", f"{HOST}/team/app"),
        (f"{HOST}/Team", f"{HOST}/team/app"),
        ("https://hub.docker.com/r/myorg/app", "myorg/app"),
        ("index.docker.io/myorg", "myorg/app"),
        ("https://index.docker.io/v1/myorg", "myorg/app"),
    ],
)
def test_a_path_that_no_image_has_is_mended_too(written: str, image: str) -> None:
    for wanted in ([], [parse(image)]):
        found = authfile.server_for(written, wanted)
        assert why(found.key, parse(image)).matches, found


@pytest.mark.parametrize("written", ["[::1]", "https://[2001:db8::7]/v2/"])
def test_an_ipv6_address_without_a_port_has_no_key_that_matches(written: str) -> None:
    """authkey: it is taken for a wildcard, so there is nothing that could be stored for it."""
    with pytest.raises(CommandError, match="port"):
        authfile.server_for(written, [])


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("", "the registry is empty"),
        ("  ", "the registry is empty"),
        ("https://", "the registry is empty"),
        ("/team", "the registry is empty"),
        ("bob@", "the registry is empty"),
        ("registry example.com", '"registry example.com" is no registry'),
        (f"{HOST}:*", f'"{HOST}:*" is no registry'),
        (f"{HOST}:port", f'"{HOST}:port" is no registry'),
        ("\x1b[31m", '"^[[31m" is no registry'),
        ("https://bob:tiger-9@a b", '"https://***@a b" is no registry'),
    ],
)
def test_what_is_no_registry_is_refused(written: str, text: str) -> None:
    with pytest.raises(CommandError) as caught:
        authfile.server_for(written, [])
    assert caught.value.text.startswith(text)
    assert "such as some.registry.com:5000" in caught.value.text or "write its host as images do" in caught.value.text
    assert caught.value.text.isprintable()


@pytest.mark.parametrize(
    ("key", "registry", "image"),
    [
        (HOST, HOST, f"{HOST}/library/any"),
        (f"https://{HOST}/v2/", HOST, f"{HOST}/library/any"),
        (f"{HOST}:5000/team", f"{HOST}:5000", f"{HOST}:5000/team"),
        (HUB, "docker.io", "docker.io/library/any"),
        ("docker.io/myorg", "docker.io", "docker.io/myorg"),
        ("*.example.com", "*.example.com", "*.example.com/library/any"),
    ],
)
def test_what_a_key_is_for(key: str, registry: str, image: str) -> None:
    assert authfile.registry_of(key) == registry
    assert authfile.any_image(key).name == image
    if "*" not in key:
        assert why(key, authfile.any_image(key)).matches


# --- The content ---------------------------------------------------------------------------------------------------


def secret(content: Any, **details: Any) -> dict[str, Any]:
    return secret_object(config=content if isinstance(content, str) else json.dumps(content), **details)


def test_an_entry_is_that_of_kubectl_create_secret() -> None:
    assert authfile.entry("bob", "pw") == {"username": "bob", "password": "pw", "auth": "Ym9iOnB3"}
    assert authfile.entry("bob", "pw", "b@x") == {"username": "bob", "password": "pw", "email": "b@x", "auth": "Ym9iOnB3"}


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("bob", "pw"),
        ("bob", 'tig"er\\9/ö+:'),
        ("$oauthtoken", "żółw 🐢"),
        ("tenancy/oracle/bob@x", "a:b"),
        ("bob", "\u2028<&>"),
    ],
)
def test_the_kubelet_reads_what_was_written(username: str, password: str) -> None:
    content, gone = authfile.with_entry({}, HOST, authfile.entry(username, password))
    assert gone == []
    vault = Credentials()
    facts = read_secret({**secret({}), "data": authfile.encoded(content)}, vault)
    (attempt,) = look_up(parse(f"{HOST}/team/app"), [facts.name], {facts.name: facts}).attempts
    assert attempt.label is not None
    assert vault.pair(attempt.label) == (username, password)


# What stands in the secrets of people, and has to stay.
OTHERS: dict[str, Any] = {
    "ghcr.io": {"auth": base64.b64encode(b"carol:x").decode()},
    "https://ghcr.io/v2": {"auth": "!broken!", "identitytoken": "t"},
    "Old.Example.com": {"username": "dave", "password": "\ud800", "email": "", "unknown": [1.0, None, {"a": "b"}]},
    f"{HOST}:5000": {"auth": base64.b64encode(b"erin:y").decode()},
    f"{HOST}/team": {"auth": base64.b64encode(b"frank:z").decode()},
    "*.example.com": {"auth": base64.b64encode(b"grace:w").decode()},
    "registry example com": {},
    "": {"auth": base64.b64encode(b"heidi:v").decode()},
}
AROUND: dict[str, Any] = {
    "credsStore": "pass",
    "HttpHeaders": {"X": "y"},
    "experimental": "enabled",
    "n": 12345678901234567890,
}


def test_others_are_kept_as_they_are() -> None:
    before = {**AROUND, "auths": OTHERS}
    content, gone = authfile.with_entry(before, HOST, BOB)
    assert gone == []
    assert content == {**AROUND, "auths": {**OTHERS, HOST: BOB}}
    assert list(content["auths"]) == [*OTHERS, HOST]
    assert before == {**AROUND, "auths": OTHERS}, "what was given is not changed"
    written = base64.b64decode(authfile.encoded(content)[authfile.DATA_KEY])
    assert json.loads(written) == content
    assert authfile.content_of(secret(written.decode())) == content


def test_the_same_entry_again_changes_nothing() -> None:
    once, _ = authfile.with_entry({"auths": OTHERS}, HOST, BOB)
    twice, gone = authfile.with_entry(authfile.content_of({**secret({}), "data": authfile.encoded(once)}), HOST, BOB)
    assert (twice, gone) == (once, [])
    changed, gone = authfile.with_entry(once, HOST, ALICE)
    assert (changed["auths"][HOST], gone) == (ALICE, [])


@pytest.mark.parametrize(
    ("key", "other"),
    [
        (HOST, f"https://{HOST}"),
        (HOST, f"http://{HOST}/"),
        (HOST, f"https://{HOST}/v1/"),
        (HOST, f"https://{HOST}/v2/"),
        (HOST, f"bob:pw@{HOST}"),
        (f"{HOST}:5000", f"https://{HOST}:5000/v2/"),
        (f"{HOST}/team", f"https://{HOST}/v2/team"),
        (HUB, "docker.io"),
        (HUB, "index.docker.io"),
        (HUB, "https://index.docker.io/v2/"),
    ],
)
def test_other_spellings_of_the_same_key_go(key: str, other: str) -> None:
    """Of two spellings in one secret the kubelet takes one at random."""
    content, gone = authfile.with_entry({"auths": {"ghcr.io": ALICE, other: ALICE}}, key, BOB)
    assert gone == [other]
    assert content["auths"] == {"ghcr.io": ALICE, key: BOB}
    content, gone = authfile.without_entry({"auths": {"ghcr.io": ALICE, other: ALICE}}, key)
    assert (content["auths"], gone) == ({"ghcr.io": ALICE}, [other])
    assert authfile.find({"auths": {other: ALICE}}, key) == ALICE


@pytest.mark.parametrize(
    ("key", "dead"),
    [
        (HOST, f"https://{HOST}/v2"),
        (HOST, f"{HOST}/v1"),
        (HOST, f"{HOST}//"),
        (HOST, f" {HOST}"),
        (HOST, f"{HOST}\n"),
        (HOST, f"HTTPS://{HOST}"),
        (HOST, f"oci://{HOST}"),
        (HOST, "Registry.Example.com"),
        (HOST, f"{HOST}."),
        (f"{HOST}:5000", f"https://{HOST}:5000/v2"),
        (HUB, "https://index.docker.io/v1"),
        (HUB, "DOCKER.IO"),
        (HUB, "https://hub.docker.com"),
    ],
)
def test_the_dead_key_that_is_mended_goes(key: str, dead: str) -> None:
    content, gone = authfile.with_entry({"auths": {dead: ALICE, "ghcr.io": ALICE}}, key, BOB)
    assert gone == [dead]
    assert content["auths"] == {"ghcr.io": ALICE, key: BOB}


@pytest.mark.parametrize(
    ("key", "other", "image"),
    [
        (HOST, f"{HOST}:443", f"{HOST}:443/team/app"),
        (f"{HOST}:443", HOST, f"{HOST}/team/app"),
        (HOST, f"{HOST}:80", f"{HOST}:80/team/app"),
        (HOST, f"{HOST}:5000", f"{HOST}:5000/team/app"),
        (HOST, "*", "localhost/app"),
        (HOST, "*.example.com", "other.example.com/app"),
        (HOST, "other.example.com", "other.example.com/app"),
        (f"{HOST}/team", HOST, f"{HOST}/other/app"),
        (HOST, f"{HOST}/team", f"{HOST}/team/app"),
        (f"{HOST}/team", f"{HOST}/team2", f"{HOST}/team2/app"),
        (HUB, "docker.io/myorg", "myorg/app"),
    ],
)
def test_an_entry_that_serves_other_images_stays(key: str, other: str, image: str) -> None:
    assert why(other, parse(image)).matches, "the other entry is of use"
    content, gone = authfile.with_entry({"auths": {other: ALICE}}, key, BOB)
    assert (content["auths"], gone) == ({other: ALICE, key: BOB}, [])
    content, gone = authfile.without_entry({"auths": {other: ALICE, key: BOB}}, key)
    assert (content["auths"], gone) == ({other: ALICE}, [key])


def test_content_of() -> None:
    assert authfile.content_of(secret({"auths": {HOST: BOB}, "x": 1})) == {"auths": {HOST: BOB}, "x": 1}
    assert authfile.content_of(secret({"AUTHS": {HOST: BOB}})) == {"auths": {HOST: BOB}}  # as Go reads it
    assert authfile.content_of(secret({"auths": None})) == {"auths": {}}
    assert authfile.with_entry({"auths": None}, HOST, BOB)[0] == {"auths": {HOST: BOB}}
    assert authfile.content_of(secret({})) == {"auths": {}}


def test_auths_in_two_spellings_are_one_as_in_go() -> None:
    """encoding/json decodes both into the same map."""
    content = authfile.content_of(secret(f'{{"Auths": {{"ghcr.io": {{}}}}, "auths": {{"{HOST}": {{}}}}}}'))
    assert set(content["auths"]) == {"ghcr.io", HOST}


@pytest.mark.parametrize(
    "value",
    [
        secret("no JSON"),
        secret("[" * 100_000),
        secret("[1]"),
        secret('{"auths": [1]}'),
        secret('{"auths": "text"}'),
        {**secret({}), "data": {".dockerconfigjson": "no base64!"}},
        {**secret({}), "data": {}},
        {**secret({}), "data": None},
        {"metadata": {"name": "regcred"}},
    ],
    ids=range(9),
)
def test_content_that_cannot_be_kept_is_refused_with_what_helps(value: dict[str, Any]) -> None:
    with pytest.raises(CommandError, match=r"the content of secret/regcred .*use another name, or remove it"):
        authfile.content_of(value)


def test_user_information_in_a_key_is_not_shown() -> None:
    found = authfile.server_for(f"https://bob:tiger-9@{HOST}/v2", [parse(f"{HOST}/app")])
    assert found.key == HOST
    assert masked("https://bob:tiger-9@") in found.mended


def test_references_of_other_registries_do_not_count() -> None:
    wanted = [Reference("ghcr.io", "x", "latest", None)]
    assert authfile.server_for(HOST, wanted).key == HOST
    assert authfile.server_for("ocir.io", [parse("fra.ocir.io/tenancy/app")]).key == "ocir.io"
