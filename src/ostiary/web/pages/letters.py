"""The pages of letters: where one is asked for, and where its link leads or its code is typed.

To look at one changes nothing: scanners of mail follow every link. What a link holds stands in the form, and is sent
when its button is pressed.
"""

from ostiary.core.decision import Reason
from ostiary.core.identifier import email as canonical_email
from ostiary.core.policy import Registration
from ostiary.core.session import Carrier
from ostiary.core.ticket import Code, Link
from ostiary.core.user import Account
from ostiary.errors import Invalid, Refused
from ostiary.languages import mark
from ostiary.web import problem
from ostiary.web.pages import forms
from ostiary.web.pages.answers import HOME, entered, sent
from ostiary.web.pages.visit import Shown, Visit
from ostiary.web.problem import Problem

# ------------------------------------------------------------------------------------------------ a lost password


async def forgot(visit: Visit) -> Shown:
    """The form that asks for another password."""
    visit.auth.flows.asking.need_mail()
    return Shown(template="forgot.html")


async def ask_reset(visit: Visit) -> Shown:
    """Write a letter, if there is somebody to write to. What is shown is the same if there is not."""
    forms.need(visit.form, email=mark("Write your e-mail address."))
    email = visit.form["email"]
    await visit.auth.flows.forgot(email, language=visit.language, ip=visit.address)
    return sent(visit, "/auth/reset", email)


async def reset(visit: Visit) -> Shown:
    """The form of another password, for who has the letter."""
    return _from_letter(visit, "reset.html")


async def set_password(visit: Visit) -> Shown:
    """Set another password. Every session of the user ends."""
    back = _back(visit)
    forms.need(visit.form, new=mark("Choose a new password."))
    await visit.auth.flows.reset(back, new=visit.form["new"], ip=visit.address)
    return Shown(to=visit.at("/auth/sign-in") + "?done=password-reset")


# ------------------------------------------------------------------------------------------------ the address


async def verify(visit: Visit) -> Shown:
    """The form that proves an address."""
    return _from_letter(visit, "verify.html")


async def prove_address(visit: Visit) -> Shown:
    """Prove an address, and let its user in; or write another letter."""
    form, flows = visit.form, visit.auth.flows
    if form["do"] == "send":
        forms.need(form, email=mark("Write your e-mail address."))
        await flows.send_verification(form["email"], language=visit.language, ip=visit.address)
        return sent(visit, "/auth/verify", form["email"])
    account = await flows.verify_email(
        _back(visit), who=visit.caller, password=form["password"] or None, ip=visit.address
    )
    return await _in(visit, account, done="email-verified")


async def change_address(visit: Visit) -> Shown:
    """The form that asks for another address, or for a letter to the one there is."""
    visit.auth.flows.asking.need_mail()
    return Shown(template="change_email.html", values={"account": visit.own})


async def ask_change(visit: Visit) -> Shown:
    """Write a letter to the new address. Until it comes back nothing changes."""
    form, auth, who = visit.form, visit.auth, visit.who
    if form["do"] == "send":
        email = visit.own.email
        if email is None:
            raise Refused(Reason.VOID)
        await auth.flows.send_verification(email.value, language=visit.language, ip=visit.address)
        return sent(visit, "/auth/verify", email.value)
    forms.need(form, email=mark("Write your new e-mail address."), password=mark("Write your present password."))
    proof = await auth.prove_again(who.user_id, form["password"], ip=visit.address)
    await auth.flows.change_email(who, proof, new=form["email"], language=visit.language, ip=visit.address)
    return sent(visit, "/auth/confirm-email", form["email"])


async def confirm(visit: Visit) -> Shown:
    """The form that makes another address the account's own."""
    return _from_letter(visit, "confirm_email.html")


async def take_address(visit: Visit) -> Shown:
    """Make another address the account's own."""
    account = await visit.auth.flows.confirm_email(
        _back(visit), who=visit.caller, password=visit.form["password"] or None, ip=visit.address
    )
    return await _in(visit, account, done="email-changed")


# ------------------------------------------------------------------------------------------------ an invitation


async def invitation(visit: Visit) -> Shown:
    """The form of who was invited."""
    if not visit.query.get("token"):
        raise Refused(Reason.VOID)
    return _from_letter(visit, "invitation.html")


async def accept(visit: Visit) -> Shown:
    """Make the account that somebody was invited to, and let them in."""
    form = visit.form
    forms.need(form, password=mark("Choose a password."))
    account = await visit.auth.flows.accept_invitation(
        Link(form["token"]), password=form["password"], name=form["name"], language=visit.language, ip=visit.address
    )
    return await _in(visit, account, done="")


# ------------------------------------------------------------------------------------------------ the administrator


async def beginning(visit: Visit) -> Shown:
    """The form of the first administrator."""
    token = visit.query.get("token", "")
    try:
        await visit.auth.beginning.expect(Link(token), ip=visit.address)
    except Refused:
        raise Problem(problem.NOT_FOUND) from None  # there is no letter to ask for
    return Shown(template="administrator.html", values={"token": token})


async def begin(visit: Visit) -> Shown:
    """Make the administrator's account, and let them in; where the address must be proved first, wait for that."""
    form, auth = visit.form, visit.auth
    forms.need(form, email=mark("Write your e-mail address."), password=mark("Choose a password."))
    account = await auth.beginning.finish(
        Link(form["token"]),
        email=form["email"],
        password=form["password"],
        name=form["name"],
        language=visit.language,
        ip=visit.address,
    )
    if auth.policy.registration is Registration.VERIFIED:
        return sent(visit, "/auth/verify", form["email"])
    return await _in(visit, account, done="administrator")


# ------------------------------------------------------------------------------------------------ what they share


def _from_letter(visit: Visit, template: str) -> Shown:
    return Shown(template=template, values={"token": visit.query.get("token", ""), "to": visit.query.get("email", "")})


def _back(visit: Visit) -> Link | Code:
    """Return what came back of the letter.

    Raises:
        Invalid: the address or the code is missing.
    """
    form = visit.form
    if form["token"]:
        return Link(form["token"])
    forms.need(form, email=mark("Write your e-mail address."), code=mark("Write the code in our letter."))
    digits = "".join(form["code"].split())
    if len(digits) != len("000000") or not digits.isascii() or not digits.isdigit():
        raise Invalid("code", "The code in our letter has six digits.")
    return Code(canonical_email(form["email"]) or form["email"], digits)


async def _in(visit: Visit, account: Account, *, done: str) -> Shown:
    """Go on to the account. Who showed its password instead of a session is let in by that."""
    to = visit.at(HOME) + (f"?done={done}" if done else "")
    if visit.caller is not None and visit.caller.user_id == account.user.id:
        return Shown(to=to)
    auth = visit.auth
    proof = await auth.prove_again(account.user.id, visit.form["password"], ip=visit.address)
    device = await visit.device()
    issued = await auth.login(proof, carrier=Carrier.COOKIE, device=device, device_token=visit.device_token)
    return Shown(to=to, headers=await entered(visit, issued))
