"""Figures of speed, each a ratio of two ways to do one thing, taken in turns in one run."""
