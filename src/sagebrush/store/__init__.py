"""Durable state: one SQLite file, one writer connection on the event-loop thread."""
