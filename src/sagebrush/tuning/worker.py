"""The search process: `python -m sagebrush.tuning.worker` answers requests line by line.

A request is for a suggestion or, under `report`, for a report.

It reads standard input and writes standard output, and ends when its input does. What it remembers
of a search only saves time.
"""

import json
import signal
import sys
import traceback
from collections import OrderedDict
from typing import BinaryIO

from sagebrush.tuning.bayesian import BayesianSearch, Observation
from sagebrush.tuning.messages import SuggestionRequest, encode_answer, encode_failure
from sagebrush.tuning.report.document import ReportRequest
from sagebrush.tuning.report.page import report_page
from sagebrush.tuning.spaces import Space

_MOST_REMEMBERED = 64


class Searches:
    """The searches that were asked for lately."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[Space, int, BayesianSearch]] = OrderedDict()

    def suggest(self, request: SuggestionRequest) -> bytes:
        """The answer to a request, as a line."""
        observed = [Observation(each, value) for each, value in request.observed]
        search = self._search(request)
        return encode_answer(search.suggest(observed, request.pending, request.failed))

    def _search(self, request: SuggestionRequest) -> BayesianSearch:
        known = self._known.get(request.search)
        if known is None or known[:2] != (request.space, request.seed):
            known = (request.space, request.seed, BayesianSearch(request.space, request.seed))
        self._known[request.search] = known
        self._known.move_to_end(request.search)
        while len(self._known) > _MOST_REMEMBERED:
            self._known.popitem(last=False)
        return known[2]


def _answer(searches: Searches, line: bytes) -> bytes:
    document = json.loads(line)
    if "report" in document:
        page = report_page(ReportRequest.decode(document["report"]))
        return json.dumps({"page": page}).encode() + b"\n"
    return searches.suggest(SuggestionRequest.decode(document))


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer each line until there are no more."""
    searches = Searches()
    for line in requests:
        try:
            answer = _answer(searches, line)
        except Exception as error:  # noqa: BLE001 - a defect ends one request, not all searches
            traceback.print_exc()
            answer = encode_failure(f"{type(error).__name__}: {error}")
        answers.write(answer)
        answers.flush()


def main() -> None:
    """Serve until the server is gone."""
    # Ctrl-C in the server's terminal is the server's matter.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve(sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
