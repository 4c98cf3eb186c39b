"""The help of all commands: plain text, options under headings."""

from typing import Any

from typer.core import TyperCommand

PLAIN: dict[str, Any] = {
    "add_completion": False,
    "no_args_is_help": True,
    "pretty_exceptions_enable": False,
    "rich_markup_mode": None,
    "context_settings": {"help_option_names": ["--help", "-h"], "max_content_width": 120},
}
"""How each program of ours is set up. Rich's help takes longer to import than all the rest."""


class PanelCommand(TyperCommand):
    """A command whose help shows options under the headings they were given."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments and each heading's options."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                is_argument = parameter.param_type_name == "argument"
                heading = getattr(parameter, "rich_help_panel", None)
                title = heading or ("Arguments" if is_argument else "Options")
                panels.setdefault(title, []).append(record)
        for title, records in panels.items():
            with formatter.section(title):
                formatter.write_dl(records, col_max=formatter.width * 2 // 5)
