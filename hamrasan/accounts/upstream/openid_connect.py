"""Asking a provider who somebody is (OpenID Connect Core 1.0, with PKCE and nonce)."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jwt import JWTClaimsRegistry

from hamrasan.accounts.upstream.providers import Provider, is_safe_url
from hamrasan.protocol.canonical_json import parse_json
from hamrasan.protocol.errors import MatrixError
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.outbound import Outbound, OutboundFailed, Reach

TIMEOUT_S = 10
"""A person waits for it."""
MAX_ANSWER_BYTES = 256 * 1024
"""Metadata and keys of large providers have some tens of kilobytes."""
METADATA_S = 60 * 60
"""How long what a provider says of itself is believed."""
KEYS_AGAIN_S = 60
"""Between two looks for a key that a token names and nobody knows: tokens must not make us ask without end."""
LEEWAY_S = 60
"""By which clocks may differ."""
ALGORITHMS = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "Ed25519",
)
"""Signatures with a key of the provider; none that a shared secret, or nothing at all, would make."""
MAX_SUBJECT_CHARS = 255
"""OpenID Connect Core, section 2."""
FORM = "application/x-www-form-urlencoded"


class ProviderFailed(Exception):
    """The provider cannot be reached, or does not answer as it should. The text is for the operator's log."""


class Identity(NamedTuple):
    """Whom a provider says somebody is."""

    subject: str
    claims: Mapping[str, Any]


@dataclass(slots=True)
class _Known:
    metadata: dict[str, Any]
    keys: KeySet
    until: float
    keys_read: float


class OpenIdConnect:
    """Talks to providers."""

    def __init__(self, outbound: Outbound, clock: Clock) -> None:
        self._outbound = outbound
        self._clock = clock
        self._known: dict[str, _Known] = {}

    async def way_there(
        self, provider: Provider, redirect_uri: str, state: str, nonce: str, challenge: str
    ) -> str:
        """Return the address to send a browser to. Raises `ProviderFailed`."""
        known = await self._know(provider)
        query = {
            "response_type": "code",
            "client_id": provider.client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(provider.scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        endpoint: str = known.metadata["authorization_endpoint"]
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"

    async def identify(
        self, provider: Provider, redirect_uri: str, code: str, verifier: str, nonce: str
    ) -> Identity:
        """Exchange a code and return whom the provider says somebody is. Raises `ProviderFailed`."""
        known = await self._know(provider)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        headers = {"Content-Type": FORM, "Accept": "application/json"}
        methods = known.metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if provider.client_secret is None:
            form["client_id"] = provider.client_id
        elif isinstance(methods, list) and "client_secret_basic" not in methods:
            form |= {"client_id": provider.client_id, "client_secret": provider.client_secret}
        else:
            pair = f"{quote(provider.client_id, safe='')}:{quote(provider.client_secret, safe='')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        answer = await self._ask("POST", known.metadata["token_endpoint"], urlencode(form).encode(), headers)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise ProviderFailed("the answer has no ID token")
        return await self._verified(provider, token, nonce)

    async def _verified(self, provider: Provider, token: str, nonce: str) -> Identity:
        """Check an ID token (OpenID Connect Core, section 3.1.3.7)."""
        known = await self._know(provider)
        try:
            claims = _claims(token, known.keys)
        except (JoseError, ValueError):
            if self._clock.monotonic() - known.keys_read < KEYS_AGAIN_S:
                raise ProviderFailed("the ID token is not signed with a key of the provider") from None
            known.keys = await self._keys(known.metadata)
            known.keys_read = self._clock.monotonic()
            try:
                claims = _claims(token, known.keys)
            except (JoseError, ValueError):
                raise ProviderFailed("the ID token is not signed with a key of the provider") from None
        self._check(claims, provider, nonce)
        subject = claims["sub"]
        if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT_CHARS:
            raise ProviderFailed("the ID token names nobody")
        return Identity(subject, claims)

    def _check(self, claims: dict[str, Any], provider: Provider, nonce: str) -> None:
        registry = JWTClaimsRegistry(
            now=self._clock.now_ms() // 1000,
            leeway=LEEWAY_S,
            iss={"essential": True, "value": provider.issuer},
            aud={"essential": True, "value": provider.client_id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        try:
            registry.validate(claims)
        except JoseError as error:
            raise ProviderFailed(f"the ID token is not for this login: {error}") from None
        audience = claims["aud"]
        if isinstance(audience, list) and len(audience) > 1 and claims.get("azp") != provider.client_id:
            raise ProviderFailed("the ID token was made for somebody else")

    async def _know(self, provider: Provider) -> _Known:
        known = self._known.get(provider.id)
        if known is not None and known.until > self._clock.monotonic():
            return known
        address = f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration"
        metadata = await self._ask("GET", address)
        if metadata.get("issuer") != provider.issuer:
            raise ProviderFailed(f"it says that it is {metadata.get('issuer')!r}")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not is_safe_url(metadata.get(name)):
                raise ProviderFailed(f"its {name} is no address that can be trusted")
        now = self._clock.monotonic()
        known = _Known(metadata, await self._keys(metadata), now + METADATA_S, now)
        self._known[provider.id] = known
        return known

    async def _keys(self, metadata: Mapping[str, Any]) -> KeySet:
        found = await self._ask("GET", metadata["jwks_uri"])
        try:
            keys: Sequence[Any] = found["keys"]
            public = [key for key in keys if key.get("kty") in ("RSA", "EC", "OKP")]
            return KeySet.import_key_set({"keys": public})
        except (JoseError, ValueError, KeyError, TypeError, AttributeError):
            raise ProviderFailed("its keys cannot be read") from None

    async def _ask(
        self, method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        try:
            answer = await self._outbound.send(
                method,
                url,
                timeout_s=TIMEOUT_S,
                max_bytes=MAX_ANSWER_BYTES,
                body=body,
                headers=headers,
                reach=Reach.ANYWHERE,
            )
            found = parse_json(answer.body) if answer.status == 200 else None
        except (OutboundFailed, MatrixError) as error:
            raise ProviderFailed(f"{url} gave no answer that can be read: {error}") from None
        if not isinstance(found, dict):
            raise ProviderFailed(f"{url} answered {answer.status}")
        return found


def _claims(token: str, keys: KeySet) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, keys, algorithms=list(ALGORITHMS)).claims
    return claims
