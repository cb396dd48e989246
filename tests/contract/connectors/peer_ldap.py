"""A real slapd of our own on loopback, with the password policy overlay and a service account that may do little."""

import contextlib
import shutil
import socket
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import ldap3
import pytest
from tests.ports import free_port

from tocsin.containment.values import MeasureKind
from tocsin.integrations.ldap.connector import connect

SLAPD, SLAPADD = shutil.which("slapd", path="/usr/sbin:/usr/bin"), shutil.which("slapadd", path="/usr/sbin:/usr/bin")
SUFFIX = "dc=example,dc=org"
SERVICE = f"cn=tocsin,ou=services,{SUFFIX}"
SERVICE_PASSWORD = "service-Secret-71"
ROOT_PASSWORD = "root-Secret-72"
POLICY_CONTROL = ("1.3.6.1.4.1.42.2.27.8.5.1", False, None)
CHANGE_AFTER_RESET = b"\x30\x03\x81\x01\x02"
CONF = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload ppolicy
pidfile {folder}/slapd.pid
{tls}
sizelimit 500
database mdb
maxsize 1073741824
suffix "dc=example,dc=org"
rootdn "cn=root,dc=example,dc=org"
rootpw {root_password}
directory {folder}/db
dbnosync
index objectClass,uid,mail,pwdReset,pwdChangedTime eq
overlay ppolicy
ppolicy_default "cn=default,ou=policies,dc=example,dc=org"
ppolicy_hash_cleartext
access to attrs=userPassword by self =xw by anonymous auth by * none
access to attrs=pwdReset,pwdAccountLockedTime by dn.exact="{service}" write by self read by * none
access to * by dn.exact="{service}" read by self read by users read by * none
"""
BASE = f"""dn: {SUFFIX}
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: ou=people,{SUFFIX}
objectClass: organizationalUnit
ou: people

dn: ou=services,{SUFFIX}
objectClass: organizationalUnit
ou: services

dn: ou=policies,{SUFFIX}
objectClass: organizationalUnit
ou: policies

dn: {SERVICE}
objectClass: applicationProcess
objectClass: simpleSecurityObject
cn: tocsin
userPassword: {SERVICE_PASSWORD}

dn: cn=default,ou=policies,{SUFFIX}
objectClass: applicationProcess
objectClass: pwdPolicy
cn: default
pwdAttribute: userPassword
pwdMustChange: TRUE
pwdAllowUserChange: TRUE
pwdLockout: TRUE
pwdInHistory: 5
pwdCheckQuality: 1
pwdMinLength: 8

"""


def person(number: int) -> str:
    changed = datetime(2014, 1, 2, tzinfo=UTC) + timedelta(minutes=number)
    return f"""dn: uid=p{number:05},ou=people,{SUFFIX}
objectClass: inetOrgPerson
uid: p{number:05}
cn: Person {number}
sn: Person
mail: p{number:05}@example.org
userPassword: old-Password-{number}
pwdChangedTime: {changed:%Y%m%d%H%M%SZ}

"""


class Peer:
    kind = "ldap"
    measures = (MeasureKind.RESET_PASSWORD, MeasureKind.SUSPEND)

    def __init__(self, folder: Path, *, people: int = 1500, tls: str = "", tls_port: int | None = None) -> None:
        self.folder, self.port, self.tls_port = folder, free_port(), tls_port
        (folder / "db").mkdir(parents=True)
        self.conf = folder / "slapd.conf"
        self.conf.write_text(
            CONF.format(folder=folder, root_password=ROOT_PASSWORD, service=SERVICE, tls=tls), encoding="utf-8"
        )
        ldif = folder / "base.ldif"
        ldif.write_text(BASE + "".join(person(number) for number in range(people)), encoding="utf-8")
        subprocess.run([SLAPADD, "-q", "-f", self.conf, "-l", ldif], check=True, capture_output=True, timeout=60)
        self.next = 0
        self.process: subprocess.Popen | None = None
        self.start()

    def settings(self, **more: object) -> dict[str, object]:
        return {
            "address": f"ldap://127.0.0.1:{self.port}", "bind_dn": SERVICE, "base": f"ou=people,{SUFFIX}",
            "measures": ["reset_password", "suspend"], "timeout_seconds": 30, **more,
        }  # fmt: skip

    def connector(self, **more: object):
        return connect("ldap-main", settings=self.settings(**more), secrets={"password": SERVICE_PASSWORD})

    def accounts(self, n: int) -> list[str]:
        first, self.next = self.next, self.next + n
        return [f"p{number:05}" for number in range(first, first + n)]

    def as_root(self) -> ldap3.Connection:
        server = ldap3.Server("127.0.0.1", port=self.port, get_info=ldap3.NONE)
        return ldap3.Connection(server, f"cn=root,{SUFFIX}", ROOT_PASSWORD, auto_bind=True, check_names=False)

    def fingerprint(self, account: str) -> object:
        root = self.as_root()
        root.search(f"uid={account},ou=people,{SUFFIX}", "(objectClass=*)", ldap3.BASE, attributes=["*", "+"])
        found = sorted((name, tuple(values)) for name, values in root.response[0]["raw_attributes"].items())
        root.unbind()
        return found

    def holds(self, account: str, kind: MeasureKind) -> bool:
        attributes = dict(self.fingerprint(account))
        if kind is MeasureKind.SUSPEND:
            return attributes.get("pwdAccountLockedTime") == (b"000001010000Z",)
        return attributes.get("pwdReset") == (b"TRUE",)

    def bind(self, account: str, password: str, *, with_control: bool = True) -> tuple[ldap3.Connection, bool, bool]:
        """Bind as a person; return the connection, whether it was let in, and whether a change is demanded."""
        server = ldap3.Server("127.0.0.1", port=self.port, get_info=ldap3.NONE)
        dn = f"uid={account},ou=people,{SUFFIX}"
        session = ldap3.Connection(server, dn, password, check_names=False)
        session.open()
        done = session.bind(controls=[POLICY_CONTROL] if with_control else None)
        value = session.result.get("controls", {}).get(POLICY_CONTROL[0], {}).get("value", b"")
        return session, done, value == CHANGE_AFTER_RESET

    def password(self, account: str) -> str:
        return f"old-Password-{int(account[1:])}"

    def finish(self, account: str, kind: MeasureKind) -> datetime | None:
        if kind is not MeasureKind.RESET_PASSWORD:
            return None
        old = self.password(account)
        session, done, _demanded = self.bind(account, old)
        assert done
        dn = f"uid={account},ou=people,{SUFFIX}"
        assert session.extend.standard.modify_password(dn, old, f"new-Password-{account}")
        session.unbind()
        return datetime.now(UTC).replace(microsecond=0)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)

    def start(self) -> None:
        urls = f"ldap://127.0.0.1:{self.port}/" + (f" ldaps://127.0.0.1:{self.tls_port}/" if self.tls_port else "")
        self.process = subprocess.Popen(
            [SLAPD, "-d", "0", "-f", self.conf, "-h", urls], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _try in range(6000):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=5):
                return
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.01)
            assert self.process.poll() is None, "slapd ended at once"
        raise AssertionError("slapd did not come up")

    def secrets(self) -> list[str]:
        return [SERVICE_PASSWORD, ROOT_PASSWORD]


@contextlib.contextmanager
def running(folder: Path, **more: object) -> Iterator[Peer]:
    if SLAPD is None or SLAPADD is None:
        pytest.skip("slapd is not installed (Debian: slapd)")
    peer = Peer(folder, **more)
    try:
        yield peer
    finally:
        peer.stop()
