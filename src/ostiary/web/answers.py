"""What each route does, once its caller, its query and its body have been checked. The table is in `endpoints`."""

import msgspec

from ostiary.auth import Issued
from ostiary.core.access import Principal
from ostiary.core.session import Carrier
from ostiary.core.ticket import Link
from ostiary.errors import Unavailable
from ostiary.web import browser, device, problem, steps
from ostiary.web.bodies import (
    AcceptInvitationIn,
    AccountIn,
    AskIn,
    CallerOut,
    ChangeEmailIn,
    ChangePasswordIn,
    DeleteAccountIn,
    EndedOut,
    LetterOut,
    LoginIn,
    RefreshIn,
    RegisteredOut,
    RegisterIn,
    RenameIn,
    ResetPasswordIn,
    StatusOut,
    StepUpIn,
    TokenOut,
    VerifyEmailIn,
    activity_out,
    issued_out,
    session_out,
    sessions_out,
    user_out,
)
from ostiary.web.call import Answer, Call
from ostiary.web.cookies import clear_cookie, held_by_cookie
from ostiary.web.http import Header
from ostiary.web.problem import FieldError, Problem
from ostiary.web.steps import Step, steps_out

# ------------------------------------------------------------------------------------------------ accounts


async def register(call: Call) -> Answer:
    """Make an account. With a carrier, its user is logged in at once; unless the address must be proved first (202)."""
    body, auth = call.body(RegisterIn), call.auth
    account = await auth.flows.register(
        email=body.email, password=body.password, name=body.name, language=call.language, ip=call.address
    )
    if account is None:
        return _letter(call, steps.VERIFY_EMAIL)
    if body.carrier is None:
        return Answer(RegisteredOut(user=user_out(account)))
    proof = await auth.prove_again(account.user.id, body.password, ip=call.address)
    device = await call.device()
    issued = await auth.login(proof, carrier=body.carrier, device=device, device_token=call.device_token)
    return await _enter(call, issued)


async def login(call: Call) -> Answer:
    """Log in by password, and hold the session by a cookie or by tokens."""
    body, auth = call.body(LoginIn), call.auth
    token = call.device_token
    proof = await auth.prove(body.email, body.password, ip=call.address, device_token=token)
    device = await call.device(body.device)
    return await _enter(call, await auth.login(proof, carrier=body.carrier, device=device, device_token=token))


async def step_up(call: Call) -> Answer:
    """Prove yourself again. Its old cookie and access tokens are dead; its refresh token leads on to fresh ones."""
    body, auth, who = call.body(StepUpIn), call.auth, call.who
    session, _ = await auth.session(who.session_id)
    if session.carrier is not who.carrier:
        # An access token that a cookie gave away must not change the cookie, which it does not hold.
        raise Problem(problem.COOKIE_REQUIRED)
    proof = await auth.prove_again(who.user_id, body.password, ip=call.address)
    return _carried(call, await auth.step_up(who, proof))


async def change_password(call: Call) -> Answer:
    """Change the password. Every other session of the user ends."""
    body, auth, who = call.body(ChangePasswordIn), call.auth, call.who
    proof = await auth.prove_again(who.user_id, body.current, ip=call.address)
    await auth.accounts.change_password(proof, new=body.new, keep_session=who.session_id)
    return Answer()


async def change_account(call: Call) -> Answer:
    """Give the user another name, or another language."""
    who, body, accounts = call.who, call.body(AccountIn), call.auth.accounts
    if body.name is None and body.language is None:
        raise Problem(problem.INVALID, errors=(FieldError("name", "Send the name, or the language."),))
    if body.language is not None:
        await accounts.set_language(who.user_id, body.language, actor=who.user_id)
    if body.name is not None:
        await accounts.rename(who.user_id, body.name, actor=who.user_id)
    _, account = await call.auth.session(who.session_id)
    return Answer(user_out(account))


async def delete_account(call: Call) -> Answer:
    """Delete the account for ever. Every session of it is over, and its address is free."""
    auth, who = call.auth, call.who
    proof = await auth.prove_again(who.user_id, call.body(DeleteAccountIn).password, ip=call.address)
    await auth.accounts.delete_own(who, proof)
    return Answer(headers=(*_forget(call), (b"clear-site-data", b'"cache"')))


