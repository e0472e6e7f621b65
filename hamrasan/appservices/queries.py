"""Asking application services for users and room aliases that nobody knows yet ("Querying").

A service that answers yes has made what was asked for before it answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from urllib.parse import quote

from hamrasan.appservices.client import ServiceClient
from hamrasan.policy.application_services import ApplicationService, ApplicationServices
from hamrasan.protocol.errors import MatrixError
from hamrasan.runtime.outbound import OutboundFailed
from hamrasan.runtime.tasks import ignore_failure

TIMEOUT_S = 10.0
"""How long a service may take for one try; somebody waits for it before a screen."""
TRIES = 2
MAX_ASKING = 64
"""Questions that are under way at the same time; whoever asks one more is told that there is nothing."""


class ServiceQueries:
    """Asks for users and aliases; who asks for the same at the same time shares the answer."""

    def __init__(self, services: ApplicationServices, client: ServiceClient) -> None:
        self._services = services
        self._client = client
        self._asking: dict[str, asyncio.Task[bool]] = {}

    async def make_user(self, user_id: str) -> bool:
        """Return whether a service says that the user exists now. Raises 408 if one that might know does not answer."""
        return await self._ask(user_id, "users", lambda service: service.has_user(user_id))

    async def make_alias(self, alias: str) -> bool:
        """Return whether a service says that the alias exists now. Raises as `make_user`."""
        return await self._ask(alias, "rooms", lambda service: service.has_alias(alias))

    async def _ask(
        self, identifier: str, kind: str, is_concerned: Callable[[ApplicationService], bool]
    ) -> bool:
        task = self._asking.get(identifier)
        if task is None:
            concerned = [s for s in self._services.all if s.url is not None and is_concerned(s)]
            if not concerned or len(self._asking) >= MAX_ASKING:
                return False
            task = asyncio.ensure_future(self._ask_all(concerned, f"/{kind}/{quote(identifier, safe='')}"))
            self._asking[identifier] = task
            task.add_done_callback(lambda _: self._asking.pop(identifier, None))
            task.add_done_callback(ignore_failure)  # those who asked may be gone
        return await asyncio.shield(task)

    async def _ask_all(self, services: list[ApplicationService], path: str) -> bool:
        silent: ApplicationService | None = None
        for service in services:
            known = await self._ask_one(service, path)
            if known:
                return True
            if known is None:
                silent = service
        if silent is None:
            return False
        raise MatrixError(
            408,
            "M_CONNECTION_TIMEOUT",
            f"The application service '{silent.id}' that may know of this does not answer.",
        )

    async def _ask_one(self, service: ApplicationService, path: str) -> bool | None:
        """Return whether a service knows what is asked for; None if it does not answer in time."""
        for _ in range(TRIES):
            try:
                answer = await self._client.question(
                    service, f"/_matrix/app/v1{path}", timeout_s=TIMEOUT_S, legacy=path
                )
            except OutboundFailed as error:
                if error.reason != "timeout":
                    return False
            else:
                return answer.status == 200
        return None
