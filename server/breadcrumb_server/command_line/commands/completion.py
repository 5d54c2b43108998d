"""Print the script that makes a shell complete commands, options and projects."""

from __future__ import annotations

import click

SHELLS = ["bash", "zsh", "fish"]


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script for SHELL.

    \b
    bash: eval "$(breadcrumb completion bash)" in ~/.bashrc
    zsh:  eval "$(breadcrumb completion zsh)" in ~/.zshrc
    fish: breadcrumb completion fish > ~/.config/fish/completions/breadcrumb.fish
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None  # SHELLS are those that click knows
    root = ctx.find_root()
    name = root.info_name or "breadcrumb"
    click.echo(found(root.command, {}, name, f"_{name.upper().replace('-', '_')}_COMPLETE").source())
