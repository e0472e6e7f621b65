"""Rendezvous: how long it lasts, and how many there are."""

from __future__ import annotations

import pytest

from hamrasan.accounts import rendezvous as module
from hamrasan.accounts.rendezvous import LIFETIME_S, Rendezvous
from hamrasan.protocol.errors import MatrixError
from tests.worlds import ManualClock, SeededEntropy


def test_a_meeting_ends_however_often_something_is_written() -> None:
    clock = ManualClock()
    rendezvous = Rendezvous(clock, SeededEntropy())
    meeting = rendezvous.begin(b"")
    for _ in range(3):
        clock.advance(LIFETIME_S / 4)
        rendezvous.write(meeting.id, meeting.sequence_token, b"more")
    clock.advance(LIFETIME_S / 4)
    for deed in (rendezvous.find, rendezvous.end):
        with pytest.raises(MatrixError, match="M_NOT_FOUND"):
            deed(meeting.id)


def test_the_oldest_ends_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SESSIONS", 3)
    rendezvous = Rendezvous(ManualClock(), SeededEntropy())
    meetings = [rendezvous.begin(b"") for _ in range(4)]
    with pytest.raises(MatrixError, match="M_NOT_FOUND"):
        rendezvous.find(meetings[0].id)
    assert [rendezvous.find(meeting.id) for meeting in meetings[1:]] == meetings[1:]
