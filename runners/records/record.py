"""The record of one run: what the trainer fills and what is kept on the disk."""

from pydantic import BaseModel, ConfigDict

from throughtime.parts.text import OneLine
from throughtime.runners.suite.config import RunConfig

from .kept import Kept, Number, Seconds, Whole


class Point(BaseModel):
    """The state of a run at one evaluation.

    Attributes:
        steps: time steps of training data seen so far (each of them on a whole batch of sequences).
        updates: optimizer updates so far.
        seconds: training wall seconds so far.
        loss: the mean training loss since the last point; None at the start.
        metric: the score on the data that the run is judged on, one step ahead where it is a series.
        free: the score there when the network runs free over the task's horizon; None where the task has no feedback.
        gradient_norm: the mean norm of the updates' gradients since the last point, before clipping; None at first.
        cosine: of the algorithm's gradient with the exact one on the probe batch, at the parameters of this point.
        relative_error: of the algorithm's gradient, likewise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: Whole
    updates: Whole
    seconds: Seconds
    loss: float | None = None
    metric: Number
    free: float | None = None
    gradient_norm: float | None = None
    cosine: float | None = None
    relative_error: float | None = None


class Record(Kept):
    """One run: filled while it is trained, and kept as it ended. None, or zero, where the run did not get that far.

    Attributes:
        config: what was run.
        machine: what its times depend on, of the machine that ran it; empty: the directory's environment has it.
        validation: the score at the end of a tuning run; test: of a report run.
        free: the same, running free over the task's horizon; by_lead: of each step ahead by itself.
        exposure_bias: the free-running score less the score one step ahead on the same targets.
        test_losses: of a report run on a small test, of all its targets, as `Batch.target_losses`.
        steps: time steps of training data; updates: the optimizer's; sequences: of training data.
        wall_seconds: of training, as are cpu_seconds: evaluation is off the clock.
        peak_bytes: the most alive at once in one batch's updates; flops and ops: of these (`Counts`);
            mean_peak_bytes: over draws, where memory is random.
        gradient_norm: the mean over the updates.
        clipped_share: of the updates, from 0 to 1; nonfinite_share: likewise.
        relative_bias: of the algorithm's gradient to the exact one at the end of a report run, with what noise is in it
            taken off; relative_bias_error: its standard error, 0 where nothing is drawn at random.
        lag_90: beyond which there lies less than a tenth of the cell's gradient, then; None where no lag has so much.
        curve: one point an evaluation.
    """

    config: RunConfig
    machine: OneLine = ""
    validation: float | None = None
    test: float | None = None
    free: float | None = None
    by_lead: tuple[float | None, ...] = ()
    exposure_bias: float | None = None
    test_losses: tuple[Number, ...] = ()
    steps: Whole = 0
    updates: Whole = 0
    sequences: Whole = 0
    wall_seconds: Seconds = 0.0
    cpu_seconds: Seconds = 0.0
    peak_bytes: Whole | None = None
    mean_peak_bytes: Whole | None = None
    flops: Whole | None = None
    ops: Whole | None = None
    gradient_norm: float | None = None
    clipped_share: float | None = None
    nonfinite_share: float | None = None
    relative_bias: float | None = None
    relative_bias_error: float | None = None
    lag_90: Whole | None = None
    curve: tuple[Point, ...] = ()

    @property
    def settings(self) -> RunConfig:
        """The run's."""
        return self.config

    @property
    def contradiction(self) -> str:
        """A run that is done ends with the last point of its curve, and that point's score is its score."""
        if self.status != "done":
            return ""
        if not self.curve:
            return "it is done and has no curve"
        reported = self.config.purpose == "report"
        score, other = (self.test, self.validation) if reported else (self.validation, self.test)
        if score != self.curve[-1].metric or other is not None:
            return f"its score is {score}, and its curve ends with {self.curve[-1].metric}"
        if self.free != self.curve[-1].free:
            return f"its free-running score is {self.free}, and its curve ends with {self.curve[-1].free}"
        return ""
