"""Data capture: what endpoints are asked and answer, in S3 as Model Monitor reads it."""
