"""Two-step login on the server's own pages, and what apps hear that do not know it."""

from __future__ import annotations

import base64
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from hamrasan.accounts.totp import PERIOD_S, code_at
from tests.running import PASSWORD, Person, Running, answered, refused, running
from tests.signing_in import Client, Page, Tab

LOGIN = "/_matrix/client/v3/login"


def secret_on(page: Page) -> bytes:
    """Return the secret that a page shows, which an app reads from it."""
    shown = page.response.text.partition("<code>")[2].partition("</code>")[0]
    return base64.b32decode(shown.replace(" ", ""))


def present_step() -> int:
    return int(time.time()) // PERIOD_S


def turn_on(tab: Tab, who: Person) -> tuple[bytes, list[str]]:
    """Turn two-step login on and return the app's secret and the recovery codes."""
    page = tab.sign_in(tab.open("/account/two-step"), who.localpart)
    secret = secret_on(page)
    page = tab.submit(page, code=code_at(secret, present_step() - 1), password=PASSWORD)
    codes = [part.partition("</code>")[0] for part in page.response.text.split("<code>")[1:]]
    assert len(codes) == 10, page.text
    return secret, codes


def by_password(server: Running, who: Person) -> httpx.Response:
    identifier = {"type": "m.id.user", "user": who.user_id}
    body = {"type": "m.login.password", "identifier": identifier, "password": PASSWORD}
    with server.anonymous() as http:
        return http.post(LOGIN, json=body)


def test_turning_it_on_signing_in_and_turning_it_off(server: Running) -> None:
    who = server.register()
    with Tab(server.url) as tab, Tab(server.url) as other, Client(server) as client:
        secret, _codes = turn_on(tab, who)
        page = other.sign_in(other.open(client.way_in()), who.localpart)
        assert "Second step" in page.text
        assert "password" in other.open("/account").forms[0].fields, "the password was not enough"
        wrong = other.submit(page, code="000000")
        assert wrong.response.status_code == 403
        page = other.submit(wrong, code=code_at(secret, present_step()))
        other.submit(page, button="allow")
        assert client.exchange(other.brought["code"]).status_code == 200

        page = tab.open("/account/two-step")
        assert "Recovery codes left: 10" in page.text
        page = tab.submit(page, password="wrong", code=code_at(secret, present_step() + 1))
        assert "The password is wrong." in page.text
        page = tab.submit(page, password=PASSWORD, code="123456")
        assert page.response.status_code == 403
        tab.submit(page, password=PASSWORD, code=code_at(secret, present_step() + 1))
        assert server.run(server.server.services.two_step.find(who.user_id)) is None
        assert by_password(server, who).status_code == 200


def test_an_app_that_only_knows_passwords_is_told_what_to_do(server: Running) -> None:
    who = server.register()
    assert by_password(server, who).status_code == 200
    with Tab(server.url) as tab:
        turn_on(tab, who)
    refusal = refused(by_password(server, who), 403, "M_FORBIDDEN")
    assert "browser" in refusal["error"]
    answered(who.request("GET", "/account/whoami"))


def test_a_code_is_good_for_once(server: Running) -> None:
    who = server.register()
    with Tab(server.url) as tab:
        secret, _codes = turn_on(tab, who)
        code = code_at(secret, present_step())
        with Tab(server.url) as first, Tab(server.url) as second:
            pages = [each.sign_in(each.open("/signin"), who.localpart) for each in (first, second)]
            with ThreadPoolExecutor(2) as threads:
                answers = list(
                    threads.map(
                        lambda pair: pair[0].submit(pair[1], code=code),
                        zip((first, second), pages, strict=True),
                    )
                )
        assert sorted(page.response.status_code for page in answers) == [200, 403]
        with Tab(server.url) as third:
            page = third.submit(third.sign_in(third.open("/signin"), who.localpart), code=code)
            assert page.response.status_code == 403


