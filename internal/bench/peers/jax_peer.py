"""The JAX peer: the networks and the training iteration of torch_peer.py in JAX, as XLA runs them fastest.

    python3 jax_peer.py --preset cifar10 --filters 64 --batch 16 --threads 2

prints one JSON line with the median seconds of
  langevin_step  a chain over its number of steps: one program, its steps a loop
  energy         one forward pass without gradients
  loss           the gradient of all terms together, through the last Langevin step
  iteration      chain, gradient, clip and optimiser as a single program
and the peak resident memory of the process.

    python3 jax_peer.py --check FILE.safetensors

checks this peer against a recorded case of an unconditional network, in float32.

What makes it fast on CPUs: channels last; kernels standardised, and turned round for the gradient by the image, once before the loop (in a
loop XLA runs convolutions with other orders of dimensions as plain loops); pools as sums of slices, whose transpose is slices as well;
variances as E[x²] - E[x]²; and the batch on two devices of XLA's (--devices 2) of one thread each, where a core is one.
"""
import argparse, json, os, resource, statistics, struct, time

p = argparse.ArgumentParser()
p.add_argument("--check", nargs="+")
p.add_argument("--preset", default="mnist", choices=["mnist", "cifar10", "celeba"])
p.add_argument("--filters", type=int, default=16)
p.add_argument("--batch", type=int, default=64)
p.add_argument("--steps", type=int, default=40)
p.add_argument("--threads", type=int, default=2, help="on CPUs: the process is kept on so many cores")
p.add_argument("--repeats", type=int, default=5)
p.add_argument("--chain-only", action="store_true", help="measure langevin_step alone")
p.add_argument("--devices", type=int, default=1, help="that share the batch; on CPUs they are XLA's")
p.add_argument("--platform", default="cpu", help="cpu, cuda, ...")
p.add_argument("--precision", default="float32", choices=["float32", "tf32", "bf16"], help="of the chain's convolutions, on GPUs")
a = p.parse_args()
if a.platform == "cpu":
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:a.threads])
    if a.devices > 1:
        os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + f" --xla_force_host_platform_device_count={a.devices}"
os.environ["JAX_PLATFORMS"] = a.platform
import numpy as np, jax, jax.numpy as jnp
from jax import lax

jax.config.update("jax_default_matmul_precision", "highest")
act, HW = jax.nn.silu, (1, 2)


# ---- networks -------------------------------------------------------------------------------------------------------------------------
def plain(x, w, precision=lax.Precision.HIGHEST):
    return lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"), precision=precision)


def rounded(x, w):
    """In the chain's precision: what JAX calls the default is TF32 on GPUs that have it."""
    if a.precision == "bf16":
        return plain(x.astype(jnp.bfloat16), w.astype(jnp.bfloat16), None).astype(jnp.float32)
    return plain(x, w, lax.Precision.HIGHEST if a.precision == "float32" else lax.Precision.DEFAULT)


@jax.custom_vjp
def in_chain(x, w, turned):
    """A convolution of a chain: its gradient by x is the same convolution on kernels that are turned round before the loop."""
    return rounded(x, w)


in_chain.defvjp(lambda x, w, turned: (rounded(x, w), turned), lambda turned, g: (rounded(g, turned), None, None))


def conv(P, n, x):
    w, turned = P[n + ".weight"], P.get(n + ".turned")
    return (plain(x, w) if turned is None else in_chain(x, w, turned)) + P[n + ".bias"]


def turn(R):
    return R | {n.replace(".weight", ".turned"): w[::-1, ::-1].swapaxes(2, 3) for n, w in R.items() if w.ndim == 4}


def axis_pool(x, d):
    pad = [(0, 0)] * 4
    pad[d] = (1, 1)
    x, n = jnp.pad(x, pad), (x.shape[d] - 1) // 2 + 1
    return sum(lax.slice_in_dim(x, o, o + 2 * n - 1, 2, d) for o in range(3))


def axis_unpool(g, d, n):
    """The transpose of axis_pool: even places get one value, odd ones two."""
    following = [(0, 0, 0)] * 4
    following[d] = (-1, 1, 0)
    odd, shape = g + lax.pad(g, jnp.float32(0), following), list(g.shape)
    shape[d] *= 2
    return lax.slice_in_dim(jnp.stack([g, odd], d + 1).reshape(shape), 0, n, axis=d)


class Static(tuple):
    pass


jax.tree_util.register_static(Static)


@jax.custom_vjp
def pool(x):
    """Means of 3x3 pixels, padding counted, at every other one."""
    return axis_pool(axis_pool(x, 1), 2) * (1 / 9)


