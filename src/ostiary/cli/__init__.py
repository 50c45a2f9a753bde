"""The command `ostiary`: set a service up, run it, look after its users, sessions and keys.

Every command works beside a running service: both use the same store, and what one changes the other follows.
"""

import os
import sys
from collections.abc import Sequence

import typer

from ostiary.cli import server
from ostiary.cli.arrive import arrive
from ostiary.cli.keys import keys
from ostiary.cli.options import group, shared
from ostiary.cli.output import complain
from ostiary.cli.sessions import sessions
from ostiary.cli.users import users
from ostiary.cli.verifiers import verifiers
from ostiary.errors import OstiaryError

app = typer.Typer(
    help="Authentication: one login, two carriers, dead everywhere at once on logout.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.callback()(group)
for command in (server.init, server.serve, server.migrate):
    app.command()(shared(command))
for part in (users, sessions, keys, verifiers):
    app.add_typer(part)
app.command("import")(shared(arrive))
for command in (server.check, server.version):
    app.command()(shared(command))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit. What is wrong is said in one line on stderr, with exit code 1."""
    try:
        app(arguments)
    except OstiaryError as error:
        complain(str(error))
        sys.exit(1)
    except TimeoutError:
        complain("no answer in time; try again")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read us has seen enough. Python would complain once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
