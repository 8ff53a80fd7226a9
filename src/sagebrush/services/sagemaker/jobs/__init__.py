"""What carries a training job from its row to its artefact: prepare, watch, finish."""
