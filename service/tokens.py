"""Bearer tokens: one for all there is, one for loading and unloading."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from service.errors import Forbidden, Unauthorized
from service.kinds import Secret

WRONG_ADMIN = "Loading and unloading need the admin token (`--admin-token`), and that is another one."


class Tokens:
    """The admin token opens what the other opens; where only the other is set, it opens everything."""

    def __init__(self, api: Secret | None, admin: Secret | None) -> None:
        own, others = _bytes(api), _bytes(admin)
        self._any = [*own, *others] if own else []
        self._admin = others or self._any

    def check(self, headers: Mapping[str, str], *, is_admin: bool) -> None:
        """Compares the bearer token, where one is set, in constant time. Raises Unauthorized where there is none,
        Forbidden where it is another."""
        allowed = self._admin if is_admin else self._any
        if not allowed:
            return
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthorized("A bearer token is needed.", headers=(("WWW-Authenticate", "Bearer"),))
        given = token.strip().encode()
        if not any(hmac.compare_digest(given, one) for one in allowed):
            is_of_others = is_admin and allowed != self._any
            raise Forbidden(WRONG_ADMIN if is_of_others else "That token is not the one set here.")


def _bytes(token: Secret | None) -> list[bytes]:
    return [] if token is None else [token.text.encode()]
