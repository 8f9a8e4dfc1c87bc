"""What the accuracy matrix says: accuracy, forgetting, transfer; pure functions of it.

``matrix[i][j]`` is the test accuracy in [0, 1] on task ``j`` after experience ``i``, or
``None`` where it was not evaluated (usually ``j > i``). A metric that needs an entry which
was not evaluated is undefined: it returns ``nan``, never a guess.

Forward transfer is there where one head answers for the same outputs in all tasks (scenario
``domain``): only there can a task be asked for before it is learnt. A head of its own is
untrained until then, so that what it says is chance; one head over all classes has never been
shown the classes to come, says an old one instead, and is wrong by construction. What old tasks
do for later ones is told there by :func:`gain_over` and :func:`plasticity`, against networks
trained from scratch.
"""

import math
from collections.abc import Sequence

Matrix = Sequence[Sequence[float | None]]


def mean_accuracy(matrix: Matrix) -> float:
    """Mean over tasks of the accuracy after the last experience, in [0, 1].

    ACC of Lopez-Paz and Ranzato (2017), "Gradient Episodic Memory", eq. 2.

    Example:
        >>> mean_accuracy([[0.75, None], [0.5, 1.0]])
        0.75
    """
    return _mean(matrix[-1])


def later_accuracy(matrix: Matrix) -> float:
    """:func:`mean_accuracy` over all tasks but the first, which no method can prepare for."""
    return _mean(matrix[-1][1:])


def forgetting(matrix: Matrix) -> float:
    """Mean over all tasks but the last of (best accuracy since learnt - final accuracy).

    ``mean_{j<T} (max_{j<=i<T} A[i][j] - A[T][j])``: Chaudhry et al. (2018), "Riemannian
    Walk", eq. 4, with the maximum taken from the experience in which the task was learnt.
    Negative when tasks became better; ``nan`` with fewer than two experiences.

    Example:
        >>> forgetting([[0.75, None], [0.5, 1.0]])
        0.25
    """
    last = len(matrix) - 1
    return _mean([_drop(matrix, j, last) for j in range(last)])


def backward_transfer(matrix: Matrix) -> float:
    """Mean over all tasks but the last of (final accuracy - accuracy when just learnt).

    BWT of Lopez-Paz and Ranzato (2017), eq. 3; ``nan`` with fewer than two experiences.

    Example:
        >>> backward_transfer([[0.75, None], [0.5, 1.0]])
        -0.25
    """
    last = len(matrix) - 1
    return _mean([_minus(matrix[last][j], matrix[j][j]) for j in range(last)])


def forward_transfer(matrix: Matrix, untrained: Sequence[float | None]) -> float:
    """Mean over all tasks but the first of (accuracy just before it is learnt - untrained).

    FWT of Lopez-Paz and Ranzato (2017), eq. 4; ``nan`` with fewer than two experiences.

    Args:
        matrix: The accuracy matrix; needs the entries ``[j - 1][j]`` (:func:`with_ahead`).
        untrained: Accuracy of the network at random initialisation, per task.

    Raises:
        ValueError: They differ in their number of tasks.

    Example:
        >>> forward_transfer([[0.75, 0.625], [0.5, 1.0]], [0.5, 0.5])
        0.125
    """
    _check_length(matrix, untrained)
    gains = [_minus(matrix[j - 1][j], untrained[j]) for j in range(1, len(matrix))]
    return _mean(gains)


def with_ahead(matrix: Matrix, before: Sequence[float | None]) -> Matrix:
    """The matrix with what was measured on each task just before it was learnt.

    Args:
        matrix: The accuracy matrix.
        before: ``[j]``: accuracy on task j after experience j - 1; empty: not measured.

    Example:
        >>> with_ahead([[0.75, None], [0.5, 1.0]], [0.5, 0.625])
        [[0.75, 0.625], [0.5, 1.0]]
    """
    rows = [list(row) for row in matrix]
    for j, value in enumerate(before[1:], start=1):
        if j <= len(rows):  # a run may have ended before
            rows[j - 1][j] = value
    return rows


def learning_accuracy(matrix: Matrix) -> float:
    """Mean over tasks of the accuracy right after the task was learnt, in [0, 1].

    LA of Riemer et al. (2019), "Meta-Experience Replay": what a method can still learn,
    whatever it forgets afterwards.

    Example:
        >>> learning_accuracy([[0.75, None], [0.5, 1.0]])
        0.875
    """
    return _mean([matrix[j][j] for j in range(len(matrix))])


def gain_over(matrix: Matrix, alone: Matrix) -> float:
    """Mean over all tasks but the first of (just learnt here - just learnt in ``alone``).

    With the matrix of one independent network a task as ``alone`` this is what knowing
    the earlier tasks is worth for learning the later ones.

    Raises:
        ValueError: The two matrices differ in their number of experiences.
    """
    _check_length(matrix, alone)
    return _mean([_minus(matrix[j][j], alone[j][j]) for j in range(1, len(matrix))])


def intransigence(matrix: Matrix, joint: Sequence[float | None]) -> float:
    """Mean over tasks of (accuracy of a network trained on all tasks - just learnt here).

    I of Chaudhry et al. (2018), eq. 5, with one joint network over all tasks as the reference:
    what a method cannot learn since it holds on to the past. Negative where it learns better.

    Args:
        matrix: The accuracy matrix.
        joint: Accuracy of the joint network, per task: the last row of its matrix.

    Raises:
        ValueError: They differ in their number of tasks.

    Example:
        >>> intransigence([[0.75, None], [0.5, 1.0]], [0.875, 1.0])
        0.0625
    """
    _check_length(matrix, joint)
    return _mean([_minus(joint[j], matrix[j][j]) for j in range(len(matrix))])


def plasticity(matrix: Matrix, alone: Matrix) -> float:
    """Just-learnt accuracy over all tasks as a ratio of that of networks trained from scratch.

    ``mean_j A[j][j] / mean_j alone[j][j]``: 1 where the past costs nothing in learning, below 1
    where a network has lost plasticity (as asked for in Avalanche's issue #1510).

    Args:
        matrix: The accuracy matrix.
        alone: That of one independent network a task, trained alike.

    Raises:
        ValueError: They differ in their number of tasks.

    Example:
        >>> plasticity([[0.75, None], [0.5, 0.75]], [[1.0, None], [1.0, 1.0]])
        0.75
    """
    _check_length(matrix, alone)
    return learning_accuracy(matrix) / learning_accuracy(alone)


def _check_length(matrix: Matrix, other: Sequence[object]) -> None:
    if len(matrix) != len(other):
        raise ValueError(f"{len(matrix)} and {len(other)} tasks cannot be compared")


def _drop(matrix: Matrix, task: int, last: int) -> float | None:
    """How far ``task`` has fallen below its best, or None if it was not evaluated."""
    earlier = [matrix[i][task] for i in range(task, last)]
    known = [value for value in earlier if value is not None]
    return _minus(max(known), matrix[last][task]) if known else None


def _minus(left: float | None, right: float | None) -> float | None:
    """The difference, or None if either side is."""
    return None if left is None or right is None else left - right


def _mean(values: Sequence[float | None]) -> float:
    """The mean; ``nan`` of nothing, or when any value is missing."""
    known = [value for value in values if value is not None]
    if not known or len(known) != len(values):
        return math.nan
    return math.fsum(known) / len(known)