async def activity(call: Call) -> Answer:
    """What happened to the account last, the newest first."""
    return Answer(activity_out(await call.auth.accounts.activity(call.who.user_id)))


async def _enter(call: Call, issued: Issued) -> Answer:
    """Hand out a new session. The one that the new cookie takes the place of is over."""
    if issued.session.carrier is Carrier.COOKIE:
        # Asked as for a GET: whether this login was meant is decided already, and it needs no token of the old session.
        old = await call.auth.authenticate(call.request.headers, "GET")
        if isinstance(old, Principal) and old.carrier is Carrier.COOKIE:
            await call.auth.revoke(old.session_id, actor=old.user_id)
    return _carried(call, issued)


def _carried(call: Call, issued: Issued) -> Answer:
    return Answer(issued_out(issued), held_by_cookie(call.auth.site, issued))


# ------------------------------------------------------------------------------------------------ letters


async def forgot_password(call: Call) -> Answer:
    """Ask for a letter with which another password is set. The answer is the same whether there is such an account."""
    await call.auth.flows.forgot(call.body(AskIn).email, language=call.language, ip=call.address)
    return _letter(call, steps.RESET_PASSWORD)


async def reset_password(call: Call) -> Answer:
    """Set another password by the link or the code of a letter. Every session of the user ends."""
    body = call.body(ResetPasswordIn)
    await call.auth.flows.reset(body.back(), new=body.new, keep_sessions=body.keep_sessions, ip=call.address)
    return Answer()


async def send_verification(call: Call) -> Answer:
    """Ask for a letter that proves an address. The answer is the same whether there is such an account."""
    await call.auth.flows.send_verification(call.body(AskIn).email, language=call.language, ip=call.address)
    return _letter(call, steps.VERIFY_EMAIL)


async def verify_email(call: Call) -> Answer:
    """Prove an address by the link or the code of a letter, and by the account's session or password."""
    body = call.body(VerifyEmailIn)
    await call.auth.flows.verify_email(body.back(), who=call.caller, password=body.password, ip=call.address)
    return Answer()


async def change_email(call: Call) -> Answer:
    """Ask for a letter to another address, which makes it the account's own. Until then nothing changes."""
    auth, who, body = call.auth, call.who, call.body(ChangeEmailIn)
    proof = await auth.prove_again(who.user_id, body.password, ip=call.address)
    await auth.flows.change_email(who, proof, new=body.email, language=call.language, ip=call.address)
    return _letter(call, steps.CONFIRM_EMAIL)


async def confirm_email(call: Call) -> Answer:
    """Make another address the account's own, by the link or code of a letter and the account's session or password."""
    body = call.body(VerifyEmailIn)
    await call.auth.flows.confirm_email(body.back(), who=call.caller, password=body.password, ip=call.address)
    return Answer()


async def accept_invitation(call: Call) -> Answer:
    """Make the account that somebody was invited to."""
    body = call.body(AcceptInvitationIn)
    account = await call.auth.flows.accept_invitation(
        Link(body.token), password=body.password, name=body.name, language=call.language, ip=call.address
    )
    return Answer(RegisteredOut(user=user_out(account)))


def _letter(call: Call, then: Step) -> Answer:
    return Answer(LetterOut(next=steps_out((then,), call.auth.site.mount)), status=202)


# ------------------------------------------------------------------------------------------------ tokens


async def refresh(call: Call) -> Answer:
    """Exchange a refresh token for its successor and a new access token."""
    return Answer(issued_out(await call.auth.refresh(call.body(RefreshIn).refresh_token)))


async def token(call: Call) -> Answer:
    """Get a short access token for a session that is held by a cookie."""
    minted = await call.auth.mint(call.who)
    return Answer(TokenOut(access_token=minted.access_token, expires_in=minted.expires_in))


async def jwks(call: Call) -> Answer:
    """The public keys that verify access tokens (RFC 7517)."""
    return Answer(msgspec.json.encode(call.auth.keyring.jwks(now=call.auth.clock.now())))


# ------------------------------------------------------------------------------------------------ sessions


