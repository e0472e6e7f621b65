"""Everything that has to do with who somebody is, put together in the order of dependency."""

from __future__ import annotations

from dataclasses import dataclass

from hamrasan.accounts.accounts import Accounts, Exclusive, nobody_is_reserved
from hamrasan.accounts.authenticator import Authenticator, OutsideChanges
from hamrasan.accounts.login_tokens import LoginTokens
from hamrasan.accounts.oauth.approvals import Approvals
from hamrasan.accounts.openid import OpenIdTokens
from hamrasan.accounts.passwords import COST, PasswordCost, Passwords
from hamrasan.accounts.reauthentication import (
    IsKnownElsewhere,
    Reauthentication,
    nobody_is_known_elsewhere,
)
from hamrasan.accounts.registration_tokens import RegistrationTokens
from hamrasan.accounts.throttle import LoginThrottle
from hamrasan.accounts.tokens import Tokens
from hamrasan.accounts.user_interactive import UserInteractive
from hamrasan.devices.devices import Devices
from hamrasan.flows.change_password import ChangePassword
from hamrasan.flows.deactivate_account import DeactivateAccount
from hamrasan.flows.end_sessions import EndSessions
from hamrasan.flows.login import HasTwoSteps, Login, nobody_has_two_steps
from hamrasan.flows.moderate_accounts import ModerateAccounts
from hamrasan.flows.open_session import IsKeyId, OpenSession, nobody_has_keys
from hamrasan.flows.register import Register
from hamrasan.flows.register_with_secret import RegisterWithSecret
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.entropy import Entropy
from hamrasan.runtime.settings import Settings
from hamrasan.runtime.tasks import TaskSupervisor
from hamrasan.storage.ports.accounts import AccountReader
from hamrasan.storage.ports.devices import DeviceReader
from hamrasan.storage.ports.journal import Journal
from hamrasan.storage.ports.tokens import TokenReader


@dataclass(frozen=True, slots=True)
class IdentityStore:
    """What of a store these services read."""

    journal: Journal
    accounts: AccountReader
    tokens: TokenReader
    devices: DeviceReader


@dataclass(frozen=True, slots=True)
class Hooks:
    """What other parts of the server have to say about accounts."""

    is_exclusive: Exclusive = nobody_is_reserved
    is_key_id: IsKeyId = nobody_has_keys
    has_two_steps: HasTwoSteps = nobody_has_two_steps
    is_known_elsewhere: IsKnownElsewhere = nobody_is_known_elsewhere


@dataclass(frozen=True, slots=True)
class Identity:
    """The services of accounts and devices, and the stories that cross them."""

    accounts: Accounts
    passwords: Passwords
    throttle: LoginThrottle
    tokens: Tokens
    authenticator: Authenticator
    login_tokens: LoginTokens
    registration_tokens: RegistrationTokens
    openid_tokens: OpenIdTokens
    devices: Devices
    interactive: UserInteractive
    reauthentication: Reauthentication
    open_session: OpenSession
    end_sessions: EndSessions
    login: Login
    register: Register
    register_with_secret: RegisterWithSecret
    change_password: ChangePassword
    deactivate_account: DeactivateAccount
    moderate_accounts: ModerateAccounts
    outside_changes: OutsideChanges
    approvals: Approvals

    def start(self, tasks: TaskSupervisor) -> None:
        """Begin to look for what the command line changes, and finish deactivations that a stop interrupted."""
        tasks.keep_running("outside changes", self.outside_changes.watch)
        tasks.keep_running("departure", self.deactivate_account.resume)

    def close(self) -> None:
        """End the worker threads."""
        self.passwords.close()


def assemble_identity(
    store: IdentityStore,
    settings: Settings,
    clock: Clock,
    entropy: Entropy,
    tasks: TaskSupervisor,
    hooks: Hooks = Hooks(),
    cost: PasswordCost = COST,
) -> Identity:
    """Put the services together."""
    journal = store.journal
    passwords, throttle = Passwords(cost), LoginThrottle(clock, enabled=settings.rate_limits)
    accounts = Accounts(
        journal, store.accounts, passwords, throttle, clock, settings.server_name, hooks.is_exclusive
    )
    tokens = Tokens(journal, store.tokens, clock, entropy)
    registration_tokens = RegistrationTokens(journal, store.tokens, clock, entropy)
    login_tokens = LoginTokens(journal, store.tokens, clock, entropy)
    interactive, approvals = UserInteractive(clock, entropy), Approvals(clock)
    reauthentication = Reauthentication(accounts, interactive, approvals, hooks.is_known_elsewhere)
    devices = Devices(journal, store.devices, clock, entropy)
    open_session = OpenSession(journal, devices, tokens, hooks.is_key_id)
    end_sessions = EndSessions(journal, devices, reauthentication)
    authenticator = Authenticator(journal, store.tokens, clock)
    deactivate_account = DeactivateAccount(
        journal, store.accounts, accounts, end_sessions, reauthentication, tasks
    )

    return Identity(
        accounts=accounts,
        passwords=passwords,
        throttle=throttle,
        tokens=tokens,
        authenticator=authenticator,
        registration_tokens=registration_tokens,
        openid_tokens=OpenIdTokens(journal, store.tokens, store.accounts, clock, entropy),
        devices=devices,
        interactive=interactive,
        reauthentication=reauthentication,
        open_session=open_session,
        end_sessions=end_sessions,
        login_tokens=login_tokens,
        login=Login(accounts, login_tokens, open_session, reauthentication, hooks.has_two_steps),
        register=Register(
            settings.registration, accounts, registration_tokens, interactive, open_session, entropy
        ),
        register_with_secret=RegisterWithSecret(
            settings.registration_shared_secret, accounts, open_session, clock, entropy
        ),
        change_password=ChangePassword(accounts, end_sessions, reauthentication),
        deactivate_account=deactivate_account,
        moderate_accounts=ModerateAccounts(accounts),
        approvals=approvals,
        outside_changes=OutsideChanges(
            store.accounts, [authenticator.forget_everything, deactivate_account.resume_soon]
        ),
    )
