"""The commands that mend: plain text for pasting, with the namespace and the context that the user gave.

Placeholders are in capitals (USERNAME, PASSWORD, TAG), as in kubectl's own help. Nothing here runs anything.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from typing import Any, NamedTuple

from pullcore.kinds import KINDS
from pullcore.pull import Source, Target
from pullcore.reference import Reference

DOCKER_HUB = "docker.io"
DOCKER_HUB_KEY = "https://index.docker.io/v1/"
UNCHANGEABLE = ("Job",)  # the template of a Job, once it is made


def server_key(reference: Reference) -> str:
    """The `--docker-server` that the kubelet will find for this image: the registry as the image spells it."""
    return DOCKER_HUB_KEY if reference.registry == DOCKER_HUB else reference.registry


class Commands(NamedTuple):
    """Writes commands for one namespace; `context` is what else reaches the cluster (`--context X`), shell-quoted."""

    namespace: str
    context: tuple[str, ...] = ()

    def kubectl(self, *words: str, options: Sequence[str] = ()) -> str:
        """`kubectl WORDS -n NAMESPACE OPTIONS`; words are quoted, options are taken as they are."""
        scope = ("-n", shlex.quote(self.namespace)) if self.namespace else ()
        return " ".join(("kubectl", *map(shlex.quote, words), *scope, *self.context, *options))

    def unscoped(self, *words: str) -> str:
        """For what is in no namespace."""
        return Commands("", self.context).kubectl(*words)

    def add_secret(self, name: str, server: str) -> str:
        """Makes or mends a pull secret; it asks for user and password, proves them, and keeps the secret's other entries."""
        return self.kubectl("pullsecret", "add", name, f"--docker-server={server}")

    def copy_secret(self, name: str, source_namespace: str) -> str:
        """Copies a secret from another namespace without its content passing through the terminal."""
        there = Commands(source_namespace, self.context)
        return there.kubectl("pullsecret", "copy", name, f"--to-namespace={self.namespace}")

    def json_patch(self, target: Target, *operations: dict[str, Any]) -> str:
        patch = shlex.quote(json.dumps(list(operations), separators=(",", ":")))
        return self.kubectl("patch", word_for(target.kind), target.name, options=("--type=json", "-p", patch))

    def set_image(self, source: Source, image: str) -> list[str]:
        """Puts another image at the place that names it."""
        in_pod = source.target.kind == "Pod" and not source.path.startswith(("spec.containers", "spec.initContainers"))
        if source.target.kind in UNCHANGEABLE or in_pod:
            return self.made_again(source.target, f"s|{literal(source.image)}|{image}|")
        return [self._set(source, pointer(source.path), image)]

    def set_policy(self, source: Source, policy: str) -> list[str]:
        """Sets the pull policy beside the place that names the image."""
        if source.target.kind in (*UNCHANGEABLE, "Pod"):
            return list(self.edited(source.target, f"set imagePullPolicy: {policy} beside image: {source.image}"))
        field = "pullPolicy" if source.path.endswith(".reference") else "imagePullPolicy"
        return [self._set(source, f"{pointer(source.path).rsplit('/', 1)[0]}/{field}", policy)]

    def _set(self, source: Source, path: str, value: str) -> str:
        # "add" replaces, too; "replace" fails where the field was left to its default, as many Domains leave it.
        operations = [{"op": "add", "path": path, "value": value}]
        if "[" in source.path and path == pointer(source.path):  # a place in a list: only if it is still this image's
            operations.insert(0, {"op": "test", "path": path, "value": source.image})
        return self.json_patch(source.target, *operations)

    def made_again(self, target: Target, *changes: str) -> list[str]:
        """Deletes and makes again what can't be changed; the file keeps it if that fails half-way. `changes` are commands of
        sed. A Job's own labels, which name its UID, have to be left out for the new one."""
        file = shlex.quote(f"{target.name}.yaml")
        edits = " ".join(f"-e {shlex.quote(change)}" for change in ("/controller-uid:/d", *changes))
        get = self.kubectl("get", word_for(target.kind), target.name, "-o", "yaml")
        return [f"{get} | sed {edits} > {file}", self.kubectl("replace", "--force", "-f", f"{target.name}.yaml")]

    def edited(self, target: Target, what: str) -> tuple[str, ...]:
        """The same, with a change that the user makes in between; `:` does nothing, in any shell."""
        get, replace = self.made_again(target)
        return (get, f": {shlex.quote(what)}; ${{EDITOR:-vi}} {shlex.quote(f'{target.name}.yaml')}", replace)

    def edit(self, target: Target, what: str) -> str:
        """For what is not known, so that nothing can be changed blindly; `:` does nothing, in any shell."""
        return f": {shlex.quote(what)}; {self.kubectl('edit', word_for(target.kind), target.name)}"

    def delete_secret(self, name: str) -> str:
        return self.kubectl("delete", "secret", name)

    def attach_secret(self, target: Target, name: str) -> str:
        """Adds to a list without losing its other names."""
        return self.kubectl("pullsecret", "attach", name, f"--for={word_for(target.kind)}/{target.name}")

    def repull(self, target: Target, *options: str) -> str:
        """Brings back what waits, with the least that works, and waits until it runs."""
        return self.kubectl("repull", f"{word_for(target.kind)}/{target.name}", *options)


def word_for(kind: str) -> str:
    """What kubectl takes for a kind; with its group where other projects have a kind of that name, too."""
    return KINDS[kind].ref("").rstrip("/") if kind == "Cluster" else kind.lower()


def literal(text: str) -> str:
    """A pattern of sed's that matches `text`: an image that somebody named may hold commands of sed, or of a shell."""
    return "".join("[.]" if char == "." else char if re.match(r"[A-Za-z0-9/:@_-]", char) else "." for char in text)


def pointer(path: str) -> str:
    """`spec.containers[0].image` as a JSON pointer (RFC 6901)."""
    return "/" + re.sub(r"\[(\d+)\]", r".\1", path).replace(".", "/")
