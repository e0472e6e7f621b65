"""The paths of endpoints and pages that others link to."""

from __future__ import annotations

AUTHORIZE = "/oauth/authorize"
TOKEN = "/oauth/token"
REGISTER = "/oauth/register"
REVOKE = "/oauth/revoke"
DEVICE = "/oauth/device"

SIGN_IN = "/signin"
SIGN_UP = "/signup"
SIGN_OUT = "/signout"
ACCOUNT = "/account"
SSO = "/sso"
CONFIRM = "/sso/confirm"
UPSTREAM = "/upstream"
LINK = "/link"
"""Short, since people type it."""
