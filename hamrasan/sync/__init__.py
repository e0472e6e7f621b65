"""Sync: who waits for what, what changed for whom, and the answer (client-server API, "Syncing")."""
