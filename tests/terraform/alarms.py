"""What each alarm must ring for, and what it must not, on sequences of its metrics.

CASES says it in words and in numbers, one number for each of the alarm's periods, oldest first; a metric that a case does not
name has no data. `check_alarms` evaluates the planned alarms as CloudWatch does, and an alarm without a case is a finding.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
"""

import re

_ = None  # no data in this period


class Case:
    def __init__(self, alarms, rings, on, silent, off):
        self.alarms = re.compile(alarms)
        self.stories = [(True, rings, on), (False, silent, off)]


# The first case whose pattern is an alarm's whole name is the alarm's.
CASES = [
    Case(
        "executions-failed",
        "a store that is away for minutes", {"ExecutionsFailed": [0, 3, 2, 4, 1]},
        "a single execution that died", {"ExecutionsFailed": [0, 0, 1, 0, 0]},
    ),
    Case(
        "executions-timed-out",
        "one execution at its limit", {"ExecutionsTimedOut": [0, 1]},
        "executions that end in time", {"ExecutionsTimedOut": [0, 0]},
    ),
    Case(
        "orders-parked",
        "a parked order, and then a run that could not count", {"OrdersParked": [0, 1, _]},
        "a run that could not count while nothing is parked", {"OrdersParked": [0, 0, _]},
    ),
    Case(
        "orders-given-up",
        "one order that recovery cancels", {"OrdersGivenUp": [1]},
        "runs with nothing to give up", {"OrdersGivenUp": [0]},
    ),
    Case(
        "orders-failed",
        "two of a hundred orders that a crashing step cancelled",
        {"OrdersConfirmed": [90, 95, 93], "OrdersCancelled": [10, 5, 7], "OrdersFailed": [2, 0, 3]},
        "as many cancelled orders that a step refused",
        {"OrdersConfirmed": [90, 95, 93], "OrdersCancelled": [10, 5, 7], "OrdersFailed": [0, 0, 0]},
    ),
    Case(
        "recovery-backlog",
        "ten runs in a row that leave orders", {"OrdersLeft": [5] * 10},
        "nine runs that leave orders, and one that ends", {"OrdersLeft": [5] * 9 + [0]},
    ),
    Case(
        "recovery-failures",
        "a table that recovery cannot read", {"RecoveryFailures": [0, 2, 2, 0, 2]},
        "two reads that failed once", {"RecoveryFailures": [0, 0, 1, 1, 0]},
    ),
    Case(
        "recovery-silent",
        "ten minutes without a run", {"OrdersLeft": [5, _, _]},
        "a run that reports again", {"OrdersLeft": [_, _, 1]},
    ),
    Case(
        "overflow-conflicts",
        "a queued order that was dropped", {"OverflowConflicts": [1]},
        "queued orders that were taken", {"OverflowConflicts": [0]},
    ),
    Case(
        "overflow-failures",
        "a message that comes back every six minutes", {"OverflowFailures": [1, _, _, _, _, _, 1, _, _, _, _, _, 1, _, _]},
        "a message that fails once", {"OverflowFailures": [_] * 7 + [1] + [0] * 7},
    ),
    Case(
        ".*-waits",
        "a message that no receiver can process, received more than three times, mostly invisible",
        {"ApproximateNumberOfMessagesVisible": [1, 0, 0, 0, 0] * 3, "ApproximateNumberOfMessagesNotVisible": [0, 1, 1, 1, 1] * 3},
        "an outage's orders, received within minutes of its end",
        {"ApproximateNumberOfMessagesVisible": [900] * 8 + [0] * 7, "ApproximateNumberOfMessagesNotVisible": [50] * 8 + [0] * 7},
    ),
    Case(
        ".*-messages",
        "a message that nobody has taken", {"ApproximateNumberOfMessagesVisible": [0, 1]},
        "a message that somebody has deleted", {"ApproximateNumberOfMessagesVisible": [1, 0]},
    ),
    Case(
        ".*-dead-arrivals",
        "a second dead letter while somebody looks at the first",
        {
            "ApproximateNumberOfMessagesVisible": [0, 1], "ApproximateNumberOfMessagesNotVisible": [1, 1],
            "NumberOfMessagesSent": [0, 1],
        },
        "a dead letter that somebody looks at",
        {
            "ApproximateNumberOfMessagesVisible": [1, 0], "ApproximateNumberOfMessagesNotVisible": [0, 1],
            "NumberOfMessagesSent": [0, 0],
        },
    ),
    Case(
        ".*-arrivals",
        "a second parked order while the first waits", {"NumberOfMessagesSent": [0, 1], "ApproximateNumberOfMessagesVisible": [1, 1]},
        "a parked order that waits", {"NumberOfMessagesSent": [0, 0], "ApproximateNumberOfMessagesVisible": [1, 1]},
    ),
    Case(
        "api-5xx",
        "two in a hundred requests, for minutes", {"5XXError": [0.02, 0.02, 0.02, 0, 0]},
        "one bad minute", {"5XXError": [0, 0, 0.2, 0, 0]},
    ),
    Case(
        "api-latency",
        "one in a hundred requests that takes seconds, for minutes", {"Latency": [6000, 6000, 400, 6000, 400]},
        "a minute of cold starts", {"Latency": [400, 400, 6000, 400, 400]},
    ),
    Case(
        "api-401",
        "tokens of an issuer that nobody can read any more", {"Count": [1000, 1000, 1000], "Status401": [900, 900, 900]},
        "a client that renews its token a second late", {"Count": [1000, 1000, 1000], "Status401": [0, 40, 0]},
    ),
    Case(
        "api-403",
        "a wrong key in a tenth of the requests", {"Count": [1000, 1000, 1000], "Status403": [100, 100, 100]},
        "somebody who tries keys in a quiet hour", {"Count": [20, 20, 20], "Status403": [19, 19, 19]},
    ),
    Case(
        "api-429",
        "a campaign beyond the limits", {"Count": [9000, 9000, 9000], "Status429": [0, 900, 2000]},
        "a burst that one client repeats", {"Count": [9000, 9000, 9000], "Status429": [_, 900, _]},
    ),
    Case(
        ".*-starts-failed",
        "a start that Step Functions refused", {"StartsFailed": [1]},
        "no start that failed", {"StartsFailed": [_]},
    ),
    Case(
        "start-.*-throttled",
        "a limit that is reached for minutes", {"ThrottledEvents": [9, 9, 9, 0, 0]},
        "a start that was throttled once", {"ThrottledEvents": [_, _, 1, _, _]},
    ),
    Case(
        ".*-throttles",
        "instances that are all in use, for minutes", {"Throttles": [4, 4, 4, 0, 0]},
        "a peak of a minute", {"Throttles": [0, 0, 40, 0, 0]},
    ),
    Case(
        ".*-errors",
        "a crash that comes again", {"Errors": [0, 1, 0, 1, 0]},
        "one crash", {"Errors": [0, 1, 0, 0, 0]},
    ),
    Case(
        "(?P<function>.*)-crashes",
        "a step's function that ran out of memory once", {"{function}-crashes": [1], "Errors": [1]},
        "a step's refusals, which are errors as well", {"{function}-crashes": [_], "Errors": [40]},
    ),
    Case(
        ".*-reads-throttled",
        "reads beyond the limit, for minutes", {"ReadThrottleEvents": [7, 7, 7, 0, 0]},
        "a peak of a minute", {"ReadThrottleEvents": [_, _, 7, _, _]},
    ),
    Case(
        ".*-writes-throttled",
        "writes beyond the limit, for minutes", {"WriteThrottleEvents": [7, 7, 7, 0, 0]},
        "a peak of a minute", {"WriteThrottleEvents": [_, _, 7, _, _]},
    ),
    Case(
        "firewall-blocks-(key|address)",
        "one blocked request", {"BlockedRequests": [1]},
        "none", {"BlockedRequests": [_]},
    ),
    Case(
        "firewall-blocks-many",
        "thousands of blocked requests, for a quarter of an hour", {"BlockedRequests": [900, 900, 900]},
        "a scanner that comes by", {"BlockedRequests": [0, 900, 20]},
    ),
    Case(
        ".*-undo-refused",
        "a refund that the provider refuses", {"PaymentUndoRefused": [1]},
        "payments that are refused at the hand-over", {"PaymentRefused": [1]},
    ),
    Case(
        ".*-refused",
        "a payment that is refused at the hand-over", {"PaymentRefused": [1]},
        "a refund that the provider refuses", {"PaymentUndoRefused": [1]},
    ),
    Case(
        ".*-returns",
        "an hour in which many payments go back", {"PaymentsReturned": [21]},
        "some customers who cancel", {"PaymentsReturned": [20]},
    ),
    Case(
        "payments-lapsing",
        "a payment that lapses, and then a run that could not count", {"PaymentsLapsing": [0, 1, _]},
        "nothing that lapses", {"PaymentsLapsing": [0, 0, _]},
    ),
]


