"""A data folder on SQLite, opened: the journal and one reader for each noun."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from hamrasan.storage.ports.journal import Journal
from hamrasan.storage.sqlite import (
    accounts,
    application_services,
    cross_signing,
    cursors,
    dehydrated_devices,
    delayed_events,
    devices,
    encryption,
    exchange,
    federated_rooms,
    federation,
    invitations,
    journal,
    key_backups,
    media,
    oauth,
    push,
    remote_keys,
    retention,
    rooms,
    server,
    server_notices,
    sliding,
    thread_subscriptions,
    tokens,
    two_step,
    upstream,
    user_data,
)
from hamrasan.storage.sqlite.accounts import SqliteAccounts
from hamrasan.storage.sqlite.application_services import SqliteApplicationServices
from hamrasan.storage.sqlite.cross_signing import SqliteCrossSigning
from hamrasan.storage.sqlite.cursors import SqliteCursors
from hamrasan.storage.sqlite.database import Database, connect, migrate, missing_migrations
from hamrasan.storage.sqlite.dehydrated_devices import SqliteDehydratedDevices
from hamrasan.storage.sqlite.delayed_events import SqliteDelayedEvents
from hamrasan.storage.sqlite.devices import SqliteDevices
from hamrasan.storage.sqlite.encryption import SqliteEncryption
from hamrasan.storage.sqlite.exchange import SqliteExchange
from hamrasan.storage.sqlite.federated_rooms import SqliteFederatedRooms
from hamrasan.storage.sqlite.federation import SqliteFederation
from hamrasan.storage.sqlite.invitations import SqliteInvitations
from hamrasan.storage.sqlite.journal import OnCommit, SqliteJournal, Statements, nobody_counts
from hamrasan.storage.sqlite.key_backups import SqliteKeyBackups
from hamrasan.storage.sqlite.media import SqliteMedia
from hamrasan.storage.sqlite.oauth import SqliteOAuth
from hamrasan.storage.sqlite.outside_journal import OutsideJournal
from hamrasan.storage.sqlite.push import SqlitePush
from hamrasan.storage.sqlite.recent_events import RecentEvents
from hamrasan.storage.sqlite.relations import SqliteRelations
from hamrasan.storage.sqlite.remote_keys import SqliteRemoteKeys
from hamrasan.storage.sqlite.retention import SqliteRetention
from hamrasan.storage.sqlite.room_index import SqliteRoomIndex
from hamrasan.storage.sqlite.rooms import SqliteEvents, SqliteRooms, SqliteState
from hamrasan.storage.sqlite.search_index import SqliteSearchIndex
from hamrasan.storage.sqlite.server import SqliteServer
from hamrasan.storage.sqlite.server_notices import SqliteServerNotices
from hamrasan.storage.sqlite.serving import SqliteServing
from hamrasan.storage.sqlite.sharing import SqliteSharing
from hamrasan.storage.sqlite.sliding import SqliteSlidingConnections
from hamrasan.storage.sqlite.thread_subscriptions import SqliteThreadSubscriptions
from hamrasan.storage.sqlite.tokens import SqliteTokens
from hamrasan.storage.sqlite.two_step import SqliteTwoStep
from hamrasan.storage.sqlite.upstream import SqliteUpstream
from hamrasan.storage.sqlite.user_data import SqliteAccountData, SqliteFilters, SqliteProfiles, SqliteReceipts

STATEMENTS: Statements = {
    **accounts.STATEMENTS,
    **application_services.STATEMENTS,
    **cursors.STATEMENTS,
    **cross_signing.STATEMENTS,
    **dehydrated_devices.STATEMENTS,
    **delayed_events.STATEMENTS,
    **devices.STATEMENTS,
    **encryption.STATEMENTS,
    **exchange.STATEMENTS,
    **federation.STATEMENTS,
    **federated_rooms.STATEMENTS,
    **invitations.STATEMENTS,
    **journal.STATEMENTS,
    **key_backups.STATEMENTS,
    **media.STATEMENTS,
    **push.STATEMENTS,
    **oauth.STATEMENTS,
    **remote_keys.STATEMENTS,
    **retention.STATEMENTS,
    **rooms.STATEMENTS,
    **server.STATEMENTS,
    **server_notices.STATEMENTS,
    **sliding.STATEMENTS,
    **thread_subscriptions.STATEMENTS,
    **tokens.STATEMENTS,
    **two_step.STATEMENTS,
    **upstream.STATEMENTS,
    **user_data.STATEMENTS,
}

APPENDS = rooms.APPENDS | encryption.APPENDS | exchange.APPENDS | federated_rooms.APPENDS
AFTER_APPENDS = (
    rooms.AFTER_APPENDS
    | devices.AFTER_APPENDS
    | encryption.AFTER_APPENDS
    | exchange.AFTER_APPENDS
    | federated_rooms.AFTER_APPENDS
)

DATABASE_FILE = "hamrasan.db"
LOCK_FILE = "hamrasan.lock"
FOLDER_MODE = 0o700
"""Of a folder that is made: it holds password hashes and what people wrote."""


class StoreInUse(Exception):
    """Another server process works on this data folder."""


class StoreMissing(Exception):
    """No server has ever worked on this data folder."""


class StoreOutdated(Exception):
    """A server of an older version runs on this data folder, which therefore cannot be brought up to date now."""


class ClosableJournal(Journal, Protocol):
    """A journal with its end."""

    async def close(self) -> None:
        """Commit what waits, then stop."""


@dataclass(slots=True)
class Store:
    """The open store of one server."""

    journal: ClosableJournal
    server: SqliteServer
    events: SqliteEvents
    state: SqliteState
    rooms: SqliteRooms
    federated_rooms: SqliteFederatedRooms
    invitations: SqliteInvitations
    room_index: SqliteRoomIndex
    sliding_connections: SqliteSlidingConnections
    relations: SqliteRelations
    serving: SqliteServing
    sharing: SqliteSharing
    accounts: SqliteAccounts
    application_services: SqliteApplicationServices
    tokens: SqliteTokens
    oauth: SqliteOAuth
    two_step: SqliteTwoStep
    upstream: SqliteUpstream
    devices: SqliteDevices
    encryption: SqliteEncryption
    exchange: SqliteExchange
    cross_signing: SqliteCrossSigning
    remote_keys: SqliteRemoteKeys
    dehydrated_devices: SqliteDehydratedDevices
    key_backups: SqliteKeyBackups
    media: SqliteMedia
    account_data: SqliteAccountData
    profiles: SqliteProfiles
    receipts: SqliteReceipts
    thread_subscriptions: SqliteThreadSubscriptions
    filters: SqliteFilters
    push: SqlitePush
    cursors: SqliteCursors
    delayed_events: SqliteDelayedEvents
    federation: SqliteFederation
    retention: SqliteRetention
    server_notices: SqliteServerNotices
    search: SqliteSearchIndex
    """Opened by the first who asks."""
    database: Database
    _lock: IO[bytes] | None

    async def close(self) -> None:
        """Commit what waits and close every file."""
        await self.journal.close()
        self.search.close()
        self.database.close()
        if self._lock is not None:
            self._lock.close()


def open_store(data_dir: Path, on_commit: OnCommit = nobody_counts) -> Store:
    """Open (or create) the store in `data_dir`; must be called on the event loop's thread.

    `on_commit` hears of each commit of the journal. Raises `StoreInUse` when another server has it open, since two
    writers would give the same position twice; `StoreNewer`; `OSError`; `sqlite3.Error` for a file that is damaged.
    """
    data_dir.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    lock = _lock(data_dir)
    if lock is None:
        raise StoreInUse(f"Another server is running on the data folder {data_dir}.")
    try:
        writer = connect(data_dir / DATABASE_FILE)
        migrate(writer)
        database = Database(data_dir / DATABASE_FILE)
        recent = RecentEvents(database)
        journal = SqliteJournal(writer, STATEMENTS, APPENDS, AFTER_APPENDS, recent, on_commit)
        return _assemble(journal, database, recent, lock)
    except BaseException:
        lock.close()
        raise


def open_beside(data_dir: Path) -> Store:
    """Open the store for a process that is no server, whether or not a server runs on it.

    Its journal takes no batch with positions. Raises `StoreMissing`, `StoreOutdated`, `StoreNewer`, `OSError`,
    `sqlite3.Error`.
    """
    if not (data_dir / DATABASE_FILE).is_file():
        raise StoreMissing(f"There is no data of a server in {data_dir}.")
    writer = connect(data_dir / DATABASE_FILE)
    lock = _lock(data_dir)
    try:
        if lock is not None:
            migrate(writer)
        elif missing_migrations(writer):
            raise StoreOutdated(f"A server of an older version is running on {data_dir}.")
    except BaseException:
        writer.close()
        raise
    finally:
        if lock is not None:
            lock.close()  # a server may start at any time
    database = Database(data_dir / DATABASE_FILE)
    return _assemble(OutsideJournal(writer, STATEMENTS), database, RecentEvents(database), None)


@contextmanager
def undisturbed(data_dir: Path) -> Iterator[None]:
    """Keep servers off a data folder for as long as something in it is changed. Raises `StoreInUse`, `StoreMissing`."""
    if not (data_dir / DATABASE_FILE).is_file():
        raise StoreMissing(f"There is no data of a server in {data_dir}.")
    lock = _lock(data_dir)
    if lock is None:
        raise StoreInUse(f"A server is running on the data folder {data_dir}.")
    with lock:
        yield


def _lock(data_dir: Path) -> IO[bytes] | None:
    """Return the lock that a server holds while it runs; None if one does."""
    lock = (data_dir / LOCK_FILE).open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


def _assemble(
    journal: ClosableJournal, database: Database, recent: RecentEvents, lock: IO[bytes] | None
) -> Store:
    outside = SqliteInvitations(database)
    return Store(
        journal=journal,
        server=SqliteServer(database),
        events=SqliteEvents(database, recent),
        state=SqliteState(database),
        federated_rooms=SqliteFederatedRooms(database, recent),
        rooms=SqliteRooms(database, outside),
        invitations=outside,
        room_index=SqliteRoomIndex(database, recent),
        sliding_connections=SqliteSlidingConnections(database),
        relations=SqliteRelations(database),
        serving=SqliteServing(database),
        sharing=SqliteSharing(database),
        accounts=SqliteAccounts(database),
        application_services=SqliteApplicationServices(database),
        tokens=SqliteTokens(database),
        oauth=SqliteOAuth(database),
        two_step=SqliteTwoStep(database),
        upstream=SqliteUpstream(database),
        devices=SqliteDevices(database),
        encryption=SqliteEncryption(database),
        exchange=SqliteExchange(database),
        cross_signing=SqliteCrossSigning(database),
        remote_keys=SqliteRemoteKeys(database),
        dehydrated_devices=SqliteDehydratedDevices(database),
        key_backups=SqliteKeyBackups(database),
        media=SqliteMedia(database),
        account_data=SqliteAccountData(database),
        profiles=SqliteProfiles(database),
        receipts=SqliteReceipts(database),
        thread_subscriptions=SqliteThreadSubscriptions(database),
        filters=SqliteFilters(database),
        push=SqlitePush(database),
        cursors=SqliteCursors(database),
        delayed_events=SqliteDelayedEvents(database),
        federation=SqliteFederation(database),
        retention=SqliteRetention(database),
        server_notices=SqliteServerNotices(database),
        search=SqliteSearchIndex(database.path),
        database=database,
        _lock=lock,
    )
