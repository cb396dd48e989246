"""django-post_office in a process of its own: queue N mails, send them all, print the seconds of the sending.

post_office_sender.py SOCKET_FOLDER SMTP_PORT N
"""

import sys
import time

import django
from django.conf import settings

folder, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
settings.configure(
    INSTALLED_APPS=["django.contrib.contenttypes", "post_office"],
    DATABASES={"default": {
        "ENGINE": "django.db.backends.postgresql", "HOST": folder, "USER": "tocsin", "NAME": "tocsin"}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    EMAIL_BACKEND="post_office.EmailBackend",
    EMAIL_HOST="127.0.0.1",
    EMAIL_PORT=port,
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
    CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
    POST_OFFICE={"BATCH_SIZE": 500, "THREADS_PER_PROCESS": 5, "MAX_RETRIES": 0, "LOG_LEVEL": 2},
    USE_TZ=True,
)  # fmt: skip
django.setup()

from django.core.management import call_command  # noqa: E402 - Django wants its settings first
from post_office import mail  # noqa: E402

call_command("migrate", "post_office", verbosity=0)
mail.send_many(
    [
        {
            "sender": "us@example.com",
            "recipients": [f"person-{number}@example.com"],
            "subject": "hello",
            "message": "hello",
        }
        for number in range(count)
    ]
)
began = time.monotonic()
mail.send_queued_mail_until_done(processes=1)
print(time.monotonic() - began)
