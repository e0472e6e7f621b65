"""A real mail server that tests send mails to."""

from __future__ import annotations

import asyncio
import email
import email.policy
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

WAIT_S = 30
TAKEN = "250 taken"


class MailServer:
    """Takes down what it is sent, and answers as `answer` says."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.answer: Callable[[str], str] = lambda address: TAKEN
        """What is said to a recipient."""
        self.logins: list[tuple[bytes, bytes]] = []
        self._changed = threading.Condition()
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._started.wait(WAIT_S)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await self._loop.create_server(self._protocol, "127.0.0.1", 0)
        self._port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._stop.wait()
        server.close()

    def _protocol(self) -> SMTP:
        return SMTP(self, authenticator=self._authenticate, auth_required=False, auth_require_tls=False)

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self._port}"

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login, data.password))
        return AuthResult(success=True)

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        said = self.answer(address)
        if said == TAKEN:
            envelope.rcpt_tos.append(address)
        return said

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        mail = email.message_from_bytes(content, policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        assert envelope.rcpt_tos == [mail["To"]]
        with self._changed:
            self.mails.append(mail)
            self._changed.notify_all()
        return TAKEN

    def wait(self, count: int) -> list[EmailMessage]:
        """Wait until so many mails have come; return them."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.mails) >= count, WAIT_S), len(self.mails)
        return self.mails[:count]

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(WAIT_S)


@contextmanager
def mail_server() -> Iterator[MailServer]:
    own = MailServer()
    try:
        yield own
    finally:
        own.close()


def plain(mail: EmailMessage) -> str:
    """Return the plain text of a mail."""
    body = mail.get_body(("plain",))
    assert body is not None
    text: str = body.get_content()
    return text


def html(mail: EmailMessage) -> str:
    """Return the HTML of a mail."""
    body = mail.get_body(("html",))
    assert body is not None
    text: str = body.get_content()
    return text
