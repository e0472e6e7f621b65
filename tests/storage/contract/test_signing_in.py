"""What every store must do with what is kept for signing in: OAuth 2.0, browsers, two-step login, other providers."""

from __future__ import annotations

from collections.abc import Callable

from hamrasan.storage.ports.accounts import DeactivateAccount, NewAccount, SetLocked
from hamrasan.storage.ports.devices import DeleteDevice, NewDevice
from hamrasan.storage.ports.journal import Batch, Write
from hamrasan.storage.ports.oauth import (
    BrowserSessionRow,
    ConfirmBrowserSession,
    DecideDeviceGrant,
    DeleteBrowserSession,
    DeleteExpiredBrowserSessions,
    DeleteExpiredDeviceGrants,
    DeleteExpiredOAuthCodes,
    DeleteIdleOAuthClients,
    DeleteOAuthSession,
    DeleteUserBrowserSessions,
    DeviceGrantRow,
    NewBrowserSession,
    NewDeviceGrant,
    NewOAuthCode,
    OAuthClientRow,
    OAuthCodeRow,
    OAuthSessionRow,
    PutOAuthClient,
    PutOAuthSession,
    RedeemOAuthCode,
)
from hamrasan.storage.ports.two_step import (
    DeleteRecoveryCode,
    DeleteTwoStep,
    NewRecoveryCode,
    PutTwoStep,
    TwoStepRow,
    UseTwoStepCode,
)
from hamrasan.storage.ports.upstream import NewUpstreamLink
from hamrasan.storage.sqlite.store import Store
from tests.stores import Scenario

ALICE, BOB = "@alice:example.org", "@bob:example.org"

Run = Callable[[Scenario], None]
ACCOUNTS = [NewAccount(user_id, None, False, 1, None) for user_id in (ALICE, BOB)]


async def write(store: Store, *writes: Write) -> None:
    await store.journal.submit(Batch([*writes]))


def session(device_id: str = "D", client_id: str = "one", family: bytes = b"f") -> PutOAuthSession:
    return PutOAuthSession(ALICE, device_id, client_id, "scope", b"grant", family, 7)


