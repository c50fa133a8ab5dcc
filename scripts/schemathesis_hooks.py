"""Where schemathesis needs help, and what it keeps for `scripts/find-leaks`."""

import base64
import json
import os

import schemathesis

EXCHANGES = open(os.environ["EXCHANGES"], "a", buffering=1)


@schemathesis.hook
def before_call(context, case, kwargs):
    """Its stateful phase takes an employer's id for an `X-Request-Id`, and can't send a header that is a number."""
    for name, value in (case.headers or {}).items():
        if isinstance(value, int):
            case.headers[name] = str(value)


@schemathesis.hook
def filter_case(context, case):
    """Whatever else it makes of a text, a form sends as text: `null` is a name like another there."""
    if case.media_type != "multipart/form-data" or not isinstance(case.body, dict):
        return True
    return isinstance(case.body.get("name", ""), str)


@schemathesis.hook
def after_call(context, case, response):
    """Each request and its answer, as a line of JSON."""
    request = response.request
    body = request.body or b""
    exchange = {
        "method": request.method,
        "url": request.url,
        "sent": base64.b64encode(body.encode() if isinstance(body, str) else body).decode(),
        "status": response.status_code,
        "headers": {name: list(values) for name, values in response.headers.items()},
        "body": base64.b64encode(response.content).decode(),
    }
    EXCHANGES.write(json.dumps(exchange) + "\n")