class Series(list):
    """A metric's data points. As in CloudWatch's metric math, one without data makes its result one without data."""

    def map(self, other, combine):
        others = other if isinstance(other, Series) else [other] * len(self)
        return Series(_ if a is _ or b is _ else combine(a, b) for a, b in zip(self, others))

    def __add__(self, other):
        return self.map(other, lambda a, b: a + b)

    def __rmul__(self, factor):
        return self.map(factor, lambda a, b: a * b)

    def __truediv__(self, other):
        return self.map(other, lambda a, b: a / b if b else _)

    def __gt__(self, other):
        return self.map(other, lambda a, b: a > b)


def fill(series, value):
    return Series(value if point is _ else point for point in series)


def difference(series):
    return Series([_] + [_ if a is _ or b is _ else b - a for a, b in zip(series, series[1:])])


def choose(condition, then, otherwise):
    return Series(_ if yes is _ else value if yes else otherwise for yes, value in zip(condition, then))


MATHS = {"FILL": fill, "DIFF": difference, "IF": choose, "__builtins__": {}}


def watched(alarm, metrics):
    """The values that the alarm compares with its threshold."""
    length = max(map(len, metrics.values()))
    by_name = lambda name: Series(metrics.get(name, [_] * length))
    if not alarm["metric_query"]:
        return by_name(alarm["metric_name"])
    ids = {query["id"]: by_name(metric["metric_name"]) for query in alarm["metric_query"] for metric in query["metric"]}
    (expression,) = [query["expression"] for query in alarm["metric_query"] if query["expression"]]
    return eval(expression, MATHS, ids)  # the expressions of this repository, in the few functions above


