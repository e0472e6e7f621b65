"""The parts of the search, put together."""

from __future__ import annotations

from hamrasan.http.services import Ground, PersonalServices, RoomServices, SearchServices
from hamrasan.rooms.followers import EventFeed
from hamrasan.search.indexer import Indexer
from hamrasan.search.messages import MessageSearch
from hamrasan.search.people import PeopleSearch
from hamrasan.search.reach import ReachFinder
from hamrasan.storage.sqlite.store import Store


def build_search(
    store: Store, ground: Ground, feed: EventFeed, personal: PersonalServices, rooms: RoomServices
) -> SearchServices:
    """Put together what finds messages and people."""
    journal, clock = store.journal, ground.clock
    indexer = Indexer(
        store.search,
        feed,
        journal,
        store.events,
        store.relations,
        store.state,
        personal.profiles,
        clock,
        ground.settings.server_name,
    )
    rooms.retention.on_expired(indexer.forget)
    messages = MessageSearch(
        store.search,
        indexer,
        journal,
        store.events,
        rooms.access,
        rooms.erasure,
        personal.ignored,
        ReachFinder(store.search, journal, store.rooms, rooms.history, clock),
        clock,
    )
    return SearchServices(
        indexer=indexer, message_search=messages, people_search=PeopleSearch(store.search, indexer)
    )
