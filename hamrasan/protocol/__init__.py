"""The rules of Matrix, pure: no clock, entropy, logging or input/output."""
