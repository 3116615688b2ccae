"""Measurements of speed and memory, each against a stock way in the same run."""
