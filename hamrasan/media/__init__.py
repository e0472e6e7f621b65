"""Files: uploaded, kept, thumbnailed and handed out (client-server API, "Content repository")."""
