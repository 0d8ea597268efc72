"""The old runtime's side of a benchmark: a program for the interpreter that has it.

It runs under Python 3.6 or newer with OpenVINO 2021.x or 2022.x and nothing else; splittool cannot
be imported there. Requests come as JSON lines on standard input, answers go as JSON lines to
standard output. It ends when its input does, so that it never outlives who started it.
"""

import json
import os
import signal
import sys
import threading
import time
from array import array
from queue import Queue

import numpy as np
from openvino.inference_engine import IECore, get_version

TICK_S = 0.5
GRACE_S = 5.0  # for a device to come back, before a worker without a parent ends anyway


class Inbox:
    """Requests in order; "stop" and the end of input set `stopped`, also during a measurement."""

    def __init__(self, stream):
        self.queue = Queue()
        self.stopped = threading.Event()
        self.ended = False
        self.stream = stream
        thread = threading.Thread(target=self.read)
        thread.daemon = True
        thread.start()

    def read(self):
        for line in self.stream:
            request = json.loads(line)
            if request["do"] == "stop":
                self.stopped.set()
            else:
                self.queue.put(request)
        self.ended = True
        self.stopped.set()
        self.queue.put(None)
        time.sleep(GRACE_S)
        os._exit(1)  # the device hangs, and nobody waits for it any more

    def next(self):
        return self.queue.get()


class Model:
    """A network on a device of the old runtime."""

    def __init__(self, core, request):
        started = time.perf_counter()
        self.core = core
        self.device = request["device"]
        self.network = core.read_network(request["model"])
        wanted = request.get("requests")
        config = request.get("config", {})
        count = wanted or (1 if request["mode"] == "latency" else 0)
        # 0 requests: as many as the device calls best.
        self.compiled = core.load_network(self.network, self.device, config, num_requests=count)
        self.compile_ms = (time.perf_counter() - started) * 1e3
        self.count = len(self.compiled.requests)

    def describe(self):
        return {
            "device_name": metric(self.core, self.device, "FULL_DEVICE_NAME"),
            "requests": self.count,
            "compile_ms": self.compile_ms,
            "inputs": {
                name: {"shape": info.input_data.shape, "type": info.precision}
                for name, info in self.network.input_info.items()
            },
            "outputs": {name: {"shape": info.shape} for name, info in self.network.outputs.items()},
            "bf16": setting(self.compiled, "ENFORCE_BF16"),
            "streams": setting(self.compiled, self.device + "_THROUGHPUT_STREAMS"),
        }

    def infer(self, request):
        values = {name: np.load(path) for name, path in request["inputs"].items()}
        outputs = self.compiled.infer(values)
        written = {}
        for number, (name, value) in enumerate(outputs.items()):
            written[name] = os.path.join(request["outputs"], "%d.npy" % number)
            np.save(written[name], value)
        return {"outputs": written}

    def measure(self, request, inbox, say):
        """Keep the device busy; time every frame in order of completion."""
        values = {name: np.load(path) for name, path in request["inputs"].items()}
        for one in self.compiled.requests:
            for name, value in values.items():
                one.input_blobs[name].buffer[:] = value
        self.warm_up(request["warmup"], inbox)
        samples, sent = array("d"), 0
        busy = [False] * self.count
        started = time.perf_counter()
        now, next_tick, launched = 0.0, TICK_S, 0
        while not inbox.stopped.is_set() and more(request, now, launched):
            index = self.idle()
            now = time.perf_counter() - started
            if busy[index]:
                samples.extend((now, self.compiled.requests[index].latency))
            self.compiled.requests[index].async_infer()
            busy[index] = True
            launched += 1
            if now >= next_tick:
                say({"samples": samples[sent:].tolist(), "celsius": self.celsius()})
                sent, next_tick = len(samples), now + TICK_S
        self.compiled.wait()
        seconds = time.perf_counter() - started
        for index in [i for i in range(self.count) if busy[i]]:
            samples.extend((seconds, self.compiled.requests[index].latency))
        say({"samples": samples[sent:].tolist(), "celsius": self.celsius()})
        return {"seconds": seconds, "stopped": inbox.stopped.is_set()}

    def warm_up(self, seconds, inbox):
        end = time.perf_counter() + seconds
        launched = 0
        while launched < self.count or time.perf_counter() < end:
            if inbox.stopped.is_set():
                break
            self.compiled.requests[self.idle()].async_infer()
            launched += 1
        self.compiled.wait()

    def idle(self):
        index = self.compiled.get_idle_request_id()
        if index < 0:
            self.compiled.wait(num_requests=1)
            index = self.compiled.get_idle_request_id()
        return index

    def celsius(self):
        value = metric(self.core, self.device, "DEVICE_THERMAL")
        return value if isinstance(value, float) else None


def more(request, now, launched):
    """Whether to start another frame."""
    if request.get("iterations") is not None:
        return launched < request["iterations"]
    return now < request["seconds"]


def metric(core, device, name):
    """What a device says about itself, or None."""
    try:
        return core.get_metric(device, name)
    except Exception:
        return None


def setting(compiled, name):
    """A setting in force, or None."""
    try:
        return str(compiled.get_config(name))
    except Exception:
        return None


def serve(inbox, say):
    """Answer requests until there are no more."""
    core, model = IECore(), None
    while True:
        request = inbox.next()
        if request is None:
            return
        try:
            if request["do"] == "hello":
                answer = {
                    "runtime": get_version(),
                    "python": "%d.%d.%d" % sys.version_info[:3],
                    "devices": core.available_devices,
                }
            elif request["do"] == "load":
                model = Model(core, request)
                answer = model.describe()
            elif request["do"] == "query":
                network = core.read_network(request["model"])
                answer = {"layers": core.query_network(network, request["device"])}
            elif request["do"] == "infer":
                answer = model.infer(request)
            else:
                inbox.stopped.clear()
                if inbox.ended:
                    return
                answer = model.measure(request, inbox, say)
            say({"answer": answer})
        except Exception as error:
            say({"error": str(error) or type(error).__name__})


def main():
    """Talk to the parent on the inherited pipes; the runtime's own chatter goes to stderr."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent says when to stop
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    inbox = Inbox(sys.stdin)

    def say(message):
        out.write(json.dumps(message) + "\n")
        out.flush()

    serve(inbox, say)
    out.flush()
    os._exit(0)  # without cleaning up: old runtimes crash when they do


if __name__ == "__main__":
    main()
