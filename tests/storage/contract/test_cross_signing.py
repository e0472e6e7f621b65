"""What every store must do with cross-signing keys and signatures."""

from __future__ import annotations

from pathlib import Path

from hamrasan.storage.ports.cross_signing import (
    CrossSigningKeyRow,
    DropCrossSigningKey,
    DropSignaturesBy,
    DropSignaturesOn,
    ForgetCrossSigning,
    KeySignatureRow,
    NoteSignatures,
    PutCrossSigningKey,
    PutKeySignature,
)
from hamrasan.storage.ports.devices import DeleteDevice, NewDevice
from hamrasan.storage.ports.encryption import PutDeviceKeys
from hamrasan.storage.ports.journal import Batch, Write
from hamrasan.storage.sqlite.store import Store
from tests.stores import on_store

ALICE, BOB = "@alice:example.org", "@bob:example.org"


async def put(store: Store, *writes: Write) -> None:
    await store.journal.submit(Batch(list(writes)))


def master(user_id: str, key_id: str) -> PutCrossSigningKey:
    return PutCrossSigningKey(user_id, "master", key_id, b"{}")


async def seen(store: Store, reader: str) -> set[tuple[str, str]]:
    """Return the signatures that a reader sees on keys of both: signer and signed key."""
    found = await store.cross_signing.signatures_on([ALICE, BOB], reader)
    return {(row.signer_key_id, row.key_id) for row in found}


def test_keys_are_kept_by_usage(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        reader = store.cross_signing
        await put(store, master(ALICE, "M1"), PutCrossSigningKey(ALICE, "self_signing", "S", b"{}"))
        await put(store, master(BOB, "B"), PutCrossSigningKey(ALICE, "master", "M2", b'{"x":1}'))
        assert CrossSigningKeyRow(ALICE, "master", "M2", b'{"x":1}') in await reader.keys_of([ALICE])
        assert len(await reader.keys_of([ALICE, BOB, "@x:y"])) == 3
        assert [await reader.is_key_id(ALICE, key_id) for key_id in ("M1", "M2", "S")] == [False, True, True]
        await put(store, DropCrossSigningKey(ALICE, "self_signing"))
        assert not await reader.is_key_id(ALICE, "S")
        assert await reader.keys_of([]) == []

    on_store(tmp_path, scenario)


def test_signatures_are_kept_of_keys_that_are_there_and_seen_by_owner_and_signer(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        await put(store, NewDevice(ALICE, "D", None, 1, None, None), PutDeviceKeys(ALICE, "D", b"{}"))
        await put(store, master(ALICE, "M"))
        await put(
            store,
            PutKeySignature(ALICE, "D", ALICE, "ed25519:S", "1"),
            PutKeySignature(ALICE, "M", ALICE, "ed25519:D", "2"),
            PutKeySignature(ALICE, "M", BOB, "ed25519:U", "3"),
            PutKeySignature(ALICE, "GONE", ALICE, "ed25519:S", "4"),
            PutKeySignature(BOB, "M", ALICE, "ed25519:U", "5"),
        )
        own = {("ed25519:S", "D"), ("ed25519:D", "M")}
        assert await seen(store, ALICE) == await seen(store, "@x:y") == own
        assert await seen(store, BOB) == {*own, ("ed25519:U", "M")}
        await put(store, PutKeySignature(ALICE, "D", ALICE, "ed25519:S", "6"))
        found = await store.cross_signing.signatures_on([ALICE], ALICE)
        assert KeySignatureRow(ALICE, "D", ALICE, "ed25519:S", "6") in found
        await put(store, DropSignaturesBy(ALICE, "ed25519:S"))
        assert await seen(store, BOB) == {("ed25519:D", "M"), ("ed25519:U", "M")}
        await put(store, DropSignaturesOn(ALICE, "M"))
        assert await seen(store, BOB) == set()

    on_store(tmp_path, scenario)


def test_a_device_takes_the_signatures_on_it_and_by_it_along(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        await put(store, NewDevice(ALICE, "D", None, 1, None, None), PutDeviceKeys(ALICE, "D", b"{}"))
        await put(store, master(ALICE, "M"), PutKeySignature(ALICE, "D", ALICE, "ed25519:S", "1"))
        await put(store, PutKeySignature(ALICE, "M", ALICE, "ed25519:D", "2"))
        await put(store, PutKeySignature(ALICE, "M", ALICE, "ed25519:E", "2"))
        await put(store, DeleteDevice(ALICE, "D"))
        assert await seen(store, ALICE) == {("ed25519:E", "M")}

    on_store(tmp_path, scenario)


def test_what_was_signed_is_told_to_the_one_who_signed(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        await put(store, NoteSignatures(ALICE, BOB, 3), NoteSignatures(ALICE, ALICE, 4))
        await put(store, NoteSignatures(ALICE, BOB, 5))
        changes = store.sharing.device_changes
        assert sorted(await changes(ALICE, 0, 9)) == [ALICE, BOB]
        assert await changes(ALICE, 4, 9) == [BOB]
        assert await changes(ALICE, 0, 4) == [ALICE]
        assert await changes(BOB, 0, 9) == []

    on_store(tmp_path, scenario)


def test_forgetting_leaves_nothing(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        await put(store, master(ALICE, "M"), master(BOB, "B"), NoteSignatures(BOB, ALICE, 3))
        await put(store, PutKeySignature(ALICE, "M", BOB, "ed25519:U", "1"), NoteSignatures(ALICE, BOB, 4))
        await put(store, PutKeySignature(BOB, "B", ALICE, "ed25519:V", "2"))
        assert await seen(store, ALICE) | await seen(store, BOB) == {("ed25519:U", "M"), ("ed25519:V", "B")}
        await put(store, ForgetCrossSigning(ALICE))
        assert await seen(store, ALICE) | await seen(store, BOB) == set()
        assert [row.user_id for row in await store.cross_signing.keys_of([ALICE, BOB])] == [BOB]
        for user_id in (ALICE, BOB):
            assert await store.sharing.device_changes(user_id, 0, 9) == []

    on_store(tmp_path, scenario)
