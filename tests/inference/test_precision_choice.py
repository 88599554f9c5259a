"""Reduced precision is taken where it is faster and near enough."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch

from napari_virtual_stain.inference import precision_choice, remembered
from napari_virtual_stain.inference.devices import autocast
from napari_virtual_stain.inference.precision_choice import (
    TOLERANCE,
    PrecisionChoice,
    choose_precision,
)

CPU = torch.device("cpu")
EXACT = np.float32(np.random.default_rng(0).normal(5, 2, (1, 1, 64, 64)))


@pytest.fixture(autouse=True)
def _private_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("VSTAIN_CACHE", str(tmp_path))
    monkeypatch.setattr(remembered, "_known", {})


class Network:
    """Takes so many seconds in each precision, and is off by so many σ."""

    def __init__(self, seconds: dict[str, float], off: dict[str, float]) -> None:
        self.seconds, self.off, self.calls = seconds, off, []

    def __call__(self, precision: str) -> np.ndarray:
        self.calls.append(precision)
        time.sleep(self.seconds[precision])
        return EXACT + np.float32(self.off.get(precision, 0.0) * EXACT.std())


def choose(seconds, off, candidates=("bf16",), monkeypatch=None) -> PrecisionChoice:
    if monkeypatch is not None:
        monkeypatch.setattr(precision_choice, "_candidates", lambda device: candidates)
    return choose_precision(Network(seconds, off), CPU, "key")


def test_bf16_that_is_faster_and_near_is_taken():
    choice = choose({"fp32": 0.08, "bf16": 0.02}, {"bf16": 0.006})
    assert choice.precision == "bf16"
    assert 2 < choice.gain < 6
    assert choice.difference == pytest.approx(0.006, rel=0.01)
    assert choice.largest == pytest.approx(0.006, rel=0.01)
    sentence = f"bf16: {choice.gain:.1f} times as fast as fp32 on this device, and differs by "
    assert choice.reason == sentence + "0.006 σ"


def test_bf16_that_is_hardly_faster_is_not():
    choice = choose({"fp32": 0.04, "bf16": 0.04}, {"bf16": 0.006})
    assert choice.precision == "fp32"
    assert choice.reason == f"fp32: bf16 is only {choice.gain:.1f} times as fast on this device"


def test_bf16_that_strays_is_not():
    choice = choose({"fp32": 0.08, "bf16": 0.02}, {"bf16": 1.5 * TOLERANCE})
    assert choice.precision == "fp32"
    assert choice.reason == "fp32: bf16 differs by 0.045 σ, more than 0.03 σ"


@pytest.mark.parametrize("off", [np.nan, np.inf])
def test_what_is_no_number_is_not(off):
    choice = choose({"fp32": 0.08, "bf16": 0.02}, {"bf16": off})
    assert choice.precision == "fp32"
    assert choice.difference == choice.largest == np.inf
    assert choice.reason == "fp32: with this model, bf16 does not yield numbers throughout"


def test_a_constant_result_allows_no_judgement():
    choice = choose_precision(lambda precision: np.ones((1, 1, 8, 8), np.float32), CPU, "key")
    assert choice.precision == "fp32"


def test_fp16_is_taken_only_if_bf16_will_not_do(monkeypatch):
    both = {"candidates": ("bf16", "fp16"), "monkeypatch": monkeypatch}
    seconds = {"fp32": 0.08, "bf16": 0.02, "fp16": 0.02}
    assert choose(seconds, {}, **both).precision == "bf16"
    remembered._known.clear()
    monkeypatch.setenv("VSTAIN_CACHE", "/dev/null")
    assert choose(seconds, {"bf16": 0.1}, **both).precision == "fp16"
    remembered._known.clear()
    assert choose(seconds | {"bf16": 0.05}, {}, **both).precision == "fp16"
    remembered._known.clear()
    assert choose(seconds, {"bf16": 0.1, "fp16": np.inf}, **both).precision == "fp32"


def test_a_choice_is_measured_once_and_remembered(monkeypatch):
    first = choose({"fp32": 0.08, "bf16": 0.02}, {"bf16": 0.01})
    monkeypatch.setattr(remembered, "_known", {})  # as a new process
    network = Network({}, {})
    assert choose_precision(network, CPU, "key") == first
    assert network.calls == []


@pytest.mark.parametrize(
    "damage", [{"precision": "fp8"}, {"gain": None}, {"precision": "fp16"}, {"tried": "int8"}]
)
def test_a_remembered_choice_that_cannot_be_is_measured_again(damage):
    good = {"precision": "bf16", "gain": 2.0, "difference": 0.01, "largest": 0.1, "tried": "bf16"}
    remembered.remember("precision", "key", good | damage)
    choice = choose({"fp32": 0.08, "bf16": 0.02}, {"bf16": 0.01})
    assert choice.precision == "bf16"
    assert choice.largest < 0.1


def test_emulated_arithmetic_is_called_once():
    network = Network({"fp32": 0.02, "bf16": 1.1}, {})
    choice = choose_precision(network, CPU, "key")
    assert choice.precision == "fp32"
    assert choice.reason == "fp32: bf16 is only 0.0 times as fast on this device"
    assert network.calls.count("bf16") == 1


def test_where_nothing_else_is_offered_nothing_is_run():
    choice = choose_precision(Network({}, {}), torch.device("meta"), "key")
    assert choice == PrecisionChoice("fp32")
    assert choice.reason == "fp32: this device has no other precision to offer"


def test_a_network_is_measured(make_model):
    """Whatever the machine gains: bf16 keeps 8 bits, and so do its results, roughly."""
    network = make_model("fnet").network
    x = torch.randn(1, 1, 64, 64)

    def run(precision) -> np.ndarray:
        with torch.inference_mode(), autocast(CPU, precision):
            return network(x).float().numpy()

    choice = choose_precision(run, CPU, "key")
    assert choice.tried == "bf16"
    assert 1e-4 < choice.difference < 0.1
    assert choice.largest > choice.difference
