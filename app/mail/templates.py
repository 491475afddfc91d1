"""Finds the templates of mails on disk, and fills them in.

A template `email/welcome` is two files: `email/welcome.txt`, whose first line is `Subject: …`, then an empty line and
the text; and `email/welcome.html`, which may show `cid:logo.png`, the file `email/images/logo.png`.
"""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.mail import N_, Mistake
from app.mail.addresses import CONTROLS
from app.mail.message import Content, Image
from app.mail.sandbox import CANNOT_FILL, TOO_LARGE, Part, SourceError, subject_part
from app.mail.styles import inline

SUBJECT_LIMIT = 255

NO_VALUE = N_("The template needs a value for {name}.")
NO_TEMPLATE = N_("There is no template named {name}.")
HAS_A_MISTAKE = N_("The template {name} has a mistake: {reason}")
OWN_WORDS = (NO_VALUE, NO_TEMPLATE, HAS_A_MISTAKE, CANNOT_FILL, TOO_LARGE)
"""What is on record where a message could not be written when its moment came."""

IMAGE_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif"}

_NAME = re.compile(r"[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+)+")
_CID = re.compile(r"\bcid:([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+)")
_HEAD = re.compile(r"Subject:[ \t]*(?P<subject>[^\n]*)\n[ \t]*\n(?P<text>.*)", re.DOTALL)

Parts = tuple[Part, Part, Part]  # subject, text, HTML
Stamp = tuple[tuple[Path, int, int], ...]


@dataclass(frozen=True, slots=True)
class Template:
    """A template as it was on disk when it was got. `variables` are the names that it has a place for, as they appear;
    some it can do without (see app.mail.needs).
    """

    name: str
    variables: list[str]
    images: tuple[Image, ...]
    stamp: Stamp
    _parts: Parts

    @classmethod
    def of(cls, name: str, sources: Sequence[str], images: tuple[Image, ...]) -> "Template":
        """A template from the `sources` of another."""
        subject, text, html = sources
        parts = Part(subject), Part(text), Part(html, html=True)
        return cls(name, _variables(parts), images, (), parts)

    @property
    def sources(self) -> list[str]:
        """Subject, text and HTML, with its styles where they belong: what is filled in."""
        return [part.source for part in self._parts]

    @property
    def subject(self) -> str:
        """The subject's source."""
        return self._parts[0].source

    def missing(self, variables: Mapping[str, object], subject: str | None = None) -> list[str]:
        """The names that are needed, with `subject` in the place of its own, and that `variables` lacks or has as None.

        Raises Mistake for a `subject` that is not one.
        """
        parts = self._with(subject)
        needed = dict.fromkeys(name for part in parts for name in part.needed)
        return [name for name in needed if variables.get(name) is None]

    def render(self, variables: Mapping[str, object], subject: str | None = None) -> Content:
        """Fill it in. `subject` is a source to use in the place of the template's own. Raises Mistake."""
        missing = self.missing(variables, subject)
        if missing:
            raise Mistake(NO_VALUE, name=", ".join(missing))
        title, text, html = (part.render(variables) for part in self._with(subject))
        return Content(_one_line(title), text, html, self.images)

    def _with(self, subject: str | None) -> Parts:
        return self._parts if subject is None else (subject_part(subject), *self._parts[1:])


def _variables(parts: Parts) -> list[str]:
    return list(dict.fromkeys(name for part in parts for name in part.variables))


def _one_line(subject: str) -> str:
    subject = " ".join(subject.split())
    if not subject:
        raise Mistake(N_("Please write a subject."))
    if len(subject) > SUBJECT_LIMIT:
        raise Mistake(N_("The subject would be longer than {limit} characters."), limit=SUBJECT_LIMIT)
    if CONTROLS.search(subject):
        raise Mistake(N_("The subject contains an invisible character; please type it again."))
    return subject


