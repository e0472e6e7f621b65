"""The limits of the protocol, each with its reason; nothing else in the package writes such a number.

A limit that comes from the specification names the chapter; the others are this server's own and say what they protect.
"""

from __future__ import annotations

MAX_EVENT_BYTES = 65_536
"""A complete event in federation format as canonical JSON, signatures included (client-server API, "Size limits")."""

MAX_ID_BYTES = 255
"""User ids, room ids, room aliases and event ids, sigil and domain included (appendices, "Identifier Grammar")."""

MAX_TYPE_BYTES = 255
"""The type of an event (client-server API, "Size limits")."""

MAX_STATE_KEY_BYTES = 255
"""The state key of an event (client-server API, "Size limits")."""

MAX_SERVER_NAME_CHARS = 255
"""Longer names fit into no identifier; the specification recommends at most 230 (appendices, "Server Name")."""

MAX_NAMESPACED_ID_CHARS = 255
"""Appendices, "Common Namespaced Identifier Grammar"."""

MAX_OPAQUE_ID_BYTES = 255
"""Device ids, transaction ids, session ids (appendices, "Opaque Identifiers"); they become keys of tables."""

MAX_PREV_EVENTS = 20
"""Parents of an event (each room version's "Event format")."""

MAX_AUTH_EVENTS = 10
"""Authorization events of an event (each room version's "Event format")."""

MAX_CANONICAL_INT = 2**53 - 1
"""Largest integer that every JSON library represents exactly (appendices, "Canonical JSON")."""

MIN_CANONICAL_INT = -MAX_CANONICAL_INT
"""Smallest integer of canonical JSON (appendices, "Canonical JSON")."""

MAX_INT64 = 2**63 - 1
"""Largest integer of the databases; rooms before version 6 may reach it (each version's "Event format")."""

MIN_INT64 = -(2**63)
"""Smallest integer of the databases."""

MAX_DEPTH = MAX_INT64
"""`depth` of an event in room versions 1 to 5 (each version's "Event format")."""

MAX_CANONICAL_DEPTH = MAX_CANONICAL_INT
"""`depth` of an event from room version 6 on, where integers are canonical ("Event format" of version 6)."""

MAX_JSON_DEPTH = 128
"""Nesting of arrays and objects in a document that is read.

The same as the limit of the JSON library of most servers in Rust, so that a room's servers agree on what they can
read; it leaves room under the 254 levels that can be written, because a document is nested into answers.
"""

SIGNATURE_RESERVE_BYTES = 1_024
"""Kept free under `MAX_EVENT_BYTES` when an event is built, because it is signed later.

A signature takes up to 255 bytes of server name, 86 of base64 and a key id of about 30; a restricted join carries
two and a room with a policy server one more.
"""

MAX_KEY_ID_CHARS = 255
"""A signing key identifier; bounded because it stands in every signature that is kept."""
