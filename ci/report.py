"""Looks at HTML reports in headless Chromium over its debugging pipe; needs nothing but Python itself.

Usage: report.py FOLDER [SCREENSHOTS]: the folder holds run.html, run.json and matrix.html.
"""

import base64
import fcntl
import json
import os
import pathlib
import select
import subprocess
import sys
import tempfile
import time

PATIENCE = 20  # seconds for one answer of the browser

# The least contrast of any text that is shown, and that text.
CONTRAST = """(() => {
  const rgb = colour => colour.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => [r, g, b].map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = node => {
    for (; node; node = node.parentElement) {
      const back = rgb(getComputedStyle(node).backgroundColor);
      if (back.length < 4 || back[3] > 0) return back;
    }
    return [255, 255, 255];
  };
  let least = [99, ''];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text; (text = texts.nextNode());) {
    const node = text.parentElement;
    if (!text.data.trim() || !node.checkVisibility() || node.closest('script, style, svg')) continue;
    const [a, b] = [luminance(rgb(getComputedStyle(node).color)), luminance(behind(node))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < least[0]) least = [contrast, text.data.trim().slice(0, 60)];
  }
  return least;
})()"""


class Browser:
    """One Chromium with one page; commands go in and answers come out over two pipes."""

    def __init__(self, profile):
        to_browser, self.out = os.pipe()
        self.inp, from_browser = os.pipe()
        # Away from 3 and 4, which are the browser's numbers for them.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 20) for end in (to_browser, from_browser)]

        def place():
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--no-first-run",
                 "--disable-background-networking", "--proxy-server=127.0.0.1:9", "--host-resolver-rules=MAP * ~NOTFOUND",
                 "--user-data-dir=" + profile, "about:blank"]
        self.process = subprocess.Popen(["chromium", *flags], preexec_fn=place, pass_fds=(3, 4),
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for end in (to_browser, from_browser, *ends):
            os.close(end)
        self.rest, self.number, self.session, self.events = b"", 0, None, []
        target = next(one for one in self.call("Target.getTargets")["targetInfos"] if one["type"] == "page")
        self.session = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "DOM"):
            self.call(domain + ".enable")

    def read(self, deadline):
        while b"\0" not in self.rest:
            ready, _, _ = select.select([self.inp], [], [], max(0, deadline - time.monotonic()))
            chunk = os.read(self.inp, 1 << 16) if ready else b""
            if not chunk:
                raise SystemExit("the browser said nothing for too long" if not ready else "the browser ended")
            self.rest += chunk
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **params):
        self.number += 1
        command = {"id": self.number, "method": method, "params": params}
        if self.session:
            command["sessionId"] = self.session
        os.write(self.out, json.dumps(command).encode() + b"\0")
        deadline = time.monotonic() + PATIENCE
        while True:
            message = self.read(deadline)
            if message.get("id") == self.number:
                if "error" in message:
                    raise SystemExit(f"{method}: {message['error']['message']}")
                return message["result"]
            self.events.append(message)

    def open(self, address):
        self.events.clear()
        self.call("Page.navigate", url=address)
        deadline = time.monotonic() + PATIENCE
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self.read(deadline))

    def value(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in result:
            raise SystemExit(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def press(self, key):
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, text=key if len(key) == 1 else "")
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def complaints(self):
        """Errors on the console, exceptions, refused resources, and requests for anything but the page."""
        found = []
        for event in self.events:
            method, params = event["method"], event.get("params", {})
            if method == "Runtime.exceptionThrown":
                found.append(params["exceptionDetails"]["text"])
            elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "assert", "warning"):
                found.append(str(params["args"]))
            elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
                found.append(params["entry"]["text"])
            elif method == "Network.requestWillBeSent" and params["type"] != "Document":
                found.append("a request for " + params["request"]["url"])
        return found

    def end(self):
        self.process.kill()
        self.process.wait()


failures = []


def check(what, actual, expected):
    if actual == expected:
        print("ok  ", what)
    else:
        failures.append(what)
        print(f"FAIL {what}: expected {expected!r}, actual {actual!r}")


SHOWN = "[...document.querySelectorAll('.scenario')].filter(one => one.checkVisibility()).map(one => one.id)"


def choose(browser, field, text):
    browser.value(f"(field => {{ field.value = {json.dumps(text)}; "
                  f"field.dispatchEvent(new Event('input', {{bubbles: true}})); }})(document.getElementById('{field}'))")


