"""Languages of templates: the API writes ``en_US``, its webhooks write ``en-US``, people write either."""


def api_language(code: str) -> str:
    """Return a language as the API writes it: ``pt-br`` and ``pt_BR`` are ``pt_BR``."""
    first, *rest = code.strip().replace("-", "_").split("_")
    return "_".join([first.lower(), *(part.upper() if len(part) in {2, 3} else part.capitalize() for part in rest)])
