"""The log lines of the first-party images, one flushed line per call."""

import json
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any, Literal, TextIO


class Log:
    """Writes log lines in the first-party form ``[MM/DD/YYYY HH:MM:SS LEVEL thread-id] text``.

    ``host`` names this machine in the metric lines (``algo-1``). The form of each line is what the
    metric definitions of the built-in algorithms match.
    """

    def __init__(self, host: str = "algo-1", stream: TextIO | None = None) -> None:
        self.host = host
        self._stream = stream

    def line(self, text: str) -> None:
        """Write the text as a line of its own, unprefixed."""
        stream = self._stream or sys.stdout
        stream.write(text + "\n")
        stream.flush()

    def _prefixed(self, level: str, text: str) -> None:
        stamp = time.strftime("%m/%d/%Y %H:%M:%S", time.gmtime())
        self.line(f"[{stamp} {level} {threading.get_ident()}] {text}")

    def info(self, text: str) -> None:
        """Write the text at level INFO."""
        self._prefixed("INFO", text)

    def warning(self, text: str) -> None:
        """Write the text at level WARNING."""
        self._prefixed("WARNING", text)

    def error(self, text: str) -> None:
        """Write the text at level ERROR."""
        self._prefixed("ERROR", text)

    def configuration(
        self, defaults: Mapping[str, Any], given: Mapping[str, str], given_in: str
    ) -> None:
        """Write the three lines that say which hyperparameters a job runs with.

        ``given_in`` names the file the user's own came in.
        """
        shown = {
            name: value if isinstance(value, str) else json.dumps(value)
            for name, value in defaults.items()
        }
        self.info(f"Reading default configuration from default-input.json: {shown}")
        self.info(f"Merging with provided configuration from {given_in}: {dict(given)}")
        self.info(f"Final configuration: {shown | dict(given)}")

    def quality_metric(
        self,
        part: str,
        metric: str,
        value: float,
        kind: Literal["loss", "score"],
        *,
        epoch: int | None = None,
        batch: int | None = None,
    ) -> None:
        """Write ``#quality_metric`` of a part (train, validation, test).

        With a batch the metric is one batch's, with only an epoch the epoch's, else final.
        """
        place = f"host={self.host}, "
        if epoch is not None:
            place += f"epoch={epoch}, "
        if batch is not None:
            place += f"batch={batch} "
        self.info(f"#quality_metric: {place}{part} {metric} <{kind}>={value}")

    def progress_metric(self, percent: float) -> None:
        """Write ``#progress_metric`` with the share of epochs done, 0 to 100."""
        self.info(f"#progress_metric: host={self.host}, completed {percent} % of epochs")

    def throughput_metric(self, records_per_second: float) -> None:
        """Write ``#throughput_metric`` in records per second."""
        self.info(
            f"#throughput_metric: host={self.host}, "
            f"train throughput={records_per_second} records/second"
        )

    def score(self, part: str, metric: str, value: float) -> None:
        """Write the older ``#test_score (algo-1) : ('name', value)`` line of a part."""
        self.info(f"#{part}_score ({self.host}) : {(metric, float(value))!r}")

    def early_stopping_metric(self, epoch: int, criteria: str, value: float) -> None:
        """Write ``#early_stopping_criteria_metric`` of an epoch."""
        self.info(
            f"#early_stopping_criteria_metric: host={self.host}, epoch={epoch}, "
            f"criteria={criteria}, value={value}"
        )

    def metrics(
        self,
        algorithm: str,
        operation: str,
        values: Mapping[str, float],
        *,
        start_time_s: float,
        end_time_s: float,
        dimensions: Mapping[str, Any] | None = None,
    ) -> None:
        """Write a ``#metrics {json}`` line: each value as its sum, count, min and max."""
        document = {
            "StartTime": start_time_s,
            "EndTime": end_time_s,
            "Dimensions": {
                "Algorithm": algorithm,
                "Host": self.host,
                "Operation": operation,
                **(dimensions or {}),
            },
            "Metrics": {
                name: {"sum": value, "count": 1, "min": value, "max": value}
                for name, value in ((name, float(value)) for name, value in values.items())
            },
        }
        self.line(f"#metrics {json.dumps(document)}")
