"""Files for other servers."""

from __future__ import annotations

from email import message_from_bytes
from email.message import Message

import httpx

from tests.federation.country import country
from tests.federation.visitors import Visitor
from tests.media_files import halves, opened
from tests.object_store import object_store
from tests.running import Person, answered, refused


def upload(person: Person, content: bytes, content_type: str, **query: str) -> str:
    """Upload a file and return its media id."""
    response = person.http.post(
        "/_matrix/media/v3/upload", content=content, params=query, headers={"Content-Type": content_type}
    )
    uri: str = answered(response)["content_uri"]
    return uri.rpartition("/")[2]


def parts(response: httpx.Response) -> tuple[bytes, Message]:
    """Return the metadata, and the part with the file, as a reader of MIME sees them."""
    assert response.status_code == 200, response.text
    head = f"Content-Type: {response.headers['content-type']}\r\n\r\n".encode()
    message = message_from_bytes(head + response.content)
    assert message.get_content_type() == "multipart/mixed"
    first, second = list(message.walk())[1:]
    assert isinstance(first, Message)
    assert isinstance(second, Message)
    assert first.get_content_type() == "application/json"
    metadata = first.get_payload(decode=True)
    assert isinstance(metadata, bytes)
    return metadata, second


def test_a_file_comes_in_two_parts(alice: Person, there: Visitor) -> None:
    content = "متن\r\n--x--\r\n".encode() * 50_000
    media_id = upload(alice, content, "text/plain", filename="نامه.txt")
    response = there.request("GET", f"/media/download/{media_id}")
    metadata, file = parts(response)
    assert metadata == b"{}"
    assert file.get_content_type() == "text/plain"
    assert file.get_filename() == "نامه.txt"
    assert content in response.content
    assert int(response.headers["content-length"]) == len(response.content)


def test_an_empty_file_and_one_that_runs_in_browsers(alice: Person, there: Visitor) -> None:
    _, empty = parts(there.request("GET", f"/media/download/{upload(alice, b'', 'image/png')}"))
    assert empty.get_payload(decode=True) == b""
    _, page = parts(there.request("GET", f"/media/download/{upload(alice, b'<b>', 'text/html')}"))
    assert page["Content-Disposition"].startswith("attachment")


def test_a_thumbnail(alice: Person, there: Visitor) -> None:
    media_id = upload(alice, halves((800, 600)), "image/png")
    path = f"/media/thumbnail/{media_id}"
    _, file = parts(there.request("GET", path, width=96, height=96, method="crop"))
    content = file.get_payload(decode=True)
    assert isinstance(content, bytes)
    assert opened(content).size == (96, 96)
    refused(there.request("GET", path, width=96), 400, "M_MISSING_PARAM")
    refused(there.request("GET", path, width=96, height=0), 400, "M_INVALID_PARAM")


def test_files_that_are_not_there(alice: Person, there: Visitor) -> None:
    refused(there.request("GET", "/media/download/nothing"), 404, "M_NOT_FOUND")
    refused(there.request("GET", "/media/thumbnail/nothing", width=32, height=32), 404, "M_NOT_FOUND")
    created = answered(alice.http.post("/_matrix/media/v1/create"))["content_uri"].rpartition("/")[2]
    refused(there.request("GET", f"/media/download/{created}", timeout_ms=1), 504, "M_NOT_YET_UPLOADED")


def test_an_object_store_hands_files_out_itself() -> None:
    with (
        object_store() as store,
        country("stored", media_store=store.make_bucket(), media_delivery="redirect") as (member,),
    ):
        asking = Visitor(member.land.stranger("asking"), member)
        media_id = upload(member.register("alice"), b"content", "text/plain")
        _, file = parts(asking.request("GET", f"/media/download/{media_id}"))
        assert file.get_content_type() == "text/plain"
        assert file.get_payload(decode=True) == b""
        assert httpx.get(file["Location"], trust_env=False).content == b"content"
