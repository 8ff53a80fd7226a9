"""Finds service, operation and protocol of a request.

Evidence in order of strength: the target header (json), the Smithy path (cbor), the Action
parameter (query, ec2), then method and path within the services that share the signing name of
the credential scope. Several services sign with one name (nine do with `sagemaker`): the Host
header's endpoint prefers one of them, but only a match of the path decides. Unsigned requests are
assigned by host name and, failing that, to S3.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property, partial

from sagebrush.base.errors import ApiError
from sagebrush.wire.compression import inflate
from sagebrush.wire.hosts import bucket_of, host_name, region_of
from sagebrush.wire.index import ServiceInfo
from sagebrush.wire.messages import Request
from sagebrush.wire.model import Operation, ServiceModel
from sagebrush.wire.pack import Catalogue, catalogue
from sagebrush.wire.paths import PathError, PathMatcher
from sagebrush.wire.querystring import parse_query
from sagebrush.wire.scope import Scope, scope_of

FORM_TYPE = "application/x-www-form-urlencoded"

_SMITHY_PATH = re.compile(r"/service/([^/]+)/operation/([^/]+)/?")
_FORM_PROTOCOLS = frozenset({"query", "ec2"})
_REST_PROTOCOLS = frozenset({"rest-json", "rest-xml"})
# Signing names under which S3's own operations also come.
_S3_SIGNING_NAMES = frozenset({"s3", "s3express", "s3-object-lambda"})
_CACHED_HOSTS = 1024
_CACHED_PATHS = 1024
_S3_CONTROL_PATH = "/v20180820/"
_S3_CONTROL_HEADERS = frozenset({"x-amz-account-id", "x-amz-outpost-id"})


@dataclass(slots=True)
class Route:
    """Where a request belongs.

    `service` is botocore's folder name, `operation` the model's name. `region` and `access_key`
    are claims of the credential scope, None when unsigned; `path` is the path with the bucket in
    front for virtual-host requests, still percent-encoded; `labels` are the decoded parts of it.
    """

    protocol: str
    method: str
    path: str
    region: str | None = None
    access_key: str | None = None
    signing_name: str | None = None
    bucket_in_host: str | None = None
    service_model: ServiceModel | None = None
    operation_or_none: Operation | None = None
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def service(self) -> str:
        """The service's folder name, or the empty string when there is none."""
        return "" if self.service_model is None else self.service_model.name

    @property
    def operation(self) -> str:
        """The operation's name, or the empty string when there is none."""
        return "" if self.operation_or_none is None else self.operation_or_none.name

    @property
    def operation_model(self) -> Operation:
        """The operation; only routes inside a `RoutingError` have none."""
        assert self.operation_or_none is not None
        return self.operation_or_none


# Method, path, Host header and signing name of a request without a query.
_Place = tuple[str, str, str, str | None]
_Found = tuple[ServiceModel, str, Operation, dict[str, str]]


class RoutingError(ApiError):
    """No operation fits; `route` tells in which protocol to say so."""

    def __init__(self, route: Route, code: str, message: str, status: int) -> None:
        super().__init__(code, message, status=status)
        self.route = route


def needs_body(request: Request) -> bool:
    """Return whether `route` has to see the body: query requests name their operation there."""
    return request.method == "POST" and request.headers.get("content-type", "").startswith(
        FORM_TYPE
    )


