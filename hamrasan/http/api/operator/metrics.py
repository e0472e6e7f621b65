"""The metrics, in Prometheus' text format; served on a listener of their own."""

from __future__ import annotations

from hamrasan.http.request import Request
from hamrasan.http.response import Response
from hamrasan.http.route import Auth, Route
from hamrasan.http.services import Services
from hamrasan.runtime.metrics import CONTENT_TYPE


async def get_metrics(_request: Request, services: Services) -> Response:
    """Return all values; put together in a thread, since that takes milliseconds."""
    text = await services.loop.run_in_executor(None, services.metrics.exposition)
    return Response(200, text, CONTENT_TYPE)


ROUTES = [Route("GET", "/metrics", get_metrics, "getMetrics", Auth.NONE)]
