"""One run of kubectl pullsecret: its cluster, its streams and its terminal."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Optional, TextIO

from pullcore.apierrors import ApiError
from pullcore.changes import Changes
from pullcore.cluster import Cluster, NotFound
from pullcore.command import pasteable
from pullcore.consumers import KINDS_THAT_LIST, consumers
from pullcore.conversation import Conversation
from pullcore.errors import CommandError, one_line
from pullcore.evidence import Evidence
from pullcore.fixes import Commands
from pullcore.gather import Gathering, Request
from pullcore.keyring import Credentials
from pullcore.kinds import KINDS
from pullcore.ownership import keeper_of
from pullcore.pull import Object, Target
from pullcore.store import ClusterStore
from pullcore.version import VERSION

from pullsecret.options import Common

if TYPE_CHECKING:  # a network library
    from pullcore.proof import Prover

USER_AGENT = f"kubectl-pullsecret/{VERSION}"


class Session(Conversation):
    """What the verbs work with. Nothing is connected before it is needed."""

    def __init__(
        self, common: Common, stdin: TextIO, stdout: TextIO, stderr: TextIO, environ: Mapping[str, str] = os.environ
    ) -> None:
        super().__init__(stdin, stdout, stderr)
        self.common = common
        self.environ = environ
        self.vault = Credentials()
        self._unlisted_accounts = False

    @cached_property
    def cluster(self) -> Cluster:
        return Cluster.connect(self.common.connection, user_agent=USER_AGENT, warn=self.say, log=self.say)

    @property
    def namespace(self) -> str:
        return self.common.connection.namespace or self.cluster.namespace

    @cached_property
    def changes(self) -> Changes:
        return Changes(self.cluster, self.common.manner, self.stdout)

    @cached_property
    def store(self) -> ClusterStore:
        return ClusterStore(self.cluster, self.vault)

    @cached_property
    def prover(self) -> Prover:
        from pullcore.proof import Prover

        wire = self.common.registries.wire(self.common.connection, USER_AGENT, self.environ, self.say)
        return Prover(wire, self.vault)

    @property
    def commands(self) -> Commands:
        """Words commands for pasting, which act where this one does."""
        return self.commands_in(self.namespace)

    def commands_in(self, namespace: str) -> Commands:
        return Commands(namespace, tuple(pasteable(replace(self.common.connection, namespace=None))))

    def everything(self, namespace: str = "", *, all_namespaces: bool = False) -> Evidence:
        """All that asks for images in the namespace, with its service accounts and pull secrets."""
        request = Request(namespace or self.namespace, all_namespaces=all_namespaces, everything=True)
        gathering = Gathering(request, self.store, (self.store,), complete=True)
        return gathering.evidence(datetime.now(timezone.utc))

    def consumers(
        self, seen: Evidence, namespace: str = "", *, all_namespaces: bool = False
    ) -> dict[tuple[str, str], list[Target]]:
        """Who lists which secret, service accounts that nothing uses among them."""
        where = None if all_namespaces else namespace or self.namespace
        try:
            accounts = list(self.store.select(KINDS["ServiceAccount"], where))
        except ApiError:
            self._unlisted_accounts = True
            accounts = [one for one in seen.service_accounts.values() if one]
        return consumers([*accounts, *seen.objects, *seen.pods])

    def unseen(self, seen: Evidence) -> list[str]:
        """What can name a pull secret and could not be listed, after `consumers`: who uses one is not known then."""
        plurals = [KINDS[kind].plural for kind in KINDS_THAT_LIST]
        found = [plural for plural in plurals if any(one.what.startswith(f"{plural} in ") for one in seen.not_checked)]
        if "domains" in found and not self._has_domains:
            found.remove("domains")
        return [*(["serviceaccounts"] if self._unlisted_accounts else []), *found]

    @cached_property
    def _has_domains(self) -> bool:
        """Whether the cluster knows Domains: a server refuses who may not list them before it says that there are none."""
        try:
            self.cluster.get(f"/apis/{KINDS['Domain'].group}")
        except NotFound:
            return False
        except ApiError:  # who may not ask learns nothing
            return True
        return True

    def get(self, kind: str, name: str, namespace: Optional[str] = None) -> Optional[Object]:
        """The whole object, or None."""
        return self.store.whole(KINDS[kind], namespace or self.namespace, name)

    def named(self, kind: str, name: str) -> Object:
        """The whole object. Raises CommandError where it is not there."""
        value = self.get(kind, name)
        if value is None:
            raise CommandError(f'{KINDS[kind].plural} "{one_line(name, 100)}" not found in namespace {self.namespace}')
        return value

    # Talking

    def tell_not_checked(self, seen: Evidence) -> None:
        """Says what could not be read: in one line what the user may not list."""
        refused = [one for one in seen.not_checked if "(Forbidden)" in one.why]
        if len(refused) > 1:
            self.say(f"Not checked, for you may not list them: {', '.join(one_line(one.what, 100) for one in refused)}")
        for one in seen.not_checked:
            if len(refused) <= 1 or one not in refused:
                self.say(f"Not checked: {one_line(one.what, 100)}: {one_line(one.why, 300)}")

    def warn_of_keeper(self, value: Object, name: str) -> None:
        """Warns where something else puts an object back as it wants it."""
        keeper = keeper_of(value)
        if keeper:
            self.say(f"Warning: {keeper} keeps {name}, and may write over it: change it there, too")

    def confirm(self, what: str, *, yes: bool = False) -> None:
        """The same; a dry run changes nothing that one could be asked about."""
        super().confirm(what, yes=yes or self.common.yes or self.common.manner.dry_run != "none")
