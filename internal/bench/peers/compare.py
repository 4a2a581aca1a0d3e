#!/usr/bin/env python3
"""Joule beside PyTorch, JAX and ONNX Runtime: the same networks, the same machine, one run.

    python3 internal/bench/peers/compare.py                            all workloads on the CPU
    python3 internal/bench/peers/compare.py --rounds 5 cifar10:64:16   one
    python3 internal/bench/peers/compare.py --peers jax,xla            beside these alone; xla is Joule's engine for accelerators
    python3 internal/bench/peers/compare.py --device xla:cuda cifar10:64:128 celeba:64:16    all on a GPU, in float32, tf32 and bf16

It needs Go and Python, and a C compiler for xla and --device. What the peers need is installed in a virtual environment,
internal/bench/peers/.venv, unless --python names an interpreter that has it.

Each peer is first tried in each of its configurations; the one whose chain is fastest then alternates with Joule for so many rounds.
Each round is a process of its own that reports medians. What is shown is the median over the rounds, with ratios of a peer's seconds to
Joule's: above 1 Joule is faster. results.json beside this file keeps the numbers, with their spread (largest over smallest), by workload
and peers; results.md is made of it.
"""
import argparse, datetime, json, os, pathlib, platform, re, statistics, subprocess, sys, tempfile

here = pathlib.Path(__file__).resolve().parent
root = here.parent.parent.parent
on_cpu = ["mnist:16:64", "cifar10:32:32", "cifar10:64:16", "celeba:32:4"]
on_device = ["cifar10:64:128", "celeba:64:16"]
quantities = {"langevin_step": "Langevin step", "iteration": "iteration, K = 40", "energy": "energy", "latency": "energy of one image"}

onnx_program = """
import argparse, json, statistics, sys, tempfile, time, warnings, logging
warnings.filterwarnings("ignore"); logging.disable(logging.CRITICAL)
import torch, onnxruntime
from torch_peer import Energy
preset, filters, batch, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
shape = {"mnist": (1, 28, 28), "cifar10": (3, 32, 32), "celeba": (3, 128, 128)}[preset]
torch.manual_seed(0)
x = torch.rand(batch, *shape)
path = tempfile.mkdtemp() + "/energy.onnx"
torch.onnx.export(Energy(preset, filters).eval(), (x,), path, input_names=["x"], dynamo=False)
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = threads
session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
times = []
for i in range(9):
    start = time.perf_counter(); session.run(None, {"x": x.numpy()}); times.append(time.perf_counter() - start)
print(json.dumps({"peer": "onnxruntime " + onnxruntime.__version__, "energy": statistics.median(times[2:])}))
"""


def last_json(command):
    """What a program prints last, or None if it fails."""
    p = subprocess.run(command, capture_output=True, text=True, cwd=here)
    if p.returncode != 0:
        print("   ", " ".join(map(str, command))[:200], "failed:", (p.stderr.strip().splitlines() or ["?"])[-1][:200], file=sys.stderr)
        return None
    return json.loads(p.stdout.strip().splitlines()[-1])


