"""Sending e-mail through the operator's mail server (SMTP, RFC 5321)."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

TIMEOUT_S = 30.0
"""How long the mail server may take for each answer: some make strangers wait on purpose."""
SENDING_THREADS = 1
"""Mail is in no hurry, and the mail server is asked for one connection at a time."""


class MailFailed(Exception):
    """A mail was not taken. `permanent`: this address will never take one; the text holds no password."""

    def __init__(self, reason: str, *, permanent: bool = False) -> None:
        super().__init__(reason)
        self.permanent = permanent


class Mailer:
    """Hands mails over to a mail server."""

    def __init__(self, server_url: str, sender: str) -> None:
        """`server_url` is `smtps://user:password@host:port` or `smtp:`, which goes on with TLS if the server can."""
        parts = urlsplit(server_url)
        self._host = parts.hostname or ""
        self._secure = parts.scheme == "smtps"
        self._port = parts.port or (465 if self._secure else 587)
        self._user = None if parts.username is None else unquote(parts.username)
        self._password = unquote(parts.password or "")
        self.sender = sender
        self._thread = ThreadPoolExecutor(SENDING_THREADS, thread_name_prefix="mail")

    async def send(self, message: EmailMessage) -> None:
        """Send a mail to the one address in its header `To`; raises `MailFailed`."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._send, message)

    def _send(self, message: EmailMessage) -> None:
        try:
            with self._connect() as server:
                server.send_message(message)
        except smtplib.SMTPRecipientsRefused as refused:
            code = max(code for code, _ in refused.recipients.values())
            raise MailFailed(f"refused with {code}", permanent=code >= 500) from None
        except (smtplib.SMTPException, OSError) as error:
            raise MailFailed(type(error).__name__) from None

    def _connect(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if self._secure:
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                self._host, self._port, timeout=TIMEOUT_S, context=context
            )
        else:
            server = smtplib.SMTP(self._host, self._port, timeout=TIMEOUT_S)
        try:
            server.ehlo()
            encrypted = self._secure
            if not encrypted and server.has_extn("starttls"):
                server.starttls(context=context)
                server.ehlo()
                encrypted = True
            if self._user is not None:
                if not encrypted:
                    raise MailFailed("the mail server takes the password without encryption only")
                server.login(self._user, self._password)
        except BaseException:
            server.close()
            raise
        return server

    def close(self) -> None:
        """Send nothing any more; what is on its way ends by itself."""
        self._thread.shutdown(wait=False, cancel_futures=True)
