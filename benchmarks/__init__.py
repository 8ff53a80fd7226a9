"""Sagebrush beside its peers, one run, printed as ratios. `make bench` runs everything."""
