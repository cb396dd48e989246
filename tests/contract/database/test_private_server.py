"""The private PostgreSQL: ours alone, one server for many commands, and whole again after any kill."""

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from tocsin.project import database_place, database_server
from tocsin.project.database_place import Place
from tocsin.project.errors import UnsafePlace

OPEN_AND_WAIT = """
import sys
from tocsin.project import database
with database.opened():
    print("open", flush=True)
    sys.stdin.readline()
print("left", flush=True)
"""


@pytest.fixture
def place() -> Iterator[Place]:
    found = database_place.find()
    yield found
    # Whatever a test broke on purpose, nothing keeps running.
    found.run("pg_ctl", "stop", "--pgdata", found.data, "--mode", "immediate")
    shutil.rmtree(found.base, ignore_errors=True)


@pytest.fixture
def made(place: Place) -> Place:
    with database_server.running(place), connected(place) as session:
        session.execute("CREATE TABLE kept (word text)")
        session.execute("INSERT INTO kept VALUES ('here')")
    return place


def connected(place: Place) -> psycopg.Connection:
    return psycopg.connect(host=str(place.socket_folder), user="tocsin", dbname="postgres", autocommit=True)


def kept(place: Place) -> str:
    with connected(place) as session:
        return session.execute("SELECT word FROM kept").fetchone()[0]


def process_number(place: Place) -> int:
    return int((place.data / "postmaster.pid").read_text().split("\n")[0])


def name_in_files(place: Place, number: int, rest: str) -> None:
    """Let the files a killed server left name another process."""
    (place.data / "postmaster.pid").write_text(f"{number}\n{rest}")
    (place.socket_folder / f"{database_place.SOCKET_NAME}.lock").write_text(f"{number}\n{rest}")


def lives(place: Place) -> bool:
    return place.run("pg_ctl", "status", "--pgdata", place.data).returncode == 0


def another_command() -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", OPEN_AND_WAIT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_the_last_command_to_leave_stops_the_server(made: Place):
    with database_server.running(made):
        with database_server.running(made):
            assert kept(made) == "here"
        assert lives(made)
    assert not lives(made)


def test_it_listens_on_no_network_and_its_folders_are_closed(made: Place):
    with database_server.running(made):
        with connected(made) as session:
            assert session.execute("SHOW listen_addresses").fetchone()[0] == ""
        for folder in (made.socket_folder, made.data, made.base / "cluster"):
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
            assert folder.stat().st_uid == made.runner.uid
        rules = (made.base / "pg_hba.conf").read_text()
    assert rules.split() == ["local", "all", "all", "peer", "map=tocsin"]


def test_another_local_user_is_refused_by_the_folder_and_by_the_server(made: Place, stranger: str, tmp_path: Path):
    psql = ["runuser", "-u", stranger, "--", made.binaries / "psql", "-U", "tocsin", "-d", "postgres", "-c", "SELECT 1"]
    with database_server.running(made):
        shut = subprocess.run([*psql, "-h", made.socket_folder], capture_output=True, text=True)
        assert shut.returncode != 0
        assert "Permission denied" in shut.stderr
        made.socket_folder.chmod(0o755)
        (made.socket_folder / database_place.SOCKET_NAME).chmod(0o777)
        asked = subprocess.run([*psql, "-h", made.socket_folder], capture_output=True, text=True)
        assert asked.returncode != 0
        assert "Peer authentication failed" in asked.stderr
        made.socket_folder.chmod(0o700)


def test_no_folder_above_is_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    home = tmp_path / "given" / "home"
    home.mkdir(parents=True, mode=0o755)
    above = [*home.parents, home, *database_place.SYSTEM_FOLDER.parents]
    modes = {folder: (stat.S_IMODE(folder.stat().st_mode), folder.stat().st_uid) for folder in above}
    monkeypatch.setenv("TOCSIN_HOME", str(home))
    place = database_place.find()
    with database_server.running(place):
        assert {each: (stat.S_IMODE(each.stat().st_mode), each.stat().st_uid) for each in above} == modes
    shutil.rmtree(place.base)


def test_a_folder_that_others_may_write_to_is_not_used(tmp_path: Path):
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(UnsafePlace):
        database_place.check_private(folder, uid=os.geteuid())
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    with pytest.raises(UnsafePlace):
        database_place.check_private(link, uid=os.geteuid())


def test_two_commands_that_start_at_once_use_one_short_folder_for_the_socket(tmp_path: Path):
    base = tmp_path / ("h" * 150)
    base.mkdir()
    runner = database_place.Runner("me", os.geteuid(), os.getegid(), switch=False)
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: database_place._socket_folder(base, runner), range(8)))
    for each in found:
        each.rmdir()
    assert len(found) == 1


def test_two_commands_that_start_at_once_share_one_server(place: Place):
    both = [another_command(), another_command()]
    assert [each.stdout.readline() for each in both] == ["open\n", "open\n"]
    first, second = both
    assert first.communicate("\n")[0] == "left\n"
    assert lives(place)
    assert second.communicate("\n")[0] == "left\n"
    assert [each.returncode for each in both] == [0, 0]
    assert not lives(place)


def test_after_a_command_is_killed_the_next_one_finds_the_server_and_stops_it(place: Place):
    killed = another_command()
    assert killed.stdout.readline() == "open\n"
    number = process_number(place)
    killed.kill()
    killed.communicate()
    with database_server.running(place):
        assert process_number(place) == number
    assert not lives(place)


