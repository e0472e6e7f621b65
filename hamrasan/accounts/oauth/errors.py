"""Refusals as OAuth 2.0 writes them (RFC 6749, section 5.2), which is not how the rest of Matrix does."""

from __future__ import annotations

from typing import Any, Literal

from hamrasan.protocol.errors import MatrixError

ErrorCode = Literal[
    "access_denied",
    "authorization_pending",
    "expired_token",
    "invalid_client",
    "invalid_client_metadata",
    "invalid_grant",
    "invalid_redirect_uri",
    "invalid_request",
    "invalid_scope",
    "slow_down",
    "unauthorized_client",
    "unsupported_grant_type",
    "unsupported_response_type",
]


class OAuthError(MatrixError):
    """A refusal of an OAuth 2.0 endpoint; `description` is in ASCII, as the RFC asks."""

    def __init__(self, error: ErrorCode, description: str, status: int = 400) -> None:
        super().__init__(status, "", description)
        self.error = error
        self.description = description

    def body(self) -> dict[str, Any]:
        """Return the JSON object of the response."""
        return {"error": self.error, "error_description": self.description}


def invalid_request(description: str) -> OAuthError:
    """A parameter is missing, is there twice, or has no form that it can have."""
    return OAuthError("invalid_request", description)


def invalid_grant(description: str) -> OAuthError:
    """What was brought to be exchanged for tokens is not, or no longer, good for any."""
    return OAuthError("invalid_grant", description)
