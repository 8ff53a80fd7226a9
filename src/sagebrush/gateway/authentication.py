"""Who sends a request: account, region, identity; signatures and policies where checked."""

from __future__ import annotations

import re
import time
from typing import Any, NamedTuple

from sagebrush import wire
from sagebrush.base.errors import ApiError
from sagebrush.base.settings import DEFAULT_ACCOUNT
from sagebrush.engines.identity import AccessRequest, Identity
from sagebrush.gateway.messages import Request
from sagebrush.gateway.permissions import required_permission
from sagebrush.gateway.signatures import Signatures
from sagebrush.services.platform import Context, Platform
from sagebrush.wire import Route
from sagebrush.wire.sigv4 import Verified

_ACCOUNT_ID = re.compile(r"\d{12}")
_XML = frozenset({"query", "ec2", "rest-xml"})
# Carry their signature in the form, or none as browsers ask before they sign.
_UNSIGNED = frozenset({"PostObject", "OptionsObject", "OptionsBucket"})
# Links in notices: they are visited unsigned, and what they name is the secret.
_LINKED = frozenset({"ConfirmSubscription", "Unsubscribe"})
_OPEN_TO_ALL = frozenset(
    # Whether a role may be assumed is for its trust policy to say; the service asks it.
    {"AssumeRole", "GetCallerIdentity", "GetSessionToken", "OptionsObject", "OptionsBucket"}
)
# How long the identity behind a key is remembered where nothing depends on it but its name.
_REMEMBERED_S = 1.0
_REMEMBERED_KEYS = 1024


class Claims(NamedTuple):
    """What a request says of itself, but for its id and its time."""

    access_key: str
    service: str
    operation: str
    region: str
    endpoint: str
    client_address: str
    origin: str | None
    referrer: str | None
    user_agent: str


class Authenticator:
    """Turns a request's claims into a context."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self.signatures = Signatures(platform)
        self._remembered: dict[tuple[str, str], tuple[float, Identity]] = {}

    def identify(self, request: Request, routed: Route, identifier: str) -> Context:
        """Return the context of a request, its signature not yet checked."""
        return self.context(self.claims(request, routed), identifier)

    def claims(self, request: Request, routed: Route) -> Claims:
        """Return what a request says of itself."""
        settings = self._platform.settings
        region = routed.region or settings.region
        # S3 and IAM clients of older signatures name no usable region.
        if region in ("aws-global", "*"):
            region = settings.region
        headers = request.headers
        return Claims(
            routed.access_key or "",
            routed.service,
            routed.operation,
            region,
            _endpoint(request, settings.endpoint),
            request.client_address,
            headers.get("origin"),
            headers.get("referer"),
            headers.get("user-agent", ""),
        )

    def context(self, claims: Claims, identifier: str) -> Context:
        """Return the context of a request that claims this."""
        access_key, service, operation, region, endpoint, address, origin, referrer, agent = claims
        identity = self._identity(access_key, region)
        platform = self._platform
        return Context(
            platform,
            service,
            operation,
            identity.account,
            region,
            identity,
            identifier,
            platform.clock.now(),
            endpoint,
            address,
            origin,
            referrer,
            agent,
        )

    def authorise(self, context: Context, routed: Route, parameters: dict[str, Any]) -> None:
        """Refuse a request that its sender's policies do not allow.

        Raises:
            ApiError: AccessDenied, in the service's spelling.
        """
        if not self._platform.settings.verify_signatures:
            return
        if routed.operation in _OPEN_TO_ALL or _is_visited_link(routed):
            return
        if context.principal.kind == "Root":
            return
        needed = required_permission(context, routed, parameters)
        for resource, keys in needed.with_keys(context):
            identity = self._platform.identity
            decision = identity.authorise(context.principal, needed.action, resource, keys)
            if not decision.allowed:
                asked = AccessRequest(needed.action, resource, principal=context.principal.arn)
                raise _denied(routed, decision.explanation(asked))

    def verified(self, routed: Route, request: wire.Request) -> Verified | None:
        """Return what the request's signature vouches for; None where signatures do not count.

        Raises:
            ApiError: the signature is missing or wrong, or the signed URL has expired.
        """
        if routed.operation in _UNSIGNED or _is_visited_link(routed):
            return None
        if not self._platform.settings.verify_signatures:
            self.signatures.check_expiry(routed, request)
            return None
        return self.signatures.check(routed, request)

    def _identity(self, access_key: str, region: str) -> Identity:
        now = time.monotonic()
        known = self._remembered.get((access_key, region))
        if known is not None and now - known[0] < _REMEMBERED_S:
            return known[1]
        store = self._platform.identity
        identity = store.principal(access_key, self._account(access_key), region)
        if not self._platform.settings.verify_signatures:
            if len(self._remembered) >= _REMEMBERED_KEYS:
                self._remembered.clear()
            self._remembered[(access_key, region)] = (now, identity)
        return identity

    def _account(self, access_key: str) -> str:
        """Return the account of a key nobody issued: a 12-digit key is an account's number."""
        return access_key if _ACCOUNT_ID.fullmatch(access_key) else DEFAULT_ACCOUNT


def _denied(routed: Route, message: str) -> ApiError:
    """Return AccessDenied in its protocol's spelling, with its protocol's status."""
    if routed.protocol in _XML:
        return ApiError("AccessDenied", message, status=403)
    status = 403 if routed.protocol == "rest-json" else 400
    return ApiError("AccessDeniedException", message, status=status)


def _is_visited_link(routed: Route) -> bool:
    return routed.service == "sns" and routed.operation in _LINKED and not routed.access_key


def _endpoint(request: Request, default: str) -> str:
    host = request.headers.get("host")
    scheme = "https" if request.secure else "http"
    return f"{scheme}://{host}" if host else default
