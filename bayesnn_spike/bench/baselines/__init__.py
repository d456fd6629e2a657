"""The frameworks that the engine is measured against, each written as a good user of it would.

A file has `sampled(layers, dtype)`, which returns `run(spikes [T, B, *in], source)` to
probabilities `[K, B, C]`, and `readout`, which maps spikes and weights to logits `[B, C]` with
gradients where the training step is timed.
"""