class Router:
    """Routes requests to the services of a catalogue.

    `preferred` names services to take first where a request fits several models alike
    (RDS, Neptune and DocumentDB share theirs): normally those that are implemented.
    """

    def __init__(self, services: Catalogue, preferred: frozenset[str] = frozenset()) -> None:
        self._catalogue = services
        self._preferred = preferred
        self._candidates: dict[tuple[str, str], list[ServiceInfo]] = {}
        self._targets: dict[str, tuple[ServiceModel, Operation]] = {}
        self._paths: dict[_Place, _Found] = {}

    @cached_property
    def _infos(self) -> list[ServiceInfo]:
        """All services, preferred ones first."""
        infos = self._catalogue.services.values()
        return sorted(infos, key=lambda info: (info.name not in self._preferred, info.name))

    @cached_property
    def _by_target(self) -> dict[str, list[ServiceInfo]]:
        index = defaultdict(list)
        for info in self._infos:
            if info.target_prefix:
                index[info.target_prefix].append(info)
        return dict(index)

    @cached_property
    def _by_signing_name(self) -> dict[str, list[ServiceInfo]]:
        index = defaultdict(list)
        for info in self._infos:
            index[info.signing_name].append(info)
        for name, infos in index.items():
            infos.sort(key=partial(self._order, name))
        return dict(index)

    def _order(self, signing_name: str, info: ServiceInfo) -> tuple[bool, bool]:
        return info.name not in self._preferred, info.name != signing_name

    def route(self, request: Request) -> Route:
        """Return the route; raises `RoutingError`, whose route serves to serialise it."""
        headers = request.headers
        scope = scope_of(headers.get("authorization"), request.query)
        route = Route(
            "json", request.method, request.path, scope.region, scope.access_key, scope.service
        )
        target = headers.get("x-amz-target")
        if target is not None and "smithy-protocol" not in headers:
            route.service_model, route.operation_or_none = self._of_target(route, target)
            return route
        if "smithy-protocol" in headers:
            return self._of_smithy_path(route)
        place = (request.method, request.path, headers.get("host", ""), scope.service)
        known = None if request.query else self._paths.get(place)
        if known is not None:
            route.service_model, route.protocol, route.operation_or_none, labels = known
            route.labels = labels.copy()
            return route
        if self._is_form(request, scope):
            return self._of_action(route, request, scope)
        self._of_path(route, request, scope)
        if scope.service is not None and route.bucket_in_host is None and not request.query:
            self._remember(route, place)
        return route

    def _remember(self, route: Route, place: _Place) -> None:
        """Keep the route of a path that clients ask for again and again, as an endpoint's.

        Only for signing names without forms: else the content type would have a say, too. S3's
        paths are keys, of which there are too many.
        """
        assert route.service_model is not None
        infos = self._by_signing_name.get(place[3] or "", ())
        if any(_FORM_PROTOCOLS.intersection(info.protocols) for info in infos) or any(
            info.name == "s3" for info in infos
        ):
            return
        if PathMatcher.of(route.service_model).decides(place[0], place[1]):
            if len(self._paths) >= _CACHED_PATHS:
                self._paths.clear()
            found = route.service_model, route.protocol, route.operation_model, route.labels.copy()
            self._paths[place] = found

    def _of_target(self, route: Route, target: str) -> tuple[ServiceModel, Operation]:
        found = self._targets.get(target)
        if found is None:
            prefix, _, name = target.rpartition(".")
            found = self._find_operation(self._by_target.get(prefix, ()), name)
            if found is None:
                if prefix in self._by_target:
                    route.service_model = self._catalogue.load(self._by_target[prefix][0].name)
                raise _unknown(route, name)
            self._targets[target] = found
        return found

    def _find_operation(
        self, infos: list[ServiceInfo] | tuple[()], wire_name: str
    ) -> tuple[ServiceModel, Operation] | None:
        for info in infos:
            model = self._catalogue.load(info.name)
            operation = model.operations_by_wire_name.get(wire_name)
            if operation is not None:
                return model, operation
        return None

    def _of_smithy_path(self, route: Route) -> Route:
        route.protocol = "smithy-rpc-v2-cbor"
        match = _SMITHY_PATH.search(route.path)
        if match is None:
            raise _unknown(route, route.path)
        prefix = match[1].rpartition("#")[2]
        found = self._find_operation(self._by_target.get(prefix, ()), match[2])
        if found is None:
            raise _unknown(route, match[2])
        route.service_model, route.operation_or_none = found
        return route

    def _is_form(self, request: Request, scope: Scope) -> bool:
        if scope.service is not None:
            infos = self._by_signing_name.get(scope.service, [])
            if not any(_FORM_PROTOCOLS.intersection(info.protocols) for info in infos):
                return False
        return needs_body(request) or "Action=" in request.query

    def _of_action(self, route: Route, request: Request, scope: Scope) -> Route:
        if needs_body(request):
            _inflate_form(route, request)
        parameters = _form(request)
        action = parameters.get("Action", [""])[-1]
        version = parameters.get("Version", [""])[-1]
        known = self._infos if scope.service is None else self._by_signing_name[scope.service]
        infos = [info for info in known if _FORM_PROTOCOLS.intersection(info.protocols)]
        exact = [info for info in infos if info.wire_version == version]
        route.protocol = "query"
        if infos and (exact or scope.service is not None):
            first = (exact or infos)[0]
            route.service_model = self._catalogue.load(first.name)
            route.protocol = "ec2" if "ec2" in first.protocols else "query"
        found = self._find_operation(exact or (infos if scope.service else ()), action)
        if found is None:
            stated = version or "NO_VERSION_SPECIFIED"
            message = f"Could not find operation {action} for version {stated}"
            raise RoutingError(route, "InvalidAction", message, 400)
        route.service_model, route.operation_or_none = found
        return route

    def _of_path(self, route: Route, request: Request, scope: Scope) -> Route:
        host = host_name(request.headers.get("host", ""))
        candidates = self._rest_candidates(scope, host, request)
        if candidates and candidates[0].name == "s3":
            _use_bucket_of(route, host)
        route.region = route.region or region_of(host)
        for info in candidates:
            model = self._catalogue.load(info.name)
            if route.service_model is None:
                route.service_model = model
                route.protocol = info.protocols[0]
            try:
                found = PathMatcher.of(model).match(
                    request.method, route.path, request.query, request.headers
                )
            except PathError:
                raise RoutingError(
                    route, "InvalidURI", "Couldn't parse the specified URI.", 400
                ) from None
            if found is not None:
                route.service_model, route.protocol = model, info.protocols[0]
                route.operation_or_none, route.labels = found
                return route
        if candidates and candidates[0].name == "s3":
            message = "The specified method is not allowed against this resource."
            raise RoutingError(route, "MethodNotAllowed", message, 405)
        if not candidates:
            route.protocol = "rest-json"
        raise _unknown(route, f"{request.method} {route.path}")

    def _rest_candidates(self, scope: Scope, host: str, request: Request) -> list[ServiceInfo]:
        if scope.service == "s3-outposts":
            return [self._catalogue.services["s3outposts"], self._catalogue.services["s3"]]
        if scope.service in _S3_SIGNING_NAMES or scope.service is None:
            is_control = request.path.startswith(_S3_CONTROL_PATH) and (
                "s3-control" in host or not _S3_CONTROL_HEADERS.isdisjoint(request.headers)
            )
            named = None if scope.service else self._service_of_host(host)
            if named is not None:
                return [named]
            return [self._catalogue.services["s3control" if is_control else "s3"]]
        known = self._candidates.get((scope.service, host))
        if known is None:
            infos = self._by_signing_name.get(scope.service, [])
            rest = [info for info in infos if _REST_PROTOCOLS.intersection(info.protocols)]
            known = sorted(rest, key=lambda info: -_endpoint_match(info, host))
            if len(self._candidates) >= _CACHED_HOSTS:
                self._candidates.clear()
            self._candidates[scope.service, host] = known
        return known

    def _service_of_host(self, host: str) -> ServiceInfo | None:
        """Return the REST service whose endpoint an unsigned request names, or None."""
        rest = (info for info in self._infos if _REST_PROTOCOLS.intersection(info.protocols))
        best = max(rest, key=lambda info: _endpoint_match(info, host))
        return best if _endpoint_match(best, host) else None


