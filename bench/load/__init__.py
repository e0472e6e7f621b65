"""What puts load on a server: request bytes, clients, and the generator processes."""
