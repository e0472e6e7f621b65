"""What a client may cost before it is known who it is. Each number has its reason beside it."""

MAX_TARGET_BYTES = 16 * 1024
"""Path and query. The longest legal ones carry an inline filter or two 255-byte ids, each percent-encoded."""
MAX_HEAD_BYTES = 32 * 1024
"""Request line and headers, give or take what the parser gets at once. Browsers stop at about 16 KiB."""
MAX_HEADERS = 100
"""Browsers behind two proxies send about 30; other servers stop at 100, so no client depends on more."""
MAX_IGNORED_BODY_BYTES = 64 * 1024
"""A body where none is expected: clients send `{}` with some of these requests."""
MAX_JSON_BYTES = 1024 * 1024
"""A JSON body. An event may have 64 KiB; key uploads and to-device messages of large rooms are the largest."""
MAX_RAW_BYTES = 1024 * 1024
"""A raw body that is read into memory; larger ones are streamed."""
MAX_STREAM_BYTES = 100 * 1024 * 1024
"""An upload, where the route does not say otherwise."""
MAX_PARTIAL_BYTES = 256 * 1024 * 1024
"""Of all requests together that have arrived in part: what clients nobody knows yet can make the server hold."""
STREAM_HIGH_WATER = 256 * 1024
"""Unread bytes of an upload at which the socket is no longer read; a read brings up to 256 KiB."""
HEAD_FEED_BYTES = 4 * 1024
"""Bytes given to the parser at once between two bodies. Whatever is in them becomes requests that wait for each other:
at most 164, since the shortest has 25 bytes. What is behind them stays unparsed until those are answered.
"""
FEED_BYTES = 64 * 1024
"""Bytes of a body given to the parser at once; a read brings up to 256 KiB."""
MAX_CONNECTIONS = 100_000
"""Open connections of one listener; beyond it new ones get 503 at once rather than a stall."""

HEAD_SECONDS = 15.0
"""From the first byte of a request to the end of its headers (slow links need seconds, slow-loris needs minutes)."""
BODY_SECONDS = 30.0
"""Between two reads that bring part of a body; a body as a whole has no limit in time ..."""
MIN_BODY_RATE = 256
"""... but must come at this many bytes per second on average after `BODY_SECONDS`; GPRS carries about 3,000."""
FIRST_REQUEST_SECONDS = 30.0
"""From the connection to the first byte; browsers open connections ahead of need."""
IDLE_SECONDS = 75.0
"""Between two requests; over the 60 seconds after which common proxies close, so that they close first."""
STALLED_WRITE_SECONDS = 60.0
"""A client that takes not one byte of its answer for this long is gone; a slow one that takes some is served."""
LINGER_SECONDS = 5.0
"""After an early refusal the rest of the body is read and dropped, or the client would never see the answer ..."""
LINGER_BYTES = 4 * 1024 * 1024
"""... up to this much."""
TICK_SECONDS = 0.25
"""Grain of all the times above, and of a parked request's end."""
TURN_SECONDS = 0.01
"""Of one turn of the event loop, for requests: a hundred usual ones, and timers and wake-ups are hardly late."""
SLICE = 128
"""Connections handled per callback when many fall due at once; about 2 ms."""
