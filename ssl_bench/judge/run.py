"""Run a judgement: choose the rates, run the rest, collect the scores."""

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field, replace

from ssl_bench.errors import Interrupted, UserError, one_line
from ssl_bench.judge import features as cached
from ssl_bench.judge.plan import JudgePlan, Weights
from ssl_bench.judge.scores import FROZEN, Score, Study
from ssl_bench.judge.speed import Speed
from ssl_bench.judge.splits import percent
from ssl_bench.launch.steps import REDRAWN, Step, StepsView
from ssl_bench.results.folders import APART
from ssl_bench.tasks.own import OwnData
from ssl_bench.tasks.table import on_own_data
from ssl_bench.transfer.run import Measure, Request, run_request

RUNS, CHOICE = 'runs', 'choice'  # folders of records below the work dir
WHY_APART = 'Runs of ssl-bench judge, at rates of their own: see judge.html.\n'
OUTPUT = 'logs/progress.txt'  # what runs print of their own progress


class Skipped(Exception):
    """A step needs what an earlier one did not give; that one was named."""


Key = tuple[str, str, float]  # weights, mode, fraction


@dataclass(frozen=True)
class Job:
    """One step of a judgement.

    Args:
        step (Step): For the progress.
        do (Callable): Does it.
        tries (bool): It tries a learning rate, and may fail.
        missing (Score, optional): What it leaves if it fails.
    """

    step: Step
    do: Callable[[], None]
    tries: bool = False
    missing: Score | None = None


@dataclass
class Judge:
    """The state of a judgement while it runs.

    Args:
        plan (JudgePlan): What is run.
        speed (Speed): For the estimates.
    """

    plan: JudgePlan
    speed: Speed
    scores: list[Score] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    tried: dict[Key, dict[float, float]] = field(default_factory=dict)
    features: dict[tuple[str, int], cached.Extracted] = field(
        default_factory=dict
    )

    def jobs(self) -> list[Job]:
        """Everything, in the order in which it is done."""
        found = []
        for mode, way in self.plan.modes.items():
            found += self._extractions() if way.cached else self._trials(mode)
            found += [
                self._final(mode, fraction, seed, weights)
                for seed in self.plan.seeds
                for fraction in self.plan.fractions
                for weights in self.plan.weights
            ]
        return found

    def _extractions(self) -> list[Job]:
        """Features of all weights."""
        plan = self.plan
        images = len(plan.splits.labels) + plan.splits.tested
        wanted = {
            cached.key_of(weights, seed): (weights, seed)
            for weights in plan.weights
            for seed in reversed(plan.seeds)
        }

        def job(weights: Weights, seed: int) -> Job:
            def do() -> None:
                key = cached.key_of(weights, seed)
                self.features[key] = cached.extract(plan, weights, seed)

            title = f'features of {weights.label}, seed {seed}'
            seconds = self.speed.reading(FROZEN, plan.modes[FROZEN], images)
            return Job(Step(title, 'features', seconds), do)

        return [job(*pair) for pair in wanted.values()]

    def _extracted(self, weights: Weights, seed: int) -> cached.Extracted:
        found = self.features.get(cached.key_of(weights, seed))
        if found is None:
            raise Skipped
        return found

    def _trials(self, mode: str) -> list[Job]:
        """Trainings that try the rates."""
        plan = self.plan
        return [
            self._trial(mode, weights, fraction, rate)
            for fraction in plan.fractions
            for weights in plan.weights
            for rate in plan.modes[mode].rates
        ]

    def _trial(
        self, mode: str, weights: Weights, fraction: float, rate: float
    ) -> Job:
        splits, seed = self.plan.splits, self.plan.seeds[0]
        names = splits.to_choose(fraction, seed)

        def do() -> None:
            own = splits.data_to_choose(fraction, seed)
            value = self._run(
                mode, weights, own, len(names), seed, rate, CHOICE
            )
            key = weights.label, mode, fraction
            self.tried.setdefault(key, {})[rate] = value

        where = f'{percent(fraction)}, rate {rate:g}'
        title = f'{weights.label}, {mode}, {where}'
        return Job(
            self._step(title, mode, len(names), len(splits.dev)), do, True
        )

    def _final(
        self, mode: str, fraction: float, seed: int, weights: Weights
    ) -> Job:
        plan, way = self.plan, self.plan.modes[mode]
        names = plan.splits.subset(fraction, seed)
        missing = Score(
            weights.label, weights.control, mode, fraction, seed, math.nan
        )

        def do() -> None:
            own = plan.splits.data(fraction, seed)
            rate = self._rate(mode, weights, fraction)
            by = None
            if way.cached:
                by = cached.probe_of(self._extracted(weights, seed), names)
            value = self._run(
                mode, weights, own, len(names), seed, rate, RUNS, by
            )
            self.scores.append(replace(missing, value=value, rate=rate))

        where = f'{percent(fraction)}, seed {seed}'
        title = f'{weights.label}, {mode}, {where}'
        step = self._step(title, mode, len(names), plan.splits.tested)
        return Job(step, do, missing=missing)

    def _step(self, title: str, mode: str, images: int, tested: int) -> Step:
        way = self.plan.modes[mode]
        if way.cached:
            return Step(title, f'{mode} {images}', 1.0)
        seen = way.length.seen(images, self.plan.share)
        seconds = self.speed.training(mode, way, seen, tested)
        return Step(title, f'{mode} {images}', seconds)

    def _rate(self, mode: str, weights: Weights, fraction: float) -> float:
        """The rate that was best on the images held out, the first of
        several.

        Raises:
            UserError: No rate gave a number.
        """
        plan = self.plan
        key = weights.label, mode, fraction
        if plan.modes[mode].cached and key not in self.tried:
            found = {
                seed: self.features[cached.key_of(weights, seed)]
                for seed in plan.seeds
                if cached.key_of(weights, seed) in self.features
            }
            if not found:
                raise Skipped
            values = cached.try_rates(plan, found, fraction)
            self.tried[key] = dict(zip(plan.modes[mode].rates, values))
        tried = {
            rate: value
            for rate, value in self.tried.get(key, {}).items()
            if math.isfinite(value)
        }
        if not tried:
            raise UserError('no learning rate gave a number')
        sign = 1 if self._metric[1] else -1
        return max(tried, key=lambda rate: sign * tried[rate])

    def _run(
        self,
        mode: str,
        weights: Weights,
        own: OwnData,
        images: int,
        seed: int,
        rate: float,
        folder: str,
        by: Measure | None = None,
    ) -> float:
        """One run with its record; the number that is compared."""
        plan, way = self.plan, self.plan.modes[mode]
        task = on_own_data(way.task, own, plan.work_dir)
        settings = plan.overrides(mode, images, rate)
        arch = weights.source.arch_args or {}
        outcome = run_request(
            Request(
                weights.source,
                task.id,
                seed,
                plan.work_dir / folder,
                overrides=settings,
                recipe=way.recipe_for(arch.get('family', '')),
                train=way.train,
            ),
            by,
        )
        for file in outcome.folder.glob('*.pth'):  # nothing needs it again
            file.unlink()
        return float(outcome.record['metrics'][self._metric[0]])

    @property
    def _metric(self) -> tuple[str, bool]:
        """The number that is compared, and whether higher is better."""
        task = self.plan.task
        name = task.shown[0]
        return name, task.metrics[name].higher_is_better

    def study(self, seconds: float) -> Study:
        """What the verdicts are made of.

        Args:
            seconds (float): That all took.
        """
        plan, (metric, higher) = self.plan, self._metric
        ways = plan.modes.items()
        return Study(
            plan.splits.own.title,
            ', '.join(dict.fromkeys(way.task for way in plan.modes.values())),
            metric,
            f'points of {metric}',
            higher,
            tuple(self.scores),
            tuple(self.failed),
            seconds,
            dict(
                architecture=plan.weights[0].source.arch or '',
                images=len(plan.splits.labels),
                held_out=len(plan.splits.dev),
                crop=plan.crop,
                rates={mode: list(way.rates) for mode, way in ways},
                notes=list(plan.notes),
            ),
        )


