"""The demonstration: three built-in algorithms from data to prediction, and a report."""
