"""What each hand-written piece of the training step is worth: the step with the piece left out over the step with it.

`python tests/speed/step_pieces.py --rounds 15 --out step_pieces.json`. All ways take turns in every round, in opposite
order in every other round; ratios are taken round by round. Shapes are the four datasets' own and CUB127's. With one
thread the clock is the processor time of that thread, which other processes disturb little; with more it is the wall
clock. `products` is the part of the time that the matrix products take, by torch's profiler.
"""

import argparse
import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from benchmark.throughput.comparisons import ReferenceStep
from benchmark.throughput.shapes import Shape, find_shapes
from benchmark.throughput.workloads import ModelWorkloads
from dazle.config import LossSettings, TrainingSettings, preset
from dazle.method import attention, model
from dazle.method.losses import Loss
from dazle.training.optimiser import RMSprop as OwnRMSprop
from dazle.training.step import Step

CUB127 = Shape("cub127", 50, 49, 1280, 312, 127, 94, 300, preset("cub"))


def plain_sums(products: Tensor, sizes: list[int]) -> tuple[Tensor, ...]:
    logits, *values = products.split_with_sizes(sizes, 2)
    alpha = logits.softmax(dim=1)
    return alpha, *((alpha * value).sum(dim=1) for value in values)


def plain_rows(vectors: list[Tensor], weights: list[Tensor], dtype: torch.dtype) -> Tensor:
    return torch.cat([V.to(dtype) @ W.to(dtype) for V, W in zip(vectors, weights, strict=True)], dim=1)


def plain_product(regions: Tensor, rows: Tensor) -> Tensor:
    return regions @ rows.mT


def plain_loss(scores: Tensor, labels: Tensor, seen: Tensor, settings: LossSettings) -> Loss:
    scores = scores.flatten(0, -2)
    labels = labels.flatten()
    allowed = scores if settings.ce_classes == "all" else scores.masked_fill(~seen, -torch.inf)
    class_loss = functional.cross_entropy(allowed, labels)
    if settings.lambda_ == 0:
        return Loss(class_loss, class_loss)
    logs = (scores + settings.train_margin * (1 - 2 * seen.to(scores))).log_softmax(dim=1)
    calibration = -logs[:, ~seen].exp().sum(dim=1).mean().log()
    return Loss(class_loss + settings.lambda_ * calibration, class_loss, calibration)


class PlainLossStep(Step):
    def eager(self, regions: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        losses = plain_loss(self.scores(regions), labels, self.seen, self.loss)
        losses.total.backward()
        self.optimiser.step()
        return tuple(
            part.detach() for part in (losses.total, losses.class_loss, losses.self_calibration) if part is not None
        )


def torch_rmsprop(
    parameters: list[Tensor], training: TrainingSettings, foreach: bool | None = None
) -> torch.optim.RMSprop:
    return torch.optim.RMSprop(
        parameters,
        lr=training.learning_rate,
        weight_decay=training.weight_decay,
        momentum=training.momentum,
        foreach=foreach,
    )


class TorchRMSprop:
    """The RMSprop of torch with the interface of the project's own, which drops the gradients itself."""

    def __init__(self, step: Step, training: TrainingSettings, foreach: bool) -> None:
        self.inner = torch_rmsprop(
            [value for value in step.parameters.values() if value.requires_grad], training, foreach
        )

    def step(self) -> None:
        self.inner.step()
        self.inner.zero_grad(set_to_none=True)


class RMSprop(OwnRMSprop):
    """The project's own, with the interface of torch's."""

    def zero_grad(self, set_to_none: bool) -> None:
        pass


class PlainStep:
    """Everything plain: one model, 2-D products, autograd's loss and attention, and the RMSprop of torch.

    `stacked`: W_alpha, W_e and W_beta are one parameter (3, d, D).
    """

    def __init__(self, bench: ModelWorkloads, stacked: bool = False, own_optimiser: bool = False) -> None:
        self.bench, self.stacked = bench, stacked
        self.V = bench.model.V
        weights = [getattr(bench.model, name) for name in bench.model.names]
        self.W = [torch.nn.Parameter(torch.stack([W.detach() for W in weights]))] if stacked else weights
        training, trained = bench.settings.training, [self.V, *self.W]
        self.optimiser = RMSprop(trained, training) if own_optimiser else torch_rmsprop(trained, training)

    def __call__(self) -> None:
        bench, settings = self.bench, self.bench.settings
        V, regions = self.V, bench.regions
        A, (B, R, _) = len(V), regions.shape
        if settings.model.renormalise_semantics:
            V = functional.normalize(V, dim=1)
        dtype, rows = regions.dtype, regions.flatten(0, 1)
        if model._attributes_first(rows[None], V[None]):
            if self.stacked:
                products = rows @ (V.to(dtype) @ self.W[0].to(dtype)).flatten(0, 1).T
            else:
                products = rows @ torch.cat([V.to(dtype) @ W.to(dtype) for W in self.W]).T
        else:
            stack = self.W[0].flatten(0, 1) if self.stacked else torch.cat(self.W)
            mapped = (rows @ stack.to(dtype).T).split(V.shape[1], dim=1)
            products = torch.cat([W_f @ V.to(dtype).T for W_f in mapped], dim=1)
        logits, e, gate = products.view(B, R, 3 * A).to(V.dtype).split(A, dim=2)
        alpha = logits.softmax(dim=1)
        e, gate = (alpha * e).sum(dim=1), (alpha * gate).sum(dim=1)
        scores = (gate.sigmoid() * e) @ bench.model.class_attributes.T
        plain_loss(scores, bench.labels, bench.seen, settings.loss).total.backward()
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)


