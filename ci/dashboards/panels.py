"""What each panel must show, told by the clients' book and the providers' journal alone.

An expectation is a range for each series. Counts are exact but for one thing: PromQL stretches what it saw between the
first and the last sample of a window over all of the window, so a rate lies between that of the count and that of the
count times window / (last - first). Ratios of rates are exact. A quantile lies within the bucket bounds around what the
provider took at least and the client waited at most.
"""

import bisect
import collections
import math

NOTED = 0.05  # seconds by which a provider may note an event after the gateway has read it
SLACK = 0.25  # seconds by which the gateway may let go of an exchange after its client has heard the end of it

DURATION = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 80]
FIRST = [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
EACH = [0.001, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5]


# USD per million tokens of input, cached input and output; as in prices.yaml.
PRICES = {"small": (0.5, 0.5, 2), "large": (4, 0.5, 12)}


def price(model, usage):
    """USD, or nothing for a model without a price."""
    if model not in PRICES:
        return None
    of_input, of_cached, of_output = PRICES[model]
    cached = usage["cached_tokens"]
    return ((usage["prompt_tokens"] - cached) * of_input + cached * of_cached + usage["completion_tokens"] * of_output) / 1e6


class Exchange:
    """One request: what its client noted, and what the providers did for it."""

    def __init__(self, ask, attempts, served):
        self.ask, self.attempts = ask, attempts
        last = attempts[-1] if attempts else None
        whole = last is not None and last["end"] == "complete"
        self.usage = last["usage"] if whole and ask.status == 200 else None
        self.answered = last is not None
        self.price = price(ask.model, self.usage) if self.usage else None
        # a name that was never served is nobody's
        self.model = ask.model if ask.model in served else "unknown"
        self.error = ask.status >= 500 or ask.reason in ("UpstreamFailure", "Timeout")
        events = [at for at, _ in last["events"]] if last else []
        since = last["received_at"] if last else 0
        # seconds at least, and at most, of what the gateway measures
        self.duration = (max(0, (events[-1] - since) / 1e3 - NOTED) if events else 0, ask.duration + SLACK)
        self.first = ((events[0] - since) / 1e3, ask.first) if ask.stream and events else None
        if self.first and self.usage:
            # the first event is the role, the second the first content
            after, tokens = (events[-1] - events[1]) / 1e3, self.usage["completion_tokens"]
            self.each = (after / tokens, (self.duration[1] - self.first[0]) / (tokens - 1))
        else:
            self.each = None
        written = sum(length for _, length in last["events"]) if last else 0
        self.bytes = (ask.length, max(ask.length, written))


def exchanges(book, journal):
    """Matches the book with the journal: requests go one after the other, so the order is the same."""
    waiting = collections.deque(journal)
    served = {ask.model for ask in book if 200 <= ask.status < 300}
    matched = []
    for ask in book:
        attempts = []
        while waiting and (ask.backend, waiting[0]["provider"]) in HEALTH and waiting[0]["model"] == ask.model:
            attempts.append(waiting.popleft())
            if attempts[-1]["provider"] == ask.provider:
                break
        matched.append(Exchange(ask, attempts, served))
    if waiting:
        raise SystemExit(f"a provider saw what no client asked for: {waiting[0]['provider']} {waiting[0]['model']}")
    return matched


class Window:
    """The exchanges of a time window, and how PromQL tells their number."""

    def __init__(self, all_of, seconds, covered):
        self.all, self.seconds, self.stretch = all_of, seconds, max(1, seconds / covered)

    def where(self, keep):
        return Window([one for one in self.all if keep(one)], self.seconds, self.seconds / self.stretch)

    def by(self, labels, key, value=lambda one: 1):
        """A rate for each value of the labels."""
        sums = collections.Counter()
        for one in self.all:
            sums[key(one)] += value(one)
        return {named(labels, of): self.rate(count) for of, count in sums.items()}

    def rate(self, count):
        low, high = count if isinstance(count, tuple) else (count, count)
        return (low / self.seconds, high / self.seconds * self.stretch)

    def quantile(self, rank, bounds, ranges):
        low, high = (sorted(values)[math.ceil(rank * len(values)) - 1] for values in zip(*ranges))
        at = bisect.bisect_left(bounds, low)
        top = min(bisect.bisect_left(bounds, high), len(bounds) - 1)
        return (bounds[at - 1] if at else 0, bounds[top])

    def quantiles(self, bounds, pick):
        ranges = [pick(one) for one in self.all if pick(one)]
        return {named("legend", f"p{round(rank * 100)}"): self.quantile(rank, bounds, ranges) for rank in (0.5, 0.95, 0.99)}


def named(labels, values):
    """A series' labels as a key."""
    names, values = labels.split(), values if isinstance(values, tuple) else (values,)
    return frozenset(zip(names, values))


def one(expected):
    return {frozenset(): expected}


def exact(value):
    return (value, value)


def share(window, part):
    return exact(len(window.where(part).all) / len(window.all))


def route(it):
    return it.ask.route


def backend(it):
    return it.ask.backend


def failed(it):
    return it.error


def llm(window):
    return window.where(lambda it: it.answered)


def streams(window):
    return window.where(lambda it: it.first)


def groups(window, label, key):
    values = {key(it) for it in window.all}
    return {named(label, value): window.where(lambda it, value=value: key(it) == value) for value in values}


def mean(window, pick):
    low, high = zip(*(pick(it) for it in window.all))
    return (sum(low) / len(low), sum(high) / len(high))


def tokens(it):
    return {"input": it.usage["prompt_tokens"], "output": it.usage["completion_tokens"]}


def token_rates(window, labels, key):
    sums = collections.Counter()
    for it in window.all:
        for kind, count in tokens(it).items() if it.usage else ():
            sums[key(it, kind)] += count
    return {named(labels, of): window.rate(count) for of, count in sums.items()}


def tokens_per_request(window):
    used = [it.usage for it in window.all if it.usage]
    cached = [usage["cached_tokens"] for usage in used if usage["cached_tokens"]]
    kinds = {"input": [usage["prompt_tokens"] for usage in used],
             "output": [usage["completion_tokens"] for usage in used]}
    kinds |= {"input_cache_read": cached} if cached else {}
    return {named("gen_ai_token_type", kind): exact(sum(of) / len(of)) for kind, of in kinds.items()}


def priced(window):
    return window.where(lambda it: it.price is not None)


def model(it):
    return it.model


def cost_per_hour(window):
    costs = priced(window).by("gen_ai_request_model", model, lambda it: it.price)
    return {name: (low * 3600, high * 3600) for name, (low, high) in costs.items()}


def cost_per_million(window):
    shown = {}
    for name, of in groups(priced(window), "gen_ai_request_model", model).items():
        shown[name] = exact(sum(it.price for it in of.all) / sum(sum(tokens(it).values()) for it in of.all) * 1e6)
    return shown


def lookups(window):
    used = window.where(lambda it: it.usage)
    return used.by("status", lambda it: "Missing" if it.price is None else "Exact")


# What the manifests and the plan make of the providers: who has failed has some score, who never did has the best.
HEALTH = {("default/pool", "a"): (0, 1), ("default/pool", "b"): (1, 1), ("default/other", "c"): (0, 1),
          ("default/down", "d"): (0, 1), ("default/shaky", "e"): (0, 1)}
IN_ROTATION = {"default/pool": 2, "default/other": 1, "default/down": 0, "default/shaky": 0}
EVICTIONS = {place: 1 if place[1] == "e" else 0 for place in HEALTH}


def evictions(window):
    per_minute = {place: tuple(60 * bound for bound in window.rate(count)) for place, count in EVICTIONS.items()}
    return {named("backend provider", place): bounds for place, bounds in per_minute.items()}


def bytes_by_backend(window):
    sums = {}
    for it in window.all:
        low, high = sums.get(backend(it), (0, 0))
        sums[backend(it)] = (low + it.bytes[0], high + it.bytes[1])
    return {named("backend", of): window.rate(both) for of, both in sums.items()}


def error_shares(window):
    shares = {name: share(of, failed) for name, of in groups(window, "backend", backend).items()}
    return {name: of for name, of in shares.items() if of[1] > 0}


def first_by_model(window):
    models = groups(streams(window), "gen_ai_request_model", lambda it: it.model)
    return {name: of.quantile(0.95, FIRST, [it.first for it in of.all]) for name, of in models.items()}


def duration_by_model(window):
    models = groups(llm(window), "gen_ai_request_model", lambda it: it.model)
    return {name: mean(of, lambda it: it.duration) for name, of in models.items()}


def retries(window):
    more = window.where(lambda it: len(it.attempts) > 1)
    return more.by("backend", backend, lambda it: len(it.attempts) - 1)


def buckets(window):
    """Of a histogram's heat map the last bucket, which holds everything."""
    low, high = window.rate(len(llm(window).all))
    return {named("le", "+Inf"): (low * window.seconds, high * window.seconds)}


# By panel title: the ranges of all of its series.
PANELS = {
    "Requests": lambda w: one(w.rate(len(w.all))),
    "Error share": lambda w: one(share(w, failed)),
    "Duration, p95": lambda w: one(w.quantile(0.95, DURATION, [it.duration for it in w.all])),
    "First token, p95": lambda w: one(w.quantile(0.95, FIRST, [it.first for it in streams(w).all])),
    "Tokens": lambda w: one(w.rate(sum(sum(tokens(it).values()) for it in w.all if it.usage))),
    "Configuration": lambda w: one(exact(1)),
    "Requests by status": lambda w: w.by("status", lambda it: str(it.ask.status)),
    "Requests by route": lambda w: w.by("route", route),
    "Bytes to clients": bytes_by_backend,
    "Requests that did not go well, by reason":
        lambda w: w.where(lambda it: it.ask.reason != "Upstream").by("reason", lambda it: it.ask.reason),
    "Error share by backend": error_shares,
    "Clients that left": lambda w: w.where(lambda it: it.ask.leave).by("route", route),
    "Duration": lambda w: w.quantiles(DURATION, lambda it: it.duration),
    "Duration of LLM requests": buckets,
    "Mean duration by model": duration_by_model,
    "Time to first token": lambda w: w.quantiles(FIRST, lambda it: it.first),
    "Time to first token by model, p95": first_by_model,
    "Time per output token": lambda w: w.quantiles(EACH, lambda it: it.each),
    "Tokens by model and type":
        lambda w: token_rates(w, "gen_ai_request_model gen_ai_token_type", lambda it, kind: (it.model, kind)),
    "Tokens by provider":
        lambda w: token_rates(w, "backend provider", lambda it, kind: (backend(it), it.ask.provider)),
    "Tokens per request": tokens_per_request,
    "Cost by model": cost_per_hour,
    "Cost of a million tokens": cost_per_million,
    "Requests by what the catalog knew": lookups,
    "Retries": retries,
    "Health": lambda w: {named("backend provider", place): score for place, score in HEALTH.items()},
    "In rotation": lambda w: {named("backend", of): exact(count) for of, count in IN_ROTATION.items()},
    "Evictions": evictions,
    "In flight": lambda w: {named("legend", "in flight"): exact(1)},
    "Lost log lines": lambda w: {named("legend", "log lines"): exact(0), named("legend", "spans"): exact(0)},
    "Reloads of the manifests": lambda w: {named("result", "taken"): exact(1), named("result", "refused"): exact(0)},
}
