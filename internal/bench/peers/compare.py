#!/usr/bin/env python3
"""Joule beside PyTorch and ONNX Runtime: the same networks, the same machine, one run.

    python3 internal/bench/peers/compare.py                    all workloads; writes internal/bench/peers/results.json and results.md
    python3 internal/bench/peers/compare.py --rounds 5 cifar10:64:16

It needs Go and Python. PyTorch, ONNX Runtime and what they need are installed in a virtual environment, internal/bench/peers/.venv, unless
--python names an interpreter that has them. For every workload PyTorch is tried in each of its float32 configurations; the fastest
then alternates with Joule for so many rounds. Each round is a process of its own that reports medians; the table shows the median
over the rounds, the spread (largest over smallest), and ratios of peer seconds to Joule seconds: above 1 Joule is faster.
"""
import argparse, datetime, json, os, pathlib, platform, statistics, subprocess, sys, tempfile

here = pathlib.Path(__file__).resolve().parent
root = here.parent.parent
workloads = ["mnist:16:64", "cifar10:32:32", "cifar10:64:16", "celeba:32:4"]
configurations = [[], ["--channels-last"], ["--freeze"], ["--freeze", "--compile"]]
keys = ["langevin_step", "energy", "iteration", "peak_rss_mb"]

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


def last_json(command, **options):
    """What a program prints last, or None if it fails."""
    p = subprocess.run(command, capture_output=True, text=True, cwd=here, **options)
    if p.returncode != 0:
        print("   ", " ".join(map(str, command)), "failed:", (p.stderr.strip().splitlines() or ["?"])[-1][:200], file=sys.stderr)
        return None
    return json.loads(p.stdout.strip().splitlines()[-1])


def python_with_peers(given):
    if given:
        return given
    venv = here / ".venv"
    python = venv / "bin" / "python"
    if not python.exists():
        print("installing the peers in", venv, file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "torch", "numpy", "onnx", "onnxruntime"], check=True)
    return str(python)


def processor():
    try:
        names = [l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")]
        return f"{names[0]}, {len(names)} cores"
    except OSError:
        return platform.processor()


def compare(workload, joule, python, threads, rounds, try_all):
    preset, filters, batch = workload.split(":")
    common = ["--preset", preset, "--filters", filters, "--batch", batch, "--threads", str(threads)]
    peer = [python, "torch_peer.py", *common, "--repeats", "5"]
    choices = configurations if try_all else configurations[:1]
    tried = [(r["langevin_step"], c) for c in choices if (r := last_json(peer + c))]
    for seconds, c in tried:
        print(f"  {workload} torch {' '.join(c) or 'eager'}: step {seconds:.4g} s", file=sys.stderr)
    best = min(tried)[1]
    runs = {"joule": [], "torch": [], "onnx": [], "latency": [], "torch_latency": []}
    one = ["--preset", preset, "--filters", filters, "--batch", "1", "--threads", str(threads)]
    for round in range(rounds):
        runs["joule"].append(last_json([joule, "bench", *common, "--json"]))
        runs["torch"].append(last_json(peer + best))
        runs["onnx"].append(last_json([python, "-c", onnx_program, preset, filters, batch, str(threads)]))
        runs["latency"].append(last_json([joule, "bench", *one, "--json"]))
        runs["torch_latency"].append(last_json([python, "torch_peer.py", *one, "--repeats", "5"]))
    runs = {name: [r for r in rs if r] for name, rs in runs.items()}
    median = lambda who, key: statistics.median(r[key] for r in runs[who])
    spread = lambda who, key: max(r[key] for r in runs[who]) / min(r[key] for r in runs[who])
    result = {"workload": workload, "configuration": " ".join(best) or "eager", "torch": runs["torch"][0]["peer"],
              "tried": {" ".join(c) or "eager": s for s, c in tried},
              "fraction_of_peak": median("joule", "peak_fraction"), "peak_gflops": median("joule", "peak_gflops")}
    for key in keys:
        result[key] = {"joule": median("joule", key), "torch": median("torch", key), "joule_spread": spread("joule", key),
                       "torch_spread": spread("torch", key), "ratio": median("torch", key) / median("joule", key)}
    result["latency"] = {"joule": median("latency", "energy"), "torch": median("torch_latency", "energy"),
                         "ratio": median("torch_latency", "energy") / median("latency", "energy")}
    if runs["onnx"]:
        result["energy_onnx"] = {"onnx": median("onnx", "energy"), "version": runs["onnx"][0]["peer"],
                                 "ratio": median("onnx", "energy") / median("joule", "energy")}
    return result


def markdown(results, machine):
    lines = [machine, "",
             "| network, filters, batch | Langevin step | iteration, K = 40 | energy | energy, ONNX Runtime | energy of one image | peak memory | step, of FMA peak | PyTorch was |",
             "|---|---|---|---|---|---|---|---|---|"]
    for r in results:
        cell = lambda d, a="joule", b="torch", unit=1e3: f"{d['ratio']:.2f}x ({d[a] * unit:.4g} / {d[b] * unit:.4g} ms)"
        onnx = r.get("energy_onnx")
        onnx = f"{onnx['ratio']:.2f}x ({onnx['onnx'] * 1e3:.4g} ms)" if onnx else "did not run"
        m = r["peak_rss_mb"]
        lines.append(f"| {r['workload'].replace(':', ' ')} | {cell(r['langevin_step'])} | {cell(r['iteration'])} | {cell(r['energy'])} | {onnx} "
                     f"| {cell(r['latency'])} | {1 / m['ratio']:.2f} of it ({m['joule']:.0f} / {m['torch']:.0f} MiB) "
                     f"| {100 * r['fraction_of_peak']:.0f}% | {r['configuration']} |")
    slower = [f"{r['workload']}: {k}" for r in results for k in ("langevin_step", "iteration", "energy", "latency", "energy_onnx")
              if k in r and r[k]["ratio"] < 1]
    lines += ["", "A peer is faster at: " + ("; ".join(slower) if slower else "none of these") + "."]
    return "\n".join(lines) + "\n"


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("workloads", nargs="*", default=workloads, help="preset:filters:batch")
    a.add_argument("--rounds", type=int, default=3)
    a.add_argument("--threads", type=int, default=2)
    a.add_argument("--python", help="an interpreter that has torch, onnx and onnxruntime")
    a.add_argument("--eager-only", action="store_true", help="do not try PyTorch's other configurations")
    a = a.parse_args()
    python = python_with_peers(a.python)
    joule = os.path.join(tempfile.mkdtemp(), "joule")
    subprocess.run(["go", "build", "-o", joule, "./cmd/joule"], check=True, cwd=root)
    results = []
    for w in a.workloads:
        results.append(compare(w, joule, python, a.threads, a.rounds, not a.eager_only))
        machine = f"{processor()}; {results[0]['torch']}; {a.threads} threads; {datetime.date.today()}; medians of {a.rounds} rounds"
        (here / "results.json").write_text(json.dumps({"machine": machine, "results": results}, indent=1) + "\n")
        (here / "results.md").write_text(markdown(results, machine))
    print(markdown(results, machine))


if __name__ == "__main__":
    main()
