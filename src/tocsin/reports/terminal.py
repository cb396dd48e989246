"""What the terminal shows: the answer first, then small tables. Every value from a log is plain, visible text."""

from collections.abc import Iterator

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from tocsin.detections.values import AccountRole
from tocsin.kernel import language
from tocsin.kernel.language import gettext as _, ngettext
from tocsin.reports import vocabulary, wording
from tocsin.reports.values import Answer, Investigation, SentenceKind, Tone
from tocsin.scopes.values import AffectedAccount, Certainty

ROWS_MAX = 8
_BORDERS = {Tone.CLEAR: "green", Tone.TRIED: "cyan", Tone.COPIED: "yellow", Tone.HARMED: "red"}


def rendered(answer: Answer, *, investigation: Investigation) -> RenderableType:
    """Return the whole picture in the language in force."""
    tables = [
        table
        for table in (
            _who(investigation),
            _data(investigation),
            _detections(investigation),
            _sources(investigation),
        )
        if table.row_count
    ]
    return Group(
        _panel(answer, investigation=investigation),
        *(Padding(table, (1, 0, 0, 0)) for table in tables),
        *_closing(investigation),
    )


def _panel(answer: Answer, *, investigation: Investigation) -> Panel:
    body = Text()
    for number, sentence in enumerate(answer.sentences):
        style = "bold" if sentence.kind in {SentenceKind.OUTCOME, SentenceKind.DATA} else ""
        body.append((" " if number else "") + wording.visible(sentence.text, length_max=2_000), style=style)
    aware_ts = investigation.scope.aware_ts
    subtitle = None
    if aware_ts is not None:
        aware = language.format_datetime(aware_ts, zone=investigation.timezone)
        subtitle = Text(_("aware since {moment}").format(moment=aware))
    return Panel(
        body, title=Text(_("The answer")), subtitle=subtitle, border_style=_BORDERS[answer.tone], padding=(1, 2)
    )


def _table(title: str, *columns: str, numbers: tuple[str, ...] = ()) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=Text(title, style="bold"), title_justify="left", pad_edge=False)
    for column in columns:
        justify = "right" if column in numbers else "left"
        table.add_column(Text(column), justify=justify, overflow="fold")  # type: ignore[arg-type]
    return table


def _cells(*values: object) -> Iterator[Text]:
    for value in values:
        shown = language.format_number(value) if isinstance(value, int) else wording.visible(value, length_max=120)
        yield Text(shown)


def _who(investigation: Investigation) -> Table:
    """The first accounts by name, then how many more."""
    scope = investigation.scope
    table = _table(_("Who"), _("account"), _("part"), _("certainty"), _("data"), _("platform"), _("why"))
    shown = _accounts_shown(scope.accounts)
    for account in shown:
        table.add_row(
            *_cells(
                account.account,
                vocabulary.role_word(account.role),
                vocabulary.certainty_word(account.certainty),
                wording.listed([vocabulary.data_kinds([kind]) for kind in account.data]),
                vocabulary.platform_name(account.platform),
                vocabulary.reason(account.reasons[0]) if account.reasons else "",
            )
        )
    total = sum(scope.counts.values()) + scope.roles.get(AccountRole.ATTACKER, 0)
    left = max(total, len(scope.accounts)) - len(shown)
    if left > 0 and scope.accounts:
        by_certainty = ", ".join(
            f"{vocabulary.certainty_word(certainty)} {language.format_number(scope.counts.get(certainty, 0))}"
            for certainty in Certainty
        )
        more = ngettext("and {n} more in affected.csv", "and {n} more in affected.csv", left)
        table.caption = Text(f"{wording.fill(more, n=left)} ({by_certainty})")
    return table


def _accounts_shown(accounts: tuple[AffectedAccount, ...]) -> tuple[AffectedAccount, ...]:
    """The confirmed and likely by name, and two of those who are in a group only."""
    named = [account for account in accounts if account.certainty is not Certainty.PRECAUTION][:ROWS_MAX]
    grouped = [account for account in accounts if account.certainty is Certainty.PRECAUTION]
    return (*named, *grouped[: max(0, min(2, ROWS_MAX - len(named)))])


def _data(investigation: Investigation) -> Table:
    accounts, objects = _("accounts"), _("objects")
    table = _table(_("Data"), _("kind"), _("reached?"), accounts, objects, _("why"), numbers=(accounts, objects))
    for line in investigation.scope.data:
        table.add_row(
            *_cells(
                wording.sentence_case(vocabulary.data_kinds([line.data_kind])),
                vocabulary.reach_word(line.reach),
                line.accounts,
                line.objects,
                vocabulary.reason(line.reason),
            )
        )
    return table


def _detections(investigation: Investigation) -> Table:
    events = _("events")
    table = _table(
        _("Detections"),
        _("severity"),
        _("what"),
        _("suspect"),
        events,
        _("from"),
        _("name for evidence"),
        numbers=(events,),
    )
    ranked = sorted(investigation.detections, key=vocabulary.rank)
    for detection in ranked[:ROWS_MAX]:
        table.add_row(
            *_cells(
                vocabulary.severity_word(detection.severity),
                language.gettext(detection.rule_title),
                f"{vocabulary.suspect_word(detection.suspect_type)} {detection.suspect}",
                detection.events,
                wording.stamp(detection.first_ts, zone=investigation.timezone),
                detection.uid,
            )
        )
    left = len(ranked) - ROWS_MAX
    if left > 0:
        more = ngettext("and {n} more in detections.jsonl", "and {n} more in detections.jsonl", left)
        table.caption = Text(wording.fill(more, n=left))
    return table


def _sources(investigation: Investigation) -> Table:
    lines, parsed, rejected = _("lines"), _("parsed"), _("rejected")
    table = _table(_("Sources"), _("file"), _("format"), lines, parsed, rejected, numbers=(lines, parsed, rejected))
    folder = _folder_of([source.path for source in investigation.sources])
    for source in investigation.sources[:ROWS_MAX]:
        table.add_row(
            *_cells(
                source.path[len(folder) :],
                language.gettext(source.format_title),
                source.lines,
                source.parsed,
                source.rejected,
            )
        )
    left = investigation.sources[ROWS_MAX:]
    if left:
        more = ngettext("and {n} more file", "and {n} more files", len(left))
        table.add_row(
            *_cells(
                wording.fill(more, n=len(left)),
                "",
                sum(source.lines for source in left),
                sum(source.parsed for source in left),
                sum(source.rejected for source in left),
            )
        )
    return table


def _folder_of(paths: list[str]) -> str:
    """Return the folder all paths share, with its slash, or nothing: small screens have no room to repeat it."""
    folders = {path[: path.rfind("/") + 1] for path in paths}
    return folders.pop() if len(folders) == 1 else ""


def _closing(investigation: Investigation) -> Iterator[RenderableType]:
    for note in investigation.enrichment_notes:
        yield Text(vocabulary.reason(note), style="dim")
    if investigation.files_written:
        names = ", ".join(path.name for path in investigation.files_written)
        written = _("Written to {folder}: {files}").format(folder=investigation.folder, files=names)
        yield Text(wording.visible(written, length_max=2_000))
    if investigation.detections:
        command = wording.visible(wording.evidence_command(investigation.folder, "NAME"), length_max=2_000)
        yield Text(_("Evidence of a detection: {command}").format(command=command))