class Templates:
    """The templates under the folder `root`. A changed file is read again, SEEN seconds later at most; an unchanged one
    never twice.
    """

    SEEN = 0.02

    def __init__(self, root: Path) -> None:
        self.root = root
        self._read: dict[str, Template] = {}
        self._seen: dict[str, float] = {}

    def names(self) -> list[str]:
        """The names of all templates, sorted."""
        texts = (path.with_suffix("") for path in self.root.glob("*/**/*.txt") if path.with_suffix(".html").is_file())
        return sorted(filter(_NAME.fullmatch, (path.relative_to(self.root).as_posix() for path in texts)))

    def left_out(self) -> list[tuple[str, Mistake]]:
        """The files that look like part of a template and are part of none, sorted, and why."""
        names = set(self.names())
        files = {path.relative_to(self.root) for kind in ("txt", "html") for path in self.root.glob(f"*/**/*.{kind}")}
        return [(str(file), _why_not(file)) for file in sorted(files) if file.with_suffix("").as_posix() not in names]

    def get(self, name: str) -> Template:
        """The template `name`, in its newest form. Raises Mistake if there is none, or if it cannot be understood."""
        known, now = self._read.get(name), time.monotonic()
        if known and now < self._seen.get(name, 0.0) + self.SEEN:
            return known  # to ask for its files each time takes longer than all the rest
        if known is None or known.stamp != _stamp([path for path, _, _ in known.stamp]):
            if name not in self.names():  # so that no name can lead out of the folder
                raise Mistake(NO_TEMPLATE, name=name)
            known = self._read[name] = _load(self.root, name)
        self._seen[name] = now
        return known


def _why_not(file: Path) -> Mistake:
    if not _NAME.fullmatch(file.with_suffix("").as_posix()):
        return Mistake(N_("{file} is left out: a template’s name has letters from a to z, digits, _ and -."), file=file)
    other = file.with_suffix(".html" if file.suffix == ".txt" else ".txt").name
    return Mistake(N_("{file} is left out: {other} is missing beside it."), file=file, other=other)


def _stamp(paths: list[Path]) -> Stamp | None:
    try:
        return tuple((path, stat.st_mtime_ns, stat.st_size) for path in paths for stat in [path.stat()])
    except OSError:
        return None


def _load(root: Path, name: str) -> Template:
    text_file, html_file = root / f"{name}.txt", root / f"{name}.html"
    try:
        head, html = _HEAD.fullmatch(text_file.read_text("utf-8")), html_file.read_text("utf-8")
        if head is None:
            raise ValueError(f"{text_file.name} must begin with “Subject: …” and an empty line.")
        pictures = _pictures(html_file, html)
        # Stamped before the pictures are read: what changes meanwhile is read again next time.
        stamp = _stamp([text_file, html_file, *pictures])
        images = tuple(Image(path.name, IMAGE_TYPES[path.suffix], path.read_bytes()) for path in pictures)
        subject, text = _compile(text_file, head["subject"]), _compile(text_file, head["text"], lines_before=2)
        _compile(html_file, html)  # as it was written, so that a mistake is found in its own line
        parts = subject, text, Part(_CID.sub(rf"cid:\1{Image.CID_END}", inline(html)), html=True)
    except (OSError, ValueError, SourceError) as error:
        raise Mistake(HAS_A_MISTAKE, name=name, reason=str(error)) from None
    return Template(name, _variables(parts), images, stamp or (), parts)


def _pictures(html_file: Path, html: str) -> list[Path]:
    paths = [html_file.parent / "images" / name for name in dict.fromkeys(_CID.findall(html))]
    for path in paths:
        if path.suffix not in IMAGE_TYPES:
            raise ValueError(f"{path.name} is not a PNG, JPEG or GIF image.")
        if not path.is_file():
            raise ValueError(f"There is no image {path.parent.name}/{path.name}.")
    return paths


def _compile(file: Path, source: str, lines_before: int = 0) -> Part:
    try:
        return Part(source, html=file.suffix == ".html")
    except SourceError as error:
        raise ValueError(f"{file.name}, line {error.line + lines_before}: {error.reason}") from None
