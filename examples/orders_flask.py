"""A service beside the one that logs people in: Flask, access tokens, no database.

ISSUER=https://id.example ORDERS_KEY=osv1… flask --app examples.orders_flask run
"""

import os

from flask import Flask, Response, request

from ostiary.errors import OstiaryError
from ostiary.verify import Principal, Verifier
from ostiary.web import problem

verifier = Verifier(os.environ["ISSUER"], audience="orders", key=os.environ["ORDERS_KEY"])
verifier.start()  # a thread that hears of logouts, keys and roles; one in each worker, so not before a fork

app = Flask(__name__)


def principal() -> Principal:
    """Say who is asking, from memory."""
    return verifier.verify_header(request.headers.get("Authorization"))


@app.errorhandler(OstiaryError)
def refuse(error: OstiaryError) -> Response:
    """Answer 401 with a challenge, or 503 while nobody can say."""
    answer = problem.of(error).response()
    return Response(answer.body, answer.status, [(name.decode(), value.decode()) for name, value in answer.headers])


@app.get("/orders")
def orders() -> dict[str, str]:
    """Return what belongs to whoever asks."""
    return {"orders_of": principal().user_id}
