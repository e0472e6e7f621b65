"""What other servers push (server-server API, "Transactions")."""

from __future__ import annotations

from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.servers import origin_of
from hamrasan.http.services import Services
from hamrasan.protocol.canonical_json import check_object
from hamrasan.protocol.identifiers import check_opaque_id

MAX_TRANSACTION_BYTES = 8 * 1024 * 1024
"""50 PDUs of 64 KiB, and twice as much for the 100 EDUs; real transactions are far smaller."""


async def send_transaction(request: Request, services: Services) -> Response:
    """Take events and news of another server; say of each event whether it was taken."""
    txn_id = request.path["txn_id"]
    check_opaque_id(txn_id, "transaction id")
    transaction = check_object(request.requester.content, "A transaction")
    return ok(await services.inbound.take(origin_of(request), txn_id, transaction))


ROUTES = [
    Route(
        "PUT",
        "/_matrix/federation/v1/send/{txn_id}",
        send_transaction,
        "sendTransaction",
        Auth.SERVER,
        RateClass.FEDERATION,
        Body.JSON_OBJECT,
        MAX_TRANSACTION_BYTES,
    ),
]
