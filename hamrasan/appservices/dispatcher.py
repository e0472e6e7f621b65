"""All application services that want to be told something, each with a delivery of its own."""

from __future__ import annotations

import asyncio

from hamrasan.accounts.presence import Presence, PresenceState
from hamrasan.appservices.delivery import Delivery, DeliveryParts
from hamrasan.policy.application_services import ApplicationService, ApplicationServices
from hamrasan.rooms.typing import Typing
from hamrasan.runtime.tasks import TaskSupervisor
from hamrasan.storage.ports.application_services import ServiceTransactionsAdded
from hamrasan.storage.ports.devices import DeviceChanged
from hamrasan.storage.ports.encryption import KeyCountsChanged, ToDeviceSent
from hamrasan.storage.ports.invitations import InvitationChanged
from hamrasan.storage.ports.journal import Journal
from hamrasan.storage.ports.rooms import AliasesChanged
from hamrasan.storage.ports.user_data import ReceiptChanged


class Dispatcher:
    """Begins and ends deliveries as services come and go, and hands them what happens."""

    def __init__(
        self,
        services: ApplicationServices,
        parts: DeliveryParts,
        tasks: TaskSupervisor,
        journal: Journal,
        typing: Typing,
        presence: Presence,
    ) -> None:
        self._services = services
        self._parts = parts
        self._tasks = tasks
        self._deliveries: dict[str, Delivery] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._updating = asyncio.Lock()
        journal.listen(ServiceTransactionsAdded, self._added)
        journal.listen(AliasesChanged, self._aliases_changed)
        journal.listen(InvitationChanged, self._invitation_changed)
        for kind in (ReceiptChanged, DeviceChanged, ToDeviceSent, KeyCountsChanged):
            journal.listen(kind, self._committed)
        typing.on_change(self._typing_changed)
        presence.on_change(self._presence_changed)

    async def update(self) -> None:
        """Begin to tell services that are new, and no longer tell those that are gone or registered otherwise."""
        async with self._updating:
            await self._update()

    async def _update(self) -> None:
        wanted = {service.id: service for service in self._services.all if service.url is not None}
        ended = [id for id, delivery in self._deliveries.items() if wanted.get(id) != delivery.service]
        for id in ended:
            del self._deliveries[id]
            task = self._running.pop(id)
            task.cancel()
            await asyncio.wait([task])
        for id, service in wanted.items():
            if id not in self._deliveries:
                self._begin(service)

    def retry_now(self, service_id: str) -> None:
        """The service is there: send what waits for it without waiting for the next try."""
        delivery = self._deliveries.get(service_id)
        if delivery is not None:
            delivery.retry_now()

    def _begin(self, service: ApplicationService) -> None:
        delivery = self._deliveries[service.id] = Delivery(service, self._parts)
        self._running[service.id] = self._tasks.keep_running("application service", delivery.run)

    def _committed(self, item: object) -> None:
        for delivery in self._deliveries.values():
            delivery.committed(item)

    def _added(self, item: ServiceTransactionsAdded) -> None:
        if (delivery := self._deliveries.get(item.service)) is not None:
            delivery.added(item)

    def _aliases_changed(self, item: AliasesChanged) -> None:
        for delivery in self._deliveries.values():
            delivery.aliases_changed(item.room_id)

    def _invitation_changed(self, item: InvitationChanged) -> None:
        for delivery in self._deliveries.values():
            delivery.invitation_changed(item.row)

    def _typing_changed(self, room_id: str, _serial: int) -> None:
        for delivery in self._deliveries.values():
            delivery.typing_changed(room_id)

    def _presence_changed(self, state: PresenceState) -> None:
        for delivery in self._deliveries.values():
            delivery.presence_changed(state.user_id)
