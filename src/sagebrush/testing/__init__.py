"""Sagebrush in a test suite: see `sagebrush.testing.plugin`."""
