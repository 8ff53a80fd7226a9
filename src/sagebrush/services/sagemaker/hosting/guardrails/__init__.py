"""Guarded deployments: traffic is led to a new fleet step by step, watched, and led back."""
