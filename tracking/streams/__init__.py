"""The sockets' streams over HTTP, for clients behind proxies that block WebSockets."""
