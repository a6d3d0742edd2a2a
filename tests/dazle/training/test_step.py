"""The step takes any model, loss and optimiser."""

import torch
from torch import Tensor, nn

from dazle.training.step import Step


def squared(output: Tensor, labels: Tensor) -> dict[str, Tensor]:
    error = (output[:, 0] - labels).square().mean()
    return {"total": 2 * error, "error": error}


def test_a_step_is_the_update_of_its_optimiser() -> None:
    torch.manual_seed(0)
    model, twin = nn.Linear(3, 1), nn.Linear(3, 1)
    twin.load_state_dict(model.state_dict())
    inputs, labels = torch.randn(5, 3), torch.randn(5)
    step = Step(model, squared, torch.optim.SGD(model.parameters(), lr=0.1), torch.device("cpu"))
    optimiser = torch.optim.SGD(twin.parameters(), lr=0.1)
    for _ in range(3):
        losses = step(inputs, labels)
        expected = squared(twin(inputs), labels)["total"]
        optimiser.zero_grad()
        expected.backward()
        optimiser.step()
        assert torch.equal(losses["total"], expected.detach())
        assert torch.equal(losses["error"] * 2, losses["total"])
        assert not losses["total"].requires_grad
    assert all(torch.equal(one, other) for one, other in zip(model.parameters(), twin.parameters(), strict=True))


def test_a_parameter_that_the_loss_does_not_reach_stays_as_it_is() -> None:
    model = nn.ModuleDict({"used": nn.Linear(3, 1), "unused": nn.Linear(3, 1)})
    before = model["unused"].weight.detach().clone()

    class Partly(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = model

        def forward(self, inputs: Tensor) -> Tensor:
            return self.parts["used"](inputs)

    partly = Partly()
    step = Step(partly, squared, torch.optim.RMSprop(partly.parameters(), lr=0.1), torch.device("cpu"))
    step(torch.randn(5, 3), torch.randn(5))
    assert torch.equal(model["unused"].weight, before)
