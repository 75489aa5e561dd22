"""transformers' standard recipes on the rows that a bertspec project has prepared.

Each follows an example script of transformers: run_ner.py, run_qa.py, run_mlm.py (by lines) and
run_clm.py (but by lines, so that both systems see the same rows in as many steps). Texts are
tokenized here, by transformers. Batches are padded to their longest row. As in bertspec, the epoch
that is best on validation counts.

A child process of tasks_vs_trainer.py: `trainer_tasks.py FOLDER SPEC SEED` prints one line of JSON.
"""

import json
import math
import sys
import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from project import BEST_SPAN, Run
from squad_reference import features_of, postprocess, squad_scores
from torch.nn.functional import cross_entropy
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForQuestionAnswering,
    AutoModelForTokenClassification,
    DataCollatorForLanguageModeling,
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
    PreTrainedTokenizerFast,
    Trainer,
    TrainingArguments,
)

from bertspec.catalog.source import SPLITS, SplitName
from bertspec.core.yaml import load_plain
from bertspec.runtime.shards import read_split
from bertspec.runtime.torch_setup import quiet

Features = list[dict[str, Any]]


class Recipe:
    """What all recipes share: the project's options, rows and base, and Trainer's arguments."""

    metric = "loss"
    """Which epoch is best on validation."""

    def __init__(self, folder: Path, name: str, seed: int) -> None:
        params = load_plain((folder / "params.yaml").read_text(encoding="utf-8"))
        stages = params["bertspec"]["stages"]
        self.folder, self.record = folder, stages[f"{name}-train"]
        self.inputs = stages[f"{name}-evaluate"]["inputs"] | self.record["inputs"]
        self.task, self.training = params[name]["task"], params[name]["training"]
        about = self.input("tokenized") / "about.json"
        tokenization = json.loads(about.read_text(encoding="utf-8"))["tokenization"]
        self.max_length = tokenization["max_length"]
        self.stride = tokenization["long_documents"].get("stride", 0)
        self.base = self.input("base")
        self.tokenizer = PreTrainedTokenizerFast.from_pretrained(self.base)
        self.rows = {s: read_split(self.input("prepared"), s).to_pylist() for s in SPLITS}
        torch.set_num_threads(self.record["threads"])
        options = self.training
        self.arguments = TrainingArguments(
            output_dir=str(folder / "trainer"), seed=seed, report_to=[], disable_tqdm=True,
            num_train_epochs=options["epochs"], learning_rate=options["learning_rate"],
            per_device_train_batch_size=options["batch"]["examples"],
            per_device_eval_batch_size=32, weight_decay=options["optimizer"]["weight_decay"],
            lr_scheduler_type="linear", warmup_steps=options["schedule"]["warmup_ratio"],
            max_grad_norm=options["max_grad_norm"], logging_strategy="no",
            use_cpu="device" not in self.record,
            eval_strategy="epoch", save_strategy="epoch", save_only_model=True,
            load_best_model_at_end=True, metric_for_best_model=self.metric,
            prediction_loss_only=self.metric == "loss", dataloader_pin_memory=False,
        )  # fmt: skip

    def input(self, kind: str) -> Path:
        return self.folder / str(self.inputs[kind])

    def features(self, split: SplitName) -> Features:
        """Tokenized rows with labels."""
        raise NotImplementedError

    def model(self) -> torch.nn.Module:
        raise NotImplementedError

    def collator(self) -> Any:
        raise NotImplementedError

    def results(self, trainer: Trainer, split: SplitName) -> Run:
        """Metrics of a split, after training."""
        raise NotImplementedError

    def compute_metrics(self, prediction: Any) -> dict[str, float]:
        raise NotImplementedError

    def run(self) -> Run:
        start = time.perf_counter()
        rows = {split: self.features(split) for split in SPLITS[:2]}
        tokenizing = time.perf_counter() - start
        torch.manual_seed(self.arguments.seed)
        trainer = Trainer(
            model=self.model(), args=self.arguments, data_collator=self.collator(),
            train_dataset=rows["train"], eval_dataset=rows["validation"],
            compute_metrics=None if self.metric == "loss" else self.compute_metrics,
        )  # fmt: skip
        trainer.train()
        start = time.perf_counter()
        for split in SPLITS:  # as bertspec's evaluate does
            found = self.results(trainer, split)
        return {"tokenize": tokenizing, "evaluate": time.perf_counter() - start, **found}


