"""One backbone with many heads: each row through its own, others do not move."""

import torch

from cgap_bench.learn.multi_head import MultiHead
from cgap_bench.learn.network import build_network
from cgap_bench.record.configuration import NetworkSettings


def multi_head():
    torch.manual_seed(0)
    network = build_network(NetworkSettings(name="digits-cnn", width=0.25), (1, 8, 8), 2)
    return MultiHead(network, range(4)).eval()


def test_mixed_batches_go_through_the_head_of_each_row():
    model = multi_head()
    x, tasks = torch.randn(7, 1, 8, 8), torch.tensor([3, 0, 1, 1, 0, 3, 2])
    together = model(x, tasks)
    for row, task in enumerate(tasks.tolist()):
        alone = model.network_for(task)(x[row : row + 1])[0]
        assert torch.allclose(together[row], alone, atol=1e-6)
        assert torch.allclose(model(x, task)[row], alone, atol=1e-6)


def test_heads_of_other_tasks_do_not_move_in_training():
    class Experience:
        task_labels = (1,)

    model = multi_head()
    model.adaptation(Experience())
    before = {name: p.clone() for name, p in model.heads.named_parameters()}
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.9, weight_decay=0.1)
    for _ in range(2):
        penalty = sum(p.pow(2).sum() for p in model.parameters())
        loss = model(torch.randn(4, 1, 8, 8), torch.ones(4, dtype=torch.int64)).sum() + penalty
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    moved = {n for n, p in model.heads.named_parameters() if not torch.equal(p, before[n])}
    assert moved == {"1.weight", "1.bias"}
