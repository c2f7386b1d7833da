"""What the map page costs a person: time, bytes and requests to begin, frames over a large layer.

``python -m benchmarks page [--features 1000000] [--rounds 5] [--lighthouse FOLDER]``. A site of 20
layers, looked at in Chromium with an empty cache, at 10 Mbit/s and 100 ms. Lighthouse is run from a
folder where it was installed: ``npm install --prefix FOLDER lighthouse``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from playwright.sync_api import Browser, Page, Request, sync_playwright

from benchmarks.drawings import tell, wait_for_web
from benchmarks.jobs import manage, running_web
from benchmarks.machine import describe_load, describe_machine
from benchmarks.sites import BOX, make_layer

_LAYER, _LAYERS = "sites", 20
_BITS_A_SECOND, _LATENCY_MS = 10_000_000, 100
_WIDTH, _HEIGHT = 1280, 800
# All of the layer, which is 42 degrees wide.
_EXTENT = f"map=4.8/{(BOX[1] + BOX[3]) / 2}/{(BOX[0] + BOX[2]) / 2}"
_SCORES = {"performance": 95, "accessibility": 100, "best-practices": 100, "seo": 100}
# Told by the page itself: what is asked from outside comes later than it was.
_WATCH = """
    window.told = {shift: 0, usable: 0};
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) if (!entry.hadRecentInput) told.shift += entry.value;
    }).observe({type: "layout-shift", buffered: true});
    const look = () => {
        const isThere = document.querySelectorAll("#layers .layer-title").length >= %d;
        const isSeen = !document.body?.classList.contains("arriving");
        if (isThere && isSeen) told.usable = performance.now();
        else requestAnimationFrame(look);
    };
    look();
"""
_COMPLETE = """async (layer) => {
    const map = document.getElementById("map");
    const frame = () => new Promise(requestAnimationFrame);
    const begun = performance.now();
    document.getElementById(`layer-${layer}`).click();
    // It may have been busy twice: with what a drawing holds, and with its tiles.
    let last = begun;
    while (last === begun || performance.now() - last < 1000) {
        await frame();
        if (map.getAttribute("aria-busy") === "true") last = performance.now();
    }
    return last - begun;
}"""
_IS_STILL = "document.getElementById('map').getAttribute('aria-busy') !== 'true'"
_RECORD = """() => {
    window.frames_ms = [];
    let last = performance.now();
    window.isRecording = true;
    const next = (now) => {
        frames_ms.push(now - last);
        last = now;
        if (isRecording) requestAnimationFrame(next);
    };
    requestAnimationFrame(next);
}"""


def main() -> None:
    """Print the figures against those that are wanted."""
    parser = argparse.ArgumentParser(prog=sys.argv[0])
    parser.add_argument("--features", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--lighthouse", type=Path, help="a folder where it is installed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="marinemap-page-") as folder:
        print(*describe_machine(Path(folder), ["playwright"]), sep="\n")
        layer = make_layer(Path(folder) / "layer.gpkg", options.features)
        with running_web(Path(folder) / "home", None, {_LAYER: layer}) as web:
            wait_for_web(web.base)
            prepare(web.environment)
            with chromium() as browser:
                report_arrival(browser, web.base, options.rounds)
                report_map(browser, web.base, options.rounds)
            if options.lighthouse:
                report_lighthouse(options.lighthouse, web.base)
        print(f"\n  {describe_load()} at the end")


def prepare(environment: dict[str, str]) -> None:
    """Have as many layers as the table has, and all of them drawn."""
    copies = (
        "from marinemap.catalogue.models import Layer\n"
        "layer = Layer.objects.get(pk='ports')\n"
        f"for number in range({_LAYERS} - Layer.objects.count()):\n"
        "    layer.pk, layer.title = f'ports_{number}', f'Ports {number}'\n"
        "    layer.save(force_insert=True)\n"
    )
    for command in (["loadsamples"], ["shell", "--command", copies], ["drawlayers"]):
        subprocess.run(manage(*command), env=environment, check=True, stdout=subprocess.DEVNULL)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the browser of the system, as the tests of the page do."""
    with sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=_program(), args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def slow_page(browser: Browser, **options: Any) -> Iterator[Page]:
    """Open a tab with an empty cache behind a slow line."""
    whole: dict[str, Any] = {"viewport": {"width": _WIDTH, "height": _HEIGHT}, **options}
    context = browser.new_context(**whole)
    page = context.new_page()
    bytes_a_second = _BITS_A_SECOND / 8
    line = {
        "offline": False,
        "latency": _LATENCY_MS,
        "downloadThroughput": bytes_a_second,
        "uploadThroughput": bytes_a_second,
    }
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", line)
    page.add_init_script(_WATCH % _LAYERS)
    yield page
    context.close()