def filters(browser, report):
    scenarios = report["scenarios"]
    ids = sorted(one["id"] for one in scenarios)
    red = [one["id"] for one in scenarios if one["verdict"] == "fail"]
    shown = lambda: sorted(browser.value(SHOWN))
    check("all scenarios are shown", shown(), ids)
    check("what failed is open", browser.value("[...document.querySelectorAll('.scenario[open]')].map(one => one.id)"), red)
    choose(browser, "verdict", "fail")
    check("the verdict filter", shown(), red)
    check("the number of scenarios shown", browser.value("document.getElementById('shown').textContent"),
          f"{len(red)} of {len(ids)} shown")
    choose(browser, "verdict", "")
    choose(browser, "profile", "streaming")
    check("the profile filter", shown(), [one["id"] for one in scenarios if one["profile"] == "streaming"])
    choose(browser, "profile", "")
    choose(browser, "level", "may")
    check("the level filter", shown(), [one["id"] for one in scenarios if one["level"] == "may"])
    choose(browser, "level", "")
    browser.press("/")
    for letter in "fo-01":
        browser.press(letter)
    check("the search by id, reached by its key", shown(), ["FO-01"])
    browser.press("Escape")
    check("Escape shows all again", shown(), ids)
    evidence = next(one for one in scenarios if one["evidence"])
    choose(browser, "search", evidence["evidence"][0])
    check("the search by evidence", evidence["id"] in shown() and len(shown()) < len(ids), True)
    choose(browser, "search", "no such thing anywhere")
    check("a search for nothing that is there", shown(), [])
    browser.value("location.hash = 'RT-01'")
    check("a link shows, opens and reaches its scenario",
          browser.value("(one => one.checkVisibility() && one.open && one.matches(':target'))(document.getElementById('RT-01'))"), True)
    browser.value("document.activeElement.blur()")
    browser.press("j")
    check("j goes to a scenario", browser.value("document.activeElement.matches('.scenario > summary')"), True)


def without_scripts(browser, report, address):
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    browser.open(address)
    root = browser.call("DOM.getDocument", depth=0)["root"]["nodeId"]
    page = browser.call("DOM.getOuterHTML", nodeId=root)["outerHTML"]
    plain = lambda text: text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for one in report["scenarios"]:
        texts = [one["title"], one["command"], *one["needs"], *one["anchors"], *one["evidence"]]
        for expectation in one["expectations"]:
            texts += [expectation["expected"], expectation["actual"], f"{one['file']}:{expectation['line']}:{expectation['column']}"]
        texts += [line for entry in one["transcript"] for line in entry["text"].splitlines() if not line.startswith("{")]
        check(f"{one['id']} is complete without scripts", [text for text in texts if plain(text.strip()) not in page], [])
    form = browser.call("DOM.querySelector", nodeId=root, selector="#filters[hidden]")["nodeId"]
    check("filters that cannot work are not shown", form != 0, True)
    browser.call("Emulation.setScriptExecutionDisabled", value=False)


def looks(browser, name, address, screenshots):
    for scheme in ("light", "dark"):
        browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        for width, mobile in ((1280, False), (390, True)):
            browser.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=mobile)
            browser.open(address)
            browser.value("document.querySelectorAll('details').forEach(one => { one.open = true; })")
            where = f"{name} in {scheme} at {width} px"
            check(f"{where} does not scroll sideways",
                  browser.value("Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)") <= width, True)
            contrast, text = browser.value(CONTRAST)
            check(f"{where} can be read (contrast {contrast:.1f} at {text!r})", contrast >= 4.5, True)
            check(f"{where} raises no error and loads nothing", browser.complaints(), [])
            if screenshots:
                image = browser.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"]
                (screenshots / f"{name}-{scheme}-{width}.png").write_bytes(base64.b64decode(image))


def main(folder, screenshots=None):
    folder = pathlib.Path(folder).resolve()
    screenshots = pathlib.Path(screenshots) if screenshots else None
    report = json.loads((folder / "run.json").read_text())
    address = (folder / "run.html").as_uri()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(profile)
        try:
            browser.open(address)
            filters(browser, report)
            check("using it raises no error and loads nothing", browser.complaints(), [])
            without_scripts(browser, report, address)
            looks(browser, "run", address, screenshots)
            looks(browser, "matrix", (folder / "matrix.html").as_uri(), screenshots)
        finally:
            browser.end()
    if failures:
        raise SystemExit(f"{len(failures)} checks failed")


main(*sys.argv[1:])
