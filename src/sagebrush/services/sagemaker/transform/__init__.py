"""What carries a transform job from its row to its outputs: list, split, ask, assemble, store."""
