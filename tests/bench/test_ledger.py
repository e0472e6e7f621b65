"""W3's book-keeping: a delivery is right only with the count that the specification demands."""

from bench.load.ledger import RoomLedger, Verdict


def test_counts_grow_for_all_but_the_sender() -> None:
    ledger = RoomLedger([0, 4, 7], own_send_reads=True)
    sequence = ledger.begin(sender=1)
    assert ledger.see(0, sequence, 1) is Verdict.RIGHT
    assert ledger.see(1, sequence, 0) is Verdict.RIGHT
    assert not ledger.complete
    assert ledger.see(2, sequence, 8) is Verdict.RIGHT
    assert ledger.complete


def test_sender_that_is_not_reset_is_wrong_unless_the_server_is_known_for_it() -> None:
    strict, lenient = RoomLedger([4, 0], own_send_reads=True), RoomLedger([4, 0], own_send_reads=False)
    assert strict.see(0, strict.begin(sender=0), 4) is Verdict.WRONG_COUNT
    assert lenient.see(0, lenient.begin(sender=0), 4) is Verdict.RIGHT


def test_missing_count_is_wrong_and_yet_a_delivery() -> None:
    ledger = RoomLedger([0], own_send_reads=True)
    assert ledger.see(0, ledger.begin(sender=0), None) is Verdict.WRONG_COUNT
    assert ledger.complete


def test_second_showing_and_an_old_message_are_repeats() -> None:
    ledger = RoomLedger([0, 0], own_send_reads=True)
    first = ledger.begin(sender=0)
    ledger.see(0, first, 0)
    assert ledger.see(0, first, 0) is Verdict.REPEATED
    ledger.begin(sender=1)
    assert ledger.see(1, first, 1) is Verdict.REPEATED
    assert ledger.missing == 2
