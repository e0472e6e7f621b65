"""What a page says about itself (OpenGraph, and plain HTML where it has none); runs in the worker process only."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

MAX_PROPERTIES = 50
"""Of one page; real ones have a dozen."""
MAX_VALUE_CHARS = 1_000
"""Of one value: more than a client shows of a description."""
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_KNOWN = re.compile(r"(?:og|article|book|profile|video|music):[a-z_:]{1,60}")
_TEXTLESS = frozenset({"script", "style", "noscript", "template", "svg"})
_IMAGES = ("og:image", "og:image:secure_url", "og:image:url", "twitter:image", "twitter:image:src")


def describe_page(content: bytes, charset: str | None) -> dict[str, str]:
    """Return the OpenGraph properties of a page, made up from its HTML where it names none.

    `charset` is what the server said. `og:image` is as the page has it, so it may be relative.
    """
    parser = _Reader()
    parser.feed(_decoded(content, charset))
    parser.close()
    meta = parser.meta
    found = {name: value for name, value in meta.items() if _KNOWN.fullmatch(name)}
    for name, others in {
        "og:title": ("twitter:title", "title", "h1"),
        "og:description": ("twitter:description", "description", "p"),
        "og:image": (*_IMAGES, "image_src"),
    }.items():
        value = next((meta[other] for other in (name, *others) if meta.get(other)), None)
        if value:
            found[name] = value
    return dict(list(found.items())[:MAX_PROPERTIES])


def describe_file(file: Path, charset: str | None) -> dict[str, str]:
    """The same of a page that is in a file."""
    return describe_page(file.read_bytes(), charset)


def _decoded(content: bytes, charset: str | None) -> str:
    declared = _META_CHARSET.search(content[:4096])
    names = [charset, declared[1].decode("ascii") if declared else None, "utf-8"]
    for name in names:
        if name:
            try:
                return content.decode(name, "replace")
            except (LookupError, ValueError):  # no such encoding, or none of text
                continue
    return content.decode("utf-8", "replace")


class _Reader(HTMLParser):
    """Notes what pages say about themselves: properties by name, of each the first."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.meta: dict[str, str] = {}
        self._text: list[str] | None = None
        self._of = ""
        self._skipped = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "meta":
            name = (found.get("property") or found.get("name") or "").strip().lower()
            if name and len(self.meta) < 4 * MAX_PROPERTIES:
                self._note(name, found.get("content") or "")
        elif tag == "link" and (found.get("rel") or "").lower() == "image_src":
            self._note("image_src", found.get("href") or "")
        elif tag in ("title", "h1", "p") and tag not in self.meta and self._text is None:
            self._text, self._of = [], tag
        elif tag in _TEXTLESS and not self._skipped:
            self._skipped = tag

    def handle_endtag(self, tag: str) -> None:
        if tag == self._skipped:
            self._skipped = ""
        if tag == self._of and self._text is not None:
            self._note(tag, "".join(self._text))
            self._text = None

    def handle_data(self, data: str) -> None:
        if self._text is not None and not self._skipped and len(self._text) < MAX_VALUE_CHARS:
            self._text.append(data[:MAX_VALUE_CHARS])

    def _note(self, name: str, value: str) -> None:
        text = " ".join(value[: 4 * MAX_VALUE_CHARS].split())[:MAX_VALUE_CHARS]
        if text:
            self.meta.setdefault(name, text)
