"""Finding out, for an application service, whether this server reaches it ("Pinging")."""

from __future__ import annotations

import orjson

from hamrasan.appservices.client import ServiceClient
from hamrasan.appservices.dispatcher import Dispatcher
from hamrasan.policy.application_services import ApplicationServices
from hamrasan.protocol.errors import MatrixError, forbidden
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.outbound import OutboundFailed

TIMEOUT_S = 20.0
"""How long a service may take: it only has to look at a token."""


class Ping:
    """Pings application services that ask for it."""

    def __init__(
        self, services: ApplicationServices, client: ServiceClient, dispatcher: Dispatcher, clock: Clock
    ) -> None:
        self._services = services
        self._client = client
        self._dispatcher = dispatcher
        self._clock = clock

    async def ping(self, service_id: str, asking: str, transaction_id: str | None) -> int:
        """Ping the service of this id, as `asking`, which must be the same one; return the milliseconds it took.

        Raises `M_FORBIDDEN` for another one, `M_URL_NOT_SET`, `M_BAD_STATUS` (502, with what it answered),
        `M_CONNECTION_FAILED` (502) and `M_CONNECTION_TIMEOUT` (504). What waits for a service that answers is sent now.
        """
        service = self._services.find(service_id)
        if service is None or service_id != asking:
            raise forbidden("The token is not that of the application service that is to be pinged.")
        if service.url is None:
            raise MatrixError(
                400, "M_URL_NOT_SET", "The registration of this application service has no URL."
            )
        body = orjson.dumps({} if transaction_id is None else {"transaction_id": transaction_id})
        began = self._clock.monotonic()
        try:
            answer = await self._client.ask(
                service, "POST", "/_matrix/app/v1/ping", timeout_s=TIMEOUT_S, body=body
            )
        except OutboundFailed as error:
            if error.reason == "timeout":
                raise MatrixError(
                    504, "M_CONNECTION_TIMEOUT", "The application service does not answer."
                ) from None
            message = f"The application service was not reached: {error}."
            raise MatrixError(502, "M_CONNECTION_FAILED", message) from None
        if answer.status != 200:
            told = {"status": answer.status, "body": answer.body.decode(errors="replace")}
            raise MatrixError(502, "M_BAD_STATUS", f"The application service answers {answer.status}.", told)
        self._dispatcher.retry_now(service_id)
        return round((self._clock.monotonic() - began) * 1000)
