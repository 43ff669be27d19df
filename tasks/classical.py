"""Predictions that need no network: from the last given values of a series, with gaps, to those that follow.

All take origins (K,), the positions of the last given values, and a horizon, and know nothing after an origin.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray


def last_given(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The last value that was given up to each position, (N, o); NaN before the first.

    >>> last_given(np.array([[1.0], [np.nan], [3.0]]))[:, 0].tolist()
    [1.0, 1.0, 3.0]
    """
    given = ~np.isnan(values).any(axis=1)
    latest = np.maximum.accumulate(np.where(given, np.arange(len(values)), 0))
    return np.asarray(values[latest], dtype=np.float64)


def seasonal(values: NDArray[np.float64], period: int, origins: NDArray[np.int64], horizon: int) -> NDArray[np.float64]:
    """The last value that was given at the same place of the period, (horizon, K, o).

    >>> seasonal(np.arange(6.0)[:, None], 3, np.array([4]), 2)[:, 0, 0].tolist()
    [2.0, 3.0]
    """
    filled = values.copy()
    for place in range(period):
        filled[place::period] = last_given(values[place::period])
    leads = np.arange(1, horizon + 1)[:, None]
    return np.asarray(filled[origins + leads - period * -(-leads // period)], dtype=np.float64)


class Autoregression:
    """x_t = c + φ_1 x_{t-1} + … + φ_p x_{t-p}, fitted by least squares.

    In a series with gaps the fit uses only those t of which x_t … x_{t-p} are all given, and a missing value that a
    prediction needs is replaced by the model's own prediction of it.

    Args:
        values: (N,), NaN where missing.
        order: p.
        fitted: how many of the first values the fit may use.
    """

    def __init__(self, values: NDArray[np.float64], order: int, *, fitted: int) -> None:
        known = values[:fitted]
        self.order = order
        self.parameters = _by_rows(known, order) if np.isnan(known).any() else _by_series(known, order)
        self.values = values.copy()
        for t in np.flatnonzero(np.isnan(values)):
            past = self.values[max(t - order, 0) : t]
            lags = np.concatenate([np.full(order - len(past), np.nanmean(known)), past])
            self.values[t] = self._next(lags[None])[0]

    def predict(self, origins: NDArray[np.int64], horizon: int) -> NDArray[np.float64]:
        """The `horizon` values after each origin, (horizon, K), each predicted from those predicted before it."""
        lags = self.values[origins[:, None] + np.arange(1 - self.order, 1)]
        predicted = []
        for _ in range(horizon):
            predicted.append(self._next(lags))
            lags = np.concatenate([lags[:, 1:], predicted[-1][:, None]], axis=1)
        return np.stack(predicted)

    def _next(self, lags: NDArray[np.float64]) -> NDArray[np.float64]:
        """From lags (K, p), oldest first, to (K,)."""
        return np.asarray(self.parameters[0] + lags[:, ::-1] @ self.parameters[1:], dtype=np.float64)


def _by_series(values: NDArray[np.float64], order: int) -> NDArray[np.float64]:
    """c, φ_1 … φ_p of a series without gaps."""
    from statsmodels.tsa.ar_model import AutoReg

    return np.asarray(AutoReg(values, lags=order).fit().params, dtype=np.float64)


def _by_rows(values: NDArray[np.float64], order: int) -> NDArray[np.float64]:
    """c, φ_1 … φ_p: the same least squares, over the rows without a gap."""
    from statsmodels.regression.linear_model import OLS
    from statsmodels.tools import add_constant

    rows = sliding_window_view(values, order + 1)
    rows = rows[~np.isnan(rows).any(axis=1)]
    return np.asarray(OLS(rows[:, -1], add_constant(rows[:, -2::-1])).fit().params, dtype=np.float64)
