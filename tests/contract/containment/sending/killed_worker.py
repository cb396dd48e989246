"""A worker in a process of its own that kills itself at a chosen moment: ``killed_worker.py MOMENT AFTER MINUTES``.

MOMENT is where (``never`` for not at all), AFTER how often that place is passed before, MINUTES how much later it is.
"""

import os
import signal
import sys
from datetime import timedelta

from tocsin import story
from tocsin.containment import sending
from tocsin.integrations.sql_accounts.connector import connect
from tocsin.kernel import clock
from tocsin.project import settings


class Moment:
    def __init__(self, name: str, after: int) -> None:
        self.name, self.left = name, after

    def __call__(self, name: str) -> None:
        if name == self.name:
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            self.left -= 1


class Dying:
    def __init__(self, real: object, moment: Moment) -> None:
        self.real, self.moment = real, moment

    def __getattr__(self, name: str) -> object:
        return getattr(self.real, name)

    def apply(self, orders):
        self.moment("claimed")
        for outcome in self.real.apply(orders):
            self.moment("applied")
            yield outcome

    def verify(self, orders):
        self.moment("verifying")
        for read in self.real.verify(orders):
            self.moment("reading")
            yield read


def main(name: str, after: int, minutes: int) -> None:
    settings.use_database(settings.parameters_of_url(os.environ["TOCSIN_DATABASE_URL"]))
    moment = Moment(name, after)
    write = sending._write

    def dying_write(*given: object, **named: object) -> None:
        moment("settling")
        write(*given, **named)

    sending._write = dying_write
    with clock.fixed(clock.now() + timedelta(minutes=minutes)):
        story.contain_work(
            lambda system, secrets: Dying(connect(system.name, settings=system.settings, secrets=secrets), moment),
            once=True,
        )


main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
