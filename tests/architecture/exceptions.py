"""What is longer than allowed, for a while: each entry has the day it was made and the reason.

An entry that is no longer needed fails the tests, so the list only holds what is true.
"""

from __future__ import annotations

LONG_FILES: dict[str, str] = {}
"""`path`: "YYYY-MM-DD, reason"."""

LONG_FUNCTIONS: dict[str, str] = {}
"""`path:function`: "YYYY-MM-DD, reason"."""
