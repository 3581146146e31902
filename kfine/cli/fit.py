"""`kfine fit`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from kfine.cli.options import (
    json_option,
    make_console,
    near,
    print_json,
    print_table,
    quiet_option,
)
from kfine.console import format_bytes, format_seconds
from kfine.errors import ConfigError, KfineError


class SettingsCommand(click.Command):
    """Lists the settings of a recipe under their headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        headings: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record:
                headings.setdefault(getattr(parameter, "group", "This command"), []).append(record)
        for heading, records in headings.items():
            with formatter.section(heading):
                formatter.write_dl(records)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        from kfine.config import nearest

        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            name = error.option_name
            if name == "--resume":
                raise resume_alone(ctx.command_path) from None
            known = [option for p in self.get_params(ctx) for option in p.opts]
            raise click.UsageError(
                f"There is no option {name}; {nearest(name, known)}.", ctx
            ) from None


class RecipeGroup(click.Group):
    """One command per recipe, its options made from the recipe's Config."""

    def own_options(self) -> list[click.Parameter]:
        """Options of the verb, apart from the settings."""
        return _own_options()

    def callback_for(self, recipe: str) -> Any:
        """What runs for a recipe."""
        return _callback(recipe)

    def list_commands(self, ctx: click.Context) -> list[str]:
        from kfine.recipe import recipe_names

        return recipe_names()

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        from kfine.config import click_options
        from kfine.recipe import load_recipe, summary_of

        module = load_recipe(cmd_name)
        return SettingsCommand(
            cmd_name,
            params=[*click_options(module.Config), *self.own_options()],
            callback=self.callback_for(cmd_name),
            help=module.__doc__,
            short_help=summary_of(module),
        )

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        name = args[0]
        command = self.get_command(ctx, name)
        return name, command, args[1:]


def parameters_of(*decorators: Any) -> list[click.Parameter]:
    """The parameters that click's decorators declare, in reverse order."""

    def carrier() -> None: ...

    for decorate in decorators:
        decorate(carrier)
    parameters: list[click.Parameter] = carrier.__click_params__  # type: ignore[attr-defined]
    return list(reversed(parameters))


def _own_options() -> list[click.Parameter]:
    return parameters_of(
        json_option,
        quiet_option,
        click.option(
            "--groups",
            metavar="COLUMN",
            help="With --folds: examples that are equal in this column of the manifest, such as "
            "the patient, are never divided.",
        ),
        click.option(
            "--folds",
            type=click.IntRange(min=2),
            metavar="FOLDS",
            help="Cross-validate: one run per fold, mean and spread, out-of-fold predictions.",
        ),
        click.option(
            "--fractions",
            metavar="FRACTION,...",
            help="Learning curve: one run for each fraction of the training examples, such as "
            "0.25,0.5,1, and whether more examples would help.",
        ),
        click.option(
            "--time",
            metavar="TIME",
            help="Train as many of the epochs as there is time for, such as 20m or 1h30m.",
        ),
        click.option(
            "--price",
            metavar="PRICE",
            help="Of an hour of this machine, such as 2.50/h: say what the run costs.",
        ),
        click.option(
            "--dry-run",
            is_flag=True,
            help="Print the data, the stages and the time a run would take; train nothing.",
        ),
        click.option(
            "--schedule",
            metavar="FILE",
            help="With --dry-run: write the stages to this YAML file, to edit and give to "
            "--unfreeze.",
        ),
        click.option(
            "--run-dir", metavar="FOLDER", help="Where to put the run.  [default: under runs/]"
        ),
        click.option(
            "--config", metavar="FILE", help="YAML file with settings; options win over it."
        ),
    )


def _callback(recipe: str) -> Any:
    def run(
        config: str | None,
        run_dir: str | None,
        dry_run: bool,
        schedule: str | None,
        folds: int | None,
        groups: str | None,
        fractions: str | None,
        time: str | None,
        price: str | None,
        quiet: bool,
        as_json: bool,
        **settings: Any,
    ) -> None:
        given = {name: value for name, value in settings.items() if value is not None}
        # `kfine fit --json RECIPE` means the same as `kfine fit RECIPE --json`.
        before = click.get_current_context().parent
        if before is not None:
            quiet, as_json = quiet or before.params["quiet"], as_json or before.params["as_json"]
        console = make_console(quiet)
        if dry_run:
            from kfine.verbs.dry_run import dry_run as rehearse

            plan = rehearse(
                recipe,
                config=config,
                schedule=schedule,
                time=time,
                price=price,
                console=console,
                **given,
            )
            _print_plan(plan, as_json)
            if schedule is not None:
                console.say(f"edit {schedule} and give it back: --unfreeze {shlex.quote(schedule)}")
            return
        if schedule is not None:
            raise ConfigError("--schedule is written by a dry run: give --dry-run too.")
        if fractions is not None and (folds is not None or groups is not None):
            raise ConfigError("--fractions and --folds are two ways to part the data: give one.")
        several = folds is not None or groups is not None or fractions is not None
        if several and (time is not None or price is not None):
            raise ConfigError(
                "--time and --price are of one run, and --folds and --fractions make several: "
                "give --epochs, and see what one costs with --dry-run."
            )
        if folds is not None or groups is not None:
            if folds is None:
                raise ConfigError("--groups says how folds are made: give --folds too.")
            from kfine.verbs.folds import cross_validate

            found = cross_validate(
                recipe,
                folds=folds,
                groups=groups,
                config=config,
                run_dir=run_dir,
                console=console,
                **given,
            )
            _print_folds(found, as_json)
            return
        if fractions is not None:
            from kfine.verbs.fractions import learning_curve

            curve = learning_curve(
                recipe,
                fractions=_fractions(fractions),
                config=config,
                run_dir=run_dir,
                console=console,
                **given,
            )
            _print_curve(curve, as_json)
            return
        from kfine.verbs.fit import fit

        result = fit(
            recipe,
            config=config,
            run_dir=run_dir,
            time=time,
            price=price,
            console=console,
            **given,
        )
        _print_result(result, quiet, as_json)

    return run


