"""E-mail over the HTTP interface of a provider, through django-anymail (the extra ``email-providers``)."""
