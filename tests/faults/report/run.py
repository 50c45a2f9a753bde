"""Runs faults one after the other under load, and has each one followed by a roll call and an audit."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.report.asking import Asking, Held, roll_call
from tests.faults.report.faults import Fault, Scene, Skipped
from tests.faults.report.judge import Promise, Violation, delays, judge
from tests.faults.report.load import LEASE, Load
from tests.faults.report.record import ENDS, Deed, Operation, Outcome
from tests.faults.report.stack import Stack, stack
from tests.server.running import PASSWORD

BACK_WITHIN = 30.0
MARGIN = 1.5  # seconds of load before a fault, and after everybody is back
CANARY = "canary@example.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One fault, from before it to the roll call after it."""

    fault: str
    begin: float
    end: float
    back: float | None = None
    """Seconds from when the cause was mended to when every node let an honest client in again."""
    skipped: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What is said of one fault."""

    trial: Trial
    operations: int
    acknowledged: int
    logouts: int
    delays: dict[str, list[float]]
    broken: Counter[Promise]


@dataclass
class Report:
    """What a run showed."""

    seed: int
    workers: int
    verifiers: int
    rows: list[Row]
    violations: list[Violation]
    operations: int


@dataclass
class Run:
    """Everything that runs, and what was seen so far."""

    stack: Stack
    load: Load
    canary: Held
    seed: int
    trials: list[Trial] = field(default_factory=list)
    not_back: list[Violation] = field(default_factory=list)

    @property
    def asking(self) -> Asking:
        return self.load.asking

    async def try_(self, fault: Fault) -> Trial:
        """Let a fault happen, and see what is left of everybody."""
        begin = time.monotonic()
        await asyncio.sleep(MARGIN)
        skipped = ""
        back: float | None = None
        try:
            await fault.act(Scene(self.stack, self.load, random.Random(f"{self.seed} {fault.name}")))
        except Skipped as why:
            skipped = str(why)
        else:
            back = await self._back(fault)
            await asyncio.sleep(MARGIN)
        if skipped or back is not None:
            await self._roll_call()
        trial = Trial(fault=fault.name, begin=begin, end=time.monotonic(), back=back, skipped=skipped)
        self.trials.append(trial)
        return trial

    async def _back(self, fault: Fault) -> float | None:
        """Wait until every worker and every verifier lets an honest client in, without anybody's help."""
        mended = time.monotonic()
        while time.monotonic() < mended + BACK_WITHIN:
            if await self._everybody_lets_in():
                return time.monotonic() - mended
            await asyncio.sleep(0.05)
        what = f"after {fault.name!r} not everybody let an honest client in within {BACK_WITHIN:.0f} s"
        self.not_back.append(Violation(Promise.BACK, time.monotonic(), what))
        return None

    async def _everybody_lets_in(self) -> bool:
        asking, canary = self.asking, self.canary
        answers = await asyncio.gather(
            *(asking.check(canary) for _ in range(4 * self.stack.service.workers)),
            *(asking.verify(canary, checker) for checker in self.stack.checkers),
        )
        if Outcome.NO in answers:
            await asking.refresh(canary)
        return set(answers) == {Outcome.YES}

    async def _roll_call(self) -> None:
        load = self.load
        await load.rest()
        for client in load.clients:
            held = client.held
            if held is not None:
                outcome = await roll_call(self.asking, held)
                if outcome is Outcome.NO:
                    load.over(client, held)
                elif outcome is not Outcome.YES:
                    what = f"session {held.session} got no answer to the roll call"
                    self.not_back.append(Violation(Promise.BACK, time.monotonic(), what))
        alive = [client.held for client in load.clients if client.held is not None]
        for held in (*alive, *load.ended):
            await self.asking.audit(held)
        load.ended.clear()
        load.resume()

    def report(self) -> Report:
        """Judge everything that was seen."""
        operations = self.asking.record.operations
        found = sorted(
            [*judge(operations, lease=LEASE), *self.not_back],
            key=lambda violation: violation.at,
        )
        return Report(
            seed=self.seed,
            workers=self.stack.service.workers,
            verifiers=len(self.stack.checkers),
            rows=[_row(trial, operations, found) for trial in self.trials],
            violations=found,
            operations=len(operations),
        )


def _row(trial: Trial, operations: Iterable[Operation], violations: Iterable[Violation]) -> Row:
    operations = list(operations)
    during = [each for each in operations if trial.begin <= each.sent < trial.end]
    yes = [each for each in during if each.outcome is Outcome.YES]
    writes = (Deed.LOGIN, Deed.REFRESH, Deed.MINT, Deed.ROLES, *ENDS)
    return Row(
        trial=trial,
        operations=len(during),
        acknowledged=sum(each.deed in writes for each in yes),
        logouts=sum(each.deed in ENDS for each in yes),
        delays={
            kind: delays(operations, kind=kind, begin=trial.begin, end=trial.end, lease=LEASE)
            for kind in ("server", "verifier")
        },
        broken=Counter(each.promise for each in violations if trial.begin <= each.at < trial.end),
    )


@asynccontextmanager
async def running(
    folder: Path, *, seed: int, workers: int, verifiers: int, users: int, sessions: int
) -> AsyncGenerator[Run]:
    """Start everything under load."""
    async with stack(folder, workers=workers, verifiers=verifiers) as started:
        asking = Asking(started)
        account = await started.admin.accounts.register(email=CANARY, password=PASSWORD)
        canary = await asking.login(account.user.id, CANARY, "bearer")
        assert canary is not None
        load = Load(asking, seed=seed)
        try:
            await load.begin(users=users, sessions=sessions)
            yield Run(started, load, canary, seed)
        finally:
            await load.stop()


async def run(
    folder: Path,
    faults: Iterable[Fault],
    *,
    seed: int,
    tell: Callable[[str], None],
    workers: int = 4,
    verifiers: int = 3,
    users: int = 10,
    sessions: int = 4,
) -> Report:
    """Try faults one after the other, and return what they showed."""
    sizes = {"workers": workers, "verifiers": verifiers, "users": users, "sessions": sessions}
    async with running(folder, seed=seed, **sizes) as under_load:
        for fault in faults:
            trial = await under_load.try_(fault)
            back = trial.skipped or ("NOT BACK" if trial.back is None else f"back after {trial.back:.2f} s")
            tell(f"{fault.name}: {back}")
            if not trial.skipped and trial.back is None:
                break  # nothing that came after would mean anything
        return under_load.report()
