"""Whose OpenID token it is."""

from __future__ import annotations

from tests.federation.country import Member
from tests.running import Person, answered, refused

USER_INFO = "/_matrix/federation/v1/openid/userinfo"


def test_a_token_says_who_gave_it(alice: Person, here: Member) -> None:
    token = alice.post(f"/user/{alice.user_id}/openid/request_token")["access_token"]
    with here.anonymous() as http:
        answer = answered(http.get(USER_INFO, params={"access_token": token}))
        assert answer == {"sub": alice.user_id}
        refused(http.get(USER_INFO, params={"access_token": alice.token}), 401, "M_UNKNOWN_TOKEN")
        refused(http.get(USER_INFO, params={"access_token": token + "x"}), 401, "M_UNKNOWN_TOKEN")
        refused(http.get(USER_INFO), 401, "M_MISSING_TOKEN")
