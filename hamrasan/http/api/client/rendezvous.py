"""Rendezvous of two devices, as clients call it before the specification has it (MSC4108 of 2024, MSC4388)."""

from __future__ import annotations

import email.utils

import msgspec

from hamrasan.accounts.rendezvous import MAX_BYTES, ConcurrentWrite, Meeting
from hamrasan.http.heads import CONDITIONAL
from hamrasan.http.own_url import own_url
from hamrasan.http.request import Request
from hamrasan.http.response import Headers, Response, empty, json_response, ok
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.protocol.errors import MatrixError, invalid_param, missing_param

TEXT = "text/plain"
CONCURRENT_WRITE = "IO_ELEMENT_MSC4388_CONCURRENT_WRITE"
MAX_JSON_BYTES = 6 * MAX_BYTES + 1024
"""A message of which every byte is escaped, and what is around it."""


class BeginBody(msgspec.Struct):
    """The body of `POST /rendezvous` (MSC4388)."""

    data: str


class WriteBody(msgspec.Struct):
    """The body of `PUT /rendezvous/{id}` (MSC4388)."""

    sequence_token: str
    data: str


async def begin_text(request: Request, services: Services) -> Response:
    """Begin a rendezvous; the answer names the address at which both devices read and write."""
    _check_text(request)
    meeting = services.rendezvous.begin(request.body)
    address = own_url(request, services) + request.target.partition("?")[0] + f"/{meeting.id}"
    return json_response(201, {"url": address}, _headers(meeting))


async def read_text(request: Request, services: Services) -> Response:
    """Return the last message, unless the device has it."""
    meeting = services.rendezvous.find(request.path["session_id"])
    if request.header("if-none-match") == _etag(meeting):
        return Response(304, b"", headers=_headers(meeting))
    return Response(200, meeting.data, TEXT, _headers(meeting))


async def write_text(request: Request, services: Services) -> Response:
    """Put a message in the place of the last one, which the device has to have seen."""
    seen = request.header("if-match")
    if seen is None:
        raise missing_param("If-Match")
    _check_text(request)
    try:
        meeting = services.rendezvous.write(request.path["session_id"], seen.strip('"'), request.body)
    except ConcurrentWrite as conflict:
        refusal = {
            "errcode": "M_UNKNOWN",
            "error": "The other device has written something in the meantime.",
            "org.matrix.msc4108.errcode": "M_CONCURRENT_WRITE",
        }
        return json_response(412, refusal, _headers(conflict.meeting))
    return json_response(202, {}, _headers(meeting))


async def end_text(request: Request, services: Services) -> Response:
    """End a rendezvous."""
    services.rendezvous.end(request.path["session_id"])
    return Response(204, b"")


async def discover(_request: Request, _services: Services) -> Response:
    """Say that a rendezvous can be begun, also by a device on which nobody is logged in."""
    return ok({"create_available": True})


async def begin(request: Request, services: Services) -> Response:
    """Begin a rendezvous."""
    meeting = services.rendezvous.begin(request.decode(BeginBody).data.encode())
    return ok(
        {
            "id": meeting.id,
            "sequence_token": meeting.sequence_token,
            "expires_in_ms": services.rendezvous.left_ms(meeting),
        }
    )


async def read(request: Request, services: Services) -> Response:
    """Return the last message."""
    meeting = services.rendezvous.find(request.path["session_id"])
    members = {
        "data": meeting.data.decode(errors="replace"),
        "sequence_token": meeting.sequence_token,
        "expires_in_ms": services.rendezvous.left_ms(meeting),
    }
    return json_response(200, members, _SECRET)


async def write(request: Request, services: Services) -> Response:
    """Put a message in the place of the last one, which the device has to have seen."""
    body = request.decode(WriteBody)
    try:
        meeting = services.rendezvous.write(
            request.path["session_id"], body.sequence_token, body.data.encode()
        )
    except ConcurrentWrite:
        raise MatrixError(
            409, CONCURRENT_WRITE, "The other device has written something in the meantime."
        ) from None
    return ok({"sequence_token": meeting.sequence_token})


async def end(request: Request, services: Services) -> Response:
    """End a rendezvous."""
    services.rendezvous.end(request.path["session_id"])
    return empty()


def _check_text(request: Request) -> None:
    if (request.header("content-type") or "").partition(";")[0].strip().lower() != TEXT:
        raise invalid_param(f"The body must be sent as {TEXT}.")


def _etag(meeting: Meeting) -> str:
    return f'"{meeting.sequence_token}"'


_SECRET = (("Cache-Control", "no-store"), ("Pragma", "no-cache"))


def _headers(meeting: Meeting) -> Headers:
    return (
        ("ETag", _etag(meeting)),
        ("Expires", email.utils.formatdate(meeting.expires_ms / 1000, usegmt=True)),
        ("Last-Modified", email.utils.formatdate(meeting.modified_ms / 1000, usegmt=True)),
        ("Access-Control-Expose-Headers", "ETag"),
        *_SECRET,
    )


_JSON = "/_matrix/client/unstable/io.element.msc4388/rendezvous"
_JSON_ONE = _JSON + "/{session_id}"
_TEXT_ONE = CONDITIONAL + "/{session_id}"
_NONE, _BEGIN, _USE = Auth.NONE, RateClass.REGISTRATION, RateClass.READS

UNSTABLE_ROUTES = [
    Route("POST", CONDITIONAL, begin_text, "beginRendezvousText", _NONE, _BEGIN, Body.RAW, MAX_BYTES),
    Route("GET", _TEXT_ONE, read_text, "readRendezvousText", _NONE, _USE),
    Route("PUT", _TEXT_ONE, write_text, "writeRendezvousText", _NONE, _USE, Body.RAW, MAX_BYTES),
    Route("DELETE", _TEXT_ONE, end_text, "endRendezvousText", _NONE, _USE),
    Route("GET", _JSON, discover, "discoverRendezvous", _NONE, _USE),
    Route("POST", _JSON, begin, "beginRendezvous", _NONE, _BEGIN, Body.JSON_OBJECT, MAX_JSON_BYTES),
    Route("GET", _JSON_ONE, read, "readRendezvous", _NONE, _USE),
    Route("PUT", _JSON_ONE, write, "writeRendezvous", _NONE, _USE, Body.JSON_OBJECT, MAX_JSON_BYTES),
    Route("DELETE", _JSON_ONE, end, "endRendezvous", _NONE, _USE),
]
