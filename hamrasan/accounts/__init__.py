"""Who somebody is: accounts, passwords, access tokens, and the sessions of user-interactive authentication."""
