"""What application services are told, and asked (application service API, "Homeserver -> Application Service API")."""