async def logout(call: Call) -> Answer:
    """End this session. It is dead everywhere."""
    await call.auth.logout(call.who)
    return Answer(headers=(*_forget(call), (b"clear-site-data", b'"cache"')))


async def session(call: Call) -> Answer:
    """Who is asking, and through which session."""
    found, account = await call.auth.session(call.who.session_id)
    return Answer(CallerOut(user=user_out(account), session=session_out(found, current=found.id)))


async def sessions(call: Call) -> Answer:
    """All sessions of the user, the oldest first."""
    found = await call.auth.sessions(call.who.user_id)
    return Answer(sessions_out(found, current=call.who.session_id))


async def end_sessions(call: Call) -> Answer:
    """End all other sessions of the user; with all=true, this one too."""
    who, everywhere = call.who, call.query.get("all", "false")
    if everywhere not in ("true", "false"):
        raise Problem(problem.INVALID_QUERY, errors=(FieldError("all", "This is true or false."),))
    but = None if everywhere == "true" else who.session_id
    ended = await call.auth.revoke_all(who.user_id, actor=who.user_id, but=but)
    return Answer(EndedOut(ended=ended), _forget(call) if but is None else ())


async def end_session(call: Call) -> Answer:
    """End one session of the user."""
    who = call.who
    if not await call.auth.revoke(call.id, actor=who.user_id, user_id=who.user_id):
        raise Problem(problem.NOT_FOUND)
    return Answer(headers=_forget(call) if call.id == who.session_id else ())


async def rename_session(call: Call) -> Answer:
    """Give the device of one session another name."""
    who = call.who
    name = device.printable(call.body(RenameIn).name, device.LONGEST_NAME)
    if not name:
        raise Problem(problem.INVALID, errors=(FieldError("name", "This has nothing that can be read."),))
    renamed = await call.auth.rename(call.id, name, user_id=who.user_id)
    if renamed is None:
        raise Problem(problem.NOT_FOUND)
    return Answer(session_out(renamed, current=who.session_id))


def _forget(call: Call) -> tuple[Header, ...]:
    return (clear_cookie(call.auth.site),) if call.who.carrier is Carrier.COOKIE else ()


# ------------------------------------------------------------------------------------------------ in a page


async def browser_module(call: Call) -> Answer:
    """The JavaScript module with which a page signs people in, and sends requests of theirs."""
    return _file(call, browser.MODULE)


async def browser_types(call: Call) -> Answer:
    """The types of that module, for TypeScript."""
    return _file(call, browser.TYPES)


def _file(call: Call, name: str) -> Answer:
    file = browser.read(name)
    tag = ((b"etag", file.tag.encode()),)
    if file.is_held(call.request.header(b"if-none-match")):
        return Answer(headers=tag, status=304)
    return Answer(file.body, tag)


# ------------------------------------------------------------------------------------------------ the feed


async def feed_snapshot(call: Call) -> Answer:
    """Everything that a verifier starts from."""
    return Answer(call.auth.relay.snapshot())


async def feed_head(call: Call) -> Answer:
    """Up to where the feed was followed here, and for how long that is good."""
    return Answer(call.auth.relay.head())


async def feed(call: Call) -> Answer:
    """What comes after an event, as it comes: `floor`, `document` and `reset` (server-sent events)."""
    (after, verifier), auth = call.resumed, call.auth
    events = auth.relay.follow(after, verifier=verifier.id, is_welcome=lambda: auth.verifiers.knows(verifier))
    return Answer(events, ((b"x-accel-buffering", b"no"),))  # nginx would keep events until it has many


# ------------------------------------------------------------------------------------------------ the service


async def healthz(_: Call) -> Answer:
    """The process is alive."""
    return Answer(StatusOut(status="ok"))


async def readyz(call: Call) -> Answer:
    """The process may answer: it has started, and its lease holds."""
    auth = call.auth
    if not auth.started or auth.clock.elapsed() >= auth.floors.fresh_until:
        raise Unavailable("not started, or the lease has run out")
    return Answer(StatusOut(status="ready"))


async def metrics(call: Call) -> Answer:
    """Numbers for Prometheus."""
    return Answer(call.metrics.text(call.auth))


async def openapi(call: Call) -> Answer:
    """This document."""
    return Answer(call.document())
