"""Error rates and speed of a model over a manifest of recordings with references.

Start with `read_manifest` and `evaluate`.
"""

from whisper_jax.evaluate.manifest import Clip, read_manifest, select_clips
from whisper_jax.evaluate.report import (
    markdown_table,
    plain_table,
    report_json,
    rich_table,
    summary,
)
from whisper_jax.evaluate.run import (
    BatchTranscriber,
    ClipResult,
    EvaluationReport,
    SetResult,
    evaluate,
)

__all__ = [
    "BatchTranscriber",
    "Clip",
    "ClipResult",
    "EvaluationReport",
    "SetResult",
    "evaluate",
    "markdown_table",
    "plain_table",
    "read_manifest",
    "report_json",
    "rich_table",
    "select_clips",
    "summary",
]
