"""What clients call to be let in and out through OAuth 2.0; the metadata in `http/api/client` tell them where it is."""
