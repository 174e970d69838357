"""`actserve bench URL`: a load test of a server that runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import ceil, isnan
from pathlib import Path
from typing import Any

import click
import uvloop

from service.bench import report
from service.bench.arrivals import MAX_ARRIVALS
from service.bench.bodies import Body, from_file
from service.bench.connection import Request
from service.bench.examples import Example, made
from service.bench.load import Plan
from service.bench.loops import Closed, Open
from service.bench.outcome import Outcome
from service.bench.target import BenchError, Headers, Reply, Target, common_headers, parse
from service.cli.files import MEDIA_TYPES, Failing
from service.codecs import media

CONNECTIONS = 8
MOST_CONNECTIONS = 256  # of an open loop
SHOWN = 300  # characters of an answer that is no error of ours
KINDS = MEDIA_TYPES | {".bin": media.RAW}
TICKS = 10  # of the progress bar, a second
NO_ROOM = "--rows and --format are of bodies made here, --content-type is of files."


class Number(click.FloatRange):
    """A number in bounds; NaN is in none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found: float = super().convert(value, param, ctx)
        return self.fail(f"`{value}` is not a number.", param, ctx) if isnan(found) else found


class Url(click.ParamType[Target]):
    """A server, perhaps with a path."""

    name = "URL"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Target:
        try:
            return parse(value)
        except ValueError as error:
            self.fail(f"`{value}`: {error}.", param, ctx)


SECONDS = Number(0, 3600, min_open=True)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("bench", cls=Failing)
@click.argument("target", metavar="URL", type=Url())
@click.option(
    "--connections",
    type=click.IntRange(1, 4096),
    help=f"Each has one request under way. [default: {CONNECTIONS}; with --rate at most {MOST_CONNECTIONS}]",
)
@click.option("--rate", type=Number(0, 1e6, min_open=True), help="Requests a second, at random times: an open loop.")
@click.option("--duration", type=SECONDS, default=10, show_default=True, help="Seconds that are measured.")
@click.option("--warm-up", type=Number(0, 3600), default=1, show_default=True, help="Seconds before, that are not.")
@click.option("--timeout", type=SECONDS, default=30, show_default=True, help="Seconds for one request.")
@click.option("--rows", type=click.IntRange(1), help="Rows of a body that is made here. [default: 1]")
@click.option("--format", "form", type=click.Choice(["json", "npy", "raw"]), help="Its format. [default: json]")
@click.option("--data", "files", multiple=True, type=FILE, help="A file to post instead; several are sent in turn.")
@click.option("--content-type", help="Of the files; .json, .npy, .bin, .png and .jpg need none.")
@click.option("-H", "--header", "given", multiple=True, metavar="'NAME: VALUE'", help="May be repeated.")
@click.option("--token", envvar="ACTSERVE_API_TOKEN", show_envvar=True, help="Bearer token.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of values and random times.")
@click.option("--json", "is_json", is_flag=True, help="Write all figures as JSON.")
def command(target: Target, given: Sequence[str], token: str | None, is_json: bool, **options: Any) -> None:
    """Post to URL for some seconds and say how fast it answers.

    URL is a path of a server that runs, or only http://HOST:PORT for its default model. Bodies are made from what the
    server says of the model. Exit status 1 unless every request is answered with a 2xx."""
    plan = _plan(options)
    try:
        headers = common_headers(given, token)
    except ValueError as error:
        raise click.BadParameter(f"{error}.", param_hint="-H or --token") from error
    try:
        target = target.reached(plan.timeout_s)
        target = target.at("/predict" + target.path[1:]) if target.path.partition("?")[0] == "/" else target
        example = _example(target, headers, plan, options)
        requests = [_request(target, headers, body) for body in example.bodies]
        outcome = _run(target, requests, plan)
    except BenchError as error:
        raise click.ClickException(str(error)) from error
    first = example.bodies[0]
    sent = report.Sent(target.url, example.about, first.media_type, len(first.content), len(requests))
    click.echo(json.dumps(report.as_dict(sent, plan, outcome)) if is_json else report.table(sent, plan, outcome))
    if sentence := report.failure(outcome):
        raise click.ClickException(sentence)