def resume_alone(command_path: str) -> KfineError:
    """The answer to `--resume` beside a recipe."""
    verb = command_path.split()[1]
    what = "run" if verb == "fit" else "search"
    return ConfigError(
        f"--resume takes no recipe and no settings: the {what} has its own; "
        f"continue it with `kfine {verb} --resume {what.upper()}`."
    )


def _print_plan(plan: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(plan)
        return
    for stage in plan["stages"]:
        cached = stage["features"] == "cached"
        size = f", {format_bytes(stage['cache_bytes'])} of cached features" if cached else ""
        click.echo(f"{stage['sentence']}; about {format_seconds(stage['seconds'])}{size}")
    if plan["refit"].get("seconds"):
        click.echo(
            f"then once more on all {plan['refit']['examples']} training and validation examples; "
            f"at most about {format_seconds(plan['refit']['seconds'])}"
        )
    elif plan["refit"]:
        click.echo(f"all {plan['refit']['examples']} training and validation examples train")
    click.echo(f"about {format_seconds(plan['seconds'])} in all, measured on a few steps")
    if "cost" in plan:
        click.echo(f"about {plan['cost']['words']} at {plan['cost']['price']}")
    if "epochs_in_time" in plan:
        click.echo(f"--time leaves room for {plan['epochs_in_time']} epochs")
    if plan["memory"]:
        click.echo(
            f"about {format_bytes(plan['memory']['bytes'])} of memory and the cached features; "
            f"{format_bytes(plan['memory']['free'])} are free"
        )
    click.echo(f"schedule: --unfreeze {shlex.quote(plan['unfreeze'])}")


def _print_folds(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    rows = [
        [name, f"{one['mean']:.3f}", f"{one['spread']:.3f}"]
        + [f"{value:.3f}" for value in one["folds"]]
        for name, one in found["metrics"].items()
    ]
    numbers = [f"fold {number}" for number in range(1, found["count"] + 1)]
    print_table(["", "mean", "spread", *numbers], rows)
    click.echo(f"out_of_fold.json is in {found['folder']}", err=True)


def _fractions(text: str) -> list[float]:
    try:
        return [float(one) for one in text.split(",")]
    except ValueError:
        raise ConfigError(
            f"--fractions wants numbers with commas between them, such as 0.25,0.5,1. Received: "
            f"{text!r}"
        ) from None


def _print_curve(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    primary = found["primary"]
    rows = []
    for one in (*found["points"], *filter(None, [found["expected"]])):
        interval = "{:.3f} to {:.3f}".format(*one["interval"]) if one["interval"] else ""
        expected = "expected" if one is found["expected"] else ""
        rows.append([str(one["count"]), f"{one[primary]:.3f}", interval, expected])
    print_table(["training examples", primary.replace("_", " "), "95 % interval", ""], rows)
    for line in found["words"]:
        click.echo(line)
    click.echo(f"fractions.json and learning_curve.png are in {found['folder']}", err=True)


def _print_result(run: Any, quiet: bool, as_json: bool) -> None:
    info = run._folder.info()
    if as_json:
        print_json({"run": str(run.path), **info})
        return
    shown = near(run.path)
    click.echo(f"{shown}")
    if not quiet:
        click.echo(f"next: kfine evaluate {shlex.quote(str(shown))}", err=True)


@click.group(
    "fit",
    cls=RecipeGroup,
    invoke_without_command=True,
    subcommand_metavar="RECIPE [SETTINGS]...",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option("--resume", metavar="RUN", help="Continue an interrupted run to the same result.")
@quiet_option
@json_option
@click.pass_context
def command(ctx: click.Context, resume: str | None, quiet: bool, as_json: bool) -> None:
    """Fine-tune a model: RECIPE is a name from `kfine recipes` or the path of a .py file.

    `kfine fit RECIPE --help` shows every setting.
    """
    if resume is not None:
        from kfine.verbs.fit import fit

        if ctx.invoked_subcommand is not None:
            raise resume_alone(ctx.command_path)
        if (Path(resume) / "folds.json").is_file():
            from kfine.verbs.folds import cross_validate

            _print_folds(cross_validate(resume=resume, console=make_console(quiet)), as_json)
            return
        if (Path(resume) / "fractions.json").is_file():
            from kfine.verbs.fractions import learning_curve

            _print_curve(learning_curve(resume=resume, console=make_console(quiet)), as_json)
            return
        _print_result(fit(resume=resume, console=make_console(quiet)), quiet, as_json)
    elif ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
