"""End-to-end encryption: what the server keeps of keys, and hands on, without being able to read any message."""
