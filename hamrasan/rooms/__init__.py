"""Rooms: the aggregate that decides, the registry that loads it, the gate to it, and what is read from it."""