pool.defvjp(lambda x: (pool(x), Static(x.shape)), lambda shape, g: (axis_unpool(axis_unpool(g * (1 / 9), 2, shape[2]), 1, shape[1]),))


def norm(P, n, x):
    c, shape = x.shape[-1], x.shape
    axes, t = (HW, x) if c <= 128 else ((1, 2, 4), x.reshape(*shape[:3], 32, c // 32))
    mean = t.mean(axes, keepdims=True)
    variance = jnp.square(t).mean(axes, keepdims=True) - jnp.square(mean)
    return ((t - mean) * lax.rsqrt(variance + 1e-5)).reshape(shape) * P[n + ".weight"] + P[n + ".bias"]


def block(P, n, x, down=True):
    h = norm(P, n + ".bn2", conv(P, n + ".conv2", act(norm(P, n + ".bn1", conv(P, n + ".conv1", x)))))
    x = x + act(h)
    return act(pool(conv(P, n + ".conv_downsample", x))) if down else x


def attention(P, n, x):
    b, h, w, c = x.shape
    t = x.reshape(b, h * w, c)
    linear = lambda m: t @ P[n + "." + m + ".weight"] + P[n + "." + m + ".bias"]
    s = jax.nn.softmax(jnp.einsum("bnc,bmc->bnm", linear("query_conv"), linear("key_conv")), -1)
    return (P[n + ".gamma"] * jnp.einsum("bnm,bmc->bnc", s, linear("value_conv")) + t).reshape(x.shape)


def energy(preset, P, x):
    """P are ready parameters. One column a scale."""
    head = lambda t, m: act(t).mean(HW) @ P[m + ".weight"] + P[m + ".bias"]
    blocks = lambda t, names: [t := block(P, n, t, down) for n, down in names][-1]
    t = act(conv(P, "conv1", x))
    if preset == "mnist":
        return head(blocks(t, [("res1", True), ("res2", True), ("res3", True)]), "energy_map")
    celeba = preset == "celeba"
    t = blocks(t, [("res_1a", celeba), ("res_1b", True), ("res_2a", celeba), ("res_2b", True)])
    if not celeba:
        t = attention(P, "self_attn", t)
    t = blocks(t, [("res_3a", False), ("res_3b", True)])
    if celeba:
        t = attention(P, "self_attn", t)
    large = head(blocks(t, [("res_4a", False), ("res_4b", True)]), "energy_map")
    if "small_conv1.weight" not in P:
        return large
    m = act(conv(P, "mid_conv1", pool(x)))
    m = blocks(m, [("mid_res_1a", celeba), ("mid_res_1b", True), ("mid_res_2a", celeba), ("mid_res_2b", True), ("mid_res_3a", False), ("mid_res_3b", True)])
    s = act(conv(P, "small_conv1", pool(pool(x))))
    s = blocks(s, [("small_res_1a", celeba), ("small_res_1b", True), ("small_res_2a", celeba), ("small_res_2b", True)])
    return jnp.concatenate([head(s, "small_energy_map"), head(m, "mid_energy_map"), large], -1)


def shapes(preset, f):
    """Those of the parameters, as PyTorch has them."""
    S = {}

    def layer(n, *shape):
        S[n + ".weight"], S[n + ".bias"] = shape, shape[:1]

    def blocks(*names):
        for n, c, out in names:
            for i in "12":
                layer(f"{n}.conv{i}", c, c, 3, 3)
                S[f"{n}.bn{i}.weight"] = S[f"{n}.bn{i}.bias"] = (c,)
            if out:
                layer(n + ".conv_downsample", out, c, 3, 3)

    if preset == "mnist":
        layer("conv1", f, 1, 3, 3)
        blocks(("res1", f, 2 * f), ("res2", 2 * f, 4 * f), ("res3", 4 * f, 8 * f))
        layer("energy_map", 1, 8 * f)
        return S
    celeba = preset == "celeba"
    c = f // 2 if celeba else f
    layer("conv1", c, 3, 3, 3)
    blocks(("res_1a", c, f if celeba else 0), ("res_1b", f, f), ("res_2a", f, f if celeba else 0), ("res_2b", f, 2 * f),
           ("res_3a", 2 * f, 0), ("res_3b", 2 * f, 4 * f), ("res_4a", 4 * f, 0), ("res_4b", 4 * f, 8 * f))
    c = 4 * f if celeba else 2 * f
    layer("self_attn.query_conv", c // 8, c, 1, 1), layer("self_attn.key_conv", c // 8, c, 1, 1), layer("self_attn.value_conv", c, c, 1, 1)
    S["self_attn.gamma"] = (1,)
    layer("energy_map", 1, 8 * f)
    for scale, deep in (("mid", True), ("small", False)):
        layer(scale + "_conv1", f, 3, 3, 3)
        blocks(*[(f"{scale}_res_{n}", c, out) for n, c, out in (("1a", f, f if celeba else 0), ("1b", f, f), ("2a", f, f if celeba else 0), ("2b", f, 2 * f))])
        if deep:
            blocks((scale + "_res_3a", 2 * f, 0), (scale + "_res_3b", 2 * f, 4 * f))
        layer(scale + "_energy_map", 1, (4 if deep else 2) * f)
    return S


def ready(P):
    """Parameters as training holds them to what the network computes with: kernels standardised, and channels last."""
    R = {}
    for n, w in P.items():
        if n.endswith((".conv1.weight", ".conv2.weight")):
            w = w - w.mean((1, 2, 3), keepdims=True)
            w = w / (w.reshape(w.shape[0], -1).std(1, ddof=1)[:, None, None, None] + 1e-5)
        if n.startswith("self_attn") and w.ndim == 4:
            w = w[:, :, 0, 0]
        R[n] = w.transpose(2, 3, 1, 0) if w.ndim == 4 else w.T
    return R


# ---- training -------------------------------------------------------------------------------------------------------------------------
class Training:
    def __init__(self, preset, lam=100.0):
        self.energy, self.lam = lambda R, x: energy(preset, R, x), lam

    def score(self, R, x):
        return jax.grad(lambda x: self.energy(R, x).sum())(x)

    def step(self, R, x, noise):
        before = x + 0.001 * noise
        return jnp.clip(before - self.lam * self.score(R, before), 0, 1), before

    def chain(self, P, x, key):
        """The chain's end, and the image that its last step started from."""
        R = turn(ready(P))
        key = key if a.devices == 1 else jax.random.fold_in(key, lax.axis_index("batch"))
        return lax.fori_loop(0, a.steps, lambda i, s: self.step(R, s[0], jax.random.normal(jax.random.fold_in(key, i), x.shape)), (x, x))

    def kl(self, P, before, compare):
        R = ready(P)
        end, _ = self.step(R, before, 0)
        u, v = end.reshape(end.shape[0], -1), compare.reshape(compare.shape[0], -1)
        squares = (u * u).sum(1)[:, None] + (v * v).sum(1)[None] - 2 * u @ v.T
        opt = self.energy(lax.stop_gradient(R), end).mean()
        return opt, -jnp.log(jnp.sqrt(jnp.maximum(squares, 1e-12)).min(1)).mean()

    def kl_loss(self, P, before, compare):
        opt, ent = self.kl(P, before, compare)
        return opt + 0.3 * ent

    def cd_loss(self, P, pos, neg):
        e = self.energy(ready(P), jnp.concatenate([pos, neg]))
        ep, en = jnp.split(e, 2)
        return ep.mean() - en.mean() + (ep ** 2).mean() + (en ** 2).mean()

    def loss(self, P, pos, neg, before, compare):
        return self.cd_loss(P, pos, neg) + self.kl_loss(P, before, compare)

    @staticmethod
    def update(P, square, t, G):
        scale = jnp.minimum(1.0, 0.5 / (jnp.sqrt(sum((g * g).sum() for g in G.values())) + 1e-6))
        G = {n: g * scale for n, g in G.items()}
        square = {n: 0.9 * v + 0.1 * G[n] ** 2 for n, v in square.items()}
        correction = 1 - 0.9 ** (t + 1)
        return {n: w - 2e-4 * G[n] / (jnp.sqrt(square[n] / correction) + 1e-8) for n, w in P.items()}, square, t + 1

    def iteration(self, P, square, t, start, pos, compare, key):
        end, before = shared(self.chain, ".b.", "bb")(P, start, key)
        G = shared(jax.grad(self.loss), ".bbb.", "m")(P, pos, end, before, compare)
        return *self.update(P, square, t, G), end


def shared(f, ins, outs):
    """f on all devices: what is marked b lies on them by parts of the batch, what is marked m is their mean."""
    if a.devices == 1:
        return f
    from jax.sharding import PartitionSpec
    mesh = jax.make_mesh((a.devices,), ("batch",), axis_types=(jax.sharding.AxisType.Auto,))
    spec = lambda marks: tuple(PartitionSpec("batch") if m == "b" else PartitionSpec() for m in marks)

    def on_each(*args):
        r = f(*args)
        return lax.pmean(r, "batch") if outs == "m" else r

    return jax.shard_map(on_each, mesh=mesh, in_specs=spec(ins), out_specs=spec(outs) if len(outs) > 1 else spec(outs)[0], check_vma=False)


def bench():
    shape = {"mnist": (28, 28, 1), "cifar10": (32, 32, 3), "celeba": (128, 128, 3)}[a.preset]
    r = np.random.default_rng(1)
    images = lambda n: jnp.asarray(r.random((n, *shape), np.float32))
    S = shapes(a.preset, a.filters)
    P = {}
    for n, s in S.items():
        bound = np.prod(S[n.rsplit(".", 1)[0] + ".weight"][1:]) ** -0.5 if not n.endswith("gamma") and ".bn" not in n else 0
        P[n] = jnp.asarray(r.uniform(-bound, bound, s).astype(np.float32) + (1 if ".bn" in n and n.endswith("weight") else 0))
    x, pos, neg, compare, key = images(a.batch), images(a.batch), images(a.batch), images(100), jax.random.key(0)
    square, t0, T = {n: jnp.zeros_like(w) for n, w in P.items()}, jnp.float32(0), Training(a.preset)
    R = jax.jit(ready)(P)
    out, compiling = {}, {}

    def measure(name, f, *args, over=1):
        begun = time.perf_counter()
        f = jax.jit(f).lower(*args).compile()
        compiling[name] = round(time.perf_counter() - begun, 2)
        args = jax.tree.map(jax.device_put, args, f.input_shardings[0])
        times = []
        for _ in range(2 + a.repeats):
            begun = time.perf_counter()
            jax.block_until_ready(f(*args))
            times.append(time.perf_counter() - begun)
        out[name] = statistics.median(times[2:]) / over

    measure("langevin_step", shared(T.chain, ".b.", "bb"), P, x, key, over=a.steps)
    if not a.chain_only:
        measure("energy", shared(T.energy, ".b", "b"), R, x)
        measure("loss", shared(jax.grad(T.loss), ".bbb.", "m"), P, pos, neg, x, compare)
        measure("iteration", T.iteration, P, square, t0, x, pos, compare, key)
    out["peak_rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"peer": "jax " + jax.__version__, "preset": a.preset, "filters": a.filters, "batch": a.batch, "steps": a.steps,
                      "threads": a.threads, "devices": a.devices, "on": jax.devices()[0].device_kind, "precision": a.precision,
                      **{n: float(f"{v:.5g}") for n, v in out.items()}, "compile_s": compiling}))


def check(path):
    b = open(path, "rb").read()
    n, = struct.unpack("<Q", b[:8])
    header = json.loads(b[8:8 + n])
    meta = header.pop("__metadata__")
    values = lambda v: np.frombuffer(b[8 + n + v["data_offsets"][0]:8 + n + v["data_offsets"][1]], np.float32).reshape(v["shape"])
    recorded = {k: values(v) for k, v in header.items()}
    if meta["cond"] == "True":
        raise SystemExit(f"{path}: this peer has no conditional networks")
    preset = {"MNISTModel": "mnist", "ResNetModel": "cifar10", "CelebAModel": "celeba"}[meta["model"]]
    T = Training(preset, float(meta["step_lr"]))
    P = {k[6:]: jnp.asarray(v) for k, v in recorded.items() if k.startswith("param/") and ("multiscale" not in meta or preset == "mnist"
         or meta["multiscale"] == "True" or not k.startswith(("param/mid_", "param/small_")))}
    images = lambda k: jnp.asarray(recorded[k].swapaxes(-3, -1).swapaxes(-3, -2))
    back = lambda x: np.asarray(x).swapaxes(-3, -1).swapaxes(-2, -1)
    relative = lambda u, v: float(f"{np.linalg.norm(np.asarray(u, np.float64).ravel() - v.ravel()) / np.linalg.norm(v):.2e}")
    R, x, err = ready(P), images("x"), {}
    err["energy"] = relative(T.energy(R, x), recorded["energy"])
    err["score"] = relative(back(jax.jit(T.score)(R, x)), recorded["score_grad_x"])
    step = jax.jit(T.step)
    for noise in images("noise"):
        x, before = step(turn(R), x, noise)
    err["chain_end"] = relative(back(x), recorded["chain_end"])
    before, compare = images("chain_before_last_step"), images("compare")
    losses = {"cd": lambda P: T.cd_loss(P, images("x_pos"), images("chain_end")), "opt": lambda P: T.kl(P, before, compare)[0], "ent": lambda P: T.kl(P, before, compare)[1]}
    for name, f in losses.items():
        G = jax.jit(jax.grad(f))(P)
        names = [k.split("/")[1] for k in recorded if k.startswith(f"grad_{name}/")]
        err["grad_" + name] = relative(np.concatenate([np.asarray(G[k]).ravel() for k in names]), np.concatenate([recorded[f"grad_{name}/{k}"].ravel() for k in names]))
    print(json.dumps({"file": os.path.basename(path), **err}))


[check(f) for f in a.check] if a.check else bench()
