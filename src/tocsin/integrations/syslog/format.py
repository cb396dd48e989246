"""syslog files (RFC 3164, RFC 5424 and rsyslog's RFC 3339 stamps) with the log-ins told by sshd, PAM, su and sudo.

Messages: openssh-portable auth.c and sshd-session.c, Linux-PAM pam_unix, shadow-utils. A line of any other program is an
event without class, so that nothing of the file is lost and gaps can be seen.
"""

from tocsin.events.ports import Format
from tocsin.events.values import Sample, Shape
from tocsin.integrations import sign_ins
from tocsin.integrations.expressions import first, one_of
from tocsin.integrations.recognition import lines_matching

_OLD_STAMP = r"[A-Z][a-z]{2} {1,2}\d{1,2} (?:\d{4} )?\d\d:\d\d:\d\d(?:\.\d+)?"
_NEW_STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)"
_TAG = r"([^\s:\[\]]+)(?:\[([^\]\s]*)\])?:"
_STRUCTURED = r'(\S+) (\S+) \S+ (?:-|(?:\[(?:[^"\]]|"(?:[^"\\]|\\.)*")*\])+)'
_PATTERN = rf"^(?:<\d{{1,3}}>)?(?:1 )?({_OLD_STAMP}|{_NEW_STAMP}) (\S+) (?:{_TAG}|{_STRUCTURED}|) ?(.*)$"
_SURE = (
    rf"^(?:<\d{{1,3}}>)?(?:{_OLD_STAMP} \S+ |{_NEW_STAMP} [\w.:-]*[\w.-] [^\s:\[\]]+\[\d+\]: |{_NEW_STAMP} [\w.-]+ "
    rf"(?:sshd|sudo|su|CRON|cron|kernel|systemd|login|dbus-daemon|rsyslogd|useradd|usermod|passwd)(?:\[\d+\])?: )"
    rf"|^<\d{{1,3}}>1 {_NEW_STAMP} \S+ "
)
_NOT_A_HOST = rf"^{_NEW_STAMP} (?:stdout|stderr|TRACE|DEBUG|INFO|WARN|WARNING|ERROR|FATAL|NOTICE) "

_PROGRAM = first('r."program"', 'r."name"')
# "message repeated 5 times: [ Failed password for root from 192.0.2.1 port 22 ssh2]" tells the message inside.
_SAID = """regexp_replace(r."message", '^message repeated \\d+ times: \\[ ?(.*)\\]$', '\\1')"""


def _found(pattern: str, group: int = 1) -> str:
    return f"nullif(regexp_extract({_SAID}, '{pattern}', {group}), '')"


_TRIED = r"^(?:error: )?(Failed|Accepted|Postponed) (\S+) for (invalid user )?(.*) from ([0-9A-Fa-f.:]+)(?:%\S+)?(?: port \d+)?"
_INVALID = r"^(?:error: )?(?:Invalid|Illegal) user (.*) from ([0-9A-Fa-f.:]+)"
_TOO_MANY = r"^error: maximum authentication attempts exceeded for (?:invalid user )?(.*) from ([0-9A-Fa-f.:]+)"
_PAM = r"^pam_\w+\(([\w-]+):auth\): authentication failure;.*?(?:rhost=([0-9A-Fa-f.:]*))?\s*(?:user=(\S*))?\s*$"
_CLOSED = r"^pam_\w+\([\w-]+:session\): session closed for user ([^ (]+)"
_SU = r"^(Successful|FAILED) su for (\S+) by (\S+)"
_SUDO = r"^\s*(\S+) : .*?(?:TTY=.*? ; )?PWD=.*? ; USER=(\S+) ; .*?COMMAND=(.*)$"
_NEW_USER = r"^new user: name=([^,]+)"
_TO_GROUP = r"^add ''([^'']+)'' to (?:shadow )?group ''([^'']+)''"
_PASSWORD = r"password changed for (\S+)"
_KNOWN = ("sshd", "sshd-session", "sudo", "su", "kernel", "CRON", "cron", "systemd", "systemd-logind", "useradd", "usermod", "passwd",
          "gpasswd", "rsyslogd", "dhclient")  # fmt: skip
_VERDICT = _found(_TRIED)
# sshd tells the same failure through PAM too; only its own words count, other programs have none.
_PAM_FAILURE = f"({_found(_PAM)} IS NOT NULL AND {_found(_PAM)} <> 'sshd')"
# sshd says this before any password is tried; what came of the try is told by the lines that follow, if there are any.
_IS_INVALID = f"{_found(_INVALID, 2)} IS NOT NULL"
_IS_TOO_MANY = f"{_found(_TOO_MANY, 2)} IS NOT NULL"
# Other programs (mail, VPN, web panels) tell the same in words of their own.
_OWN_WORDS = f"({_PROGRAM} NOT IN {one_of(_KNOWN)} AND {sign_ins.address(_SAID)} IS NOT NULL)"
_TELLS_FAILURE = f"({_OWN_WORDS} AND {sign_ins.failed(_SAID)})"
_FAILURE = (
    f"({_VERDICT} = 'Failed' OR {_IS_TOO_MANY} OR {_PAM_FAILURE} OR {_found(_SU)} = 'FAILED' OR {_TELLS_FAILURE})"
)
_SUCCESS = (
    f"({_VERDICT} = 'Accepted' OR {_found(_SU)} = 'Successful' "
    f"OR ({_OWN_WORDS} AND {sign_ins.succeeded(_SAID)} AND NOT {sign_ins.failed(_SAID)}))"
)


