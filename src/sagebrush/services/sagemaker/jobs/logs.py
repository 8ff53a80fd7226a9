"""A job's log on its way to CloudWatch: lines to streams, metrics out of lines.

Lines, metrics and the offset behind them are stored in one transaction, so that nothing is lost or
told twice however the server ends.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from sagebrush.engines.metrics import MetricDatum
from sagebrush.run.tail import read_batch
from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker import records
from sagebrush.services.sagemaker.descriptions import metric_definitions
from sagebrush.services.sagemaker.jobs import events
from sagebrush.services.sagemaker.records import TrainingJob

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
NAMESPACE = "/aws/sagemaker/TrainingJobs"
# A tuning job gives its children the name of the metric it is after in this hyperparameter.
OBJECTIVE_HYPERPARAMETER = "_tuning_objective_metric"
_SHORTEST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 0.5
# Lines searched for metrics before the event loop gets a turn.
_LINES_PER_TURN = 500


class MetricScanner:
    """Finds the metrics of a job in its log lines."""

    def __init__(self, definitions: Sequence[dict[str, str]]) -> None:
        self._patterns = [(item["Name"], re.compile(item["Regex"])) for item in definitions]

    def scan(self, line: str) -> Iterator[tuple[str, float]]:
        """Yield the name and value, which may be no number, of every metric that a line tells."""
        for name, pattern in self._patterns:
            matched = pattern.search(line)
            if matched is None:
                continue
            try:
                value = float(matched.group(1))
            except (ValueError, TypeError):
                continue  # the group took part in no match, or caught a word: no value
            yield name, value


class LogCollector:
    """Carries the log files of a job's hosts into its log streams."""

    def __init__(
        self, platform: Platform, job: TrainingJob, directory: Path, hosts: Sequence[str]
    ) -> None:
        self._platform = platform
        self._job = job
        self._directory = directory
        self._hosts = hosts
        self._scanner = MetricScanner(metric_definitions(job.request))
        self._tuned = job.request.get("HyperParameters", {}).get(OBJECTIVE_HYPERPARAMETER)
        self._offsets = dict(job.progress.log_offsets)

    def open(self) -> None:
        """Make the streams, so that clients find them before the first line."""
        with self._platform.db.atomically():
            for host in self._hosts:
                self._platform.logs.ensure_stream(
                    self._job.account, self._job.region, LOG_GROUP, self._stream(host)
                )

    async def follow(self, ended: asyncio.Event) -> None:
        """Carry lines over until the processes have `ended` and everything was read."""
        pause_s = _SHORTEST_PAUSE_S
        while True:
            # Asked before reading: what was written until then is read for sure.
            last = ended.is_set()
            if await self._carry_over(last=last):
                pause_s = _SHORTEST_PAUSE_S
                continue
            if last:
                return
            try:
                async with asyncio.timeout(pause_s):
                    await ended.wait()
            except TimeoutError:
                pause_s = min(pause_s * 1.5, _LONGEST_PAUSE_S)

    def tell(self, line: str) -> None:
        """Add a line of the platform's own to the first host's stream."""
        self._put(self._hosts[0], [line])

    async def _carry_over(self, *, last: bool) -> bool:
        grown = False
        for host in self._hosts:
            path = self._directory / f"{host}.log"
            offset = self._offsets.get(host, 0)
            batch = read_batch(path, offset, ended=last)
            if batch.offset == offset:
                continue
            grown = True
            found = await self._scan(batch.lines)
            self._offsets[host] = batch.offset
            self._store(host, batch.lines, found)
        return grown

    async def _scan(self, lines: Sequence[str]) -> list[tuple[str, float]]:
        found: list[tuple[str, float]] = []
        for start in range(0, len(lines), _LINES_PER_TURN):
            for line in lines[start : start + _LINES_PER_TURN]:
                found += self._scanner.scan(line)
            if start + _LINES_PER_TURN < len(lines):
                await asyncio.sleep(0)
        return found

    def _store(self, host: str, lines: Sequence[str], found: Sequence[tuple[str, float]]) -> None:
        now = self._platform.clock.now()
        with self._platform.db.transaction():
            self._put(host, lines)
            self._put_metrics(found, now)
            records.change(self._platform.db, self._job.id, lambda job: self._note(job, found, now))
        if found:
            events.tell(self._platform, self._job.id)

    def _note(self, job: TrainingJob, found: Sequence[tuple[str, float]], now: float) -> None:
        job.progress.log_offsets = dict(self._offsets)
        for name, value in found:
            finite = math.isfinite(value)
            if finite:
                job.progress.metrics[name] = {"MetricName": name, "Value": value, "Timestamp": now}
            if name == self._tuned:
                job.progress.curve.append(value if finite else None)

    def _put(self, host: str, lines: Sequence[str]) -> None:
        stamp_ms = int(self._platform.clock.now() * 1000)
        events = [(stamp_ms, line) for line in lines if line]
        self._platform.logs.put(
            self._job.account,
            self._job.region,
            LOG_GROUP,
            self._stream(host),
            events,
            create=True,
        )

    def _put_metrics(self, found: Sequence[tuple[str, float]], now: float) -> None:
        if not found:
            return
        dimensions = {"TrainingJobName": self._job.name}
        data = [
            MetricDatum(name, dimensions, now, value)
            for name, value in found
            if math.isfinite(value)
        ]
        self._platform.metrics.put(self._job.account, self._job.region, NAMESPACE, data)

    def _stream(self, host: str) -> str:
        return f"{self._job.name}/{host}-{self._job.progress.log_epoch}"
