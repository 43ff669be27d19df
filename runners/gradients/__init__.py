"""The gradient laboratory: how far back, how biased, how noisy, how alive."""
