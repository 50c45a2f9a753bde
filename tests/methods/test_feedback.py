from pathlib import Path

from babel.messages.extract import extract_from_file
from zxcvbn import feedback

from ostiary.methods.password import FEEDBACK


def test_all_that_zxcvbn_can_say() -> None:
    """Every sentence that zxcvbn has for a weak password is among ours, so it is translated; and no other is."""
    theirs = {str(message) for _, message, _, _ in extract_from_file("python", Path(feedback.__file__), {"_": None})}

    assert len(theirs) > 20
    assert set(FEEDBACK) == theirs
