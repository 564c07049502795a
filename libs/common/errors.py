"""The three ways work fails: for good, for now, and because somebody did it before."""


class CamloopError(Exception):
    """Base of every error camloop raises on purpose. Its text says what, which and what to do."""


class Permanent(CamloopError):
    """Trying again cannot help: the message goes to the dead letters, the request gets a 4xx."""


class Transient(CamloopError):
    """Something outside is missing or down for now: tried again later with back-off."""


class NotYet(Transient):
    """What a message speaks of has not arrived yet. If it never does, that is the message's fault and nobody else's."""


class NotFound(Permanent):
    """The thing asked for does not exist."""


class UnknownWorkflow(Permanent):
    """No workflow has this name, or none has it yet: a new file takes seconds to reach every service."""


class Conflict(Permanent):
    """Somebody else changed the thing first, or the same id came with other content."""


class Denied(Permanent):
    """No token, a wrong one, or one without the scope that is needed."""


class AlreadyHandled(CamloopError):
    """The inbox has this event: its effects stand, and the message is acknowledged without any."""


class LeaseLost(CamloopError):
    """Another worker owns the job now, or it was cancelled: results are discarded."""
