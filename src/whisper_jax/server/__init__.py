"""An HTTP server of OpenAI's audio API: many clients, one engine.

``make_app`` gives the application, ``run_server`` serves it until it is told to stop.
"""

from whisper_jax.server.settings import ServerSettings

__all__ = ["ServerSettings"]
