"""What application services do to the users of their namespaces: speak as them, make them, log in as them
(application service API, "Identity assertion", "Server admin style permissions").
"""

from __future__ import annotations

from hamrasan.accounts.accounts import Accounts, user_locked
from hamrasan.accounts.authenticator import Authenticator
from hamrasan.accounts.requester import Requester
from hamrasan.accounts.user_identifier import possible_user_ids
from hamrasan.devices.devices import Devices
from hamrasan.flows.open_session import OpenedSession, OpenSession, WantedDevice
from hamrasan.flows.register import Registered, WantedAccount
from hamrasan.policy.application_services import ApplicationService, ApplicationServices
from hamrasan.protocol.errors import MatrixError, forbidden, missing_param
from hamrasan.protocol.identifiers import check_new_localpart
from hamrasan.runtime.keyed_locks import KeyedLocks
from hamrasan.runtime.log import get_logger
from hamrasan.storage.ports.accounts import AccountRow

_log = get_logger(__name__)


class ActForService:
    """Lets application services act for their users."""

    def __init__(
        self,
        services: ApplicationServices,
        authenticator: Authenticator,
        accounts: Accounts,
        devices: Devices,
        sessions: OpenSession,
    ) -> None:
        self._services = services
        self._authenticator = authenticator
        self._accounts = accounts
        self._devices = devices
        self._sessions = sessions
        self._locks = KeyedLocks()

    async def authenticate(self, token: str) -> Requester:
        """Return the requester of an access token, or the user of the application service whose token it is.

        Raises as `Authenticator.authenticate`.
        """
        service = self._services.of_token(token)
        if service is None:
            return await self._authenticator.authenticate(token)
        return await self._requester(service, service.sender, "")

    def recognise(self, token: str | None) -> Requester | None:
        """Return the user of the application service whose token it is; None for any other token."""
        service = None if token is None else self._services.of_token(token)
        if service is None:
            return None
        return Requester(service.sender, "", False, 0, is_rate_limited=False, application_service=service.id)

    async def identify(self, requester: Requester, user_id: str | None, device_id: str | None) -> Requester:
        """Return as whom an application service speaks: a user of its namespaces, perhaps on one of their devices.

        People speak as themselves, whatever they ask for. Raises `M_FORBIDDEN` for a user who is not in its namespaces
        or has no account, `M_UNKNOWN_DEVICE` for a device that the user has not.
        """
        service = None
        if requester.application_service is not None:
            service = self._services.find(requester.application_service)
        if service is None:
            return requester
        user_id = service.sender if user_id is None else user_id
        if not service.has_user(user_id):
            raise forbidden(f"The application service '{service.id}' may not speak as {user_id}.")
        if device_id is None:
            return await self._requester(service, user_id, "")
        if await self._devices.find(user_id, device_id) is None:
            raise MatrixError(400, "M_UNKNOWN_DEVICE", f"{user_id} has no device '{device_id}'.")
        return await self._requester(service, user_id, device_id)

    async def register(self, service_id: str, wanted: WantedAccount) -> Registered:
        """Make an account in a namespace of the service and, unless inhibited, log in to it.

        Raises `M_MISSING_PARAM` without a name, `M_INVALID_USERNAME`, `M_EXCLUSIVE` for a name that is not the
        service's to give, `M_USER_IN_USE`.
        """
        service = self._service(service_id)
        wanted.device.check()
        if wanted.username is None:
            raise missing_param("username")
        check_new_localpart(wanted.username, service.server_name)
        user_id = f"@{wanted.username}:{service.server_name}"
        self._services.check_user(user_id, service)
        await self._accounts.create(user_id, None, application_service=service.id)
        if wanted.inhibit_login:
            return Registered(user_id, None)
        return Registered(user_id, await self._sessions.open(user_id, wanted.device, None))

    async def log_in(self, service_id: str, typed: str, wanted: WantedDevice) -> OpenedSession:
        """Log in as the user whom `typed` (a user id or a localpart) names.

        Raises `M_EXCLUSIVE` for a user who is not in the service's namespaces, `M_FORBIDDEN` for one who has no
        account, `M_USER_LOCKED`.
        """
        service = self._service(service_id)
        wanted.check()
        candidates = possible_user_ids(typed, service.server_name)
        if not candidates:
            raise forbidden("This cannot be a user of this server.")
        self._services.check_user(candidates[0], service)
        account = await self._account(service, candidates[0])
        return await self._sessions.open(account.user_id, wanted, None)

    async def make_senders(self) -> None:
        """Make the users of the application services themselves, as far as they have no accounts yet."""
        for service in self._services.all:
            account = await self._accounts.find(service.sender)
            if account is None:
                await self._make_sender(service)
            elif account.application_service != service.id:
                _log.warning(
                    "an application service speaks as somebody whom it did not make",
                    application_service=service.id,
                    user_id=service.sender,
                )

    async def _make_sender(self, service: ApplicationService) -> AccountRow | None:
        async with self._locks(service.sender):  # requests and a reload may want the same at the same time
            account = await self._accounts.find(service.sender)
            if account is None:
                await self._accounts.create(service.sender, None, application_service=service.id)
                account = await self._accounts.find(service.sender)
            return account

    async def _requester(self, service: ApplicationService, user_id: str, device_id: str) -> Requester:
        account = await self._account(service, user_id)
        return Requester(
            user_id=user_id,
            device_id=device_id,
            is_admin=False,  # a token in a bridge's configuration shall not open the whole server
            token_id=hash((service.id, user_id, device_id)),
            is_suspended=account.suspended,
            is_rate_limited=service.rate_limited and user_id != service.sender,
            application_service=service.id,
        )

    async def _account(self, service: ApplicationService, user_id: str) -> AccountRow:
        account = await self._accounts.find(user_id)
        if account is None and user_id == service.sender:
            account = await self._make_sender(service)
        if account is None or account.deactivated:
            raise forbidden(
                f"{user_id} has no account; the application service '{service.id}' has to register it."
            )
        if account.locked:
            raise user_locked()
        return account

    def _service(self, service_id: str) -> ApplicationService:
        service = self._services.find(service_id)
        if service is None:
            raise forbidden(f"There is no application service '{service_id}' any more.")
        return service
