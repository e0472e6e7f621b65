"""A provider of OpenID Connect: a real HTTP server with keys of its own, which signs in whomever the test says."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT_ID, CLIENT_SECRET = "hamrasan", "a secret between the two"


class OpenIdProvider:
    """What the provider knows and does; a test changes it to see what a bad one achieves."""

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": "first", "use": "sig"})
        self.published = [self.key]
        self.person: dict[str, Any] = {"sub": "1", "preferred_username": "someone"}
        self.claims: dict[str, Any] = {}
        """Claims of ID tokens that are not as they should be."""
        self.metadata: dict[str, Any] = {}
        self.algorithm = "RS256"
        self.asked: list[str] = []
        self._granted: dict[str, dict[str, str]] = {}
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                provider._get(self)

            def do_POST(self) -> None:
                provider._post(self)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def file(self, **more: Any) -> str:
        """Return the file that describes this provider to a server."""
        said = {
            "name": "دانشگاه",
            "issuer": self.url,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            **more,
        }
        return "".join(f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in said.items())

    def _get(self, request: BaseHTTPRequestHandler) -> None:
        path, _, query = request.path.partition("?")
        self.asked.append(path)
        if path == "/.well-known/openid-configuration":
            self._answer(request, 200, self._said())
        elif path == "/keys":
            self._answer(request, 200, {"keys": [key.as_dict(private=False) for key in self.published]})
        elif path == "/authorize":
            asked = dict(parse_qsl(query))
            code = secrets.token_urlsafe(16)
            self._granted[code] = asked
            values = {"code": code, "state": asked["state"]}
            request.send_response(302)
            request.send_header("Location", f"{asked['redirect_uri']}?{urlencode(values)}")
            request.send_header("Content-Length", "0")
            request.end_headers()
        else:
            self._answer(request, 404, {})

    def _said(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            **self.metadata,
        }

    def _post(self, request: BaseHTTPRequestHandler) -> None:
        form = dict(parse_qsl(request.rfile.read(int(request.headers["Content-Length"])).decode()))
        basic = request.headers.get("Authorization", "").removeprefix("Basic ")
        pair = base64.b64decode(basic).decode() if basic else f"{form['client_id']}:{form['client_secret']}"
        assert pair.split(":") == [CLIENT_ID, CLIENT_SECRET.replace(" ", "%20") if basic else CLIENT_SECRET]
        granted = self._granted.pop(form["code"], None)
        if granted is None or granted["redirect_uri"] != form["redirect_uri"]:
            self._answer(request, 400, {"error": "invalid_grant"})
            return
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == granted["code_challenge"]
        self._answer(request, 200, {"id_token": self._token(granted), "token_type": "Bearer"})

    def _token(self, granted: dict[str, str]) -> str:
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": granted["nonce"],
            **self.person,
            **self.claims,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        if self.algorithm == "none":
            parts = (json.dumps({"alg": "none"}), json.dumps(claims))
            return (
                ".".join(base64.urlsafe_b64encode(part.encode()).rstrip(b"=").decode() for part in parts)
                + "."
            )
        header = {"alg": self.algorithm, "kid": self.key.kid}
        return jwt.encode(header, claims, self.key, algorithms=[self.algorithm])

    def _answer(self, request: BaseHTTPRequestHandler, status: int, value: Any) -> None:
        body = json.dumps(value).encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)


@contextmanager
def openid_provider() -> Iterator[OpenIdProvider]:
    """Run a provider."""
    provider = OpenIdProvider()
    try:
        yield provider
    finally:
        provider.close()


def state_of(address: str) -> str:
    """Return the state in an address that leads to a provider."""
    return dict(parse_qsl(urlsplit(address).query))["state"]
