"""Examples under the help of the commands people use most: what is typed, and what for."""

from collections.abc import Mapping

from tocsin.kernel.language import gettext as _, gettext_noop

Example = tuple[str, str]

EXAMPLES: Mapping[str, tuple[Example, ...]] = {
    "investigate": (
        ("/var/log/nginx /var/log/auth.log* --out findings", gettext_noop("read these, and look for everything")),
        ("logs/*.gz --out findings --open --as Mona", gettext_noop("declare what is found as an incident")),
    ),
    "customer import": (
        ("customers.csv --country FR --as Mona", gettext_noop("national numbers are French")),
        ("- --country FR", gettext_noop("from a pipe: nothing of it stays on the disk")),
    ),
    "message send": (
        (
            '--channel wa --account ada --text "Hello {name}, your parcel is ready." --wait',
            gettext_noop("one person, and what became of it"),
        ),
        (
            "--channel wa --incident 1 --template notice --param 1={name}",
            gettext_noop("a dry run: to how many, and how it reads"),
        ),
        (
            "--channel wa --incident 1 --template notice --param 1={name} --people 312 --as Mona --key mona.pem",
            gettext_noop("the number you read, and a signature: it is queued"),
        ),
    ),
    "message trace": (
        ("ada", gettext_noop("everything the person of this account got")),
        ("+33612345678", gettext_noop("everything sent to this number")),
        ('"06 12 34 56 78" --country FR --json', gettext_noop("the same, for a program")),
    ),
    "message list": (
        ("--broadcast incident:1:affected --state failed --state bounced", gettext_noop("whom a notice did not reach")),
    ),
    "outbox pause": (
        ('--reason "wrong wording" --as Mona', gettext_noop("nothing leaves any more, on any channel")),
        ('whatsapp --reason "number warned" --as Mona', gettext_noop("nothing more on this channel")),
    ),
    "outbox unknown": (
        ("", gettext_noop("which messages nobody knows about")),
        ("01a202fc-5dd3-737e-b26f-a32b5ca66db4 --give-up --as Mona", gettext_noop("count one as failed")),
    ),
    "channel add": (
        (
            "mail --kind email --config mail.yml --secret password=@password.txt",
            gettext_noop("a mail server; `tocsin channel kinds email` explains the settings"),
        ),
    ),
    "journal verify": (("--head heads.jsonl", gettext_noop("hold it against heads kept somewhere else")),),
}  # fmt: skip


def of(path: str) -> str:
    """Return the examples of a command as its epilogue, unwrapped; nothing for most commands."""
    found = EXAMPLES.get(path, ())
    lines = [
        text for typed, meaning in found for text in (f"  $ tocsin {path} {typed}".rstrip(), f"      {_(meaning)}")
    ]
    return "\n".join(["\b", _("Examples:"), *lines]) if lines else ""
