"""Hamrasan: an open messenger platform whose server speaks Matrix."""

__version__ = "0.1.0"
