"""An HTTP server of OpenAI's audio API: many clients, one engine.

`whisper_jax.server.run.run_server` serves until it is told to stop;
`whisper_jax.server.app.make_app` gives the application alone.
"""

from whisper_jax.server.settings import ServerSettings

__all__ = ["ServerSettings"]
