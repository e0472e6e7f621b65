"""What mails say: in the language of the pusher, as plain text and as HTML, and never what somebody wrote."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from email.policy import SMTP
from importlib import resources
from typing import Literal, NamedTuple, get_args

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

Language = Literal["fa", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
DEFAULT: Language = "fa"
MAX_SENDERS = 3
"""Names in one line; more of them make it longer and say little."""
MAX_NAME_CHARS = 80
_DIGITS = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")
_ISOLATE, _END = "\u2068", "\u2069"
"""Around names in plain text, so that a Latin one does not turn a Persian line about (Unicode, annex 9)."""

_FOLDER = resources.files("hamrasan.push")
MESSAGES: Mapping[Language, Mapping[str, str]] = {
    language: tomllib.loads((_FOLDER / "messages" / f"{language}.toml").read_text("utf-8"))
    for language in LANGUAGES
}
_TEMPLATE = Environment(
    loader=PackageLoader("hamrasan.push"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    auto_reload=False,
).get_template("mail.html")


class RoomNews(NamedTuple):
    """What is unread of one room."""

    room_name: str | None
    senders: Sequence[str]
    messages: int
    mentioned: bool


class Envelope(NamedTuple):
    """From whom, to whom, and about whose account a mail is."""

    sender: str
    address: str
    server_name: str
    user_id: str
    lang: str

    @property
    def language(self) -> Language:
        """The language that the reader asked for, if there are texts in it."""
        wish = self.lang[:2].lower()
        return next((language for language in LANGUAGES if language == wish), DEFAULT)


def digest(envelope: Envelope, news: Sequence[RoomNews], unsubscribe_url: str) -> EmailMessage:
    """Return the mail that tells of unread messages."""
    language = envelope.language
    texts = MESSAGES[language]
    total = _number(sum(each.messages for each in news), language)
    lines = [_line(each, language) for each in news]
    after = [_say(texts["open"]), _say(texts["why"], user=envelope.user_id)]
    subject = texts["digest_subject"].format(count=total, server=envelope.server_name)
    mail = _mail(
        envelope, subject, _say(texts["digest_intro"]), lines, after, texts["unsubscribe"], unsubscribe_url
    )
    mail["List-Unsubscribe"] = f"<{unsubscribe_url}>"
    mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058
    return mail


def confirmation(envelope: Envelope, url: str) -> EmailMessage:
    """Return the mail that asks whether the reader wants any."""
    texts = MESSAGES[envelope.language]
    subject = texts["confirm_subject"].format(server=envelope.server_name)
    intro = _say(texts["confirm_intro"], user=envelope.user_id)
    return _mail(envelope, subject, intro, [], [], texts["confirm"], url)


def _line(news: RoomNews, language: Language) -> Markup:
    texts = MESSAGES[language]
    names = [_name(sender) for sender in news.senders[:MAX_SENDERS]]
    senders = Markup(escape(texts["and"])).join(names)
    if len(news.senders) > MAX_SENDERS:
        senders += Markup(" ") + escape(texts["others"])
    count = _number(news.messages, language)
    if news.room_name is None:
        line = _say(texts["direct"], count=count, senders=senders)
    else:
        line = _say(texts["room"], count=count, senders=senders, room=_name(news.room_name))
    return line + Markup(" (") + escape(texts["mentioned"]) + Markup(")") if news.mentioned else line


def _name(name: str) -> Markup:
    """Return a name that somebody chose, cut short, and kept apart from the line's direction."""
    plain = " ".join(name.split())[:MAX_NAME_CHARS]
    return Markup("<bdi>{}</bdi>").format(plain)


def _say(text: str, **values: object) -> Markup:
    return Markup(escape(text)).format(**values)


def _number(number: int, language: Language) -> str:
    return str(number).translate(_DIGITS) if language == "fa" else str(number)


def _mail(
    envelope: Envelope,
    subject: str,
    intro: Markup,
    lines: Sequence[Markup],
    after: Sequence[Markup],
    link_text: str,
    link: str,
) -> EmailMessage:
    language = envelope.language
    mail = EmailMessage(SMTP)
    mail["From"], mail["To"], mail["Subject"] = envelope.sender, envelope.address, subject
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's out-of-office notice comes back
    mail["Content-Language"] = language
    paragraphs = [intro, *(Markup("- ") + line for line in lines), *after, escape(f"{link_text}: {link}")]
    mail.set_content("\n\n".join(_plain(paragraph) for paragraph in paragraphs) + "\n")
    html = _TEMPLATE.render(
        language=language,
        direction="rtl" if language == "fa" else "ltr",
        subject=subject,
        intro=intro,
        lines=lines,
        after=after,
        link=link,
        link_text=link_text,
    )
    mail.add_alternative(html, subtype="html")
    return mail


def _plain(text: Markup) -> str:
    """Return a line without markup, with names isolated by characters instead."""
    isolated = text.replace("<bdi>", _ISOLATE).replace("</bdi>", _END)
    return Markup(isolated).unescape()