class Ner(Recipe):
    """run_ner.py: the first token of each word has its label; F1 of entities by seqeval."""

    metric = "f1"

    @property
    def names(self) -> list[str]:
        return ["O", *(f"{p}-{label}" for label in self.task["labels"] for p in "BI")]

    def features(self, split: SplitName) -> Features:
        rows, numbers = self.rows[split], {name: i for i, name in enumerate(self.names)}
        encoded = self.tokenizer(
            [row["tokens"] for row in rows],
            is_split_into_words=True, truncation=True, max_length=self.max_length,
        )  # fmt: skip
        found = []
        for i, row in enumerate(rows):
            words = encoded.word_ids(i)
            labels = [
                -100 if word is None or word == last else numbers[row["tags"][word]]
                for last, word in pairwise([None, *words])
            ]
            found.append({"input_ids": encoded["input_ids"][i], "labels": labels})
        return found

    def model(self) -> torch.nn.Module:
        return AutoModelForTokenClassification.from_pretrained(
            self.base, num_labels=len(self.names), dtype=torch.float32
        )

    def collator(self) -> Any:
        return DataCollatorForTokenClassification(self.tokenizer)

    def compute_metrics(self, prediction: Any) -> dict[str, float]:
        from seqeval.metrics import f1_score, precision_score, recall_score

        chosen = np.argmax(prediction.predictions, axis=2)
        said, gold = (
            [
                [self.names[i] for i, label in zip(row, labels, strict=True) if label != -100]
                for row, labels in zip(values, prediction.label_ids, strict=True)
            ]
            for values in (chosen, prediction.label_ids)
        )
        scores = {"f1": f1_score, "precision": precision_score, "recall": recall_score}
        return {name: float(score(gold, said)) for name, score in scores.items()}

    def results(self, trainer: Trainer, split: SplitName) -> Run:
        features: Any = self.features(split)
        metrics = trainer.predict(features).metrics or {}
        return {name: metrics[f"test_{name}"] for name in ("f1", "precision", "recall")}


class Qa(Recipe):
    """run_qa.py with `version_2_with_negative`, and its threshold of 0."""

    def features(self, split: SplitName) -> Features:
        rows = self.rows[split]
        found = features_of(self.tokenizer, rows, self.max_length, self.stride)
        names = ("input_ids", "token_type_ids", "start_positions", "end_positions")
        return [{name: feature[name] for name in names} for feature in found]

    def model(self) -> torch.nn.Module:
        return AutoModelForQuestionAnswering.from_pretrained(self.base, dtype=torch.float32)

    def collator(self) -> Any:
        return DataCollatorWithPadding(self.tokenizer)

    def results(self, trainer: Trainer, split: SplitName) -> Run:
        rows = self.rows[split]
        features = features_of(self.tokenizer, rows, self.max_length, self.stride)
        names = ("input_ids", "token_type_ids")
        inputs: Any = [{name: feature[name] for name in names} for feature in features]
        trainer.args.prediction_loss_only = False
        logits: Any = trainer.predict(inputs).predictions
        answers, always = postprocess(rows, features, *logits)
        gold = [row["answers"]["text"] for row in rows]
        return squad_scores(answers, gold) | {
            BEST_SPAN: squad_scores(always, gold)["f1_answerable"]
        }


class LanguageModel(Recipe):
    """What run_mlm.py and run_clm.py share. The targets that are measured are bertspec's."""

    masked = True

    def features(self, split: SplitName) -> Features:
        texts = [row["text"] for row in self.rows[split]]
        encoded = self.tokenizer(
            texts, truncation=True, max_length=self.max_length, return_special_tokens_mask=True
        )
        names = ("input_ids", "special_tokens_mask") if self.masked else ("input_ids",)
        return [{name: encoded[name][i] for name in names} for i in range(len(texts))]

    def model(self) -> torch.nn.Module:
        if self.masked:
            return AutoModelForMaskedLM.from_pretrained(self.base, dtype=torch.float32)
        config = AutoConfig.from_pretrained(self.base, is_decoder=True)
        return AutoModelForCausalLM.from_pretrained(self.base, config=config, dtype=torch.float32)

    def collator(self) -> Any:
        return DataCollatorForLanguageModeling(self.tokenizer, mlm=self.masked)

    def results(self, trainer: Trainer, split: SplitName) -> Run:
        """Perplexity and accuracy of the tokens that bertspec's evaluate measures, by a loop of
        this benchmark.
        """
        return measured(trainer.model, self, split)


class MaskedLm(LanguageModel):
    """run_mlm.py with `line_by_line`."""


class CausalLm(LanguageModel):
    """run_clm.py's collator and model."""

    masked = False


def measured(model: Any, recipe: Recipe, split: SplitName) -> Run:
    """Perplexity and accuracy on bertspec's inputs and targets of a split."""
    from pydantic import TypeAdapter

    from bertspec.catalog.tasks import AnyTask
    from bertspec.runtime.inference import DRAW
    from bertspec.runtime.training.batches import batches_by_length, collate, read_tokens

    task = TypeAdapter(AnyTask).validate_python(recipe.task)
    tokens = read_tokens(recipe.input("tokenized"), split)
    model.eval()
    nll, right, count = 0.0, 0, 0
    with torch.inference_mode():
        for rows in batches_by_length(tokens.lengths, 8):
            batch = collate(task, tokens, rows, 0, DRAW).to(model.device)
            is_target = batch.targets != -100
            logits = model(**batch.inputs).logits[is_target]
            targets = batch.targets[is_target]
            nll += float(cross_entropy(logits, targets, reduction="sum"))
            right += int((logits.argmax(dim=1) == targets).sum())
            count += len(targets)
    return {"perplexity": math.exp(nll / count), "accuracy": right / count, "targets": count}


RECIPES: Mapping[str, type[Recipe]] = {
    "token-classification": Ner,
    "question-answering": Qa,
    "masked-lm": MaskedLm,
    "causal-lm": CausalLm,
}


def main(arguments: Sequence[str]) -> None:
    folder, name, seed = arguments
    quiet()
    params = load_plain((Path(folder) / "params.yaml").read_text(encoding="utf-8"))
    recipe = RECIPES[params[name]["task"]["type"]](Path(folder), name, int(seed))
    print(json.dumps(recipe.run()))


if __name__ == "__main__":
    main(sys.argv[1:])