def test_clients_stay_while_they_have_a_session(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await write(store, *ACCOUNTS, *(PutOAuthClient(name, b"{}", 10) for name in ("one", "two", "three")))
        await write(store, PutOAuthClient("two", b"{}", 20), session())
        assert await store.oauth.client("one") == OAuthClientRow("one", b"{}")
        assert await store.oauth.idle_clients_before(0) == 21
        assert await store.oauth.idle_clients_before(1) == 11
        assert await store.oauth.idle_clients_before(2) is None
        await write(store, DeleteIdleOAuthClients(15))
        kept = [name for name in ("one", "two", "three") if await store.oauth.client(name)]
        assert kept == ["one", "two"]

    run(scenario)


def test_codes(run: Run) -> None:
    async def scenario(store: Store) -> None:
        new = NewOAuthCode(b"hash", "one", "uri", ALICE, "D", "scope", "challenge", 100)
        await write(store, *ACCOUNTS, new)
        assert await store.oauth.code(b"hash") == OAuthCodeRow(*new[1:], redeemed=False)
        assert await store.oauth.code(b"other") is None
        await write(store, RedeemOAuthCode(b"hash"))
        row = await store.oauth.code(b"hash")
        assert row is not None
        assert row.redeemed
        await write(store, DeleteExpiredOAuthCodes(100))
        assert await store.oauth.code(b"hash") is not None
        await write(store, DeactivateAccount(False, ALICE))
        assert await store.oauth.code(b"hash") is None, (
            "what belongs to an account that has ended is not there"
        )
        await write(store, DeleteExpiredOAuthCodes(101))

    run(scenario)


def test_sessions_go_with_their_device(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await write(store, *ACCOUNTS, NewDevice(ALICE, "D", None, 1, None, None), session())
        found = OAuthSessionRow(ALICE, "D", "one", "scope", b"grant", 7)
        assert await store.oauth.session(ALICE, "D") == found
        assert await store.oauth.session_of_family(b"f") == found
        await write(store, session(client_id="two", family=b"g"))
        assert await store.oauth.session_of_family(b"f") is None
        assert (await store.oauth.session_of_family(b"g")) == found._replace(client_id="two")
        await write(store, DeleteDevice(ALICE, "D"))
        assert await store.oauth.session(ALICE, "D") is None
        await write(store, session(), DeleteOAuthSession(ALICE, "D"))
        assert await store.oauth.session(ALICE, "D") is None

    run(scenario)


def test_devices_that_wait(run: Run) -> None:
    async def scenario(store: Store) -> None:
        new = NewDeviceGrant(b"hash", "CODE", "one", "D", "scope", 100)
        await write(store, new, NewDeviceGrant(b"other", "CODE", "one", "D", "scope", 100))
        assert await store.oauth.device_grants_count() == 1, "the first one with a code has it"
        waiting = DeviceGrantRow(*new, decision="pending", user_id=None)
        assert await store.oauth.device_grant(b"hash") == waiting
        assert await store.oauth.device_grant_shown("CODE") == waiting
        await write(store, DecideDeviceGrant("redeemed", BOB, b"hash", "allowed"))
        assert await store.oauth.device_grant(b"hash") == waiting, "it was not allowed"
        await write(store, DecideDeviceGrant("allowed", ALICE, b"hash", "pending"))
        await write(store, DecideDeviceGrant("denied", BOB, b"hash", "pending"))
        assert await store.oauth.device_grant(b"hash") == waiting._replace(decision="allowed", user_id=ALICE)
        await write(store, DeleteExpiredDeviceGrants(101))
        assert await store.oauth.device_grants_count() == 0

    run(scenario)


def test_browsers(run: Run) -> None:
    async def scenario(store: Store) -> None:
        news = [NewBrowserSession(name, ALICE, 1, 1, 100) for name in (b"a", b"b", b"c")]
        await write(store, *ACCOUNTS, *news, NewBrowserSession(b"d", BOB, 1, 1, 50))
        await write(store, ConfirmBrowserSession(9, b"a"), DeleteBrowserSession(b"b"))
        assert await store.oauth.browser_session(b"a") == BrowserSessionRow(b"a", ALICE, 1, 9, 100)
        assert await store.oauth.browser_session(b"b") is None
        await write(store, SetLocked(True, ALICE))
        assert await store.oauth.browser_session(b"a") is None
        await write(store, SetLocked(False, ALICE), DeleteExpiredBrowserSessions(60))
        assert await store.oauth.browser_session(b"c") is not None
        assert await store.oauth.browser_session(b"d") is None
        await write(store, DeleteUserBrowserSessions(ALICE))
        assert await store.oauth.browser_session(b"c") is None

    run(scenario)


def test_two_step_login(run: Run) -> None:
    async def scenario(store: Store) -> None:
        assert await store.two_step.two_step(ALICE) is None
        await write(store, PutTwoStep(ALICE, b"sealed", 5, 1), NewRecoveryCode(ALICE, b"x"))
        await write(store, NewRecoveryCode(ALICE, b"y"), NewRecoveryCode(BOB, b"x"), UseTwoStepCode(6, ALICE))
        assert await store.two_step.two_step(ALICE) == TwoStepRow(b"sealed", 6, 2)
        assert await store.two_step.has_recovery_code(ALICE, b"x")
        await write(store, DeleteRecoveryCode(ALICE, b"x"))
        assert not await store.two_step.has_recovery_code(ALICE, b"x")
        assert await store.two_step.has_recovery_code(BOB, b"x")
        await write(store, PutTwoStep(ALICE, b"other", 0, 2))
        assert await store.two_step.two_step(ALICE) == TwoStepRow(b"other", 0, 1)
        await write(store, DeleteTwoStep(ALICE))
        assert await store.two_step.two_step(ALICE) is None
        assert not await store.two_step.has_recovery_code(ALICE, b"y")

    run(scenario)


def test_people_of_other_providers(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await write(
            store, NewUpstreamLink("https://one", "1", ALICE, 1), NewUpstreamLink("https://two", "1", BOB, 1)
        )
        await write(store, NewUpstreamLink("https://one", "1", BOB, 2))
        assert await store.upstream.user_of("https://one", "1") == ALICE, "the first account stays"
        assert await store.upstream.user_of("https://two", "1") == BOB
        assert await store.upstream.user_of("https://one", "2") is None

    run(scenario)
