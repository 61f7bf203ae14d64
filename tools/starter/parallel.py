"""Data parallel training on one CPU: forked single-thread processes that share parameters, gradients and optimiser state
in memory. On two cores this is faster than one process with two threads, since nothing waits inside an operator. With one
worker (CUDA) the same code runs without any sharing.
"""
import multiprocessing
import os

import torch


class Team:
    """The workers of one training; rank 0 is the process that made the team."""

    def __init__(self, size):
        self.size, self.rank = size, 0
        self.barrier = multiprocessing.get_context("fork").Barrier(size) if size > 1 else None

    def wait(self):
        if self.barrier is not None:
            self.barrier.wait()  # no timeout: a stopped process may continue minutes later

    def run(self, work):
        """Calls work() in every worker, each with its own rank; returns when all are done."""
        context = multiprocessing.get_context("fork")
        children = [context.Process(target=self._child, args=(rank, work), daemon=True) for rank in range(1, self.size)]
        for child in children:
            child.start()
        try:
            work()
        except BaseException:
            for child in children:
                child.terminate()
            raise
        for child in children:
            child.join()

    def _child(self, rank, work):
        self.rank = rank
        try:
            work()
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)


def shared(tensor):
    return tensor.share_memory_() if tensor.device.type == "cpu" else tensor


class Optimizer:
    """Muon for matrices (orthogonalised momentum, Jordan et al. 2024; step size as in Liu et al. 2025) and Adam for the
    rest, with an exponential moving average of the parameters. State and gradients are flat shared tensors; each worker
    updates its own share of the parameters."""

    def __init__(self, named_parameters, team, lr_muon, lr_adam, ema):
        self.team, self.lr_muon, self.lr_adam, self.ema_decay = team, lr_muon, lr_adam, ema
        self.names, self.parameters = zip(*named_parameters)
        device = self.parameters[0].device
        self.offsets, total = [], 0
        for p in self.parameters:
            self.offsets.append(total)
            total += p.numel()
        self.values = shared(torch.empty(total, device=device))
        self.average = shared(torch.empty(total, device=device))
        self.first, self.second = (shared(torch.zeros(total, device=device)) for _ in range(2))
        self.gradients = [shared(torch.zeros(total, device=device)) for _ in range(team.size)]
        for i, p in enumerate(self.parameters):
            self.view(self.values, i).copy_(p.data)
            p.data = self.view(self.values, i)
        self.average.copy_(self.values)
        self.matrix = [self._is_matrix(name, p) for name, p in zip(self.names, self.parameters)]
        self.owner = self._share_out()
        self.steps = 0
        self.lr_of = [1.0] * len(self.parameters)
        # each matrix moves in every muon_period-th step, by as much more: orthogonalising costs a third of a small step
        self.muon_period = 1
        # bf16 halves the cost of orthogonalising, where the machine multiplies it natively
        self.newton_dtype = torch.float32

    def view(self, flat, i):
        p = self.parameters[i]
        return flat[self.offsets[i] : self.offsets[i] + p.numel()].view(p.shape)

    @staticmethod
    def _is_matrix(name, p):
        return p.dim() >= 2 and "embedding" not in name and min(p.shape[0], p[0].numel()) >= 16 and p.shape[1] >= 16

    def _share_out(self):
        cost = [p.numel() * (min(p.shape[0], p[0].numel()) + 64 if m else 4) for p, m in zip(self.parameters, self.matrix)]
        load, owner = [0] * self.team.size, [0] * len(cost)
        for i in sorted(range(len(cost)), key=lambda i: -cost[i]):
            owner[i] = load.index(min(load))
            load[owner[i]] += cost[i]
        return owner

    def attach_gradients(self):
        """Called by each worker: backward() then adds into this worker's flat gradient."""
        for i, p in enumerate(self.parameters):
            p.grad = self.view(self.gradients[self.team.rank], i)

    @torch.no_grad()
    def step(self, lr_scale):
        self.team.wait()  # all gradients are complete
        self.steps += 1
        decay = min(self.ema_decay, (1 + self.steps) / (10 + self.steps))
        for i, p in enumerate(self.parameters):
            if self.owner[i] != self.team.rank:
                continue
            g = self.view(self.gradients[0], i)
            for other in self.gradients[1:]:
                g.add_(self.view(other, i))
            g.mul_(1.0 / self.team.size)
            if self.matrix[i]:
                self._muon(i, p, g, lr_scale * self.lr_of[i])
            else:
                self._adam(i, p, g, lr_scale * self.lr_of[i])
            self.view(self.average, i).lerp_(p.data, 1 - decay)
            for gradient in self.gradients:
                self.view(gradient, i).zero_()
        self.team.wait()  # all parameters are new

    def _muon(self, i, p, g, lr_scale):
        momentum = self.view(self.first, i)
        momentum.mul_(0.95).add_(g, alpha=0.05)
        if (i + self.steps) % self.muon_period:
            return
        update = g.lerp(momentum, 0.95).flatten(1)
        direction = orthogonalise(update, self.newton_dtype).view(p.shape)
        lr = self.lr_muon * lr_scale * self.muon_period
        p.data.add_(direction, alpha=-lr * 0.2 * max(update.shape) ** 0.5)

    def _adam(self, i, p, g, lr_scale):
        m, v = self.view(self.first, i), self.view(self.second, i)
        m.mul_(0.9).add_(g, alpha=0.1)
        v.mul_(0.99).addcmul_(g, g, value=0.01)
        c1, c2 = 1 - 0.9**self.steps, 1 - 0.99**self.steps
        p.data.addcdiv_(m, (v / c2).sqrt_().add_(1e-8), value=-self.lr_adam * lr_scale / c1)

    @torch.no_grad()
    def keep_average(self):
        """Ends the training: the parameters become their average, in memory of their own."""
        for i, p in enumerate(self.parameters):
            p.data = self.view(self.average, i).clone()
            p.grad = None

    def state(self):
        return {"values": self.values, "average": self.average, "first": self.first, "second": self.second,
                "steps": self.steps, "names": list(self.names)}

    def load(self, state):
        if list(self.names) != state["names"]:
            raise ValueError("this checkpoint belongs to another network; use another --out folder")
        for name in ("values", "average", "first", "second"):
            getattr(self, name).copy_(state[name])
        self.steps = state["steps"]


def orthogonalise(matrix, dtype, iterations=4):
    """Newton-Schulz with Jordan's coefficients: [m, n] -> about the nearest matrix whose singular values are 1"""
    transposed = matrix.shape[0] > matrix.shape[1]
    x = (matrix.t() if transposed else matrix) * (1.0 / (float(matrix.norm()) + 1e-7))
    x = x.to(dtype).contiguous()
    for _ in range(iterations):
        gram = x @ x.t()
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=-4.7750, alpha=2.0315), x, beta=3.4445)
    return (x.t() if transposed else x).float()


def atomic_save(state, path):
    torch.save(state, path + ".part")
    os.replace(path + ".part", path)
