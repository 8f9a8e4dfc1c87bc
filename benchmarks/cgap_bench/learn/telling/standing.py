"""Where training stands, as a plain value that can go to another process."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Standing:
    """At a batch, or at the end of an epoch; experiences and epochs count from 1.

    Attributes:
        epoch: Of the present training; most methods train once an experience.
        n_epochs: It has at most.
        loss: Of the last batch, or the mean over the epoch's.
        accuracy: The same, on training images, 0 to 1.
        widths: Units per group of the column that learns; empty where nothing grows.
        experience: That is learnt.
        n_experiences: In all.
        n_images: Of an epoch.
        n_batches: Of an epoch.
        whole_epoch: Loss and accuracy are means over an epoch that has just ended.
    """

    epoch: int
    n_epochs: int
    loss: float
    accuracy: float
    widths: Mapping[str, int] = field(default_factory=dict)
    experience: int = 0
    n_experiences: int = 0
    n_images: int = 0
    n_batches: int = 0
    whole_epoch: bool = False

    def images_at(self, iteration: int, now: int) -> int:
        """Images that had gone through the run at an iteration of this experience.

        Args:
            iteration: Counted from the experience's first.
            now: Images at the end of this epoch.

        Example:
            >>> third = Standing(3, 5, 0.1, 0.9, n_images=100, n_batches=4)
            >>> third.images_at(12, now=1300), third.images_at(6, now=1300)
            (1300, 1150)
        """
        back = self.epoch - iteration / self.n_batches
        return now - round(back * self.n_images)
