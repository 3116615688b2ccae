"""What every test and every example of a docstring starts from."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import pytest


@pytest.fixture(autouse=True)
def seeded() -> None:
    """The same start weights and dropout in every run of a test."""
    keras.utils.set_random_seed(0)
