"""The report says what these logs cannot tell, and the terminal which columns of a list of accounts were taken."""

from tocsin.project import main

SSH = "Mar 27 13:06:5{n} host sshd[7]: Accepted password for ann from 192.0.2.1 port 5{n}00 ssh2\n"
WEB = '192.0.2.1 - ann [17/May/2026:10:00:0{n} +0000] "GET /x/{n} HTTP/1.1" 200 203 "-" "curl/8.1"\n'
NO_REQUESTS, NO_LOG_INS = "No log of requests was given", "No log of log-ins was given"


def test_the_report_says_which_kinds_of_log_nobody_gave(tmp_path):
    logs = {"ssh": SSH, "web": WEB}
    for name, line in logs.items():
        (tmp_path / f"{name}.log").write_text("".join(line.format(n=n) for n in range(5)))
    said = {}
    for given in (("ssh",), ("web",), ("ssh", "web")):
        out = tmp_path / "-".join(given)
        main.run(["investigate", *(str(tmp_path / f"{name}.log") for name in given), "--out", str(out)])
        report = (out / "report.html").read_text()
        said[given] = (NO_REQUESTS in report, NO_LOG_INS in report)
    assert said == {("ssh",): (True, False), ("web",): (False, True), ("ssh", "web"): (False, False)}


def test_the_terminal_says_which_columns_name_accounts_and_the_report_which_names_are_shared(tmp_path, capsys):
    (tmp_path / "web.log").write_text(WEB.format(n=1))
    (tmp_path / "accounts.csv").write_text("account,country,login\n7,FR,ann\n8,FR,ann\n")
    options = ["--accounts", str(tmp_path / "accounts.csv"), "--out", str(tmp_path / "out")]
    main.run(["investigate", str(tmp_path / "web.log"), *options])
    told = " ".join(capsys.readouterr().err.split())
    assert "Accounts by account; other names from: login; no names, left out: country" in told
    assert "Not joined, for example" in (tmp_path / "out" / "report.html").read_text()
