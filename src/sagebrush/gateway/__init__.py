"""The only place that knows HTTP: sockets, TLS, the forward proxy, and the way to a handler."""
