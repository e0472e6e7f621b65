"""The store on SQLite, for servers of one process."""