def _recognise(sample: Sample) -> float:
    if lines_matching(sample, _NOT_A_HOST) > 0.1:
        return 0.0
    return 0.9 * lines_matching(sample, _SURE)


FORMATS: tuple[Format, ...] = (
    Format(
        key="syslog",
        title="syslog (auth.log, secure, messages)",
        shape=Shape.TEXT,
        pattern=_PATTERN,
        fields=dict.fromkeys(("stamp", "host", "program", "pid", "name", "process", "message"), "VARCHAR"),
        columns={
            "ts": """CASE WHEN regexp_matches(r."stamp", '^\\d') THEN ms_iso(replace(r."stamp", ',', '.'))
                WHEN regexp_matches(r."stamp", '^\\w+ +\\d+ \\d{4} ')
                THEN epoch_ms(try_strptime(regexp_replace(r."stamp", '\\s+', ' ', 'g'), '%b %-d %Y %H:%M:%S'))
                ELSE ms_syslog(regexp_replace(r."stamp", '\\.\\d+$', '')) END""",
            "class_uid": f"CASE WHEN {_FAILURE} OR {_SUCCESS} OR {_IS_INVALID} OR {_found(_CLOSED)} IS NOT NULL THEN 3002 "
            f"WHEN {_PROGRAM} = 'sudo' AND {_found(_SUDO)} IS NOT NULL THEN 1007 "
            f"WHEN {_PROGRAM} = 'useradd' AND {_found(_NEW_USER)} IS NOT NULL THEN 3001 "
            f"WHEN {_PROGRAM} = 'passwd' AND {_found(_PASSWORD)} IS NOT NULL THEN 3001 "
            f"WHEN {_PROGRAM} IN ('usermod', 'gpasswd') AND {_found(_TO_GROUP)} IS NOT NULL THEN 3005 ELSE 0 END",
            "activity_id": f"CASE WHEN {_found(_CLOSED)} IS NOT NULL THEN 2 WHEN {_FAILURE} OR {_SUCCESS} OR {_IS_INVALID} THEN 1 "
            f"WHEN {_PROGRAM} IN ('sudo', 'useradd', 'usermod', 'gpasswd') THEN 1 WHEN {_PROGRAM} = 'passwd' THEN 3 ELSE 99 END",
            "status_id": f"CASE WHEN {_FAILURE} THEN 2 WHEN {_SUCCESS} OR {_found(_SUDO)} IS NOT NULL THEN 1 ELSE 0 END",
            "status_detail": f"CASE WHEN {_IS_INVALID} OR {_found(_TRIED, 3)} IS NOT NULL THEN 'user_not_found' "
            f"WHEN {_IS_TOO_MANY} THEN 'too_many_attempts' WHEN {_FAILURE} THEN {sign_ins.detail(_SAID)} END",
            "api_operation": f"coalesce({_VERDICT} || ' ' || {_found(_TRIED, 2)}, CASE WHEN {_IS_INVALID} THEN 'Invalid user' END, "
            f"CASE WHEN {_PROGRAM} = 'sudo' THEN {_found(_SUDO, 3)} END)",
            "api_service_name": _PROGRAM,
            "actor_type": f"CASE WHEN {_PROGRAM} IN ('sshd', 'sshd-session', 'sudo', 'su', 'login', 'useradd', 'usermod', 'passwd') "
            "THEN 'staff' END",
            "actor_user_name": f"coalesce({_found(_TRIED, 4)}, {_found(_INVALID)}, {_found(_TOO_MANY)}, {_found(_CLOSED)}, "
            f"{_found(_PAM, 3)}, {_found(_SU, 3)}, CASE WHEN {_PROGRAM} = 'sudo' THEN {_found(_SUDO)} END, "
            f"CASE WHEN {_OWN_WORDS} AND ({_FAILURE} OR {_SUCCESS}) THEN {sign_ins.name(_SAID)} END)",
            "target_account": f"coalesce({_found(_SU, 2)}, {_found(_NEW_USER)}, {_found(_TO_GROUP)}, "
            f"CASE WHEN {_PROGRAM} = 'sudo' THEN {_found(_SUDO, 2)} END, "
            f"CASE WHEN {_PROGRAM} = 'passwd' THEN {_found(_PASSWORD)} END)",
            "src_endpoint_ip": f"ip_of(coalesce({_found(_TRIED, 5)}, {_found(_INVALID, 2)}, {_found(_TOO_MANY, 2)}, "
            f"{_found(_PAM, 2)}, {sign_ins.address(_SAID)}))",
            "device_uid": 'blank(r."host")',
        },
        recognise=_recognise,
        unmapped="""masked(json_object('message', r."message")::VARCHAR)""",
    ),
)
