"""How far a campaign is: a live bar with the time left on a terminal, a line a run elsewhere."""

from __future__ import annotations

from calibration.converge.campaign import Run
from calibration.converge.train import Evaluation
from hwsim.report.console import make_console
from hwsim.report.progress import make_bar


class CampaignProgress:
    """A context manager whose `event` takes what `campaign` reports; everything goes to stderr."""

    def __init__(self, runs: list[Run]) -> None:
        self.console = make_console(stderr=True)
        self.bar = make_bar(self.console)
        self.total = len(runs)
        self.done = 0
        self.trained: set[str] = set()
        self.task = self.bar.add_task("starting", total=sum(run.weight for run in runs))

    def __enter__(self) -> CampaignProgress:
        self.bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.bar.stop()

    def event(self, run: Run, evaluation: Evaluation | None) -> None:
        """Long runs move the bar further than short ones; those of an earlier start not at all."""
        if evaluation is not None:
            self.trained.add(run.name)
            now = f"{run.name} at step {evaluation.step:,}, loss {evaluation.loss:.3f}"
            self.bar.update(self.task, description=f"{self.done}/{self.total} runs; {now}")
            return
        self.done += 1
        if run.name in self.trained:
            self.bar.advance(self.task, run.weight)
            if not self.console.is_terminal:
                self.console.print(f"{run.name} finished ({self.done} of {self.total} runs)")
        else:
            left = (self.bar.tasks[0].total or 0.0) - run.weight
            self.bar.update(self.task, total=left)
