"""Pushers: where a user's devices want to be told of events (client-server API, "Push Notifications")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from hamrasan.protocol.base64 import decode_base64
from hamrasan.protocol.canonical_json import encode_json, parse_json
from hamrasan.protocol.errors import invalid_param, missing_param, too_large
from hamrasan.push.addresses import check_gateway, check_push_resource
from hamrasan.push.digests import EMAIL_APP, check_address
from hamrasan.push.web_push import AUTH_BYTES, is_point
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.keyed_locks import KeyedLocks
from hamrasan.runtime.outbound import Outbound
from hamrasan.storage.ports.devices import DeviceDeleted
from hamrasan.storage.ports.journal import Batch, Journal
from hamrasan.storage.ports.push import (
    EMAIL,
    HTTP,
    WEB_PUSH,
    DeletePusher,
    DeletePushersOfOthers,
    DeletePushersOfUser,
    PusherId,
    PusherRow,
    PushersChanged,
    PushReader,
)

MAX_PUSHKEY_BYTES = 512
"""As the specification says."""
MAX_APP_ID_CHARS = 64
"""As the specification says."""
MAX_TEXT_CHARS = 255
"""Names of applications, devices and languages, and tags of profiles: longer than any."""
MAX_DATA_BYTES = 8 * 1024
"""What a client passes on to its gateway: it is sent along with every push."""
MAX_PUSHERS = 50
"""Pushers of one user: each event is sent to each of them."""


_NEEDED_DATA: Mapping[str, tuple[str, ...]] = {HTTP: ("url",), WEB_PUSH: ("url", "auth"), EMAIL: ()}


class Opening(Protocol):
    """What a new pusher has to go through before it is used."""

    def check(self, row: PusherRow) -> None:
        """Raise a `MatrixError` if it cannot begin now."""

    def begin(self, row: PusherRow) -> None:
        """Ask the other end, in the background."""


@dataclass(frozen=True, slots=True)
class WantedPusher:
    """What a client asks for; None where it said nothing."""

    kind: str
    app_display_name: str | None
    device_display_name: str | None
    profile_tag: str | None
    lang: str | None
    data: Mapping[str, Any] | None


class Pushers:
    """Sets and deletes pushers, and knows in memory who has any."""

    def __init__(
        self,
        journal: Journal,
        reader: PushReader,
        outbound: Outbound,
        openings: Mapping[str, Opening],
        clock: Clock,
    ) -> None:
        """`openings` are those of the kinds other than `http` that there are; pushers of these have to be activated."""
        self._journal = journal
        self._reader = reader
        self._outbound = outbound
        self._openings = openings
        self._clock = clock
        self._locks = KeyedLocks()
        self._users: set[str] = set()
        self._unsure: set[str] = set()
        """Users whose pushers changed since somebody looked."""
        journal.listen(PushersChanged, self._changed)
        journal.listen(DeviceDeleted, self._device_deleted)

    async def load(self) -> None:
        """Learn who has pushers."""
        self._users.update(await self._reader.users_with_pushers())

    async def of_user(self, user_id: str) -> list[PusherRow]:
        """Return the user's pushers, in the order of their ids."""
        return await self._reader.pushers(user_id)

    async def put(self, pusher: PusherId, device_id: str, wanted: WantedPusher, *, append: bool) -> bool:
        """Create a pusher, or change the one that has this id; it belongs to the device that set it last.

        Without `append`, pushers of others for the same application and device go: it has changed hands. Return whether
        it is used already: one for Web Push is sent a token first, which has to come back. Raises `M_MISSING_PARAM`,
        `M_INVALID_PARAM` and `M_TOO_LARGE`.
        """
        _check_id(pusher)
        row = self._row(pusher, device_id, wanted)
        async with self._locks(pusher.user_id):
            existing = await self._reader.pushers(pusher.user_id)
            if len(existing) >= MAX_PUSHERS and all(each.id != pusher for each in existing):
                raise invalid_param(f"A user can have at most {MAX_PUSHERS} pushers.")
            former = next((each for each in existing if each.id == pusher), None)
            if row.kind != HTTP:
                active = former is not None and former.activated and _goes_to_the_same(former, row)
                row = row._replace(activated=active)
                if not active:
                    self._openings[row.kind].check(row)
            batch = Batch([row], feed=[PushersChanged(pusher.user_id)])
            # Anybody can name somebody's address, while a push key is known to the device alone.
            if not append and row.kind != EMAIL:
                others = await self._reader.others_with(pusher.app_id, pusher.pushkey, pusher.user_id)
                batch.writes.append(DeletePushersOfOthers(pusher.app_id, pusher.pushkey, pusher.user_id))
                batch.feed += [PushersChanged(other) for other in others]
            await self._journal.submit(batch)
        if not row.activated:
            self._openings[row.kind].begin(row)
        return row.activated

    async def delete(self, pusher: PusherId) -> None:
        """Delete a pusher; one that does not exist is gone already."""
        async with self._locks(pusher.user_id):
            if await self._reader.pusher(pusher) is not None:
                feed: list[object] = [PushersChanged(pusher.user_id)]
                await self._journal.submit(Batch([DeletePusher(*pusher)], feed=feed))

    async def forget(self, user_id: str) -> None:
        """Delete all pushers of a user whose account has ended, with what waits for them."""
        async with self._locks(user_id):
            await self._journal.submit(Batch([DeletePushersOfUser(user_id)], feed=[PushersChanged(user_id)]))

    # Who has any.

    @property
    def users(self) -> frozenset[str] | set[str]:
        """Everybody who has a pusher, and perhaps some who just deleted their last one. Not to be changed."""
        return self._users

    async def next_change(self) -> tuple[str, bool] | None:
        """Return somebody who may have begun or ceased to have pushers, and what is so now; None if there is nobody."""
        if not self._unsure:
            return None
        user_id = self._unsure.pop()
        has_pushers = bool(await self._reader.pushers(user_id))
        (self._users.add if has_pushers else self._users.discard)(user_id)
        return user_id, has_pushers

    def _changed(self, item: PushersChanged) -> None:
        self._users.add(item.user_id)
        self._unsure.add(item.user_id)

    def _device_deleted(self, item: DeviceDeleted) -> None:
        if item.user_id in self._users:
            self._unsure.add(item.user_id)

    def _row(self, pusher: PusherId, device_id: str, wanted: WantedPusher) -> PusherRow:
        kinds = (HTTP, *self._openings)
        if wanted.kind not in kinds:
            raise invalid_param(
                f"There is no kind of pusher '{wanted.kind}' here; there are {', '.join(kinds)}."
            )
        if wanted.kind == EMAIL:
            check_address(pusher.pushkey)
            if pusher.app_id != EMAIL_APP:
                raise invalid_param(f"The 'app_id' of a pusher for e-mail must be {EMAIL_APP}.")
        if wanted.kind == WEB_PUSH and not is_point(_bytes_of(pusher.pushkey, "pushkey")):
            raise invalid_param("'pushkey' must be the device's public key on P-256, in Base64.")
        return PusherRow(
            *pusher,
            kind=wanted.kind,
            app_display_name=_text(wanted.app_display_name, "app_display_name"),
            device_display_name=_text(wanted.device_display_name, "device_display_name"),
            profile_tag=None if wanted.profile_tag is None else _text(wanted.profile_tag, "profile_tag"),
            lang=_text(wanted.lang, "lang"),
            data=self._check_data(wanted),
            device_id=device_id,
            pushkey_ts=self._clock.now_ms(),
            activated=True,
            sent_upto=self._journal.durable,
            badge=0,
        )

    def _check_data(self, wanted: WantedPusher) -> bytes:
        """Return a pusher's `data` as JSON, if it is what its kind asks for."""
        if wanted.data is None:
            raise missing_param("data")
        for name in _NEEDED_DATA[wanted.kind]:
            if name not in wanted.data:
                raise missing_param(f"data.{name}")
        if wanted.kind == WEB_PUSH:
            check_push_resource(wanted.data["url"], self._outbound)
            if len(_bytes_of(wanted.data["auth"], "data.auth")) != AUTH_BYTES:
                raise invalid_param(f"'data.auth' must be {AUTH_BYTES} bytes in Base64.")
        elif wanted.kind == HTTP:
            check_gateway(wanted.data["url"], self._outbound)
        if not isinstance(wanted.data.get("format", ""), str):
            raise invalid_param("'data.format' must be a string.")
        data = encode_json(wanted.data)
        if len(data) > MAX_DATA_BYTES:
            raise too_large(f"The data of a pusher may have at most {MAX_DATA_BYTES} bytes.")
        return data


