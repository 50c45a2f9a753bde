"""What each page shows, and what its form does. The table is in `table`; what a form changed, another GET shows."""

from ostiary.core.access import Principal
from ostiary.core.session import Carrier
from ostiary.errors import Invalid
from ostiary.languages import mark
from ostiary.web import problem
from ostiary.web.cookies import clear_cookie, set_cookie
from ostiary.web.device import LONGEST_NAME, printable
from ostiary.web.pages import forms, paths
from ostiary.web.pages.visit import Shown, Visit
from ostiary.web.problem import Problem

HOME = "/auth/account"
"""Where a person arrives who has not said where to."""

# ------------------------------------------------------------------------------------------------ the door


async def index(_: Visit) -> Shown:
    """What this is, and the two ways in."""
    return Shown(template="index.html")


async def sign_in(visit: Visit) -> Shown:
    """The form of a login. Who is in already goes on."""
    to = paths.own(visit.query.get("next"), otherwise=HOME)
    return Shown(to=to) if visit.caller is not None else Shown(template="sign_in.html", values={"next": to})


async def enter(visit: Visit) -> Shown:
    """Log in by password."""
    form, auth = visit.form, visit.auth
    forms.need(form, email=mark("Write your e-mail address."), password=mark("Write your password."))
    proof = await auth.prove(form["email"], form["password"], ip=visit.address)
    issued = await auth.login(proof, carrier=Carrier.COOKIE, device=await visit.device())
    return await _entered(visit, issued.session_token)


async def sign_up(visit: Visit) -> Shown:
    """The form of a new account."""
    to = paths.own(visit.query.get("next"), otherwise=HOME)
    return Shown(to=to) if visit.caller is not None else Shown(template="sign_up.html", values={"next": to})


async def register(visit: Visit) -> Shown:
    """Make an account, and log its user in."""
    form, auth = visit.form, visit.auth
    forms.need(form, email=mark("Write your e-mail address."), password=mark("Choose a password."))
    account = await auth.accounts.register(
        email=form["email"], password=form["password"], name=form["name"], ip=visit.address
    )
    proof = await auth.prove_again(account.user.id, form["password"], ip=visit.address)
    issued = await auth.login(proof, carrier=Carrier.COOKIE, device=await visit.device())
    return await _entered(visit, issued.session_token)


async def _entered(visit: Visit, session_token: str) -> Shown:
    """Hand out the cookie. The session that it takes the place of is over."""
    old = await visit.auth.authenticate(visit.request.headers, "GET")
    if isinstance(old, Principal) and old.carrier is Carrier.COOKIE:
        await visit.auth.revoke(old.session_id, actor=old.user_id)
    to = paths.own(visit.form["next"], otherwise=HOME)
    return Shown(to=to, headers=(set_cookie(visit.auth.site, session_token),))


async def leave(visit: Visit) -> Shown:
    """End this session. Nothing of it stays in the browser, not even what the back button would show."""
    await visit.auth.logout(visit.who)
    gone = (clear_cookie(visit.auth.site), (b"clear-site-data", b'"cache"'))
    return Shown(to="/auth/sign-in?done=signed-out", headers=gone)


# ------------------------------------------------------------------------------------------------ the account


async def account(visit: Visit) -> Shown:
    """Who this is, and the form of another password."""
    _, found = await visit.auth.session(visit.who.session_id)
    return Shown(template="account.html", values={"account": found})


async def change_password(visit: Visit) -> Shown:
    """Change the password. Every other session of the user ends."""
    form, auth, who = visit.form, visit.auth, visit.who
    forms.need(form, password=mark("Write your present password."), new=mark("Choose a new password."))
    proof = await auth.prove_again(who.user_id, form["password"], ip=visit.address)
    await auth.accounts.change_password(proof, new=form["new"], keep_session=who.session_id)
    return Shown(to="/auth/account?done=password-changed")


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
                return Shown(to="/auth/sign-in?done=signed-out", headers=(clear_cookie(auth.site),))
            return Shown(to="/auth/devices?done=ended")
        case "end-others":
            await auth.revoke_all(who.user_id, actor=who.user_id, but=who.session_id)
            return Shown(to="/auth/devices?done=others-ended")
        case "rename":
            name = printable(form["name"], LONGEST_NAME)
            if not name:
                raise Invalid("name", "Write a name for this device.")
            if await auth.rename(form["id"], name, user_id=who.user_id) is None:
                raise Problem(problem.NOT_FOUND)
            return Shown(to="/auth/devices?done=renamed")
        case _:
            raise Problem(problem.INVALID)


async def activity(visit: Visit) -> Shown:
    """What happened to the account lately."""
    return Shown(template="activity.html", values={"events": await visit.auth.accounts.activity(visit.who.user_id)})
