"""The tuner beside Optuna, syne-tune, BoTorch and random search: `python -m benchmarks.tuning`.

`problems` are what is minimised, `contenders` who does it, `race` one run of one contender on one
problem; `halving` compares Hyperband with training everything to the end, `timing` measures a
suggestion. `campaign` runs what is not measured yet, `ranking` and `judgement` say what it means,
`page` shows it.
"""
