"""The Flask side: who is behind a request, guards, and the addresses of a login."""
