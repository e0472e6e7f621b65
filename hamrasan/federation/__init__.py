"""Other servers: reaching them, believing them, and what goes to and comes from them."""
