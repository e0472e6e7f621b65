"""The pages that complete a stage of authentication in a browser."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from tests.running import PASSWORD, Running, refused, running

REGISTER = "/_matrix/client/v3/register"


def page_of(kind: str, session: str) -> str:
    return f"/_matrix/client/v3/auth/{kind}/fallback/web?session={quote(session)}"


def is_done(answer: httpx.Response) -> bool:
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    return "window.onAuthDone" in answer.text


def test_a_dummy_stage_is_completed_in_the_browser(server: Running) -> None:
    wanted = {"username": "by-browser", "password": PASSWORD}
    with server.anonymous() as http:
        session = http.post(REGISTER, json=wanted).json()["session"]
        assert not is_done(http.get(page_of("m.login.dummy", session)))
        assert http.post(REGISTER, json={**wanted, "auth": {"session": session}}).status_code == 401
        assert is_done(http.post(page_of("m.login.dummy", session)))
        made = http.post(REGISTER, json={**wanted, "auth": {"session": session}})
        assert made.json()["user_id"] == f"@by-browser:{server.name}"


def test_a_registration_token_is_asked_for_until_it_is_right(tmp_path: Path) -> None:
    with running(tmp_path, registration="token") as inviting, inviting.anonymous() as http:
        inviting.run(inviting.server.services.registration_tokens.create("invitation", 1, None))
        wanted = {"username": "alice", "password": PASSWORD}
        session = http.post(REGISTER, json=wanted).json()["session"]
        page = page_of("m.login.registration_token", session)
        assert 'name="token"' in http.get(page).text
        again = http.post(page, data={"token": "wrong"})
        assert (is_done(again), 'role="alert"' in again.text) == (False, True)
        assert is_done(http.post(page, data={"token": "invitation"}))
        made = http.post(REGISTER, json={**wanted, "auth": {"session": session}})
        assert made.status_code == 200


def test_a_password_confirms_in_the_browser(server: Running) -> None:
    who = server.register()
    desk = server.log_in(who)
    path = f"/devices/{desk.device_id}"
    session = who.request("DELETE", path, {}).json()["session"]
    page = page_of("m.login.password", session)
    with server.anonymous() as http:
        for wrong in ({"user": who.localpart, "password": "wrong"}, {"user": "bob", "password": PASSWORD}):
            assert not is_done(http.post(page, data=wrong))
        assert is_done(http.post(page, data={"user": who.localpart, "password": PASSWORD}))
    assert who.delete(path, {"auth": {"session": session}}) == {}


@pytest.mark.parametrize(
    ("wish", "language", "direction"),
    [
        ("fa-IR,fa;q=0.9,en;q=0.8", "fa", "rtl"),
        ("en-GB", "en", "ltr"),
        ("de", "en", "ltr"),
        ("", "en", "ltr"),
    ],
)
def test_the_page_speaks_the_browsers_language(
    server: Running, wish: str, language: str, direction: str
) -> None:
    with server.anonymous() as http:
        session = http.post(REGISTER, json={}).json()["session"]
        shown = http.get(page_of("m.login.dummy", session), headers={"Accept-Language": wish})
    assert f'<html lang="{language}" dir="{direction}">' in shown.text
    assert "frame-ancestors 'none'" in shown.headers["content-security-policy"]


def test_what_there_is_no_page_for(server: Running) -> None:
    with server.anonymous() as http:
        session = http.post(REGISTER, json={}).json()["session"]
        for kind, other in (
            ("m.login.recaptcha", session),
            ("m.login.password", session),
            ("m.login.dummy", "unknown"),
        ):
            refused(http.get(page_of(kind, other)), 404, "M_NOT_FOUND")
            refused(http.post(page_of(kind, other)), 404, "M_NOT_FOUND")
        refused(http.get("/_matrix/client/v3/auth/m.login.dummy/fallback/web"), 400, "M_MISSING_PARAM")
        bad = http.post(page_of("m.login.dummy", session), content=b"token=%ff")
        refused(bad, 400, "M_INVALID_PARAM")