def ways(shape: Shape, precision: str) -> dict[str, Callable[[], None]]:
    settings = shape.settings.changed({"training.precision": precision})

    def bench() -> ModelWorkloads:
        return ModelWorkloads(shape, settings, "cpu")

    def patched(
        *patches: tuple[object, str, object], cls: type[Step] = Step, foreach: bool | None = None
    ) -> Callable[[], None]:
        own = bench()
        step = cls([own.model], own.seen, settings)
        if foreach is not None:
            step.optimiser = TorchRMSprop(step, settings.training, foreach)

        def call() -> None:
            with ExitStack() as stack:
                for target, name, value in patches:
                    if isinstance(target, dict):
                        stack.enter_context(patch.dict(target, {name: value}))
                    else:
                        stack.enter_context(patch.object(target, name, value))
                step(own.regions[None], own.labels[None])

        return call

    sums = (attention.REGION_SUMS, "dense", plain_sums)
    rows, product = (model, "stacked_rows", plain_rows), (model, "product", plain_product)
    return {
        "all pieces": patched(),
        "- attention gradients": patched(sums),
        "- rows and product": patched(rows, product),
        "- loss slopes": patched(cls=PlainLossStep),
        "- own RMSprop (foreach)": patched(foreach=True),
        "- own RMSprop (single)": patched(foreach=False),
        "reference.py": ReferenceStep(bench()),
        "none (plain)": PlainStep(bench()),
        "none, one stacked parameter": PlainStep(bench(), stacked=True),
        "none but own RMSprop": PlainStep(bench(), own_optimiser=True),
    }


def product_share(work: Callable[[], None]) -> float:
    """The share of a call's processor time that is spent in matrix products."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        work()
    events = profile.key_averages()
    products = sum(
        event.self_cpu_time_total for event in events if event.key in ("aten::mm", "aten::bmm", "aten::addmm")
    )
    return products / sum(event.self_cpu_time_total for event in events)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out", default="step_pieces.json")
    parser.add_argument("--shapes", default="cub,sun,awa2,deepfashion,cub127")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--precisions", default="float32,bf16")
    given = parser.parse_args()
    results = []
    for threads in map(int, given.threads.split(",")):
        torch.set_num_threads(threads)
        clock = time.thread_time if threads == 1 else time.perf_counter
        for precision in given.precisions.split(","):
            for name in given.shapes.split(","):
                shape = CUB127 if name == "cub127" else find_shapes([name])[0]
                works = ways(shape, precision)
                for work in works.values():
                    work(), work()
                times: dict[str, list[float]] = {way: [] for way in works}
                for number in range(given.rounds):
                    for way in list(works)[:: -1 if number % 2 else 1]:
                        start = clock()
                        works[way]()
                        times[way].append(clock() - start)
                base = np.array(times["all pieces"])
                print(f"{name} {precision} {threads} threads: {np.median(base) * 1e3:.0f} ms", flush=True)
                for way, values in times.items():
                    print(f"   {way:30} {np.median(np.array(values) / base):.3f}", flush=True)
                products = {way: product_share(work) for way, work in works.items()}
                results.append(
                    {"shape": name, "precision": precision, "threads": threads, "times": times, "products": products}
                )
                with open(given.out, "w") as file:
                    json.dump(results, file)


if __name__ == "__main__":
    main()