def _plan(options: Mapping[str, Any]) -> Plan:
    rate, seconds = options["rate"], options["warm_up"] + options["duration"]
    if rate and rate * seconds > MAX_ARRIVALS:
        raise click.UsageError(f"--rate: {rate:g}/s for {seconds:g} s are more than {MAX_ARRIVALS:,} requests.")
    of_files, of_made = options["content_type"], options["rows"] or options["form"]
    if of_made if options["files"] else of_files:
        raise click.UsageError(NO_ROOM)
    connections = options["connections"] or (MOST_CONNECTIONS if rate else CONNECTIONS)
    times = options["duration"], options["warm_up"], options["timeout"]
    return Plan(connections, rate, *times, options["seed"])


def _example(target: Target, headers: Headers, plan: Plan, options: Mapping[str, Any]) -> Example:
    """The bodies, of which the first, or each file, has been answered once. Raises BenchError."""
    if files := options["files"]:
        bodies = tuple(from_file(file, options["content_type"] or _media_type(file)) for file in files)
        example = Example(bodies, ", ".join(file.name for file in files))
    else:

        def get(path: str) -> Any:
            return _described(target.at(path), headers, plan.timeout_s)

        example = made(target.path, get, options["form"] or "json", options["rows"] or 1, plan.seed)
    for body in example.bodies if files else example.bodies[:1]:
        _check(target.ask("POST", _headers(headers, body), body.content, plan.timeout_s), target)
    return example


def _media_type(file: Path) -> str:
    found = KINDS.get(file.suffix.lower())
    if found is None:
        raise click.UsageError(f"`{file.name}`: its name does not tell what it is; say so with --content-type.")
    return found


def _headers(headers: Headers, body: Body) -> Headers:
    """What is said of the body goes behind what was asked for."""
    return {"content-type": body.media_type} | dict(body.headers) | dict(headers)


def _request(target: Target, headers: Headers, body: Body) -> Request:
    return Request(target.data(_headers(headers, body), body.content), body.rows)


def _described(target: Target, headers: Headers, timeout_s: float) -> Any:
    reply = target.ask("GET", {**headers, "accept": media.JSON, "accept-encoding": "identity"}, None, timeout_s)
    _check(reply, target)
    try:
        return json.loads(reply.body)
    except ValueError as error:
        raise BenchError(f"{target.url} is not answered in JSON; give a body with --data.") from error


def _check(reply: Reply, target: Target) -> None:
    """Raises BenchError with what the server says where it refuses."""
    if 200 <= reply.status < 300:
        return
    if "location" in reply.headers:
        raise BenchError(f"{target.url} is moved to {reply.headers['location']} ({reply.status}); ask there.")
    try:
        said = str(json.loads(reply.body)["error"])
    except (ValueError, LookupError, TypeError):
        said = reply.body.decode("utf-8", "replace")[:SHOWN].strip() or "nothing more"
    raise BenchError(f"{target.url} answers {reply.status}: {said}")


def _run(target: Target, requests: Sequence[Request], plan: Plan) -> Outcome:
    load = (Closed if plan.rate is None else Open)(target.connect, requests, plan)
    with _progress(plan) as tick:
        return uvloop.run(load.run(tick))


@contextmanager
def _progress(plan: Plan) -> Iterator[Callable[[float], None]]:
    """What shows on a terminal how many seconds have passed."""
    if not sys.stderr.isatty():
        yield lambda seconds: None
        return
    length = ceil((plan.warm_up_s + plan.duration_s) * TICKS)
    with click.progressbar(length=length, label="load", file=sys.stderr) as bar:
        yield lambda seconds: bar.update(min(int(seconds * TICKS), length) - bar.pos)
