"""What each page shows, and what its form does. The table is in `table`; what a form changed, another GET shows."""

from urllib.parse import urlencode

from ostiary.auth import Issued
from ostiary.core.access import Principal
from ostiary.core.decision import Reason
from ostiary.core.network import is_loopback
from ostiary.core.policy import Registration
from ostiary.core.session import Carrier
from ostiary.errors import Invalid, Refused
from ostiary.languages import LANGUAGES, mark
from ostiary.web import problem
from ostiary.web.cookies import clear_cookie, held_by_cookie
from ostiary.web.device import LONGEST_NAME, printable
from ostiary.web.http import Header
from ostiary.web.pages import forms, paths
from ostiary.web.pages.visit import Shown, Visit
from ostiary.web.problem import Problem

HOME = "/auth/account"
"""Where a person arrives who has not said where to."""

# ------------------------------------------------------------------------------------------------ the door


async def index(visit: Visit) -> Shown:
    """What this is, and the two ways in; on the machine itself also how it gets its administrator."""
    is_new = is_loopback(visit.address) and await visit.auth.beginning.is_due()
    return Shown(template="index.html", values={"is_new": is_new})


async def sign_in(visit: Visit) -> Shown:
    """The form of a login. Who is in already goes on."""
    to = paths.own(visit.query.get("next"), otherwise=visit.at(HOME))
    return Shown(to=to) if visit.caller is not None else Shown(template="sign_in.html", values={"next": to})


async def enter(visit: Visit) -> Shown:
    """Log in by password."""
    form, auth = visit.form, visit.auth
    forms.need(form, email=mark("Write your e-mail address."), password=mark("Write your password."))
    token = visit.device_token
    proof = await auth.prove(form["email"], form["password"], ip=visit.address, device_token=token)
    device = await visit.device()
    return await _entered(visit, await auth.login(proof, carrier=Carrier.COOKIE, device=device, device_token=token))


async def sign_up(visit: Visit) -> Shown:
    """The form of a new account."""
    if visit.auth.policy.registration is Registration.CLOSED:
        raise Refused(Reason.REGISTRATION_CLOSED)
    to = paths.own(visit.query.get("next"), otherwise=visit.at(HOME))
    return Shown(to=to) if visit.caller is not None else Shown(template="sign_up.html", values={"next": to})


async def register(visit: Visit) -> Shown:
    """Make an account, and log its user in; where the address must be proved first, wait for that."""
    form, auth = visit.form, visit.auth
    forms.need(form, email=mark("Write your e-mail address."), password=mark("Choose a password."))
    account = await auth.flows.register(
        email=form["email"], password=form["password"], name=form["name"], language=visit.language, ip=visit.address
    )
    if account is None:
        return sent(visit, "/auth/verify", form["email"])
    proof = await auth.prove_again(account.user.id, form["password"], ip=visit.address)
    device = await visit.device()
    return await _entered(
        visit, await auth.login(proof, carrier=Carrier.COOKIE, device=device, device_token=visit.device_token)
    )


async def _entered(visit: Visit, issued: Issued) -> Shown:
    """Hand out the cookies, and go on to where the form says."""
    to = paths.own(visit.form["next"], otherwise=visit.at(HOME))
    return Shown(to=to, headers=await entered(visit, issued))


async def entered(visit: Visit, issued: Issued) -> tuple[Header, ...]:
    """Return the cookies of a new session. The session that it takes the place of is over."""
    old = await visit.auth.authenticate(visit.request.headers, "GET")
    if isinstance(old, Principal) and old.carrier is Carrier.COOKIE:
        await visit.auth.revoke(old.session_id, actor=old.user_id)
    return held_by_cookie(visit.auth.site, issued)


def sent(visit: Visit, page: str, email: str) -> Shown:
    """Go on to where what a letter holds is sent back."""
    return Shown(to=f"{visit.at(page)}?{urlencode({'email': email.strip(), 'done': 'sent'})}")


