"""What does a user type? Parse, one call, print."""

import click

from cgap_bench.cli import hardware, records, training
from cgap_bench.cli.group import DEBUG, Commands
from cgap_bench.cli.options import EXAMPLES


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EXAMPLES + "cgap-cl run split-digits",
)
@click.version_option(package_name="cgap-cl")
@click.option(
    "--debug",
    is_flag=True,
    expose_value=False,
    callback=lambda context, _, value: context.meta.update({DEBUG: value}),
    help="Show also how an error came about.",
)
def main() -> None:
    """Compare continual-learning methods by what they remember and what they cost."""


for _room in (training, records, hardware):
    for _command in vars(_room).values():
        if isinstance(_command, click.Command):
            main.add_command(_command)
