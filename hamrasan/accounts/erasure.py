"""What is written to erase the data of a user whose account ended (client-server API, "Deactivation")."""

from __future__ import annotations

from hamrasan.storage.ports.journal import Write
from hamrasan.storage.ports.thread_subscriptions import EraseThreadSubscriptions
from hamrasan.storage.ports.user_data import EraseAccountData, EraseFilters, EraseProfile, EraseReceipts


def writes_to_leave(user_id: str) -> list[Write]:
    """Return what takes a deactivated user's profile and private data away; receipts stay, others have seen them."""
    return [
        EraseAccountData(user_id),
        EraseProfile(user_id),
        EraseFilters(user_id),
        EraseThreadSubscriptions(user_id),
    ]


def writes_to_erase(user_id: str) -> list[Write]:
    """Return what takes all user data away, for a user who asked to be erased."""
    return [*writes_to_leave(user_id), EraseReceipts(user_id)]