def python_with(peers, given, device):
    if given or not {"torch", "jax", "onnx"} & set(peers):
        return given or sys.executable
    venv = here / ".venv"
    python = venv / "bin" / "python"
    if not python.exists():
        print("installing the peers in", venv, file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        jax = "jax[cuda12]" if device == "cuda" else "jax"
        subprocess.run([python, "-m", "pip", "install", "--quiet", "torch", "numpy", jax, "onnx", "onnxruntime"], check=True)
    return str(python)


def machine(device):
    try:
        names = [l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")]
        name = f"{names[0]}, {len(names)} cores"
    except OSError:
        name = platform.processor()
    if device == "cuda":
        name += "; " + subprocess.run(["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"], capture_output=True, text=True).stdout.strip()
    return name


class Contender:
    """A program, with the ways in which it may be started and what it said."""

    def __init__(self, name, command, *choices, trial=("--chain-only",)):
        self.name, self.command, self.choices, self.trial, self.tried, self.runs = name, command, choices or ([],), [*trial], {}, []

    def choose(self, workload):
        if len(self.choices) > 1:
            said = [(r["langevin_step"], c) for c in self.choices if (r := last_json(self.command + c + self.trial))]
            for seconds, c in said:
                print(f"  {workload} {self.name} {' '.join(c)}: step {seconds:.4g} s", file=sys.stderr)
            self.tried = {" ".join(c): s for s, c in said}
            self.choices = [min(said)[1]] if said else []

    def run(self):
        if self.choices and (r := last_json(self.command + self.choices[0])):
            self.runs.append(r)

    def result(self, joule):
        """Medians, spreads and ratios to Joule's; None if it never ran."""
        r = {}
        for key in [*quantities, "peak_rss_mb", "loss"]:
            v = [run[key] for run in self.runs if key in run]
            if v:
                r[key] = {"median": statistics.median(v), "spread": max(v) / min(v)}
                if joule and key in joule:
                    r[key]["ratio"] = r[key]["median"] / joule[key]["median"]
        if r:
            r["configuration"] = " ".join(self.choices[0])
            what = self.runs[0].get("peer") or self.runs[0].get("on") or "joule"
            r["what"] = re.sub(r"/\S*/(\S+/\S+)", r"\1", what)  # of a path what is not this machine's
            r |= {"tried": self.tried} if self.tried else {}
        return r or None


def compare(workload, precision, a, joule, joule_xla, python):
    preset, filters, batch = workload.split(":")
    base = ["--preset", preset, "--filters", filters, "--threads", str(a.threads), "--repeats", str(a.repeats)]
    common, one = [*base, "--batch", batch], [*base, "--batch", "1"]
    devices = [["--devices", str(n)] for n in sorted({1, a.threads})]  # XLA's, of a CPU
    if a.device == "cpu":
        engine, on, in_precision = [joule, "bench", "--json"], [], []
        torch = [[], ["--channels-last"], ["--freeze"], ["--freeze", "--compile"]]
        jax = devices
    else:
        engine, on, in_precision = [joule_xla, "bench", "--json", "--device", a.device], ["--device", a.platform], ["--precision", precision]
        torch = [["--freeze"], ["--freeze", "--channels-last"], ["--freeze", "--compile"], ["--freeze", "--channels-last", "--compile"]]
        jax = [["--platform", a.platform]]
    torch = torch[:1] if a.eager_only else torch
    everybody = {
        "joule": [Contender("joule", engine + common + in_precision)],
        "torch": [Contender("torch", [python, "torch_peer.py", *common, *on, *in_precision], *torch)],
        "jax": [Contender("jax", [python, "jax_peer.py", *common, *in_precision], *jax)],
        # What the trial compiles is kept for the rounds.
        "xla": [Contender("xla", [joule_xla, "bench", "--json", "--device", "xla", *common], *devices, trial=["--repeats", "1"])],
        "onnx": [Contender("onnx", [python, "-c", onnx_program, preset, filters, batch, str(a.threads)])],
    }
    single = {"joule": Contender("joule", engine + one + in_precision), "torch": Contender("torch", [python, "torch_peer.py", *one, *on, *in_precision])}
    taking_part = [c for name in ["joule", *a.peers] for c in everybody[name]]
    for c in taking_part:
        c.choose(workload)
    for _ in range(a.rounds):
        for c in taking_part:
            c.run()
            if a.latency and c.name in single:
                single[c.name].run()
    for c in taking_part:
        for run, alone in zip(c.runs, single[c.name].runs if c.name in single else []):
            run["latency"] = alone["energy"]
    own = taking_part[0].result(None)
    if own is None:
        sys.exit(f"{workload}: Joule itself did not run")
    own["peak_fraction"] = statistics.median(r.get("peak_fraction", 0) for r in taking_part[0].runs)
    own["gflops"] = statistics.median(r["gflops"] for r in taking_part[0].runs)
    peers = {c.name: r for c in taking_part[1:] if (r := c.result(own))}
    return {"workload": workload, "device": a.device, "precision": precision, "rounds": a.rounds, "threads": a.threads,
            "machine": machine(a.platform), "date": str(datetime.date.today()), "joule": own, "peers": peers}


def markdown(results):
    lines = []
    run = lambda r: (r["machine"], r["device"], *sorted(r["peers"]))  # one table: what took turns
    for where in dict.fromkeys(map(run, results)):
        these = [r for r in results if run(r) == where]
        names = list(dict.fromkeys(n for r in these for n in r["peers"]))
        whats = dict.fromkeys(p["what"] for r in these for p in r["peers"].values())
        lines += [f"{where[0]}; device {where[1]}; {'; '.join(whats)}. Milliseconds, and how many times as long as Joule's.", "",
                  "| network, filters, batch | quantity | Joule | " + " | ".join(names) + " |", "|---|---|--:|" + "--:|" * len(names)]
        for r in these:
            title = r["workload"].replace(":", " ") + ("" if r["device"] == "cpu" else ", " + r["precision"])
            for key, name in quantities.items():
                if key in r["joule"]:
                    cell = lambda p: f"{p[key]['median'] * 1e3:.4g} ({p[key]['ratio']:.2f}×)" if key in p and "ratio" in p[key] else "-"
                    lines.append(f"| {title} | {name} | {r['joule'][key]['median'] * 1e3:.4g} | " + " | ".join(cell(r["peers"].get(n, {})) for n in names) + " |")
            memory = lambda p: f"{p['peak_rss_mb']['median']:.0f} MiB" if "peak_rss_mb" in p else "-"
            lines.append(f"| {title} | peak memory of the process | {memory(r['joule'])} | " + " | ".join(memory(r["peers"].get(n, {})) for n in names) + " |")
        lines += [""] + [f"- {r['workload'].replace(':', ' ')}: {r['date']}, {r['threads']} threads, medians of {r['rounds']} rounds; " +
                         "; ".join(f"{n} was {p['configuration'] or 'as it is'}" for n, p in r["peers"].items()) for r in these]
        faster = [f"{r['workload']}: {n}, {quantities[k]}" for r in these for n, p in r["peers"].items() for k in quantities if p.get(k, {}).get("ratio", 1) < 1]
        lines += ["", "A peer is faster at: " + ("; ".join(faster) if faster else "none of these") + ".", ""]
    return "\n".join(lines)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("workloads", nargs="*", help="preset:filters:batch")
    p.add_argument("--peers", help="of torch, jax, onnx and xla, separated by commas (default all but xla; on a device torch and jax)")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--repeats", type=int, default=5, help="of each measurement in a round")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--joule", help="a joule built with -tags xla, for xla and --device (default one is built)")
    p.add_argument("--python", help="an interpreter that has torch, jax, onnx and onnxruntime")
    p.add_argument("--eager-only", action="store_true", help="do not try PyTorch's other configurations")
    p.add_argument("--no-latency", dest="latency", action="store_false", help="do not measure the energy of one image")
    p.add_argument("--device", default="cpu", help="cpu, or what joule calls the device (xla:cuda): the peers then run there too")
    a = p.parse_args()
    a.platform = a.device.removeprefix("xla:")
    a.peers = a.peers.split(",") if a.peers else ["torch", "jax", "onnx"] if a.device == "cpu" else ["torch", "jax"]
    python = python_with(a.peers, a.python, a.platform)
    built = tempfile.mkdtemp()
    joule, joule_xla = os.path.join(built, "joule"), os.path.join(built, "joule-xla")
    if a.device == "cpu":
        subprocess.run(["go", "build", "-o", joule, "./cmd/joule"], check=True, cwd=root, env=os.environ | {"CGO_ENABLED": "0"})
    if a.joule:
        joule_xla = os.path.abspath(a.joule)
    elif a.device != "cpu" or "xla" in a.peers:
        subprocess.run(["go", "build", "-tags", "xla", "-o", joule_xla, "./cmd/joule"], check=True, cwd=root, env=os.environ | {"CGO_ENABLED": "1"})
    file = here / "results.json"
    kept = json.loads(file.read_text()) if file.exists() else []
    for w in a.workloads or (on_cpu if a.device == "cpu" else on_device):
        for precision in ["float32"] if a.device == "cpu" else ["float32", "tf32", "bf16"]:
            new = compare(w, precision, a, joule, joule_xla, python)
            of = lambda r: [r[k] for k in ("workload", "device", "precision", "machine")] + [sorted(r["peers"])]
            kept = [r for r in kept if of(r) != of(new)] + [new]
            file.write_text(json.dumps(kept, indent=1) + "\n")
            (here / "results.md").write_text(markdown(kept))
            print(markdown([new]))


if __name__ == "__main__":
    main()