def run_judge(judge: Judge, jobs: Sequence[Job], view: StepsView) -> Study:
    """Do all steps; one that fails is named, and the others go on.

    Args:
        judge (Judge): Collects the scores.
        jobs (Sequence[Job]): Of it.
        view (StepsView): Their progress.

    Raises:
        Interrupted, KeyboardInterrupt: A signal. The same command goes on.
    """
    start = time.monotonic()
    output = judge.plan.work_dir / OUTPUT
    output.parent.mkdir(parents=True, exist_ok=True)
    (judge.plan.work_dir / APART).write_text(WHY_APART, encoding='utf-8')
    with (
        open(output, 'a', encoding='utf-8') as file,
        redirect_stderr(file),
        redrawn(view),
    ):
        for number, job in enumerate(jobs):
            view.start(number)
            problem = _attempt(job)
            if problem is not None and job.missing:
                judge.scores.append(job.missing)
            view.end(number, problem is None)
            if problem and not job.tries:
                judge.failed.append(f'{job.step.title}: {problem}')
    view.clear()
    return judge.study(time.monotonic() - start)


def _attempt(job: Job) -> str | None:
    """Do a step; why it failed, empty if it was skipped, None if done."""
    try:
        job.do()
    except Skipped:
        return ''
    except Interrupted:
        raise
    except UserError as error:
        return one_line(error)
    except Exception as error:  # of a toolkit, torch, or the memory
        return f'{type(error).__name__}: {one_line(error)}'
    return None


@contextmanager
def redrawn(view: StepsView) -> Iterator[None]:
    """Draw a terminal's line each second while steps run."""
    done = threading.Event()

    def draw() -> None:
        while not done.wait(REDRAWN):
            view.draw()

    thread = threading.Thread(target=draw, daemon=True)
    if view.live:
        thread.start()
    try:
        yield
    finally:
        done.set()
        if view.live:
            thread.join()
