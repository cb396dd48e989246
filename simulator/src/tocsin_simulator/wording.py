"""The words of the simulator's pages, in English and French."""

import re
from importlib.resources import files

import orjson

_MARK = re.compile(r"\[\[(.+?)\]\]")
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self'; "
    "connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
KINDS = {"css": "text/css", "js": "text/javascript", "html": "text/html", "svg": "image/svg+xml"}

FRENCH = {
    "Accepted by the simulator": "Accepté par le simulateur",
    "No offers": "Pas d’offres",
    "Not on WhatsApp": "Pas sur WhatsApp",
    "Number withheld": "Numéro masqué",
    "Phone off": "Téléphone éteint",
    "Phone off for an hour": "Éteindre le téléphone une heure",
    "Phone on again": "Rallumer le téléphone",
    "Played": "Écouté",
    "React": "Réagir",
    "So long the company may answer with anything": "Pendant ce temps, l’entreprise peut répondre librement",
    "Templates only": "Modèles seuls",
    "This person did not write within 24 hours": "Cette personne n’a pas écrit depuis 24 heures",
    "Wants no more offers": "Ne veut plus d’offres",
    "Wants offers again": "Veut de nouveau des offres",
    "What this person does": "Ce que fait cette personne",
    "Your program sends to this address:": "Votre programme envoie à cette adresse :",
    "contact": "contact",
    "typing…": "écrit…",
    "A mail server that delivers nothing": "Un serveur de courrier qui ne distribue rien",
    "Accepted": "Acceptés",
    "Answers": "Réponses",
    "Block": "Bloquer",
    "Caught mails": "Courriers interceptés",
    "Delivered": "Distribués",
    "Desk": "Bureau",
    "Envelope": "Enveloppe",
    "What people hear appears here as it comes.": "Ce que les gens reçoivent s’affiche ici au fur et à mesure.",
    "Failed": "Échoués",
    "Find a number or a name": "Chercher un numéro ou un nom",
    "Find a subject or an address": "Chercher un objet ou une adresse",
    "from": "de",
    "Headers": "En-têtes",
    "Looks": "Aspect",
    "Mails appear here as they come.": "Les courriers s’affichent ici à leur arrivée.",
    "Message": "Message",
    "No mail yet": "Pas encore de courrier",
    "No subject": "Sans objet",
    "No text in this mail.": "Ce courrier n’a pas de texte.",
    "Nobody has heard anything yet": "Personne n’a encore rien reçu",
    "Not delivered": "Non distribué",
    "Phone": "Téléphone",
    "Phones of simulated people": "Téléphones de personnes simulées",
    "Pick a mail to read it.": "Choisissez un courrier pour le lire.",
    "Read": "Lus",
    "Received": "Reçus",
    "Refused": "Refusés",
    "Send": "Envoyer",
    "Sent": "Envoyé",
    "Source": "Source",
    "Somebody is new": "Une nouvelle personne",
    "Text": "Texte",
    "The line to the simulator is cut; trying again.": "La liaison avec le simulateur est coupée ; nouvel essai.",
    "Today": "Aujourd’hui",
    "Unblock": "Débloquer",
    "Write as this person": "Écrire à la place de cette personne",
    "dropped": "ligne coupée",
    "dropped before it was taken": "ligne coupée avant l’acceptation",
    "Dropped lines": "Lignes coupées",
    "location": "position",
    "picture": "image",
    "to": "à",
    "voice message": "message vocal",
    "video": "vidéo",
    "document": "document",
    "sticker": "autocollant",
    "template": "modèle",
}


def language_of(accepted: str, *, asked: str = "") -> str:
    """Return ``en`` or ``fr`` from ``?lang=`` and the Accept-Language header."""
    if asked in {"en", "fr"}:
        return asked
    for part in accepted.lower().split(","):
        tongue = part.split(";")[0].strip()[:2]
        if tongue in {"en", "fr"}:
            return tongue
    return "en"


def say(text: str, *, language: str) -> str:
    """Return a text in a language; English where no French is known."""
    return FRENCH.get(text, text) if language == "fr" else text


def page(name: str, *, language: str) -> bytes:
    """Return a page of the package, its ``[[words]]`` in a language, and the words its script needs in a data block."""
    text = (files("tocsin_simulator") / "pages" / name).read_text(encoding="utf-8")
    text = _MARK.sub(lambda found: say(found.group(1), language=language), text)
    words = orjson.dumps(FRENCH if language == "fr" else {}).decode().replace("<", "\\u003c")
    return text.replace("{language}", language).replace("{words}", words).encode()


def asset(name: str) -> tuple[bytes, str] | None:
    """Return a style sheet, script or picture of the package with its type, None when there is none of that name."""
    if not re.fullmatch(r"[a-z]+\.(css|js|svg)", name):
        return None
    found = files("tocsin_simulator") / "pages" / name
    return (found.read_bytes(), KINDS[name.rsplit(".", 1)[1]]) if found.is_file() else None
