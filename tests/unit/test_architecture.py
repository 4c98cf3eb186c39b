"""The rules of docs/design.md that a program can check, read from the source with `ast`."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "whisper_jax"
# What stands on one line may import what stands on the lines after it; packages of one line do
# not know each other.
LAYERS = [
    "cli",
    "server cluster bench",
    "stream archive train evaluate pipeline shelf",
    "loading",
    "transcribe",
    "alignment",
    "driver",
    "engine programs",
    "decoding checkpoints speech",
    "model audio text formats scoring",
    "stored clibrary",
    "requests",
    "options",
    "types",
    "errors",
]
LAYER = {name: len(LAYERS) - i for i, line in enumerate(LAYERS) for name in line.split()}
FORBIDDEN = {
    ("cli", "server", "cluster"): ("model", "decoding", "engine", "jax"),
    ("train",): ("engine",),
}
# Who alone knows a library.
OWNED = {"av": "audio", "safetensors": "checkpoints", "huggingface_hub": "checkpoints"}
# A package stands for all its modules.
JAX_FREE = [
    "errors",
    "types",
    "options",
    "requests",
    "text",
    "audio.decode",
    "engine.scheduler",
    "programs",
    "speech.regions",
    "speech.spans",
    "speech.levels",
    "formats",
    "scoring",
    "cli",
    "checkpoints.resolve",
    "stream.collected",
    "stream.difference",
    "stream.fields",
    "stream.finish",
]
# These compute on the device: reading a result there would stall it.
WAITS = ("block_until_ready", "item", "device_get")
NEVER_WAIT = ("model/", "decoding/", "audio/logmel.py")
TESTS = sorted((ROOT / "tests").rglob("*.py"))
FILES = sorted(PACKAGE.rglob("*.py"))


def module_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


TREES = {module_of(path): ast.parse(path.read_text(), str(path)) for path in FILES}


def imports_of(module: str, *, at_import: bool = False) -> set[str]:
    """Modules that `module` names; only those loaded along with it if `at_import`."""
    found: set[str] = set()
    todo: list[ast.AST] = [TREES[module]]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            found.update(name if name in TREES else str(node.module) for name in inner)
        elif at_import and runs_later(node):
            continue
        todo.extend(ast.iter_child_nodes(node))
    return found


def runs_later(node: ast.AST) -> bool:
    """Functions when they are called, what only type checkers read never."""
    if isinstance(node, ast.If):
        return "TYPE_CHECKING" in ast.unparse(node.test)
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def part_of(module: str) -> str:
    """Package or file below whisper_jax ("" for whisper_jax itself); else the library's name."""
    top, *rest = module.split(".")
    return (rest[0] if rest else "") if top == "whisper_jax" else top


def loaded_with(module: str) -> set[str]:
    """Everything that importing `module` loads: packages on the way and imports of imports."""
    seen: set[str] = set()
    todo = [module]
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        todo.extend(name[:i] for i, letter in enumerate(name) if letter == ".")
        if name in TREES:
            todo.extend(imports_of(name, at_import=True))
    return seen


@pytest.mark.parametrize("module", sorted(set(TREES) - {"whisper_jax"}))
def test_imports_point_down(module: str):
    part = part_of(module)
    for target in imports_of(module):
        other = part_of(target)
        if target.split(".")[0] == "whisper_jax":
            assert other, f"{module} imports the public package; import the part it needs"
            assert other == part or LAYER[other] < LAYER[part], f"{module} imports {target}"
        assert OWNED.get(other, part) == part, f"{module} imports {target}"
        for parts, others in FORBIDDEN.items():
            assert not (part in parts and other in others), f"{module} imports {target}"


def without_jax() -> list[str]:
    names = [f"whisper_jax.{name}" for name in JAX_FREE]
    return [module for module in TREES if f"{module}.".startswith(tuple(f"{n}." for n in names))]


@pytest.mark.parametrize("module", without_jax())
def test_module_loads_without_jax(module: str):
    assert not {"jax", "jaxlib"} & loaded_with(module)


def test_nothing_of_these_really_loads_jax():
    modules = {f"whisper_jax.{name}" for name in JAX_FREE} | set(without_jax())
    code = f"import sys, {', '.join(modules)}; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_device_code_never_waits_for_the_device():
    for path in FILES:
        if not path.relative_to(PACKAGE).as_posix().startswith(NEVER_WAIT):
            continue
        for node in ast.walk(TREES[module_of(path)]):
            if isinstance(node, ast.Attribute):
                waits = node.attr in WAITS or ast.unparse(node) == "np.asarray"
                assert not waits, f"{path}:{node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize("path", [*FILES, *TESTS], ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_short(path: Path):
    source = path.read_text()
    assert len(source.splitlines()) <= 400, f"{path} is two ideas: split it"
    for node in ast.walk(ast.parse(source)):
        if path in FILES and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            n_lines = (node.end_lineno or 0) - node.lineno + 1
            assert n_lines <= 60, f"{path}:{node.lineno}: {node.name} has {n_lines} lines"


def test_no_two_files_of_tests_share_a_name():
    names = [path.stem for path in TESTS if path.name != "conftest.py"]
    assert sorted({name for name in names if names.count(name) > 1}) == []
