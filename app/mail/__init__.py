"""Mail without tasks: addresses, templates, the bytes on the wire, and the talk with a mail server."""


def N_(text: str) -> str:  # noqa: N802 - the name that Babel looks for
    """Mark `text` for translation, and return it as it is."""
    return text


class Mistake(ValueError):  # noqa: N818 - it is the person's, and is shown to that person
    """An input that is wrong. `text` is an English msgid with {named} places, `params` is what stands in them."""

    def __init__(self, text: str, /, **params: object) -> None:
        super().__init__(text)
        self.text = text
        self.params = params

    def __str__(self) -> str:
        return self.text.format(**self.params)
