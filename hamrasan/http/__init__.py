"""The server edge: HTTP/1.1, routing, limits, authentication, errors; no rules of Matrix."""
