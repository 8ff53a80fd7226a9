"""Data formats of the built-in algorithms: training data in batches, inference bodies."""
