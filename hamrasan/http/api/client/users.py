"""Searching people (client-server API, "User Directory")."""

from __future__ import annotations

from typing import Annotated

import msgspec

from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.search.people import DEFAULT_LIMIT


class SearchBody(msgspec.Struct):
    """Body of `searchUserDirectory`."""

    search_term: str
    limit: Annotated[int, msgspec.Meta(ge=1)] = DEFAULT_LIMIT


async def search_people(request: Request, services: Services) -> Response:
    """Return people whose names or user ids fit, those nearest to the requester first."""
    body = request.decode(SearchBody)
    found = await services.people_search.find(request.requester.user_id, body.search_term, body.limit)
    results = []
    for person in found.people:
        result = {"user_id": person.user_id}
        if person.display_name is not None:
            result["display_name"] = person.display_name
        if person.avatar_url is not None:
            result["avatar_url"] = person.avatar_url
        results.append(result)
    return ok({"results": results, "limited": found.limited})


ROUTES = [
    Route(
        "POST",
        "/_matrix/client/v3/user_directory/search",
        search_people,
        "searchUserDirectory",
        Auth.USER,
        RateClass.SEARCH,
        Body.JSON_OBJECT,
    ),
]
