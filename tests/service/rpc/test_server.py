from __future__ import annotations

import asyncio
import socket

import pytest

from service.app import assemble
from service.errors import SettingsError
from service.settings import Settings


def test_port_that_cannot_be_had_is_told() -> None:
    """Taken after the start has reserved it, which somebody with rights of their own can do."""
    parts = assemble(Settings(no_shipped_models=True))

    async def start(port: int) -> None:
        try:
            await parts.rpc.start(f"127.0.0.1:{port}")
        finally:
            await parts.rpc.stop(0)

    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(SettingsError, match="--grpc-port"):
        asyncio.run(start(taken.getsockname()[1]))
    parts.scheduler.close()
