"""The machinery of `make bench-algorithms`; what it measures is in `benchmarks/algorithm_tasks`."""
