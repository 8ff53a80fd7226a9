"""What the tabular algorithms (LightGBM, CatBoost) share: data layout, CSV, targets, answers."""
