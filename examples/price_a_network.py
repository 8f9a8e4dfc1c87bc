"""What one inference of a network of torchvision costs on each board, layer by layer on one."""

import torch
from torchvision.models import squeezenet1_1

from cgap_bench.shapes.tracing import layer_shapes
from cgap_hw import LayerShape, board_names, load_board, network_cost


def main() -> None:
    """Prints a line a board, then the dearest layers on the first of them."""
    network = squeezenet1_1().eval()
    shapes = [
        LayerShape.model_validate(one)
        for one in layer_shapes(network, torch.zeros(1, 3, 64, 64))
    ]
    costs = {name: network_cost(shapes, load_board(name), bits=8) for name in board_names()}
    for name, cost in costs.items():
        print(f"{name:12} {cost.latency_ms:8.3f} ms  {cost.energy_mj.mid:8.3f} mJ")

    name, cost = next(iter(costs.items()))
    print(f"the dearest layers on {name}")
    for layer in sorted(cost.layers, key=lambda one: -one.latency_ns)[:5]:
        print(f"  {layer.name:24} {layer.latency_ns * 1e-6:8.4f} ms  bound by {layer.bound}")


if __name__ == "__main__":
    main()
