"""Push notifications (client-server API, "Push Notifications"): who is told of which event, and the telling."""
