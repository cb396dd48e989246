"""What can be asked about who is to be told, and with which words."""

from tocsin.notices.telling import LeftOutFile, PeopleToTell, people_of_folder, people_of_list, people_to_tell
from tocsin.notices.wording import Wording, one_wording, wording_in

__all__ = [
    "LeftOutFile",
    "PeopleToTell",
    "Wording",
    "one_wording",
    "people_of_folder",
    "people_of_list",
    "people_to_tell",
    "wording_in",
]
