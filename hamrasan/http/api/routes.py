"""All endpoints, in one table."""

from __future__ import annotations

from hamrasan.http.api.admin import register
from hamrasan.http.api.client import (
    account_data,
    account_deactivation,
    administrative_contact,
    capabilities,
    device_management,
    event_context,
    filter,
    login,
    login_token,
    logout,
    message_pagination,
    openid,
    password_management,
    presence,
    profile,
    pushrules,
    read_markers,
    receipts,
    refresh,
    registration,
    registration_tokens,
    relations,
    report_content,
    room_event_by_timestamp,
    rooms,
    support,
    sync,
    tags,
    third_party_lookup,
    threads_list,
    typing,
    versions,
    voip,
    wellknown,
    whoami,
)
from hamrasan.http.route import Route

CLIENT_MODULES = (
    account_data,
    account_deactivation,
    administrative_contact,
    capabilities,
    device_management,
    event_context,
    filter,
    login,
    login_token,
    logout,
    message_pagination,
    openid,
    password_management,
    presence,
    profile,
    pushrules,
    read_markers,
    receipts,
    refresh,
    registration,
    registration_tokens,
    relations,
    report_content,
    room_event_by_timestamp,
    rooms,
    support,
    sync,
    tags,
    third_party_lookup,
    threads_list,
    typing,
    versions,
    voip,
    wellknown,
    whoami,
)
ADMIN_MODULES = (register,)

CLIENT_ROUTES: list[Route] = [route for module in CLIENT_MODULES for route in module.ROUTES]
ADMIN_ROUTES: list[Route] = [route for module in ADMIN_MODULES for route in module.ROUTES]

ROUTES = [*CLIENT_ROUTES, *ADMIN_ROUTES]
