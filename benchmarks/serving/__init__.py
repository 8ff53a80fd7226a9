"""Serving side by side: endpoints beside MLServer, LitServe and BentoML, and the model in process.

`python -m benchmarks.serving` (or `make bench-serving`) measures and judges; `--soak 30` holds an
endpoint at 70 % of its peak and watches memory and errors.
"""
