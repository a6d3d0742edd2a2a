"""Places of CUB's attributes: which of its 15 key points show an attribute, by the group in the attribute's name.

The table was written from the names (`has_bill_shape::dagger`) before any model was evaluated. Upperparts and
underparts follow field guides as far as there are key points. Size, shape and primary colour are properties of the
whole bird and have no key point.
"""

from collections.abc import Sequence

import numpy as np

BEAK, BACK, TAIL, LEGS = ("beak",), ("back",), ("tail",), ("left leg", "right leg")
WINGS, EYES = ("left wing", "right wing"), ("left eye", "right eye")
BREAST, BELLY = ("breast",), ("belly",)

PARTS: dict[str, tuple[str, ...]] = {
    "has_bill_shape": BEAK,
    "has_bill_length": BEAK,
    "has_bill_color": BEAK,
    "has_wing_color": WINGS,
    "has_wing_shape": WINGS,
    "has_wing_pattern": WINGS,
    "has_upperparts_color": (*BACK, *WINGS),
    "has_underparts_color": (*BREAST, *BELLY),
    "has_breast_color": BREAST,
    "has_breast_pattern": BREAST,
    "has_belly_color": BELLY,
    "has_belly_pattern": BELLY,
    "has_back_color": BACK,
    "has_back_pattern": BACK,
    "has_tail_shape": TAIL,
    "has_tail_pattern": TAIL,
    "has_upper_tail_color": TAIL,
    "has_under_tail_color": TAIL,
    "has_head_pattern": ("crown", "forehead", *EYES),
    "has_crown_color": ("crown",),
    "has_forehead_color": ("forehead",),
    "has_eye_color": EYES,
    "has_nape_color": ("nape",),
    "has_throat_color": ("throat",),
    "has_leg_color": LEGS,
    "has_size": (),
    "has_shape": (),
    "has_primary_color": (),
}


def attribute_parts(attributes: Sequence[str], parts: Sequence[str]) -> np.ndarray:
    """(A, P) bool: the parts that show an attribute. Raises KeyError for an unknown group or a missing part."""
    table = np.zeros((len(attributes), len(parts)), bool)
    columns = {part: column for column, part in enumerate(parts)}
    for row, name in enumerate(attributes):
        for part in PARTS[name.split("::")[0]]:
            table[row, columns[part]] = True
    return table