def _endpoint_match(info: ServiceInfo, host: str) -> int:
    """Return the length of the endpoint prefix when the host begins with it, else 0."""
    prefix = info.endpoint_prefix
    return len(prefix) if host.startswith(prefix + ".") else 0


def _use_bucket_of(route: Route, host: str) -> None:
    bucket = bucket_of(host)
    if bucket is not None:
        route.bucket_in_host = bucket
        route.path = f"/{bucket}{route.path}"


def _inflate_form(route: Route, request: Request) -> None:
    try:
        inflate(request)
    except ApiError as error:
        raise RoutingError(route, error.code, error.message, error.status or 400) from None


def _form(request: Request) -> dict[str, list[str]]:
    parameters = parse_query(request.query) if request.query else {}
    if needs_body(request):
        parameters |= parse_query(request.body.decode("utf-8", "replace"))
    return parameters


def _unknown(route: Route, what: str) -> RoutingError:
    status = 404 if route.protocol != "json" else 400
    service = route.service or route.signing_name
    of = f" of the service {service}" if service else ""
    return RoutingError(
        route, "UnknownOperationException", f"No operation{of} is known for {what}", status
    )


_router: Router | None = None


def route(request: Request) -> Route:
    """Return the route by this machine's own models; raises `RoutingError`."""
    global _router
    if _router is None:
        _router = Router(catalogue())
    return _router.route(request)
