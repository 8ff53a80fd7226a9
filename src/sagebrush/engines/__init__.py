"""What services stand on: objects, logs, metrics, identities. Knows no wire format, no HTTP."""
