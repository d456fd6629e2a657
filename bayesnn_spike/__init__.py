"""Probabilistic toolkit for spiking neural networks with binary weights."""

__version__ = "0.1.0"
