"""Inference components: models with copies of their own on the instances of an endpoint."""
