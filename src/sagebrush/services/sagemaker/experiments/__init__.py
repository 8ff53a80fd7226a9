"""Inference experiments: shadow tests that begin and end by a schedule."""
