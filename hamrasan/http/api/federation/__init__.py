"""The server-server API; one module for each file of the specification's data/api/server-server."""
