"""The options that every command has, before or after its name: which settings, and how the answer is written."""

import asyncio
import inspect
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Concatenate, Final, ParamSpec, TypeVar

import typer

from ostiary.auth import Auth
from ostiary.cli.output import Output
from ostiary.server.data import check_folder, open_auth
from ostiary.server.settings import KEY, Settings, load, settings_file

P = ParamSpec("P")
T = TypeVar("T")

ACTOR: Final = "cli"
"""Who the audit log names for what is done here."""

_PANEL: Final = "Which service, and how to answer"
_FLAGS: Final = "ostiary.flags"
_JSON: Final = "ostiary.json"

_Config = Annotated[
    str | None, typer.Option("--config", metavar="FILE", help="The settings file.", rich_help_panel=_PANEL)
]
_Data = Annotated[str | None, typer.Option("--data", metavar="DIR", help=KEY["data"].help, rich_help_panel=_PANEL)]
_Store = Annotated[str | None, typer.Option("--store", metavar="URL", help=KEY["store"].help, rich_help_panel=_PANEL)]
_Issuer = Annotated[
    str | None, typer.Option("--issuer", metavar="URL", help=KEY["issuer"].help, rich_help_panel=_PANEL)
]
_Json = Annotated[bool, typer.Option("--json", help="Write JSON to stdout, and nothing else.", rich_help_panel=_PANEL)]


@dataclass(frozen=True, slots=True)
class Given:
    """What the shared options say."""

    flags: Mapping[str, str]
    out: Output

    def settings(self, **more: str | None) -> Settings:
        """Read the settings, with flags of the command's own."""
        own = {name: words for name, words in more.items() if words is not None}
        return load(flags={**self.flags, **own}, environ=os.environ, folder=Path.cwd())

    def file(self) -> Path | None:
        """Return the settings file, if there is one."""
        return settings_file(flags=self.flags, environ=os.environ, folder=Path.cwd())

    def run(self, act: Callable[[Auth], Awaitable[T]]) -> T:
        """Do something with the `Auth` of a service that has been set up. It may be running meanwhile."""
        settings = self.settings()
        if settings.owns_folder:
            check_folder(settings.data)

        async def acted() -> T:
            async with open_auth(settings).running(sends=False) as auth:
                return await act(auth)

        return asyncio.run(acted())


def shared(command: Callable[Concatenate[Given, P], None]) -> Callable[..., None]:
    """Give a command the shared options. Its own first parameter receives what they say.

    A group has them too: what is said nearer to the command wins.
    """

    def run(  # noqa: PLR0917 - typer calls it by keyword
        ctx: typer.Context,
        config: _Config = None,
        data: _Data = None,
        store: _Store = None,
        issuer: _Issuer = None,
        json: _Json = False,  # noqa: FBT002 - typer calls it by keyword
        **own: Any,  # noqa: ANN401 - whatever the command takes
    ) -> None:
        said = {"config": config, "data": data, "store": store, "issuer": issuer}
        flags = ctx.meta.setdefault(_FLAGS, {})
        flags |= {name: words for name, words in said.items() if words is not None}
        ctx.meta[_JSON] = json or ctx.meta.get(_JSON, False)
        partial(command, Given(dict(flags), Output(json=ctx.meta[_JSON])))(**own)  # type: ignore[call-arg]

    # What typer reads: the command's own parameters first, then the shared ones.
    own_parameters = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
    *shared_parameters, _ = inspect.signature(run, eval_str=True).parameters.values()
    keyword = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in (*own_parameters, *shared_parameters)]
    run.__signature__ = inspect.Signature(keyword)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in keyword}
    run.__doc__ = command.__doc__
    run.__name__ = command.__name__
    return run


@shared
def group(given: Given) -> None:
    """Take the shared options before the name of a command."""