async def leave(visit: Visit) -> Shown:
    """End this session. Nothing of it stays in the browser, not even what the back button would show."""
    await visit.auth.logout(visit.who)
    return Shown(to=visit.at("/auth/sign-in?done=signed-out"), headers=_gone(visit))


def _gone(visit: Visit) -> tuple[Header, ...]:
    return (clear_cookie(visit.auth.site), (b"clear-site-data", b'"cache"'))


# ------------------------------------------------------------------------------------------------ the account


async def account(visit: Visit) -> Shown:
    """Who this is, and the form of another password."""
    return Shown(template="account.html", values={"account": visit.own})


async def profile(visit: Visit) -> Shown:
    """The form of another name, or another language."""
    return Shown(template="profile.html", values={"account": visit.own, "languages": LANGUAGES})


async def change_profile(visit: Visit) -> Shown:
    """Call the user by this name, and speak this language to them; with no tag, the browser's."""
    form, accounts, who = visit.form, visit.auth.accounts, visit.who
    await accounts.set_language(who.user_id, form["language"], actor=who.user_id)
    await accounts.rename(who.user_id, form["name"], actor=who.user_id)
    return Shown(to=visit.at("/auth/account?done=saved"))


async def change_password(visit: Visit) -> Shown:
    """Change the password. Every other session of the user ends."""
    form, auth, who = visit.form, visit.auth, visit.who
    forms.need(form, password=mark("Write your present password."), new=mark("Choose a new password."))
    proof = await auth.prove_again(who.user_id, form["password"], ip=visit.address)
    await auth.accounts.change_password(proof, new=form["new"], keep_session=who.session_id)
    return Shown(to=visit.at("/auth/account?done=password-changed"))


async def farewell(visit: Visit) -> Shown:
    """The form that deletes the account."""
    return Shown(template="delete.html", values={"account": visit.own})


async def delete(visit: Visit) -> Shown:
    """Delete the account for ever. Nothing of it stays in the browser."""
    form, auth, who = visit.form, visit.auth, visit.who
    forms.need(form, password=mark("Write your present password."))
    proof = await auth.prove_again(who.user_id, form["password"], ip=visit.address)
    await auth.accounts.delete_own(who, proof)
    return Shown(to=visit.at("/auth/sign-in?done=deleted"), headers=_gone(visit))


async def devices(visit: Visit) -> Shown:
    """All sessions of the user: this one first, then those seen last."""
    found = await visit.auth.sessions(visit.who.user_id)
    here = visit.who.session_id
    ordered = sorted(found, key=lambda session: (session.id == here, session.last_seen_at), reverse=True)
    return Shown(template="devices.html", values={"sessions": ordered, "here": here})


async def change_device(visit: Visit) -> Shown:
    """End one session, or all others, or give one another name."""
    form, auth, who = visit.form, visit.auth, visit.who
    match form["do"]:
        case "end":
            if not await auth.revoke(form["id"], actor=who.user_id, user_id=who.user_id):
                raise Problem(problem.NOT_FOUND)
            if form["id"] == who.session_id:
                return Shown(to=visit.at("/auth/sign-in?done=signed-out"), headers=(clear_cookie(auth.site),))
            return Shown(to=visit.at("/auth/devices?done=ended"))
        case "end-others":
            await auth.revoke_all(who.user_id, actor=who.user_id, but=who.session_id)
            return Shown(to=visit.at("/auth/devices?done=others-ended"))
        case "rename":
            name = printable(form["name"], LONGEST_NAME)
            if not name:
                raise Invalid("name", "Write a name for this device.")
            if await auth.rename(form["id"], name, user_id=who.user_id) is None:
                raise Problem(problem.NOT_FOUND)
            return Shown(to=visit.at("/auth/devices?done=renamed"))
        case _:
            raise Problem(problem.INVALID)


async def activity(visit: Visit) -> Shown:
    """What happened to the account lately."""
    return Shown(template="activity.html", values={"events": await visit.auth.accounts.activity(visit.who.user_id)})
