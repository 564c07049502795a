"""What can keep the stack from coming up."""


class PartFailed(RuntimeError):
    """A part cannot be prepared or does not come up; the text names it, with the end of its log."""


class StartFailed(RuntimeError):
    """The stack did not come up and was ended again; the text names the part and shows the end of its log."""
