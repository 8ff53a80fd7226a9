"""The report of a tuning job: one HTML page that needs nothing else."""
