"""Signing a new device in with a QR code: both devices are matrix-js-sdk's, and somebody says yes at a browser."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clients.node import run_scenario
from tests.clients.texts import CONVERSATION
from tests.processes import SERVER_NAME, ServerProcess
from tests.signing_in import WEB_CLIENT, Tab

BODY = CONVERSATION[0]


def qr_sign_in(server: ServerProcess, name: str, shows: str) -> dict[str, Any]:
    """Let two devices of somebody meet; `shows` is the one with the code, `nobody` for what is to fail."""

    def decide(question: dict[str, Any], decision: str) -> None:
        page = tab.submit(tab.sign_in(tab.open(question["address"]), name))
        assert question["userCode"] in page.text
        tab.submit(page, button=decision)

    with Tab(server.url) as tab:
        return run_scenario(
            "qr_sign_in",
            {"allow": lambda asked: decide(asked, "allow"), "deny": lambda asked: decide(asked, "deny")},
            url=server.url,
            name=name,
            metadata={each: WEB_CLIENT[each] for each in ("client_name", "client_uri", "redirect_uris")},
            body=BODY,
            shows=shows,
        )


@pytest.mark.parametrize("shows", ["existing", "new"])
def test_a_device_signs_another_one_in(client_server: ServerProcess, shows: str) -> None:
    name = f"qr-{shows}"
    report = qr_sign_in(client_server, name, shows)
    assert report["available"]
    assert report["me"] == {
        "user_id": f"@{name}:{SERVER_NAME}",
        "device_id": "ADDED",
        "is_guest": False,
    }
    assert report["serverName"] == SERVER_NAME
    one, other = report["codes"]
    assert one == other
    assert len(one) == 2
    assert report["history"] == BODY, "read with the keys that came along"


def test_who_says_no_signs_nobody_in(client_server: ServerProcess) -> None:
    report = qr_sign_in(client_server, "qr-nobody", "nobody")
    assert report["refused"] == [
        "user_cancelled",
        "user_cancelled",
        "user_cancelled",
        "device_already_exists",
    ]
