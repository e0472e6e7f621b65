"""What people may ask of the media repository. Each number has its reason beside it."""

UPLOADS_AT_ONCE = 8
"""Of one user: clients send the files of an album side by side, and each of these takes room on the disk meanwhile."""
UNFILLED_IDS = 20
"""Ids reserved by one user and not used yet: an album, and what a bad connection left behind."""
UNFILLED_MS = 24 * 60 * 60 * 1000
"""How long an id stays reserved; the specification recommends it, for those who wait for a better connection."""
DEFAULT_WAIT_S = 20.0
"""How long a download waits for a file that is still to come, if the client does not say (specification)."""
MAX_WAIT_S = 60.0
"""... and at most: common proxies give up after that."""
MAX_NAME_BYTES = 1024
"""Of a file name in UTF-8: four times what file systems take, since some count characters."""
MAX_TYPE_CHARS = 255
"""Of a content type; registered ones have up to 127 characters, and parameters may follow (RFC 6838, section 4.2)."""
MAX_ID_CHARS = 255
"""Of a media id; those of this server have 24."""
ID_LETTERS = 24
"""Letters of a media id (137 bits): whoever does not know an id cannot guess it."""
REMOTE_LIFETIME_MS = 30 * 24 * 60 * 60 * 1000
"""How long a file of another server is kept: most are looked at in their first days, and it still is where it was."""
SWEEP_S = 60 * 60
"""How often reserved ids are looked through for those that have expired."""
