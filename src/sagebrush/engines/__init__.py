"""What services stand on: objects, logs, metrics, identities. Knows no AWS wire format and no HTTP."""
