"""Pages on which people sign in, sign up, let clients in and look after their account."""
