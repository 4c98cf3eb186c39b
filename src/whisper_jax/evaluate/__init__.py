"""Error rates and speed of systems over a manifest of recordings with references.

Start with `read_manifest` and `evaluate`; `Comparison` sets several reports side by side.
"""

from whisper_jax.evaluate.compare import Comparison, Difference, Pool, paired_bootstrap
from whisper_jax.evaluate.configurations import Run, parse_pool, parse_run
from whisper_jax.evaluate.document import read_systems, report_json
from whisper_jax.evaluate.manifest import Clip, read_manifest, select_clips
from whisper_jax.evaluate.report import markdown_tables, plain_tables, rich_tables
from whisper_jax.evaluate.results import ClipResult, EvaluationReport, SetResult, score_clip
from whisper_jax.evaluate.run import OURS, BatchTranscriber, evaluate

__all__ = [
    "OURS",
    "BatchTranscriber",
    "Clip",
    "ClipResult",
    "Comparison",
    "Difference",
    "EvaluationReport",
    "Pool",
    "Run",
    "SetResult",
    "evaluate",
    "markdown_tables",
    "paired_bootstrap",
    "parse_pool",
    "parse_run",
    "plain_tables",
    "read_manifest",
    "read_systems",
    "report_json",
    "rich_tables",
    "score_clip",
    "select_clips",
]
