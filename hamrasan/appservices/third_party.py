"""What application services tell of the networks that they bridge to ("Third-party networks")."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from hamrasan.appservices.client import ServiceClient
from hamrasan.policy.application_services import ApplicationService, ApplicationServices
from hamrasan.protocol.canonical_json import parse_json
from hamrasan.protocol.errors import MatrixError, not_found
from hamrasan.rooms.network_directories import instance_id
from hamrasan.runtime.outbound import OutboundFailed

TIMEOUT_S = 5.0
"""How long a service may take: who opens the room directory waits for the slowest of them."""
MAX_FOUND = 500
"""Users or locations in one answer."""

_PATH = "/_matrix/app/v1/thirdparty"
_LEGACY = "/_matrix/app/unstable/thirdparty"
_BASE = {"user_fields": list, "location_fields": list, "icon": str, "field_types": dict}
"""What the description of a protocol has to have, and of which type."""


class ThirdPartyNetworks:
    """Asks the services of a network, all at once; one that fails is passed over."""

    def __init__(self, services: ApplicationServices, client: ServiceClient) -> None:
        self._services = services
        self._client = client

    async def protocols(self) -> dict[str, Any]:
        """Return the description of every protocol of which a service tells one."""
        names = sorted({name for service in self._services.all for name in service.protocols})
        found = await asyncio.gather(*(self._protocol(name) for name in names))
        return {name: protocol for name, protocol in zip(names, found, strict=True) if protocol is not None}

    async def protocol(self, name: str) -> dict[str, Any]:
        """Return the description of a protocol; raises `M_NOT_FOUND`."""
        protocol = await self._protocol(name)
        if protocol is None:
            raise not_found(f"This server does not bridge to '{name}'.")
        return protocol

    async def users(self, protocol: str, fields: Mapping[str, str]) -> list[dict[str, Any]]:
        """Return the users that stand for some of a network; raises `M_NOT_FOUND` for a network that is not bridged."""
        return await self._of_protocol("user", protocol, fields, _is_user)

    async def locations(self, protocol: str, fields: Mapping[str, str]) -> list[dict[str, Any]]:
        """Return the rooms that lead to places of a network; raises as `users`."""
        return await self._of_protocol("location", protocol, fields, _is_location)

    async def user(self, user_id: str) -> list[dict[str, Any]]:
        """Return whom in other networks a user stands for."""
        services = [s for s in self._services.all if s.has_user(user_id)]
        return await self._all_of(services, f"/user?{urlencode({'userid': user_id})}", _is_user)

    async def location(self, alias: str) -> list[dict[str, Any]]:
        """Return the places in other networks that an alias leads to."""
        services = [s for s in self._services.all if s.has_alias(alias)]
        return await self._all_of(services, f"/location?{urlencode({'alias': alias})}", _is_location)

    async def _protocol(self, name: str) -> dict[str, Any] | None:
        """Return what services tell of a protocol as one: the first one's description, everybody's instances."""
        services = self._bridging(name)
        answers = await self._ask(services, f"/protocol/{quote(name, safe='')}")
        told = [
            (service, answer)
            for service, answer in zip(services, answers, strict=True)
            if isinstance(answer, dict)
            and all(isinstance(answer.get(key), kind) for key, kind in _BASE.items())
        ]
        if not told:
            return None
        instances = [instance for service, answer in told for instance in _instances(service, answer)]
        return {**told[0][1], "instances": instances}

    async def _of_protocol(
        self, kind: str, protocol: str, fields: Mapping[str, str], fits: Callable[[Any], bool]
    ) -> list[dict[str, Any]]:
        services = self._bridging(protocol)
        if not services:
            raise not_found(f"This server does not bridge to '{protocol}'.")
        query = f"?{urlencode(fields)}" if fields else ""
        return await self._all_of(services, f"/{kind}/{quote(protocol, safe='')}{query}", fits)

    async def _all_of(
        self, services: Sequence[ApplicationService], path: str, fits: Callable[[Any], bool]
    ) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for answer in await self._ask(services, path):
            items: Iterable[Any] = answer if isinstance(answer, list) else ()
            found += [item for item in items if fits(item)]
        return found[:MAX_FOUND]

    def _bridging(self, protocol: str) -> list[ApplicationService]:
        return [service for service in self._services.all if protocol in service.protocols]

    async def _ask(self, services: Sequence[ApplicationService], path: str) -> list[Any]:
        return await asyncio.gather(*(self._ask_one(service, path) for service in services))

    async def _ask_one(self, service: ApplicationService, path: str) -> Any:
        """Return a service's answer as JSON; None if it gives none."""
        if service.url is None:
            return None
        try:
            answer = await self._client.question(
                service, _PATH + path, timeout_s=TIMEOUT_S, legacy=_LEGACY + path
            )
            return parse_json(answer.body) if answer.status == 200 else None
        except (OutboundFailed, MatrixError):
            return None


def _instances(service: ApplicationService, protocol: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a service's instances of a protocol, each with an id that no other service's has."""
    told = protocol.get("instances")
    return [
        {**instance, "instance_id": instance_id(service.id, instance["network_id"])}
        for instance in (told if isinstance(told, list) else ())
        if isinstance(instance, dict)
        and isinstance(instance.get("network_id"), str)
        and isinstance(instance.get("desc"), str)
        and isinstance(instance.get("fields"), dict)
    ]


def _is_user(item: Any) -> bool:
    return _has(item, "userid")


def _is_location(item: Any) -> bool:
    return _has(item, "alias")


def _has(item: Any, name: str) -> bool:
    return (
        isinstance(item, dict)
        and isinstance(item.get(name), str)
        and isinstance(item.get("protocol"), str)
        and isinstance(item.get("fields"), dict)
    )
