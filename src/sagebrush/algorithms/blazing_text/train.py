"""Trains BlazingText from a job's channels and leaves the artefact and log lines of AWS's image."""

import json
import os
from typing import Any

from sagebrush.algorithms.blazing_text.corpus import Corpus, corpus_of_channel
from sagebrush.algorithms.blazing_text.hyperparameters import (
    BATCH_SKIPGRAM,
    SUPERVISED,
    SUPERVISED_ONLY,
    WORD_VECTOR_ONLY,
)
from sagebrush.algorithms.blazing_text.text_classifier import TextClassifier
from sagebrush.algorithms.blazing_text.word_similarity import (
    FILE_NAMES,
    FOLDER_VARIABLE,
    evaluate,
    find_files,
)
from sagebrush.algorithms.blazing_text.word_vectors import WordVectors
from sagebrush.algorithms.collective import connect
from sagebrush.algorithms.container import TrainingContext
from sagebrush.algorithms.errors import ClientError

SEED = 0
EVALUATION_FILE = "eval.json"

_COMMON = ("vector_dim", "learning_rate", "epochs", "min_count", "buckets")
_WORD_VECTORS = (
    "window_size",
    "negative_samples",
    "batch_size",
    "sampling_threshold",
    "subwords",
    "min_char",
    "max_char",
)

Parameters = dict[str, Any]


def train(context: TrainingContext, parameters: Parameters) -> None:
    """Train on the ``train`` channel in the mode asked for and write the model."""
    mode = parameters["mode"]
    _say_what_has_no_effect(context, mode)
    if len(context.hosts) > 1 and mode != BATCH_SKIPGRAM:
        raise ClientError(
            f"The mode {mode!r} trains on one instance, not on {len(context.hosts)}; "
            "'mode' batch_skipgram trains on several."
        )
    if mode == SUPERVISED:
        _train_classifier(context, parameters)
    else:
        _train_word_vectors(context, parameters)


def _say_what_has_no_effect(context: TrainingContext, mode: str) -> None:
    for name in WORD_VECTOR_ONLY if mode == SUPERVISED else SUPERVISED_ONLY:
        if name in context.hyperparameters:
            context.log.warning(f"The hyperparameter {name!r} has no effect in mode {mode!r}.")


def _corpus(context: TrainingContext, channel: str, *, documents: bool) -> Corpus:
    reader = context.reader(channel)
    if not reader.is_pipe:
        for path in reader.files():
            size_mb = path.stat().st_size / (1 << 20)
            context.log.info(f"Processing {path} . File size: {size_mb:.2f} MB")
    return corpus_of_channel(reader, documents=documents)


def _train_word_vectors(context: TrainingContext, parameters: Parameters) -> None:
    mode = parameters["mode"]
    if "validation" in context.channels:
        raise ClientError(f"The 'validation' channel is for 'mode' supervised, not for {mode!r}.")
    distribution = context.channels["train"].distribution
    if len(context.hosts) > 1 and distribution != "FullyReplicated":
        raise ClientError(
            "The 'train' channel must have S3DataDistributionType FullyReplicated when several "
            "instances train."
        )
    judgements = find_files(os.environ) if parameters["evaluation"] else {}
    if not judgements:
        _check_objective(context)
    collective = connect(context.hosts, context.current_host, stop_requested=context.stop_requested)
    machines = "single machine" if collective.size == 1 else f"{collective.size} machines"
    context.log.info(f"Running {machines} CPU BlazingText training using {mode} mode.")
    try:
        model = WordVectors(
            mode,
            **{name: parameters[name] for name in (*_COMMON, *_WORD_VECTORS)},
            seed=SEED,
            threads=context.threads,
            collective=collective,
            say=context.log.line,
            stop_requested=context.stop_requested,
        ).fit(_corpus(context, "train", documents=False))
    finally:
        collective.close()
    if collective.leads:
        model.save(context.model_dir)
        if parameters["evaluation"]:
            _evaluate(context, model, judgements)


def _check_objective(context: TrainingContext) -> None:
    """A tuning job that waits for a figure that cannot come must not train in vain."""
    if context.hyperparameters.get("_tuning_objective_metric") == "train:mean_rho":
        raise ClientError(f"The metric train:mean_rho cannot be computed: {_no_files()}")


def _no_files() -> str:
    return (
        "it needs 'evaluation' True and WordSimilarity-353, which is not shipped. Put "
        f"{', '.join(FILE_NAMES)} into a folder and name it in the environment variable "
        f"{FOLDER_VARIABLE}, or install gensim."
    )


def _evaluate(context: TrainingContext, model: WordVectors, files: dict[str, Any]) -> None:
    if not files:
        context.log.warning(f"The word vectors are not evaluated: {_no_files()}")
        return
    context.log.line("Evaluating word embeddings....")
    report = evaluate(model, files)
    text = json.dumps(report, indent=4, sort_keys=True)
    (context.model_dir / EVALUATION_FILE).write_text(text, encoding="utf-8")
    context.log.line(text)
    context.log.info(f"#mean_rho: {report['mean_rho']}")


def _train_classifier(context: TrainingContext, parameters: Parameters) -> None:
    corpus = _corpus(context, "train", documents=True)
    validation = None
    if "validation" in context.channels:
        validation = _corpus(context, "validation", documents=True)
    elif parameters["early_stopping"]:
        raise ClientError("'early_stopping' needs a 'validation' channel.")
    context.log.info("Running single machine CPU BlazingText training using supervised mode.")
    model = TextClassifier(
        **{name: parameters[name] for name in (*_COMMON, *SUPERVISED_ONLY)},
        seed=SEED,
        threads=context.threads,
        say=context.log.line,
        stop_requested=context.stop_requested,
    ).fit_corpus(corpus, validation)
    model.save(context.model_dir)
    _report(context, model, "train", corpus)
    if validation is not None:
        _report(context, model, "validation", validation)


def _report(context: TrainingContext, model: TextClassifier, part: str, corpus: Corpus) -> None:
    if context.stop_requested():
        return
    judged, correct = model.judge(corpus)
    if judged == 0:
        context.log.warning(f"The {part!r} channel has no line with a known label.")
        return
    context.log.line(f"#{part}_accuracy: {correct / judged:.4f}")
    context.log.line(f"Number of {part} examples: {judged}")