def url_of(row: PusherRow) -> str:
    """Return where a pusher's pushes go."""
    url: str = parse_json(row.data)["url"]
    return url


def public_form(row: PusherRow) -> dict[str, Any]:
    """Return a pusher as its user sees it (`GET /pushers`)."""
    form = {
        "pushkey": row.pushkey,
        "kind": row.kind,
        "app_id": row.app_id,
        "app_display_name": row.app_display_name,
        "device_display_name": row.device_display_name,
        "lang": row.lang,
        "data": parse_json(row.data),
    }
    if row.profile_tag is not None:
        form["profile_tag"] = row.profile_tag
    if row.kind != HTTP:
        form["activated"] = row.activated
    return form


def _goes_to_the_same(former: PusherRow, row: PusherRow) -> bool:
    """Return whether a pusher that is set again still leads to the same device or address."""
    before, now = parse_json(former.data), parse_json(row.data)
    return former.kind == row.kind and all(before.get(name) == now.get(name) for name in ("url", "auth"))


def _bytes_of(value: object, name: str) -> bytes:
    if not isinstance(value, str):
        raise invalid_param(f"'{name}' must be a string.")
    return decode_base64(value)


def _check_id(pusher: PusherId) -> None:
    if not 0 < len(pusher.pushkey.encode()) <= MAX_PUSHKEY_BYTES:
        raise invalid_param(f"'pushkey' must have 1 to {MAX_PUSHKEY_BYTES} bytes.")
    if not 0 < len(pusher.app_id) <= MAX_APP_ID_CHARS:
        raise invalid_param(f"'app_id' must have 1 to {MAX_APP_ID_CHARS} characters.")


def _text(value: str | None, name: str) -> str:
    if value is None:
        raise missing_param(name)
    if len(value) > MAX_TEXT_CHARS:
        raise invalid_param(f"'{name}' must have at most {MAX_TEXT_CHARS} characters.")
    return value
