"""What is reserved, allowed and forbidden on this server, apart from what rooms decide for themselves."""