def test_after_the_server_is_killed_it_recovers_what_was_committed(made: Place):
    other = another_command()
    assert other.stdout.readline() == "open\n"
    with connected(made) as session:
        session.execute("UPDATE kept SET word = 'committed'")
    os.kill(process_number(made), signal.SIGKILL)
    with database_server.running(made):
        assert kept(made) == "committed"
    other.kill()
    other.communicate()


def test_a_process_number_that_now_belongs_to_a_stranger_does_not_keep_the_server_from_starting(made: Place):
    with database_server.running(made):
        left_over = (made.data / "postmaster.pid").read_text().split("\n", 1)[1]
        os.kill(process_number(made), signal.SIGKILL)
    sleeping = Place(made.base, Path(shutil.which("sleep")).parent, made.socket_folder, made.runner)
    with sleeping.process("sleep", "600") as foreign:
        name_in_files(made, foreign.pid, left_over)
        with database_server.running(made):
            assert kept(made) == "here"
        foreign.kill()


def test_what_a_killed_server_left_running_is_waited_for(made: Place, monkeypatch: pytest.MonkeyPatch):
    """Each of its processes notices by itself, and until the last has, PostgreSQL refuses to start."""
    looks = []

    def goes_on(place: Place) -> bool:
        looks.append(is_held(place))
        os.kill(left, signal.SIGCONT)
        return looks[-1]

    is_held = database_server._is_held_by_remains
    monkeypatch.setattr(database_server, "_is_held_by_remains", goes_on)
    with database_server.running(made):
        session = connected(made)
        left = session.info.backend_pid
        os.kill(left, signal.SIGSTOP)
        os.kill(process_number(made), signal.SIGKILL)
        with database_server.running(made):
            assert kept(made) == "here"
        session.close()
    assert looks and all(looks)


def test_a_killed_server_nobody_waited_for_is_none(made: Place):
    """As in a container whose first process does not wait for its orphans."""
    with database_server.running(made):
        left_over = (made.data / "postmaster.pid").read_text().split("\n", 1)[1]
        os.kill(process_number(made), signal.SIGKILL)
    ended = made.process("postgres", "--version")
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
    name_in_files(made, ended.pid, left_over)
    with database_server.running(made):
        assert kept(made) == "here"
    assert ended.wait() == 0


def test_a_half_made_cluster_is_cleared_away_and_never_used(place: Place):
    half = place.base / "cluster" / "making-0123"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    with database_server.running(place):
        assert not half.exists()
        assert place.data.exists()


def test_a_recovery_that_takes_long_is_said_on_stderr(made: Place, capfd, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(database_server, "FIRST_WORD_SECONDS", 0)
    with database_server.running(made):
        assert kept(made) == "here"
    assert "putting itself in order" in capfd.readouterr().err


def test_a_stop_that_was_interrupted_is_waited_for(made: Place):
    """Stopping from outside, while a command holds the server, is what a killed last command leaves behind."""
    with database_server.running(made):
        pass
    with database_server.running(made):
        stopping = threading.Thread(
            target=made.run, args=("pg_ctl", "stop", "--pgdata", made.data, "-m", "fast", "-t", "5")
        )
        stopping.start()
        with database_server.running(made):
            stopping.join()
        with database_server.running(made):
            assert kept(made) == "here"


@pytest.mark.parametrize("left", [None, "", "2147483647\n"], ids=["no file", "an empty file", "a number that is gone"])
def test_a_server_that_ends_between_two_looks_is_started_again(made: Place, monkeypatch, left: str | None):
    really = database_server._process_lives
    lived = iter([True])
    monkeypatch.setattr(database_server, "_process_lives", lambda place: next(lived, None) or really(place))
    if left is not None:
        (made.data / "postmaster.pid").write_text(left)
    with database_server.running(made):
        assert kept(made) == "here"


def as_user(name: str) -> list[str]:
    """Return the start of a command line that runs Python, with what this one imports, as another user; or skip."""
    same = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    path = os.pathsep.join(sys.path)
    for python in (sys.executable, same):
        begun = ["runuser", "-u", name, "--", "env", f"PYTHONPATH={path}", python]
        if (
            subprocess.run([*begun, "-c", "import tocsin, psycopg, django"], capture_output=True, cwd="/").returncode
            == 0
        ):
            return begun
    pytest.skip("another user of this machine cannot reach this Python")


@pytest.mark.parametrize("length", [20, 150], ids=["short home", "home too long for a socket path"])
def test_an_ordinary_user_has_a_server_of_their_own(stranger: str, length: int):
    *begun, python = as_user(stranger)
    top = Path("/tmp") / stranger
    home = top / ("h" * length)
    account = pwd.getpwnam(stranger)
    try:
        for folder in (top, home):
            folder.mkdir(mode=0o700)
            os.chown(folder, account.pw_uid, account.pw_gid)
        command = [*begun, f"TOCSIN_HOME={home}", python, "-c", OPEN_AND_WAIT]
        ran = subprocess.run(command, input="\n", capture_output=True, text=True, cwd="/")
        assert ran.stdout == "open\nleft\n", ran.stderr
        data = home / "postgresql" / "cluster" / "data"
        assert data.stat().st_uid == account.pw_uid
        assert not (data / "postmaster.pid").exists()
    finally:
        recorded = home / "postgresql" / "socket-folder"
        if recorded.exists():
            shutil.rmtree(recorded.read_text())
        shutil.rmtree(top)
