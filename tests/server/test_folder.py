"""What a data folder keeps of its server: the name that it belongs to, and the signing key."""

from __future__ import annotations

from pathlib import Path

import pytest

from hamrasan.protocol.signing import parse_signing_key
from hamrasan.runtime.entropy import SystemEntropy
from hamrasan.server.folder import (
    KEY_FILE,
    SigningKeyDamaged,
    WrongServerName,
    claim_folder,
    open_signing_key,
)
from hamrasan.storage.ports.accounts import NewAccount
from hamrasan.storage.ports.journal import Batch
from hamrasan.storage.sqlite.store import Store
from tests.stores import on_store
from tests.worlds import SeededEntropy


def _claims(data_dir: Path, *names: str, with_account: bool = False) -> str | None:
    """Claim the folder for each name in turn; return whose it is then."""
    owner: list[str | None] = []

    async def scenario(store: Store) -> None:
        if with_account:
            await claim_folder(store, names[0])
            await store.journal.submit(Batch([NewAccount(f"@alice:{names[0]}", None, False, 1, None)]))
        try:
            for name in names:
                await claim_folder(store, name)
        finally:
            owner.append(await store.server.name())

    on_store(data_dir, scenario)
    return owner[0]


def test_the_first_server_owns_the_folder(tmp_path: Path) -> None:
    assert _claims(tmp_path, "one.example") == "one.example"
    assert _claims(tmp_path, "one.example") == "one.example"


def test_the_name_may_change_while_nobody_has_an_account(tmp_path: Path) -> None:
    assert _claims(tmp_path, "localhost", "other.example") == "other.example"


def test_the_name_stays_once_somebody_has_an_account(tmp_path: Path) -> None:
    with pytest.raises(WrongServerName) as caught:
        _claims(tmp_path, "one.example", "other.example", with_account=True)
    assert caught.value.owner == "one.example"
    assert _claims(tmp_path, "one.example") == "one.example"


def test_a_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    made = open_signing_key(tmp_path, SystemEntropy())
    file = tmp_path / KEY_FILE
    assert file.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == [KEY_FILE]
    assert parse_signing_key(file.read_text()).public_key == made.public_key
    again = open_signing_key(tmp_path, SystemEntropy())
    assert (again.key_id, again.public_key) == (made.key_id, made.public_key)


def test_two_servers_have_two_keys(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    entropy = SeededEntropy()
    one, other = open_signing_key(tmp_path / "one", entropy), open_signing_key(tmp_path / "other", entropy)
    assert one.public_key != other.public_key
    assert one.key_id != other.key_id


def test_what_an_interrupted_start_left_does_not_count(tmp_path: Path) -> None:
    (tmp_path / f"{KEY_FILE}.new").write_text("ed25519 a_")
    made = open_signing_key(tmp_path, SystemEntropy())
    assert parse_signing_key((tmp_path / KEY_FILE).read_text()).public_key == made.public_key
    assert [entry.name for entry in tmp_path.iterdir()] == [KEY_FILE]


@pytest.mark.parametrize(
    "content", [b"", b"ed25519 a_1", b"ed25519 a_1 c2hvcnQ", b"rsa a_1 x", b"\xff\xfe", b"ed25519 a_1 a b"]
)
def test_a_damaged_key_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / KEY_FILE
    file.write_bytes(content)
    with pytest.raises(SigningKeyDamaged) as caught:
        open_signing_key(tmp_path, SystemEntropy())
    assert caught.value.path == file
    assert "c2hvcnQ" not in str(caught.value)
    assert file.read_bytes() == content


def test_a_key_of_another_homeserver_is_taken_over(tmp_path: Path) -> None:
    key = open_signing_key(tmp_path, SystemEntropy())
    (tmp_path / KEY_FILE).write_text(f"  {key.to_text()}\n\n")
    assert open_signing_key(tmp_path, SystemEntropy()).public_key == key.public_key
