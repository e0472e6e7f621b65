"""The OAuth 2.0 API (client-server API, "OAuth 2.0 API"): clients, codes, scopes and what was granted to whom."""
