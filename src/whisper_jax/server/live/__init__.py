"""Live streams over the network: OpenAI's realtime transcription, a plain protocol, rooms."""
