"""What AWS's image of a tag does unlike its successors.

Sources: the tags of aws/sagemaker-xgboost-container, and src/learner.cc of dmlc/xgboost at the
version that each image installs. The image of the tags ``1`` and ``latest`` has xgboost 0.72; its
container is not public and is taken to behave as that of 0.90-1.
"""

import re
from dataclasses import dataclass

from sagebrush.algorithms.xgboost.pickled import PickleLayout

_TAG = re.compile(r"(\d+)\.(\d+)-(\d+)")
_FIRST_TAGS = frozenset({"1", "latest"})
_FIRST = (0, 72, 0)
_LAST_OLD_SERVER = (1, 2, 1)
_FIRST_WITHOUT_SILENT = (1, 2, 0)
_FIRST_WITH_SETTINGS_IN_PICKLES = (1, 0, 0)
_FIRST_WITH_ONLY_DOCUMENTS_IN_PICKLES = (3, 1, 0)


@dataclass(frozen=True, slots=True)
class ImageVersion:
    """The image of a tag; ``version`` is None without a tag, where nothing old is imitated."""

    version: tuple[int, ...] | None = None

    @classmethod
    def of(cls, tag: str) -> "ImageVersion":
        """The image of a tag such as ``1.2-1-cpu-py3``, ``1`` or ``latest``."""
        if tag in _FIRST_TAGS:
            return cls(_FIRST)
        found = _TAG.match(tag)
        return cls(None if found is None else tuple(map(int, found.groups())))

    @property
    def has_old_server(self) -> bool:
        """Whether it answers every request with one line of CSV and does not load before the first.

        So images up to 1.2-1: Accept is looked at only for selectable inference, /ping does not
        look at the model, and a model that cannot be loaded is a 500 to each request.
        """
        return self.version is not None and self.version <= _LAST_OLD_SERVER

    @property
    def trains_exact_on_several_hosts(self) -> bool:
        """Whether ``exact`` is trained as ``approx`` where rows are spread over hosts."""
        return self.version == _FIRST

    @property
    def has_silent(self) -> bool:
        """Whether it knows the hyperparameter ``silent``, which ``verbosity`` replaces."""
        return self.version is None or self.version < _FIRST_WITHOUT_SILENT

    def reads(self, pickle: PickleLayout | None) -> bool:
        """Whether its xgboost takes a pickle of that layout; None is a file that is no pickle."""
        if self.version is None or pickle is None:
            return True
        if pickle is PickleLayout.MODEL:
            return self.version < _FIRST_WITH_SETTINGS_IN_PICKLES
        if pickle is PickleLayout.MODEL_AND_SETTINGS:
            return self.version < _FIRST_WITH_ONLY_DOCUMENTS_IN_PICKLES
        return True


ANY_IMAGE = ImageVersion()
"""Without a tag: every model that can be read is."""
