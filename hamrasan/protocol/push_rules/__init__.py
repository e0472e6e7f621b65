"""Push rules (client-server API, "Push notifications"): which events notify a user, and how."""