def rings(alarm, metrics):
    """Whether the alarm rings at the end of the sequence."""
    compare = {"GreaterThanThreshold": lambda value: value > alarm["threshold"], "LessThanThreshold": lambda value: value < alarm["threshold"]}
    breaching = compare[alarm["comparison_operator"]]
    missing = {"breaching": True, "notBreaching": False, "ignore": _}[alarm["treat_missing_data"]]
    is_ringing, points = False, watched(alarm, metrics)
    # An alarm on a count of samples: each number is one sample.
    if alarm["statistic"] == "SampleCount":
        points = Series(_ if point is _ else 1 for point in points)
    for end in range(1, len(points) + 1):
        judged = [missing if point is _ else breaching(point) for point in points[max(0, end - alarm["evaluation_periods"]) : end]]
        judged = [each for each in judged if each is not _]
        if judged:
            is_ringing = sum(judged) >= alarm["datapoints_to_alarm"]
    return is_ringing


def check_alarms(alarms):
    """Every alarm rings for what it is there for, and only for that."""
    for name, alarm in alarms.items():
        case, match = next(((case, match) for case in CASES if (match := case.alarms.fullmatch(name))), (_, _))
        if case is _:
            yield f"nothing says what the alarm {name} must ring for: add a case to tests/terraform/alarms.py"
            continue
        for expected, story, metrics in case.stories:
            named = {metric.format(**match.groupdict()): Series(points) for metric, points in metrics.items()}
            if rings(alarm, named) != expected:
                yield f"the alarm {name} {'does not ring' if expected else 'rings'} for this: {story}"
