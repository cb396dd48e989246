"""``tocsin rules``: what the detection rules are, what one of them means, and whether they do what their examples
say.
"""

from pathlib import Path

import click

from tocsin.cli.listing import JSON, add, console, lines, pairs, print_json, table
from tocsin.detections import queries
from tocsin.detections.errors import RuleRefused
from tocsin.detections.values import Rule
from tocsin.kernel.language import gettext as _, ngettext, outline, render

_FOLDER = click.option(
    "--rules",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of rules to use instead of ours.",
)


@click.group("rules", help="List, explain and test the detection rules.")
def command() -> None:
    """Hold the commands about rules."""


@command.command("list", help="List every rule: what it finds, how grave that is, whom it suspects.")
@_FOLDER
@JSON
def listed(folder: Path | None, as_json: bool) -> None:
    """Print one line a rule."""
    if as_json:
        shown = ("rule_id", "version", "kind", "level", "suspect_type", "title", "tags", "place")
        print_json([{name: getattr(rule, name) for name in shown} for rule in _chosen(folder)])
        return
    made = table(_("rule"), _("version"), _("kind"), _("level"), _("suspect"), _("title"))
    for rule in _chosen(folder):
        add(made, rule.rule_id, rule.version, rule.kind.value, rule.level, rule.suspect_type.value, _(rule.title))
    console().print(made)


@command.command(
    "explain", help="Say what a rule looks for, what may deceive it, and what to do; --sql shows how it asks."
)
@click.argument("rule_id", metavar="RULE")
@click.option("--sql", is_flag=True, help="Show the SELECT that finds it.")
@_FOLDER
def explained(rule_id: str, sql: bool, folder: Path | None) -> None:
    """Print everything about one rule."""
    rule = queries.rule_by_id(rule_id, rules=_chosen(folder))
    if rule is None:
        raise RuleRefused(
            _("There is no rule {name}.").format(name=rule_id), mend=_("Run tocsin rules list to see their names.")
        )
    if sql:
        lines(queries.detection_sql(rule))
        return
    _explain(rule)


@command.command("test", help="Run the examples of every rule: those that must fire, those that must stay silent.")
@click.argument("folder", required=False, type=click.Path(path_type=Path, file_okay=False))
def tested(folder: Path | None) -> int:
    """Print a table of all examples; exit 1 when one did not do what its author said."""
    made = table("", _("rule"), _("example"), _("should"), _("suspects"), _("problem"))
    runs = [run for rule in _chosen(folder) for run in queries.run_examples(rule)]
    for run in runs:
        should = _("fire") if run.example.fires else _("stay silent")
        suspects = ", ".join(run.suspects[:3]) + (", ..." if len(run.suspects) > 3 else "")
        problem = f"{run.problem} ({run.example.place})" if run.problem else ""
        add(made, "✓" if run.right else "✗", run.rule_id, run.example.name, should, suspects, problem,
            style="" if run.right else "bold red")  # fmt: skip
    console().print(made)
    wrong = sum(not run.right for run in runs)
    if wrong:
        lines(ngettext("{n} example went wrong.", "{n} examples went wrong.", wrong).format(n=wrong), style="bold red")
        return 1
    lines(
        ngettext("{n} example, as it should be.", "{n} examples, all as they should be.", len(runs)).format(n=len(runs))
    )
    return 0


def _chosen(folder: Path | None) -> tuple[Rule, ...]:
    return queries.shipped_rules() if folder is None else queries.load_rules(folder)


def _explain(rule: Rule) -> None:
    techniques = ", ".join(tag.removeprefix("attack.").upper() for tag in rule.tags if tag.startswith("attack.t"))
    console().print(
        pairs(
            [
                (_("rule"), f"{rule.rule_id}, {_('version')} {rule.version}"),
                (_("title"), _(rule.title)),
                (_("what"), rule.description),
                (_("kind"), rule.kind.value),
                (_("level"), rule.level),
                (_("suspect"), f"{rule.suspect_type.value} ({rule.suspect})"),
                (_("ATT&CK"), techniques),
                (_("window"), _window(rule)),
                (_("parameters"), ", ".join(f"{name} = {value}" for name, value in rule.parameters.items()) or "-"),
                (_("account's role"), rule.scope.accounts.value),
                *((_("reason"), outline(reason.text)) for reason in rule.reasons),
                *((_("may be deceived by"), _(text)) for text in rule.false_positives),
                (_("what to do"), _(rule.advice)),
                (_("examples"), ", ".join(example.name for example in rule.examples)),
                (_("file"), rule.place),
            ]
        )
    )


def _window(rule: Rule) -> str:
    minutes = rule.window.length_ms / 60_000
    sentences = {
        "run": _("events with no silence of more than {minutes} minutes between them"),
        "bucket": _("stretches of {minutes} minutes, neighbours merged"),
        "whole": _("everything there is"),
        "mark": _("the {minutes} minutes before each telling event"),
        "event_count": _("any {minutes} minutes with enough events, wherever they begin"),
        "value_count": _("any {minutes} minutes with enough different values, wherever they begin"),
    }
    return render(sentences[rule.window.kind.value], {"minutes": minutes})
