"""Set up the development environment in `.venv`, from nothing but a plain python3.

Run as `make setup`. It finds or installs uv (in `.tools`), finds or fetches a Python that is new
enough, and installs what uv.lock pins. A second run with nothing changed returns at once.

PYTHON=/path/to/python chooses the interpreter. Runs on Python 3.8, standard library only.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
TOOLS = ROOT / ".tools"
BIN = "Scripts" if os.name == "nt" else "bin"
STAMP = VENV / ".setup-stamp"
MIN_PYTHON = (3, 12)
MIN_UV = (0, 9)
# The oldest version comes first: it is the one that is tested most.
PYTHON_NAMES = ("python3.12", "python3.13", "python3.14", "python3", "python")


def main() -> int:
    chosen = os.environ.get("PYTHON")
    stamp = stamp_now()
    if not chosen and is_up_to_date(stamp):
        return 0
    STAMP.unlink(missing_ok=True)
    uv = find_uv() or install_uv()
    python = chosen or existing_python() or find_python() or install_python(uv)
    if python_version(python) < MIN_PYTHON:
        raise SystemExit(f"{python} is not a Python {text(MIN_PYTHON)} or newer that runs")
    say(f"Installing what uv.lock pins into {VENV.name}, for {python}")
    # Compiled at once, so that the first `whisper-jax --help` is as quick as the next.
    command = [uv, "sync", "--frozen", "--compile-bytecode", "--python", python]
    environment = {k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"}
    environment["UV_PROJECT_ENVIRONMENT"] = str(VENV)
    if subprocess.run(command, cwd=ROOT, env=environment).returncode != 0:
        raise SystemExit("uv could not install the dependencies: its message is above.")
    STAMP.write_text(stamp)
    return 0


def stamp_now() -> str:
    """What `.venv` depends on: the project's files, and where it stands (scripts hold paths)."""
    digest = hashlib.sha256(str(ROOT).encode())
    for name in ("pyproject.toml", "uv.lock"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def is_up_to_date(stamp: str) -> bool:
    same = STAMP.is_file() and STAMP.read_text() == stamp
    return same and python_version(VENV / BIN / "python") >= MIN_PYTHON


def find_uv() -> str | None:
    for path in (shutil.which("uv"), shutil.which("uv", path=str(TOOLS / "uv" / BIN))):
        if path and uv_version(path) >= MIN_UV:
            return path
    return None


def uv_version(path: str) -> tuple[int, ...]:
    return numbers(output_of([path, "--version"]))


def install_uv() -> str:
    """Install uv from the package index, with a venv where Python has the module."""
    target = TOOLS / "uv"
    say(f"Installing uv into {target.relative_to(ROOT)}")
    shutil.rmtree(target, ignore_errors=True)
    requirement = f"uv>={text(MIN_UV)}"
    if output_of([sys.executable, "-c", "import ensurepip, venv; print(True)"]):
        succeeds([sys.executable, "-m", "venv", str(target)])
        install = [str(target / BIN / "python"), "-m", "pip", "install"]
    else:
        install = [sys.executable, "-m", "pip", "install", "--target", str(target)]
    done = succeeds([*install, "--quiet", "--disable-pip-version-check", requirement])
    uv = find_uv()
    if not done or uv is None:
        raise SystemExit(
            "uv could not be installed with pip: install uv yourself "
            "(https://docs.astral.sh/uv), or Python's venv module (on Debian and Ubuntu: "
            "apt-get install python3-venv), and run this again."
        )
    return uv


def existing_python() -> str | None:
    """The interpreter `.venv` was made with stays, so that it is not made anew."""
    python = VENV / BIN / "python"
    return str(python) if python_version(python) >= MIN_PYTHON else None


def find_python() -> str | None:
    """A Python on PATH that really runs (pyenv's shims may not), or one that pyenv holds."""
    on_path = [path for path in map(shutil.which, PYTHON_NAMES) if path]
    for python in on_path + pyenv_pythons():
        if python_version(python) >= MIN_PYTHON:
            return python
    return None


def pyenv_pythons() -> list[str]:
    """Released versions that pyenv has installed, the oldest first."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    folders = [
        folder
        for folder in root.glob("versions/3.*")
        if re.fullmatch(r"3\.\d+\.\d+", folder.name) and numbers(folder.name) >= MIN_PYTHON
    ]
    folders.sort(key=lambda folder: numbers(folder.name))
    return [str(folder / "bin" / "python") for folder in folders]


def install_python(uv: str) -> str:
    """A Python of uv's own, downloaded unless uv has it already."""
    say(f"No Python {text(MIN_PYTHON)} or newer was found: asking uv for one")
    wanted = text(MIN_PYTHON)
    subprocess.run([uv, "python", "install", wanted], stdout=subprocess.DEVNULL)
    # --no-project: a broken .venv must not be given back.
    find = [uv, "python", "find", "--no-project", "--managed-python", wanted]
    python = output_of(find).strip()
    if not python:
        raise SystemExit(
            f"Python {wanted} or newer is needed, is not on PATH, and could not be downloaded: "
            f"install it, then run `make setup PYTHON=/path/to/python{wanted}`."
        )
    return python


def python_version(python: str | Path) -> tuple[int, ...]:
    """(major, minor) as the interpreter itself says; (0,) if it does not run."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    return numbers(output_of([str(python), "-c", code]))


def succeeds(command: list[str]) -> bool:
    try:
        return subprocess.run(command).returncode == 0
    except OSError:
        return False


def output_of(command: list[str]) -> str:
    """What the command prints; nothing if it cannot be run or fails."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except OSError:
        return ""
    return done.stdout.decode() if done.returncode == 0 else ""


def numbers(version: str) -> tuple[int, ...]:
    """The first dotted number in the text: "uv 0.9.5 (x86_64)" is (0, 9, 5)."""
    found = re.search(r"\d+(\.\d+)*", version)
    return tuple(map(int, found.group().split("."))) if found else (0,)


def text(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
