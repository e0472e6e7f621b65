"""Requests to prove that an e-mail address or a phone number is one's own; this server keeps neither."""

from __future__ import annotations

import msgspec


class EmailValidation(msgspec.Struct):
    """The body of a request for a mail with a validation token."""

    client_secret: str
    email: str
    send_attempt: int


class PhoneValidation(msgspec.Struct):
    """The body of a request for a short message with a validation token."""

    client_secret: str
    country: str
    phone_number: str
    send_attempt: int
