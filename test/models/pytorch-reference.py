"""Prints what torchvision's networks and the ResNet-20 of CIFAR-10 compute with the weights and inputs of pytorch.test.ts, for pytorch.json.

python3 -m venv /tmp/torch && /tmp/torch/bin/pip install torch==2.13.0 torchvision==0.28.0
/tmp/torch/bin/python test/models/pytorch-reference.py resnet34 resnet50 r3d r2plus1d
/tmp/torch/bin/python test/models/pytorch-reference.py published ../shared/data/cifar10-resnet20
"""

import gzip
import json
import sys

import torch

# torchvision's compiled operators (detection) are not used, and need not match the build of torch.
operators = torch.library.Library("torchvision", "DEF")
for name in ("nms", "qnms"):
    operators.define(name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from torchvision.models import resnet18, resnet34, resnet50
from torchvision.models.video import mc3_18, r2plus1d_18, r3d_18


class CifarBlock(torch.nn.Module):
    """A block of He et al. 2016, section 4.2, with the names of akamaster/pytorch_resnet_cifar10."""

    def __init__(self, narrow, wide):
        super().__init__()
        stride = 1 if narrow == wide else 2
        self.conv1 = torch.nn.Conv2d(narrow, wide, 3, stride, 1, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(wide)
        self.conv2 = torch.nn.Conv2d(wide, wide, 3, 1, 1, bias=False)
        self.bn2 = torch.nn.BatchNorm2d(wide)
        self.stride, self.pad = stride, (wide - narrow) // 2

    def forward(self, x):
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        # Option A: every second pixel, and channels of zeros on both sides.
        short = torch.nn.functional.pad(x[:, :, :: self.stride, :: self.stride], [0] * 4 + [self.pad] * 2)
        return (y + short).relu()


class CifarResNet20(torch.nn.Module):
    """Takes pixels in [0, 1]."""

    def __init__(self, num_classes):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(16)
        stage = lambda narrow, wide: torch.nn.Sequential(
            CifarBlock(narrow, wide), CifarBlock(wide, wide), CifarBlock(wide, wide)
        )
        self.layer1, self.layer2, self.layer3 = stage(16, 16), stage(16, 32), stage(32, 64)
        self.linear = torch.nn.Linear(64, num_classes)

    def forward(self, x):
        constants = [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]]
        mean, deviation = torch.tensor(constants, dtype=x.dtype).reshape(2, 3, 1, 1)
        y = self.bn1(self.conv1((x - mean) / deviation)).relu()
        return self.linear(self.layer3(self.layer2(self.layer1(y))).mean((2, 3)))


# Constructor, classes, and the shape of the input in our layout (channels last).
NETWORKS = {
    "resnet20": (CifarResNet20, 10, [1, 32, 32, 3]),
    "resnet18": (resnet18, 1000, [1, 32, 32, 3]),
    "resnet34": (resnet34, 1000, [1, 32, 32, 3]),
    "resnet50": (resnet50, 1000, [1, 32, 32, 3]),
    "mc3": (mc3_18, 400, [1, 2, 16, 16, 3]),
    "r3d": (r3d_18, 400, [1, 2, 16, 16, 3]),
    "r2plus1d": (r2plus1d_18, 400, [1, 2, 16, 16, 3]),
}


def hashed(size, seed):
    """`hashed` of pytorch.test.ts for i = 0 … size - 1."""
    mask = 2**32 - 1
    h = (torch.arange(size, dtype=torch.int64) * 2654435761 + seed * 40503) & mask
    h = wrapped(h ^ (h >> 15), 2246822519)
    return (h ^ (h >> 13)).double() / 2**32


def wrapped(h, factor):
    """h · factor modulo 2³², without leaving int64."""
    low, high = h & 0xFFFF, h >> 16
    return (low * factor + (((high * factor) & 0xFFFF) << 16)) & (2**32 - 1)


def fill(name, shape, seed):
    """`fill` of pytorch.test.ts."""
    v = hashed(shape.numel(), seed)
    if len(shape) > 1:
        return ((2 * v - 1) * (3 / shape[1:].numel()) ** 0.5).float().reshape(shape)
    if name.endswith("running_var"):
        return (1 + v / 2).float()
    return (0.9 + 0.2 * v if name.endswith(".weight") else 0.2 * (v - 0.5)).float()


def reference(name):
    build, classes, shape = NETWORKS[name]
    network = build(num_classes=classes).eval()
    state = network.state_dict()
    filled = {key: fill(key, state[key].shape, i + 1) for i, key in enumerate(sorted(state))}
    filled = {key: t for key, t in filled.items() if not key.endswith("num_batches_tracked")}
    network.load_state_dict(filled, strict=False)
    x = hashed(torch.Size(shape).numel(), 999).float().reshape(shape).requires_grad_()
    logits = network(x.movedim(-1, 1))
    torch.nn.functional.cross_entropy(logits, torch.tensor([0])).backward()
    digits = lambda t: [float(f"{v:.9g}") for v in t.flatten()[:8].tolist()]
    norm = float(f"{x.grad.double().norm():.9g}")
    return {"shape": shape, "logits": digits(logits), "gradient": digits(x.grad), "gradientNorm": norm}


def published(folder):
    """Logits, loss and norm of the input gradient of the first 8 images, in f64, for test/experiments/pytorch-resnet20.json."""
    data = open(f"{folder}/resnet20-12fca82f.safetensors", "rb").read()
    start = 8 + int.from_bytes(data[:8], "little")
    state = {}
    header = json.loads(data[8:start])
    header.pop("__metadata__", None)
    for name, entry in header.items():
        begin, end = (start + at for at in entry["data_offsets"])
        state[name] = torch.frombuffer(bytearray(data[begin:end]), dtype=torch.float32).reshape(entry["shape"])
    network = CifarResNet20(10)
    network.load_state_dict(state, strict=False)
    network = network.double().eval()
    pixels = bytearray(gzip.open(f"{folder}/test1000.u8.gz").read()[: 8 * 32 * 32 * 3])
    x = (torch.frombuffer(pixels, dtype=torch.uint8).reshape(8, 32, 32, 3).double() / 255).requires_grad_()
    logits = network(x.movedim(-1, 1))
    loss = torch.nn.functional.cross_entropy(logits, torch.arange(8))
    loss.backward()
    return {"logits": logits.tolist(), "loss": loss.item(), "inputGradNorm": x.grad.norm().item()}


if sys.argv[1] == "published":
    print(json.dumps(published(sys.argv[2]), indent=2))
else:
    print(json.dumps({name: reference(name) for name in sys.argv[1:]}, indent=2))
