"""CloudWatch Logs: groups, streams, events, filters and live tails."""
