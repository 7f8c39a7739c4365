"""What the actions on people and groups may refuse to do, each with a sentence that can be shown."""


class ActionRefused(Exception):
    """The action would break a rule of the organisation's people and groups. `str()` is the sentence to show."""


class PasswordRefused(ActionRefused):
    """The password is too easy to guess."""
