"""Who may do what: the bucket's owner, bucket policies, access control lists.

The owner's account may do everything its bucket policy does not deny. Anyone else, anonymous
callers included, needs the bucket policy's or an access control list's permission. Identity
policies of IAM users are the gateway's matter.
"""

from __future__ import annotations

from typing import Any

from sagebrush.engines.objects import BucketRecord, ObjectEntry
from sagebrush.services.platform import Context
from sagebrush.services.s3.faults import fault


class Access:
    """The caller's standing towards one bucket."""

    def __init__(self, context: Context, bucket: BucketRecord) -> None:
        self._context = context
        self._bucket = bucket

    @property
    def is_owner(self) -> bool:
        """Whether the caller belongs to the account that owns the bucket."""
        return (
            self._context.principal.kind != "Anonymous"
            and self._context.account == self._bucket.account
        )

    def demand(
        self,
        action: str,
        request: dict[str, Any],
        key: str | None = None,
        entry: ObjectEntry | None = None,
    ) -> None:
        """Return if the caller may do `action`.

        Raises:
            ApiError: AccessDenied.
        """
        if not self.allows(action, request, key, entry):
            raise fault("AccessDenied")

    def demand_for_missing(self, action: str, request: dict[str, Any], key: str) -> None:
        """Return if the caller may learn that `key` does not exist.

        Raises:
            ApiError: AccessDenied, to callers who may not list the bucket.
        """
        del action
        if not self.allows("s3:ListBucket", request, key):
            raise fault("AccessDenied")

    def allows(
        self,
        action: str,
        request: dict[str, Any],
        key: str | None = None,
        entry: ObjectEntry | None = None,
    ) -> bool:
        """Whether the caller may do `action`."""
        del action, request, key, entry
        return self.is_owner
