"""What click says by itself, listed so that it is translated with everything else."""

from tocsin.kernel.language import gettext_noop, ngettext_noop

# Word for word as in click; one that it no longer says is said in English.
SENTENCES = (
    gettext_noop("Usage:"),
    gettext_noop("Options"),
    gettext_noop("Commands"),
    gettext_noop("Positional arguments"),
    gettext_noop("default: {default}"),
    gettext_noop("required"),
    gettext_noop("Show this message and exit."),
    gettext_noop("Show the version and exit."),
    gettext_noop("Error: {message}"),
    gettext_noop("Try '{command} {option}' for help."),
    gettext_noop("Missing command."),
    gettext_noop("Missing argument"),
    gettext_noop("Missing option"),
    gettext_noop("Missing parameter"),
    gettext_noop("Invalid value: {message}"),
    gettext_noop("Invalid value for {param_hint}: {message}"),
    gettext_noop("No such command {name!r}."),
    gettext_noop("No such option {name!r}."),
    gettext_noop("Option {name!r} does not take a value."),
    gettext_noop("directory"),
    gettext_noop("file"),
    gettext_noop("path"),
    gettext_noop("{name} {filename!r} does not exist."),
    gettext_noop("{name} {filename!r} is a directory."),
    gettext_noop("{name} {filename!r} is a file."),
    gettext_noop("{name} {filename!r} is not readable."),
    gettext_noop("{name} {filename!r} is not writable."),
    gettext_noop("{value!r} is not a valid {number_type}."),
    gettext_noop("{value} is not in the range {range}."),
    gettext_noop("Error: The two entered values do not match."),
    gettext_noop("Repeat for confirmation"),
)
COUNTED = (
    ngettext_noop("Did you mean {possibility}?", "(Did you mean one of: {possibilities}?)"),
    ngettext_noop("Got unexpected extra argument ({args})", "Got unexpected extra arguments ({args})"),
    ngettext_noop("Option {name!r} requires an argument.", "Option {name!r} requires {nargs} arguments."),
    ngettext_noop("{value!r} is not {choice}.", "{value!r} is not one of {choices}."),
)
