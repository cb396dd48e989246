"""``bin/tocsin`` on a machine where installing goes wrong: two at once, a death half-way, a change of the pins.

The packages' installer is replaced by a small script, so that it can fail on purpose; ``bin/check`` itself makes a real
environment in every run.
"""

import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

UV = """#!/bin/sh
# "uv venv ... FOLDER" and "uv pip install --python FOLDER/bin/python ..."
echo "uv $1" >> "$DIARY"
for last; do :; done
case $1 in
venv)
    rm -rf "$last"; mkdir -p "$last/bin"
    ln -s "$(command -v python3)" "$last/bin/python" ;;
pip)
    [ -e "$DIARY.broken" ] && exit 1
    printf '#!/bin/sh\\necho ran "$@"\\n' > "$ENVIRONMENT/bin/tocsin"
    chmod +x "$ENVIRONMENT/bin/tocsin" ;;
esac
"""


@pytest.fixture
def checkout(tmp_path):
    folder = tmp_path / "a checkout"
    for name in ("bin", "gate", "simulator", "src/tocsin/locale"):
        shutil.copytree(ROOT / name, folder / name)
    for name in ("pyproject.toml", "hatch_build.py"):
        shutil.copy(ROOT / name, folder)
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "uv").write_text(UV)
    (tmp_path / "path" / "uv").chmod(0o755)
    return folder


def tocsin(checkout: Path, *arguments: str) -> subprocess.CompletedProcess:
    environment = {
        "PATH": f"{checkout.parent / 'path'}:{os.environ['PATH']}",
        "HOME": str(checkout.parent),
        "DIARY": str(checkout.parent / "diary"),
        "ENVIRONMENT": str(checkout / ".tocsin" / "venv"),
    }
    command = [str(checkout / "bin" / "tocsin"), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


def installations(checkout: Path) -> int:
    diary = checkout.parent / "diary"
    return diary.read_text().count("uv venv") if diary.exists() else 0


def test_the_first_run_installs_and_says_so_and_the_second_does_not(checkout):
    first, second = tocsin(checkout, "doctor", "two words"), tocsin(checkout, "--version")

    assert first.stdout == "ran doctor two words\n"
    assert "preparing a private Python environment" in first.stderr
    assert "ready after" in first.stderr
    assert (second.stdout, second.stderr) == ("ran --version\n", "")
    assert installations(checkout) == 1


def test_two_that_start_at_once_install_once(checkout):
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: tocsin(checkout, "x"), range(4)))

    assert [each.stdout for each in done] == ["ran x\n"] * 4
    assert installations(checkout) == 1


def test_a_half_made_environment_is_never_used(checkout):
    (checkout.parent / "diary.broken").touch()
    failed = tocsin(checkout, "x")
    assert failed.returncode == 1
    assert "the same command tries again" in failed.stderr
    assert not (checkout / ".tocsin" / "venv.lock").exists()

    (checkout.parent / "diary.broken").unlink()
    assert tocsin(checkout, "x").stdout == "ran x\n"
    assert installations(checkout) == 2


def test_the_lock_of_a_process_that_died_is_taken_away(checkout):
    lock = checkout / ".tocsin" / "venv.lock"
    lock.mkdir(parents=True)
    (lock / "pid").write_text("2147483646\n")

    assert tocsin(checkout, "x").stdout == "ran x\n"


def test_new_pins_make_the_environment_anew(checkout):
    tocsin(checkout, "x")
    with (checkout / "pyproject.toml").open("a") as project:
        project.write("\n# a new pin\n")

    assert "preparing" in tocsin(checkout, "x").stderr
    assert installations(checkout) == 2


def test_a_checkout_that_moved_makes_its_environment_anew(checkout):
    tocsin(checkout, "x")
    moved = checkout.rename(checkout.parent / "elsewhere")

    assert tocsin(moved, "x").stdout == "ran x\n"
    assert installations(moved) == 2


def test_it_can_be_called_through_a_link(checkout):
    link = checkout.parent / "link"
    link.symlink_to(Path("a checkout") / "bin" / "tocsin")
    tocsin(checkout, "x")

    done = subprocess.run([link, "y"], capture_output=True, text=True, check=False)
    assert done.stdout == "ran y\n"
