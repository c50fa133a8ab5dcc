"""What the benchmarks share: the example data on both databases, the service over it, and the load that wrk makes."""

import contextlib
import http.client
import itertools
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
THROWAWAY_POSTGRES = ROOT / "scripts" / "throwaway-postgres"
EMPLOYERS, PAGE = 10_000, 20
EMPLOYERS_PATH = "/api/portfolios/employers"


def fail(message):
    sys.exit(f"bench: {message}")


def in_a_cluster(script, portfolio):
    """Goes on with a PostgreSQL of its own, where there is none yet, and with wrk, which is installed where that is allowed."""
    if not os.environ.get("TEST_POSTGRES_DIR"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and what it becomes would, too.
        os.execv(THROWAWAY_POSTGRES, [THROWAWAY_POSTGRES, "run", "--", script, portfolio])
    if not shutil.which("wrk"):
        install = "apt-get update && apt-get install -y --no-install-recommends wrk"
        if subprocess.run(["sh", "-c", install], stdout=sys.stderr).returncode:
            fail("install wrk")
    if not shutil.which("psql"):
        fail("install psql (Debian: postgresql)")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # So that the services end, too.


def machine():
    memory = int(re.search(r"MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text())[1])
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory / 2**20),
        "processor": model[1] if model else os.uname().machine,
    }


def commit():
    git = lambda *arguments: subprocess.run(
        ["git", "-C", ROOT, *arguments], capture_output=True, text=True
    ).stdout.strip()
    return git("describe", "--always", "--dirty", "--abbrev=10", "--exclude=*") or "unknown"


# --- The data: the same for both, but for how times are written; the employers were made a second after another

BOXES = (64, 128, 512, 1080)


def seed(now, second, series, employers, boxes):
    thumbnails = f"""
        INSERT INTO thumbnails (image_id, path, box_side)
            SELECT i, 'core_media/2026/01/01/thumbnails/logo' || i || '_thumbnail_' || side || 'x' || side || '.jpg', side
            FROM {series}, ({" UNION ALL ".join(f"SELECT {side} AS side" for side in boxes)}) boxes;"""
    return f"""
        INSERT INTO images (id, name, path, size_bytes, width, height, mode, created_at)
            SELECT i, 'logo' || i, 'core_media/2026/01/01/logo' || i || '.png', 5123, 225, 225, 'P', {now} FROM {series};
        {thumbnails if boxes else ""}
        INSERT INTO employers (id, name, image_id, description, created_at, updated_at, version)
            SELECT i, 'Employer ' || i, i, 'An employer of the benchmark', {now} - ({employers} - i) * {second}, {now}, 1
            FROM {series};"""


class PostgreSQL:
    name = "PostgreSQL"

    def __init__(self, folder, employers=EMPLOYERS, boxes=BOXES):
        self.url, self.employers, self.boxes = os.environ["TEST_POSTGRES_URL"], employers, boxes

    def apart(self, name):
        """Is a database of its own in the same cluster."""
        self.sql(f"CREATE DATABASE {name}")
        self.url = urllib.parse.urlsplit(self.url)._replace(path=f"/{name}").geturl()
        return self

    def sql(self, *commands):
        arguments = [argument for command in commands for argument in ("-c", command)]
        psql = ["psql", "-qAtX", "-v", "ON_ERROR_STOP=1", self.url, *arguments]
        done = subprocess.run(psql, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            fail("psql failed")
        return done.stdout.strip()

    def fill(self):
        self.sql(
            seed("now()", "interval '1 second'", f"generate_series(1, {self.employers}) AS numbers (i)", self.employers, self.boxes),
            f"SELECT setval(pg_get_serial_sequence(name, 'id'), {self.employers}) FROM unnest(ARRAY['images', 'employers']) name",
        )

    def tidy(self):
        self.sql("VACUUM ANALYZE")

    def remove_added(self):
        """Takes back what POST has added, so that each run starts from the same; answers how many."""
        count = self.sql(
            f"WITH gone AS (DELETE FROM employers WHERE id > {self.employers} RETURNING 1) SELECT count(*) FROM gone",
            "VACUUM employers",
        )
        return int(count)


class SQLite:
    name = "SQLite"

    def __init__(self, folder, employers=EMPLOYERS, boxes=BOXES):
        self.folder, self.employers, self.boxes = folder, employers, boxes
        self.apart("bench")

    def apart(self, name):
        """Is a file of its own in the same folder."""
        self.path = self.folder / f"{name}.db"
        self.url = f"sqlite://{self.path}"
        return self

    def execute(self, script):
        with contextlib.closing(sqlite3.connect(self.path, timeout=30)) as connection, connection:
            return [connection.execute(statement).rowcount for statement in script.split(";") if statement.strip()]

    def fill(self):
        numbers = f"(WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {self.employers}) SELECT i FROM n)"
        self.execute(seed(str(time.time_ns() // 1000), "1000000", numbers, self.employers, self.boxes))

    def tidy(self):
        pass

    def remove_added(self):
        return self.execute(f"DELETE FROM employers WHERE id > {self.employers}")[0]


# --- The service


class Service:
    """`portfolio serve` on a database that it has filled."""

    def __init__(self, portfolio, folder, database):
        self.portfolio, self.folder, self.database = portfolio, folder, database
        self.environment = {**os.environ, "DATABASE_URL": database.url, "LOG_FORMAT": "json"}
        self.command("migrate")
        self.command("staff", "add", "bench", *(f"--permission={code}" for code in (4221, 4222, 4223)))
        self.key = self.command("token", "issue", "bench")
        database.fill()
        self.command("migrate")  # What searches need of the names that came past the service.
        database.tidy()

    def command(self, *arguments):
        done = subprocess.run(
            [self.portfolio, *arguments], env=self.environment, cwd=self.folder, capture_output=True, text=True
        )
        if done.returncode:
            fail(f"portfolio {arguments[0]}: {done.stderr}")
        return done.stdout.strip()

    def launch(self, bind, log):
        serve = [self.portfolio, "serve", "--bind", bind]
        return subprocess.Popen(serve, env=self.environment, cwd=self.folder, stderr=log)

    @contextlib.contextmanager
    def running(self):
        self.log = self.folder / f"{self.database.name}.log"
        with self.log.open("ab") as log:
            self.process = self.launch("127.0.0.1:0", log)
        try:
            while '"message":"ready"' not in (said := self.log.read_text()):
                if self.process.poll() is not None:
                    fail(f"the service ended: {said}")
                time.sleep(0.02)
            self.address = re.search(r'"message":"listening".*?"address":"([^"]*)"', said)[1]
            yield self
        finally:
            self.process.terminate()
            self.process.wait()

    def request(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection(self.address, timeout=10)
        headers = {"Authorization": f"Token {self.key}", "Content-Type": "application/json", **headers}
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        if answer.status not in (200, 201):
            fail(f"{method} {path} on {self.database.name}: {answer.status} {content!r}")
        return json.loads(content)

    def resident(self):
        """In MB of 10^6 bytes."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s*(\d+)", status)[1]) * 1024 / 1e6

    def processor_time(self):
        """In seconds, of all its threads."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def start_up(self):
        """The milliseconds from exec to the first 200 of an employer."""
        request = f"GET {EMPLOYERS_PATH}/1 HTTP/1.1\r\nHost: bench\r\nAuthorization: Token {self.key}\r\n\r\n".encode()
        port = free_port()
        began = time.perf_counter()
        process = self.launch(f"127.0.0.1:{port}", subprocess.DEVNULL)
        try:
            while True:
                with contextlib.suppress(ConnectionError), socket.create_connection(("127.0.0.1", port), 10) as connection:
                    connection.sendall(request)
                    if connection.recv(4096).startswith(b"HTTP/1.1 200"):
                        return (time.perf_counter() - began) * 1000
                if process.poll() is not None or time.perf_counter() - began > 30:
                    fail("the service does not start")
                time.sleep(0.0002)
        finally:
            process.terminate()
            process.wait()


def free_port():
    """Below those that the system gives to clients: one that asks too early would be connected to itself."""
    while True:
        port = random.randrange(16384, 32768)
        with socket.socket() as candidate, contextlib.suppress(OSError):
            candidate.bind(("127.0.0.1", port))
            return port


# --- The load

# Requests are made beforehand: what the load generator spends on one is taken from the service. A name that is added may
# not come again; it alone is made when its request is sent.
LUA = """
local threads = 0
function setup(thread)
  thread:set("thread_number", threads)
  threads = threads + 1
end
local headers = { ["Authorization"] = "Token %(key)s", ["Content-Type"] = "application/json" }
local requests, number = {}, 0
local function digits()
  return string.format("%%09d%%09d", math.random(100000000, 999999999), math.random(0, 999999999))
end
function init(arguments)
  math.randomseed(tonumber(arguments[1]) * 100 + thread_number)
  for i = 1, %(prepared)d do requests[i] = %(request)s end
end
function request()
  number = number %% %(prepared)d + 1
  return requests[number]%(at_once)s
end
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format("FIGURES %%d %%.0f %%.0f %%.0f %%d\\n", summary.requests, summary.duration, latency:percentile(50),
    latency:percentile(99), errors.status + errors.timeout + errors.connect + errors.read + errors.write))
end
"""
REQUESTS = {
    "get": f'wrk.format("GET", "{EMPLOYERS_PATH}/" .. math.random(1, %(employers)d), headers)',
    "list": f'requests[i - 1] or wrk.format("GET", "{EMPLOYERS_PATH}?limit={PAGE}", headers)',
    "patch": f'wrk.format("PATCH", "{EMPLOYERS_PATH}/" .. math.random(1, %(employers)d), headers,'
    """ '{"description":"' .. digits() .. '"}')""",
    # The name stands at the end.
    "post": f'wrk.format("POST", "{EMPLOYERS_PATH}", headers,'
    """ '{"description":"An employer of the benchmark","image":' .. math.random(1000, 9999) .. ',"name":"' .. digits() .. '"}'):sub(1, -21)""",
}
AT_ONCE = {"post": """ .. digits() .. '"}'"""}
seeds = itertools.count(1)


def script_of(operation, service):
    path = service.folder / f"{service.database.name}-{operation}.lua"
    request = REQUESTS[operation] % {"employers": service.database.employers}
    at_once = AT_ONCE.get(operation, "")
    # As many as there are employers: with fewer, the rest would never be asked for.
    prepared = max(EMPLOYERS, service.database.employers)
    path.write_text(LUA % {"key": service.key, "prepared": prepared, "request": request, "at_once": at_once})
    return path


def measure_service(service, script, connections, seconds):
    return measure_instances([service], script, connections, seconds)


def measure_instances(instances, script, connections, seconds):
    """What instances of the service on one database answer, each over its share of the connections; of the times of an
    answer the worst of them, of processor time and memory the sum."""
    before, resident = sum(one.processor_time() for one in instances), 0
    threads, share = max(2 // len(instances), 1), connections // len(instances)
    loads = []
    for one in instances:
        wrk = ["wrk", f"-t{min(threads, share)}", f"-c{share}", f"-d{seconds}s", "-s", script, f"http://{one.address}", str(next(seeds))]
        loads.append(subprocess.Popen(wrk, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
    while any(load.poll() is None for load in loads):
        resident = max(resident, sum(one.resident() for one in instances))
        time.sleep(0.1)
    found = []
    for load in loads:
        said = load.stdout.read()
        figures = re.search(r"FIGURES (\d+) (\d+) (\d+) (\d+) (\d+)", said)
        if not figures:
            fail(f"wrk: {said}")
        found.append([int(figure) for figure in figures.groups()])
    for one in instances:
        os.truncate(one.log, 0)  # A line a request; nobody reads them.
    requests, durations, p50, p99, errors = zip(*found)
    spent = sum(one.processor_time() for one in instances) - before
    return {
        "requests_per_second": sum(number / duration for number, duration in zip(requests, durations)) * 1e6,
        "p50_ms": max(p50) / 1000,
        "p99_ms": max(p99) / 1000,
        "cpu_us_per_request": spent / max(sum(requests), 1) * 1e6,
        "resident_mb": resident,
        "errors": sum(errors),
    }
