"""What carries a tuning job: which configuration is tried next, what came of it, when to end."""
