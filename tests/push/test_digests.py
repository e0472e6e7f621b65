"""Word of unread messages by e-mail, through a real mail server."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import pytest

from hamrasan.push import digests
from hamrasan.push.digests import CONFIRMATION_INTERVAL_MS, INTERVAL_MS, LINK_LIFETIME_MS
from hamrasan.push.mails import LANGUAGES, MESSAGES
from hamrasan.runtime.clock import SystemClock
from hamrasan.runtime.mailer import Mailer, MailFailed
from tests.mailboxes import MailServer, html, mail_server, plain
from tests.push.pushing import mention
from tests.reading import room_path
from tests.running import Person, Running, refused, running

_now_ms = SystemClock.now_ms


@pytest.fixture(name="mailbox")
def _mailbox() -> Iterator[MailServer]:
    with mail_server() as own:
        yield own


@pytest.fixture(name="mailing")
def _mailing(tmp_path: Any, mailbox: MailServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """A server that sends mails when a test says so."""
    monkeypatch.setattr(digests, "LOOK_S", 10_000.0)
    with running(tmp_path, mail_server=mailbox.url, public_url="https://chat.example.org") as server:
        yield server


def wish(address: str, **changes: Any) -> dict[str, Any]:
    return {
        "kind": "email",
        "app_id": "m.email",
        "pushkey": address,
        "app_display_name": "E-mail",
        "device_display_name": address,
        "lang": "fa",
        "data": {},
        **changes,
    }


def link_in(mail: EmailMessage) -> str:
    """Return the path and query of the only link of a mail."""
    (found,) = set(re.findall(r"https://chat\.example\.org(/mail/\S+)", plain(mail)))
    assert found.replace("&", "&amp;") in html(mail)
    link: str = found
    return link


def press(server: Running, path: str) -> int:
    """Open a link as somebody in a browser does, and press the button; return the status."""
    with server.anonymous() as http:
        if http.get(path).status_code == 404:
            return 404
        return http.post(path, data={}).status_code


def subscribe(server: Running, mailbox: MailServer, person: Person, **changes: Any) -> str:
    """Let somebody ask for mails and confirm their address."""
    address = f"{person.localpart}@example.org"
    before = len(mailbox.mails)
    person.request("POST", "/pushers/set", wish(address, **changes))
    assert press(server, link_in(mailbox.wait(before + 1)[before])) == 200
    return address


def send_due(server: Running, later_ms: int = 0) -> None:
    """Let the server look for what is due, some time later."""
    due = server.server.services.digests
    assert due is not None
    with patch.object(SystemClock, "now_ms", lambda clock: _now_ms(clock) + later_ms):
        server.run(due.send_due())


async def _noted(server: Running, person: Person, count: int) -> None:
    store = server.server.store
    while len(await store.push.waiting(person.user_id, 0, 100)) != count:  # noqa: ASYNC110 - rows are no event
        await asyncio.sleep(0.01)


def noted(server: Running, person: Person, count: int) -> None:
    """Wait until so much waits for a person."""
    server.run(_noted(server, person, count))


def people(server: Running) -> tuple[Person, Person, str]:
    alice, bob = server.register("alice"), server.register("bob")
    room_id = alice.create_room(preset="public_chat", name="باغ <b>ایرانی</b>")
    bob.join(room_id)
    return alice, bob, room_id


def test_unread_messages_are_told_in_persian_without_what_they_say(
    mailing: Running, mailbox: MailServer
) -> None:
    alice, bob, room_id = people(mailing)
    address = subscribe(mailing, mailbox, bob)
    alice.put(f"/profile/{alice.user_id}/displayname", {"displayname": "Alice <i>"})
    alice.send(room_id, "a secret")
    mention(alice, room_id, {"user_ids": [bob.user_id]})
    noted(mailing, bob, 2)
    send_due(mailing)
    assert len(mailbox.mails) == 1, "somebody who is there reads it soon"
    send_due(mailing, digests.FIRST_DELAY_MS + 1)
    mail = mailbox.wait(2)[1]
    assert mail["Subject"] == "۲ پیام نخوانده در hamrasan.test"
    assert (mail["To"], mail["From"]) == (address, "hamrasan@hamrasan.test")
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    line = "- ۲ پیام در \u2068باغ <b>ایرانی</b>\u2069 از \u2068Alice <i>\u2069 (از شما نام برده‌اند)"
    assert line in plain(mail).replace("\r\n", "\n").split("\n")
    assert 'dir="rtl"' in html(mail)
    assert "<bdi>Alice &lt;i&gt;</bdi>" in html(mail)
    assert "secret" not in mail.as_string()
    send_due(mailing, 2 * INTERVAL_MS)
    assert len(mailbox.mails) == 2, "nothing is told twice"


def test_english_readers_get_english(mailing: Running, mailbox: MailServer) -> None:
    alice, bob, _ = people(mailing)
    subscribe(mailing, mailbox, bob, lang="en-GB")
    direct = alice.create_room(preset="trusted_private_chat", invite=[bob.user_id])
    bob.join(direct)
    alice.send(direct, "hi")
    noted(mailing, bob, 2)  # the invitation, too, which was answered
    send_due(mailing, INTERVAL_MS)
    mail = mailbox.wait(2)[1]
    assert mail["Subject"] == "Unread messages on hamrasan.test: 1"
    assert f"- 1 from \u2068{alice.user_id}\u2069" in plain(mail)
    assert 'lang="en" dir="ltr"' in html(mail)


def test_what_was_read_is_not_told(mailing: Running, mailbox: MailServer) -> None:
    alice, bob, room_id = people(mailing)
    subscribe(mailing, mailbox, bob)
    said = alice.send(room_id, "hi")
    noted(mailing, bob, 1)
    bob.post(room_path(room_id, "receipt", "m.read", said), {})
    send_due(mailing, INTERVAL_MS)
    alice.send(room_id, "hi again")
    noted(mailing, bob, 1)
    send_due(mailing, INTERVAL_MS)
    assert len(mailbox.wait(2)) == 2
    assert mailbox.mails[1]["Subject"].startswith("۱ ")


def test_mails_to_one_address_are_seldom(mailing: Running, mailbox: MailServer) -> None:
    alice, bob, room_id = people(mailing)
    subscribe(mailing, mailbox, bob)
    alice.send(room_id, "one")
    noted(mailing, bob, 1)
    send_due(mailing, digests.FIRST_DELAY_MS + 1)
    assert len(mailbox.mails) == 2
    alice.send(room_id, "two")
    noted(mailing, bob, 1)
    send_due(mailing, INTERVAL_MS - 60_000)
    assert len(mailbox.mails) == 2
    send_due(mailing, digests.FIRST_DELAY_MS + INTERVAL_MS + 60_000)
    assert len(mailbox.mails) == 3


def test_an_address_that_did_not_confirm_gets_nothing(mailing: Running, mailbox: MailServer) -> None:
    alice, bob, room_id = people(mailing)
    answer = bob.request("POST", "/pushers/set", wish("somebody@example.org"))
    assert answer.status_code == 201
    (question,) = mailbox.wait(1)
    assert bob.user_id in plain(question)
    assert bob.get("/pushers")["pushers"][0]["activated"] is False
    alice.send(room_id, "hi")
    noted(mailing, bob, 1)
    send_due(mailing, INTERVAL_MS)
    assert len(mailbox.mails) == 1
    with mailing.anonymous() as http:
        page = http.get(link_in(question), headers={"Accept-Language": "en"})
        assert "one click ends it" in page.text
    assert bob.get("/pushers")["pushers"][0]["activated"] is False, "looking changes nothing"


def test_a_link_in_each_mail_ends_them(mailing: Running, mailbox: MailServer) -> None:
    alice, bob, room_id = people(mailing)
    subscribe(mailing, mailbox, bob)
    alice.send(room_id, "hi")
    noted(mailing, bob, 1)
    send_due(mailing, INTERVAL_MS)
    mail = mailbox.wait(2)[1]
    link = urlsplit(str(mail["List-Unsubscribe"]).strip("<>"))
    path = f"{link.path}?{link.query}"
    assert path == link_in(mail)
    with mailing.anonymous() as http:
        assert http.post(path, data={"List-Unsubscribe": "One-Click"}).status_code == 200
        assert bob.get("/pushers")["pushers"] == []
        assert http.post(path, data={"List-Unsubscribe": "One-Click"}).status_code == 200


def test_links_are_good_for_their_purpose_and_time_only(mailing: Running, mailbox: MailServer) -> None:
    _, bob, _ = people(mailing)
    bob.request("POST", "/pushers/set", wish("bob@example.org"))
    link = link_in(mailbox.wait(1)[0])
    token = link.partition("token=")[2]
    payload, _, signature = token.partition(".")
    wrong = [
        f"/mail/unsubscribe?token={token}",
        f"/mail/confirm?token={payload}",
        f"/mail/confirm?token={payload}.{signature[:-1]}",
        f"/mail/confirm?token={payload[:-2]}AA.{signature}",
        "/mail/confirm?token=%D9%BE.x",
        "/mail/confirm",
    ]
    for path in wrong:
        assert press(mailing, path) == 404, path
        with mailing.anonymous() as http:
            assert http.post(path, data={}).status_code == 404
    with patch.object(SystemClock, "now_ms", lambda clock: _now_ms(clock) + LINK_LIFETIME_MS + 1):
        assert press(mailing, link) == 404
    assert bob.get("/pushers")["pushers"][0]["activated"] is False
    assert press(mailing, link) == 200


def test_nobody_can_fill_a_mailbox_with_questions(mailing: Running, mailbox: MailServer) -> None:
    _, bob, _ = people(mailing)
    carol = mailing.register("carol")
    bob.request("POST", "/pushers/set", wish("bob@example.org"))
    for person, address in ((bob, "bob@example.org"), (bob, "x@example.org"), (carol, "BOB@example.org")):
        answer = person.request("POST", "/pushers/set", wish(address))
        refusal = refused(answer, 429, "M_LIMIT_EXCEEDED")
        assert 0 < refusal["retry_after_ms"] <= CONFIRMATION_INTERVAL_MS
    assert len(mailbox.wait(1)) == 1
    assert carol.get("/pushers")["pushers"] == []


def test_nobody_takes_the_address_of_another(
    mailing: Running, mailbox: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob, room_id = people(mailing)
    address = subscribe(mailing, mailbox, bob)
    monkeypatch.setattr(digests, "CONFIRMATION_INTERVAL_MS", 0)
    assert alice.request("POST", "/pushers/set", wish(address)).status_code == 201
    assert [pusher["activated"] for pusher in bob.get("/pushers")["pushers"]] == [True]
    bob.send(room_id, "hi")
    noted(mailing, alice, 1)
    alice.send(room_id, "hi")
    noted(mailing, bob, 1)
    mailbox.wait(2)  # the question whether alice's are wanted, too
    send_due(mailing, INTERVAL_MS)
    assert len(mailbox.wait(3)) == 3
    assert bob.user_id in plain(mailbox.mails[2])


def test_an_address_that_takes_no_mail_is_given_up_and_a_busy_server_is_not(
    mailing: Running, mailbox: MailServer
) -> None:
    alice, bob, room_id = people(mailing)
    subscribe(mailing, mailbox, bob)
    alice.send(room_id, "hi")
    noted(mailing, bob, 1)
    mailbox.answer = lambda address: "450 later, please"
    send_due(mailing, INTERVAL_MS)
    assert len(bob.get("/pushers")["pushers"]) == 1
    mailbox.answer = lambda address: "550 nobody here"
    send_due(mailing, INTERVAL_MS)
    assert bob.get("/pushers")["pushers"] == []
    assert len(mailbox.mails) == 1


@pytest.mark.parametrize(
    "address",
    [
        "",
        "bob",
        "bob@",
        "@example.org",
        "a b@example.org",
        "bob@example.org\nBcc: x@y",
        "بهار@example.org",
        "a@b..c",
    ],
)
def test_what_is_no_address_is_refused(mailing: Running, address: str) -> None:
    bob = mailing.register("bob")
    refused(bob.request("POST", "/pushers/set", wish(address)), 400, "M_INVALID_PARAM")
    refused(bob.request("POST", "/pushers/set", wish("bob@example.org", app_id="x")), 400, "M_INVALID_PARAM")
    assert bob.get("/pushers")["pushers"] == []


def test_a_server_without_mail_says_so(server: Running) -> None:
    bob = server.register("bob")
    refused(bob.request("POST", "/pushers/set", wish("bob@example.org")), 400, "M_INVALID_PARAM")
    with server.anonymous() as http:
        assert http.get("/mail/confirm?token=x.y").status_code == 404


def test_a_password_is_not_sent_without_encryption(mailbox: MailServer) -> None:
    url = mailbox.url.replace("smtp://", "smtp://user:p%40ss@")
    mail = EmailMessage()
    mail["From"], mail["To"] = "a@example.org", "b@example.org"
    mailer = Mailer(url, "a@example.org")
    try:
        with pytest.raises(MailFailed, match="encryption"):
            asyncio.run(mailer.send(mail))
    finally:
        mailer.close()
    assert mailbox.mails == []
    assert mailbox.logins == []


def test_every_text_is_there_in_every_language() -> None:
    fields = re.compile(r"\{[a-z]+\}")
    persian = MESSAGES["fa"]
    for language in LANGUAGES:
        assert MESSAGES[language].keys() == persian.keys()
        for key, text in MESSAGES[language].items():
            assert sorted(fields.findall(text)) == sorted(fields.findall(persian[key])), key
