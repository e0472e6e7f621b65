"""Simplified sliding sync (MSC4186): a client chooses which rooms it is told of, and how much of each."""