def report_arrival(browser: Browser, base: str, rounds: int) -> None:
    """Print what it takes until a person can begin."""
    rows = [_arrive(browser, base) for _ in range(rounds)]
    found = {name: median(row[name] for row in rows) for name in rows[0]}
    print(f"\n  arrival, median of {rounds}, {_LAYERS} layers")
    tell("first contentful paint, s", found["paint"] / 1e3, 1.0)
    tell("usable form, s", found["usable"] / 1e3, 2.0)
    tell("bytes until quiet, kB", found["bytes"] / 1e3, 400)
    tell("requests until quiet", found["requests"], 15)
    tell("JavaScript, compressed, kB", found["script"] / 1e3, 180)
    tell("layout shift", found["shift"], 0.02)


def _arrive(browser: Browser, base: str) -> dict[str, float]:
    with slow_page(browser) as page:
        requests: list[Request] = []
        page.on("request", lambda request: requests.append(request))
        page.goto(base)
        _wait(page, "told.usable > 0")
        page.wait_for_load_state("networkidle")
        paint = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
        sizes = {request.url: _size(request) for request in requests}
        return {
            "paint": page.evaluate(paint),
            "usable": page.evaluate("told.usable"),
            "bytes": sum(sizes.values()),
            "requests": len(requests),
            "script": sum(size for url, size in sizes.items() if url.endswith(".js")),
            "shift": page.evaluate("told.shift"),
        }


def _wait(page: Page, condition: str) -> None:
    # Playwright's own way evaluates a text within the page, which its policy forbids.
    page.evaluate(
        f"async () => {{ while (!({condition})) await new Promise(requestAnimationFrame); }}"
    )


def _size(request: Request) -> float:
    sizes = request.sizes()
    return sizes["responseBodySize"] + sizes["responseHeadersSize"]


def report_map(browser: Browser, base: str, rounds: int) -> None:
    """Print how long the large layer takes to be there, and how smoothly it moves then."""
    complete, frames = [], []
    for _ in range(rounds):
        with slow_page(browser) as page:
            page.goto(f"{base}/#{_EXTENT}")
            _wait(page, "told.usable > 0")
            page.wait_for_load_state("networkidle")
            complete.append(page.evaluate(_COMPLETE, _LAYER))
            frames.append(_move(page))
    print("\n  the large layer on the map")
    tell("map complete, s", median(complete) / 1e3, 3.0)
    tell("95th percentile of a frame of pan and zoom, ms", median(frames), 33)


def _move(page: Page) -> float:
    """Pan and zoom where all tiles were loaded; return the 95th percentile of a frame in ms."""
    for is_first in (True, False):
        if not is_first:
            page.evaluate(_RECORD)
        _pan_and_zoom(page)
    page.evaluate("isRecording = false")
    found: list[float] = sorted(page.evaluate("frames_ms"))
    return found[int(0.95 * len(found))]


def _pan_and_zoom(page: Page) -> None:
    x, y = _WIDTH // 3, _HEIGHT // 2
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(60):
        page.mouse.move(x + 3 * step, y + step)
    for step in range(60, -1, -1):
        page.mouse.move(x + 3 * step, y + step)
    page.mouse.up()
    for by in (-240, -240, 240, 240):
        page.mouse.wheel(0, by)
        _wait(page, _IS_STILL)
    page.wait_for_load_state("networkidle")


def report_lighthouse(folder: Path, base: str) -> None:
    """Print Lighthouse's scores, and what it finds fault with."""
    command = [
        str(folder / "node_modules" / ".bin" / "lighthouse"),
        base,
        *("--quiet", "--output=json", "--preset=desktop", "--throttling-method=devtools"),
        f"--throttling.requestLatencyMs={_LATENCY_MS}",
        f"--throttling.downloadThroughputKbps={_BITS_A_SECOND // 1000}",
        f"--throttling.uploadThroughputKbps={_BITS_A_SECOND // 1000}",
        "--chrome-flags=--headless --no-sandbox --disable-gpu",
    ]
    environment = os.environ | {"CHROME_PATH": _program()}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    told: dict[str, Any] = json.loads(done.stdout)
    print(f"\n  Lighthouse {told['lighthouseVersion']}")
    for name, least in _SCORES.items():
        score = 100 * told["categories"][name]["score"]
        print(f"  {name:<52} {score:8.0f}  >= {least:<6} {'met' if score >= least else 'MISSED'}")
        for each in told["categories"][name]["auditRefs"]:
            audit = told["audits"][each["id"]]
            if each["weight"] and audit["score"] is not None and audit["score"] < 1:
                print(f"    {audit['score']:.2f} {audit['id']}: {audit.get('displayValue', '')}")
                for item in audit.get("details", {}).get("items", []):
                    print(f"      {item.get('node', {}).get('snippet', '')}")


def _program() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        raise SystemExit("Chromium is missing: sudo apt install chromium")
    return found
