"""A logger for MLflow, which Avalanche has none for."""

from collections.abc import Mapping
from typing import Any

from avalanche.logging import BaseLogger


class MLflowLogger(BaseLogger):  # type: ignore[misc]
    """Gives numbers to a run of MLflow, found again by its identity or made.

    Args:
        client: An `mlflow.MlflowClient`.
        experiment: Its name; made where it does not exist.
        run_name: How the run is called.
        identity: Kept as a tag.
        parameters: Plain values that the run was made with.
    """

    TAG = "cgap-cl.log"

    def __init__(
        self,
        client: Any,
        experiment: str,
        run_name: str,
        identity: str,
        parameters: Mapping[str, Any],
    ) -> None:
        super().__init__()
        self._client = client
        known = client.get_experiment_by_name(experiment)
        place = known.experiment_id if known else client.create_experiment(experiment)
        runs = client.search_runs([place], f"tags.`{self.TAG}` = '{identity}'")

        if runs:
            self.run_id = runs[0].info.run_id
            client.update_run(self.run_id, status="RUNNING")
            return
        run = client.create_run(place, run_name=run_name, tags={self.TAG: identity})
        self.run_id = run.info.run_id
        for name, value in parameters.items():
            client.log_param(self.run_id, name, value)

    def log_single_metric(self, name: str, value: Any, x_plot: int) -> None:
        """Numbers alone; MLflow has no other metrics."""
        if isinstance(value, int | float):
            self._client.log_metric(self.run_id, name, value, step=x_plot)

    def close(self) -> None:
        """The run is over, or its process ends."""
        self._client.set_terminated(self.run_id)
