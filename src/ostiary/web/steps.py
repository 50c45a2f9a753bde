"""What a client can do next: each step names its route, and what must be sent there.

A refusal or an answer that leads on says so in `next`, so that a client is a loop over answers.
"""

from dataclasses import dataclass

import msgspec

from ostiary.core.mount import Mount


@dataclass(frozen=True, slots=True)
class Step:
    """One step. Every route takes `POST`; `needs` are members of its body, each of them read by a person or known."""

    step: str
    route: str
    needs: tuple[str, ...]


LOGIN = Step("login", "/auth/login", ("email", "password", "carrier"))
STEP_UP = Step("step_up", "/auth/step-up", ("password",))
SEND_VERIFICATION = Step("send_verification", "/auth/email/send", ("email",))
VERIFY_EMAIL = Step("verify_email", "/auth/email/verify", ("email", "code", "password"))
FORGOT_PASSWORD = Step("forgot_password", "/auth/password/forgot", ("email",))
RESET_PASSWORD = Step("reset_password", "/auth/password/reset", ("email", "code", "new"))
CHANGE_EMAIL = Step("change_email", "/auth/email/change", ("email", "password"))
CONFIRM_EMAIL = Step("confirm_email", "/auth/email/confirm", ("email", "code"))
ACCEPT_INVITATION = Step("accept_invitation", "/auth/invitation/accept", ("token", "password"))

STEPS = (
    LOGIN,
    STEP_UP,
    SEND_VERIFICATION,
    VERIFY_EMAIL,
    FORGOT_PASSWORD,
    RESET_PASSWORD,
    CHANGE_EMAIL,
    CONFIRM_EMAIL,
    ACCEPT_INVITATION,
)
"""All of them."""


class StepOut(msgspec.Struct, frozen=True):
    """What can be done next: send what it `needs` to its route. A link's `token` stands for address and code."""

    step: str
    route: str
    needs: tuple[str, ...]


def steps_out(steps: tuple[Step, ...], mount: Mount) -> tuple[StepOut, ...]:
    """Return steps as a client reads them: each with the path at which its route is served."""
    return tuple(StepOut(step.step, mount.at(step.route), step.needs) for step in steps)