def test_recovery_codes_let_in_each_once(server: Running) -> None:
    who = server.register()
    with Tab(server.url) as tab:
        _secret, codes = turn_on(tab, who)
    for typed in (codes[0], f" {codes[1].upper().replace('-', ' ')} "):
        for status in (200, 403):
            with Tab(server.url) as tab:
                page = tab.submit(tab.sign_in(tab.open("/signin"), who.localpart), code=typed)
                assert page.response.status_code == status
    with Tab(server.url) as tab:
        tab.submit(tab.sign_in(tab.open("/signin"), who.localpart), code=codes[2])
        assert "Recovery codes left: 7" in tab.open("/account/two-step").text


def test_guesses_are_limited(server: Running) -> None:
    who = server.register()
    with Tab(server.url) as tab:
        _secret, codes = turn_on(tab, who)
    with Tab(server.url) as thief:
        page = thief.sign_in(thief.open("/signin"), who.localpart)
        statuses = []
        for number in range(7):
            page = thief.submit(page, code=f"{number:06}")
            statuses.append(page.response.status_code)
        assert statuses == [403] * 5 + [429] * 2
        assert thief.submit(page, code=codes[0]).response.status_code == 429
        assert "password" in thief.open("/account").forms[0].fields


def test_what_was_proved_is_good_in_its_own_browser_only(server: Running) -> None:
    who, other = server.register(), server.register()
    with Tab(server.url) as tab:
        secret, _codes = turn_on(tab, who)
    with Tab(server.url) as tab, Tab(server.url) as thief:
        page = tab.sign_in(tab.open("/signin"), who.localpart)
        stolen = page.forms[0].fields["proof"]
        form = thief.open("/signin").forms[0].fields
        code = code_at(secret, present_step())
        for proof in (stolen, "", "x", stolen[:-4] + "AAAA"):
            answer = thief.http.post("/signin/code", data={**form, "proof": proof, "code": code})
            assert answer.status_code == 303
            assert answer.headers["location"].startswith("/signin")
        assert "password" in thief.open("/account").forms[0].fields
        page = tab.submit(page, code=code)
        assert who.user_id in page.text
        assert other.user_id not in page.text


def test_turning_it_on_needs_password_and_app(server: Running) -> None:
    who, other = server.register(), server.register()
    with Tab(server.url) as tab, Tab(server.url) as others:
        page = tab.sign_in(tab.open("/account/two-step"), who.localpart)
        secret = secret_on(page)
        code = code_at(secret, present_step())
        again = tab.submit(page, code=code, password="wrong")
        assert "The password is wrong." in again.text
        assert secret_on(again) == secret, "nobody has to read the picture twice"
        assert tab.submit(page, code="000000", password=PASSWORD).response.status_code == 403
        foreign = others.sign_in(others.open("/account/two-step"), other.localpart).forms[0].fields["secret"]
        for sealed in ("", foreign):
            answer = tab.submit(page, code=code, password=PASSWORD, secret=sealed)
            assert answer.response.status_code == 400
        assert server.run(server.server.services.two_step.find(who.user_id)) is None
        assert answered(who.request("GET", "/account/whoami"))["user_id"] == who.user_id


def test_secrets_are_sealed_in_the_database_and_survive_a_restart(tmp_path: Path) -> None:
    with running(tmp_path) as server, Tab(server.url) as tab:
        who = server.register()
        secret, codes = turn_on(tab, who)
        name = who.localpart
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("hamrasan.db*"))
    assert secret not in kept
    assert not any(code.replace("-", "").encode() in kept for code in codes)
    assert (tmp_path / "secrets.key").stat().st_mode & 0o077 == 0
    with running(tmp_path) as server, Tab(server.url) as tab:
        page = tab.submit(tab.sign_in(tab.open("/signin"), name), code=code_at(secret, present_step()))
        assert f"@{name}:" in page.text


def test_nothing_is_left_of_an_account_that_has_ended(server: Running) -> None:
    who = server.register()
    with Tab(server.url) as tab:
        turn_on(tab, who)
    services = server.server.services
    assert server.run(services.two_step.is_on(who.user_id))
    server.run(services.deactivate_account.by_administrator(who.user_id, erase=False))
    assert not server.run(services.two_step.is_on(who.user_id)), (
        "nothing is left of an account that has ended"
    )
