"""Downloads without an account, as they were before 2024."""

from __future__ import annotations

from pathlib import Path

from tests.media_files import opened, picture
from tests.running import Person, Running, answered, refused, running

OLD = "/_matrix/media/v3"


def uploaded(who: Person, content: bytes) -> str:
    answer = who.http.post(f"{OLD}/upload", content=content, headers={"Content-Type": "image/png"})
    uri: str = answered(answer)["content_uri"]
    return uri.removeprefix("mxc://")


def test_files_are_not_for_everybody(server: Running, alice: Person) -> None:
    address = uploaded(alice, picture())
    with server.anonymous() as nobody:
        for path in (
            f"download/{address}",
            f"download/{address}/name",
            f"thumbnail/{address}?width=9&height=9",
        ):
            refused(nobody.get(f"{OLD}/{path}"), 404, "M_NOT_FOUND")
        refused(alice.http.get(f"{OLD}/download/{address}"), 404, "M_NOT_FOUND")


def test_an_operator_may_open_them(tmp_path: Path) -> None:
    with running(tmp_path, unauthenticated_media=True) as server:
        alice = server.register("alice")
        content = picture((400, 300))
        address = uploaded(alice, content)
        with server.anonymous() as nobody:
            answer = nobody.get(f"{OLD}/download/{address}", params={"allow_redirect": "true"})
            assert (answer.content, answer.headers["X-Content-Type-Options"]) == (content, "nosniff")
            named = nobody.get(f"{OLD}/download/{address}/a.png", params={"allow_remote": "false"})
            assert named.headers["Content-Disposition"] == 'inline; filename="a.png"'
            small = nobody.get(f"{OLD}/thumbnail/{address}", params={"width": "320", "height": "240"})
            assert opened(small.content).size == (320, 240)
            refused(
                nobody.get(f"{OLD}/download/{address}", params={"allow_remote": "no"}), 400, "M_INVALID_PARAM"
            )
            refused(nobody.get(f"{OLD}/download/elsewhere.example/x"), 404, "M_NOT_FOUND")
            refused(nobody.get(f"{OLD}/config"), 401, "M_MISSING_TOKEN")
