"""Which server a request comes from (server-server API, "Request Authentication")."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from hamrasan.federation.back_off import BackOff
from hamrasan.federation.key_ring import KeyRing
from hamrasan.federation.server_names import AllowedServers
from hamrasan.protocol.errors import forbidden
from hamrasan.protocol.signing import SignatureError, verify_signature
from hamrasan.protocol.x_matrix import parse_x_matrix, read_content, request_to_sign, unauthorized
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.log import get_logger

THREAD_BYTES = 256 * 1024
"""Longer bodies are read and checked in a thread; this much takes a millisecond or two."""

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RemoteServer:
    """The server that a request comes from, and the JSON value of the body that it signed; None without a body."""

    origin: str
    content: Any


class RequestCheck:
    """Checks who signed a request."""

    def __init__(
        self, server_name: str, key_ring: KeyRing, back_off: BackOff, allowed: AllowedServers, clock: Clock
    ) -> None:
        self._server_name = server_name
        self._key_ring = key_ring
        self._back_off = back_off
        self._allowed = allowed
        self._clock = clock

    async def check(self, method: str, uri: str, authorization: str | None, body: bytes) -> RemoteServer:
        """Return the server that signed the request, with a key that is valid now.

        Raises `M_UNAUTHORIZED` (401) if none did or it was not meant for this server, `M_FORBIDDEN` for a server that
        the operator has excluded, `M_NOT_JSON` and `M_BAD_JSON` for a body that cannot be read.
        """
        if authorization is None:
            raise unauthorized("Requests between servers need the header 'Authorization: X-Matrix ...'.")
        said = parse_x_matrix(authorization)
        if said.destination is not None and said.destination != self._server_name:
            raise unauthorized(f"This request is for another server; this is {self._server_name}.")
        if said.origin == self._server_name:
            raise unauthorized("This server makes no requests to itself.")
        if said.origin not in self._allowed:
            _log.info("a server that is excluded was refused", server=said.origin)
            raise forbidden(f"This server does not federate with {said.origin}.")
        keys = await self._key_ring.keys(said.origin, (said.key_id,), self._clock.now_ms())
        public_key = keys.get(said.key_id)
        if public_key is None:
            raise SignatureError(f"No key {said.key_id} of {said.origin} is known that is valid now.")

        def verify() -> Any:
            # The body is not looked into for anybody without a key.
            content, canonical = read_content(body) if body else (None, None)
            signed = request_to_sign(method, uri, said.origin, self._server_name, canonical)
            verify_signature(signed, said.signature, said.origin, said.key_id, public_key)
            return content

        content = verify() if len(body) < THREAD_BYTES else await asyncio.to_thread(verify)
        self._back_off.note_alive(said.origin)
        return RemoteServer(said.origin, content)
