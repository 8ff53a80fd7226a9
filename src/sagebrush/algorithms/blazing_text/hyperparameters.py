"""BlazingText's hyperparameters.

https://docs.aws.amazon.com/sagemaker/latest/dg/blazingtext_hyperparameters.html; ranges for tuning
from https://docs.aws.amazon.com/sagemaker/latest/dg/blazingtext-tuning.html
"""

from typing import Any

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.hyperparameter_fields import Boolean, Categorical, Continuous, Integer
from sagebrush.algorithms.hyperparameters import Schema

SUPERVISED = "supervised"
BATCH_SKIPGRAM = "batch_skipgram"
WORD_VECTOR_ONLY = (
    "batch_size",
    "evaluation",
    "min_char",
    "max_char",
    "negative_samples",
    "sampling_threshold",
    "subwords",
    "window_size",
)
SUPERVISED_ONLY = ("early_stopping", "patience", "min_epochs", "word_ngrams")

_INT32_MAX = 2**31 - 1


def _check_modes(values: dict[str, Any]) -> None:
    if values["subwords"] and values["mode"] == BATCH_SKIPGRAM:
        raise ClientError(
            "The hyperparameter 'subwords' cannot be true with 'mode' batch_skipgram: subwords are "
            "learnt with skipgram and cbow."
        )
    if values["min_char"] > values["max_char"]:
        raise ClientError(
            f"The hyperparameter 'min_char' ({values['min_char']}) must not be greater than "
            f"'max_char' ({values['max_char']})."
        )


SCHEMA = Schema(
    fields=(
        Categorical(
            "mode",
            required=True,
            tunable=True,
            choices=(BATCH_SKIPGRAM, "skipgram", "cbow", SUPERVISED),
            description="How word vectors are trained, or text classification.",
        ),
        Integer(
            "epochs",
            default=5,
            low=1,
            high=_INT32_MAX,
            tunable=True,
            tune_low=5,
            tune_high=15,
            description="Passes through the training data.",
        ),
        Continuous(
            "learning_rate",
            default=0.05,
            low=0.0,
            low_open=True,
            tunable=True,
            tune_low=0.005,
            tune_high=0.01,
            description="Step size at the beginning; it falls to zero in a line.",
        ),
        Integer(
            "min_count",
            default=5,
            low=0,
            high=_INT32_MAX,
            tunable=True,
            tune_low=0,
            tune_high=100,
            description="Words that appear less often are left out.",
        ),
        Integer(
            "vector_dim",
            default=100,
            low=1,
            high=65_536,
            tunable=True,
            tune_low=32,
            tune_high=300,
            description="Dimension of the vectors.",
        ),
        Integer(
            "buckets",
            default=2_000_000,
            low=1,
            high=_INT32_MAX,
            tunable=True,
            tune_low=1_000_000,
            tune_high=10_000_000,
            description="Hash buckets of subwords, or of word n-grams in mode supervised.",
        ),
        Integer(
            "batch_size",
            default=11,
            low=1,
            high=65_536,
            tunable=True,
            tune_low=8,
            tune_high=32,
            description="Words around a word that share its negative samples, in batch_skipgram.",
        ),
        Boolean(
            "evaluation",
            default=True,
            description="Whether word vectors are compared with WordSimilarity-353.",
        ),
        Integer(
            "min_char",
            default=3,
            low=1,
            high=_INT32_MAX,
            description="Fewest characters of a subword.",
        ),
        Integer(
            "max_char",
            default=6,
            low=1,
            high=_INT32_MAX,
            description="Most characters of a subword.",
        ),
        Integer(
            "negative_samples",
            default=5,
            low=1,
            high=65_536,
            tunable=True,
            tune_low=5,
            tune_high=25,
            description="Words drawn as counterexamples.",
        ),
        Continuous(
            "sampling_threshold",
            default=0.0001,
            low=0.0,
            low_open=True,
            high=1.0,
            tunable=True,
            tune_low=0.0001,
            tune_high=0.001,
            description="Words with a greater share of the data are left out at random.",
        ),
        Boolean(
            "subwords",
            default=False,
            description="Whether vectors of character n-grams are learnt, in skipgram and cbow.",
        ),
        Integer(
            "window_size",
            default=5,
            low=1,
            high=_INT32_MAX,
            tunable=True,
            tune_low=1,
            tune_high=10,
            description="Words to each side that count as context, at most.",
        ),
        Boolean(
            "early_stopping",
            default=False,
            description="Whether training ends when validation accuracy no longer rises.",
        ),
        Integer(
            "patience",
            default=4,
            low=1,
            description="Epochs without a better validation accuracy before training ends.",
        ),
        Integer(
            "min_epochs",
            default=5,
            low=1,
            description="Epochs to train at least before early stopping.",
        ),
        Integer(
            "word_ngrams",
            default=2,
            low=1,
            high=1_000,
            tunable=True,
            tune_low=1,
            tune_high=3,
            description="Words of the longest n-gram that is a feature.",
        ),
    ),
    rules=(_check_modes,),
)
