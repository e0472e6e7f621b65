"""@vector-im/matrix-bot-sdk: a bot that answers a command, and an application service with users of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.clients.events import await_event, joins, says
from tests.clients.node import run_scenario
from tests.processes import SERVER_NAME, ServerProcess, free_port, server_process
from tests.registrations import registration, write_registration
from tests.running import refused


@contextmanager
def bridged_server(data_dir: Path, **changes: Any) -> Iterator[tuple[ServerProcess, int, dict[str, Any]]]:
    """Run a server on which an application service is registered; yield both, with the service's port."""
    port = free_port()
    values = registration("sdk", url=f"http://127.0.0.1:{port}", **changes)
    write_registration(data_dir, values)
    with server_process(data_dir) as server:
        yield server, port, values
        assert server.complaints == []


def other_than(expected: str, problems: list[str]) -> list[str]:
    """Return the errors that the library logged, but for a refusal that it provokes and deals with."""
    return [problem for problem in problems if expected not in problem]


def test_a_bot_answers_a_command(client_server: ServerProcess) -> None:
    anna, bot = client_server.register("sdk-anna"), client_server.register("sdk-bot")

    def talk(_: Any) -> Any:
        room_id = anna.create_room(invite=[bot.user_id])
        await_event(anna, room_id, joins(bot.user_id))
        question = anna.send(room_id, "!echo سلام، دنیا")
        answer = await_event(
            anna, room_id, lambda e: e["sender"] == bot.user_id and e["type"] == "m.room.message"
        )
        assert answer["content"]["msgtype"] == "m.notice"
        assert answer["content"]["m.relates_to"]["m.in_reply_to"]["event_id"] == question
        assert answer["content"]["body"].endswith("سلام، دنیا")
        return {"roomId": room_id}

    report = run_scenario("bot", {"talk": talk}, url=client_server.url, token=bot.token)
    assert other_than("m.direct", report["problems"]) == []
    assert len(report["joined"]) == 1
    assert report["profile"]["displayname"] == "ربات"
    assert sorted(report["members"]) == sorted([anna.user_id, bot.user_id])


def test_an_application_service_with_its_users(tmp_path: Path) -> None:
    wants_ephemeral = {"de.sorunome.msc2409.push_ephemeral": True}
    with bridged_server(tmp_path / "data", receive_ephemeral=True, **wants_ephemeral) as (
        server,
        port,
        values,
    ):
        anna = server.register("anna")
        bot, ghost = (f"@_sdk_{name}:{SERVER_NAME}" for name in ("bot", "ghost"))

        def talk(_: Any) -> Any:
            room_id = anna.create_room(preset="public_chat", invite=[bot])
            await_event(anna, room_id, joins(bot))
            anna.put(f"/rooms/{room_id}/typing/{anna.user_id}", {"typing": True, "timeout": 20_000})
            anna.send(room_id, "!mirror ghost آینه")
            answer = await_event(anna, room_id, says("آینه"))
            assert answer["sender"] == ghost
            assert anna.get(f"/profile/{ghost}")["displayname"] == "Mirror of ghost"
            made = f"@_sdk_made:{SERVER_NAME}"
            assert anna.get(f"/profile/{made}")["displayname"] == "Made when asked for"
            refused(anna.request("GET", f"/profile/@_sdk_unknown:{SERVER_NAME}"), 404, "M_NOT_FOUND")
            portal = anna.join(f"#_sdk_portal:{SERVER_NAME}")
            name = anna.get(f"/rooms/{portal}/state/m.room.name")["name"]
            alias = anna.get("/directory/room/" + quote(f"#_sdk_portal:{SERVER_NAME}", safe=""))
            return {"room": room_id, "name": name, "portal": portal, "alias": alias["room_id"]}

        report = run_scenario(
            "application_service",
            {"talk": talk},
            url=server.url,
            name=SERVER_NAME,
            port=port,
            registration=values,
        )
        assert other_than("M_USER_IN_USE", report["problems"]) == []
        assert [(heard["sender"], heard["body"]) for heard in report["heard"]] == [
            (anna.user_id, "!mirror ghost آینه"),
            (ghost, "آینه"),
        ]
        assert report["typing"][0]["room_id"] == report["room"]
        assert report["typing"][0]["content"]["user_ids"] == [anna.user_id]
        assert report["asked"] == [
            f"@_sdk_made:{SERVER_NAME}",
            f"@_sdk_unknown:{SERVER_NAME}",
            f"#_sdk_portal:{SERVER_NAME}",
        ]
        assert report["name"] == "Made when asked for"
        assert report["portal"] == report["alias"]
