"""The operations whose only right answer on this server is a refusal, each with its errcode and the reason.

They have routes, check what they are given, and then refuse: the specification has them for servers that keep e-mail
addresses and telephone numbers, or ask an identity server about them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refused:
    """One operation, the errcode of its answer, and why."""

    operation: str
    errcode: str
    reason: str


NO_ADDRESSES = "Accounts of this server have no e-mail addresses and no telephone numbers."
NO_BRIDGES = "This server bridges to no other network."
NO_IDENTITY_SERVER = "This server asks no identity server."

REFUSED: tuple[Refused, ...] = (
    Refused("add3PID", "M_THREEPID_AUTH_FAILED", NO_ADDRESSES),
    Refused("bind3PID", "M_SERVER_NOT_TRUSTED", NO_IDENTITY_SERVER),
    Refused("getWellknownPolicy", "M_NOT_FOUND", "This server signs no events for the policies of others."),
    Refused("inviteBy3PID", "M_SERVER_NOT_TRUSTED", NO_IDENTITY_SERVER),
    Refused("post3PIDs", "M_THREEPID_AUTH_FAILED", NO_ADDRESSES),
    Refused("requestTokenTo3PIDEmail", "M_THREEPID_MEDIUM_NOT_SUPPORTED", NO_ADDRESSES),
    Refused("requestTokenTo3PIDMSISDN", "M_THREEPID_MEDIUM_NOT_SUPPORTED", NO_ADDRESSES),
    Refused("requestTokenToRegisterEmail", "M_THREEPID_DENIED", NO_ADDRESSES),
    Refused("requestTokenToRegisterMSISDN", "M_THREEPID_DENIED", NO_ADDRESSES),
    Refused("requestTokenToResetPasswordEmail", "M_THREEPID_NOT_FOUND", NO_ADDRESSES),
    Refused("requestTokenToResetPasswordMSISDN", "M_THREEPID_NOT_FOUND", NO_ADDRESSES),
    Refused("getProtocolMetadata", "M_NOT_FOUND", NO_BRIDGES),
    Refused("queryLocationByAlias", "M_NOT_FOUND", NO_BRIDGES),
    Refused("queryLocationByProtocol", "M_NOT_FOUND", NO_BRIDGES),
    Refused("queryUserByID", "M_NOT_FOUND", NO_BRIDGES),
    Refused("queryUserByProtocol", "M_NOT_FOUND", NO_BRIDGES),
)

SERVER_REFUSED: tuple[Refused, ...] = (
    Refused("queryInfo", "M_UNRECOGNIZED", "There are no queries but those about aliases and profiles."),
    Refused(
        "sendInviteV1",
        "M_INCOMPATIBLE_ROOM_VERSION",
        "Such invites are for rooms of the first two versions, which stay on their servers.",
    ),
)
"""The same of the server-server API."""
