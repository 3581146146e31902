"""A settings dataclass and its three faces: click options, YAML, keyword arguments."""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from kfine.errors import ConfigError

if typing.TYPE_CHECKING:
    import click

ConfigType = TypeVar("ConfigType")


@dataclasses.dataclass(frozen=True)
class Setting:
    """One field of a settings dataclass, as all three faces see it."""

    name: str
    kind: type
    optional: bool
    default: Any
    help: str
    unit: str | None
    group: str
    choices: tuple[str, ...] | None
    minimum: float | None
    maximum: float | None
    read: Callable[[Any], Any] | None = None

    @property
    def option(self) -> str:
        """The command-line spelling, such as `--batch-size`."""
        return "--" + self.name.replace("_", "-")


def setting(
    default: Any,
    help: str,
    *,
    group: str,
    unit: str | None = None,
    choices: Iterable[str] | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
    read: Callable[[Any], Any] | None = None,
) -> Any:
    """Declare a field of a settings dataclass.

    Args:
        default: Value when none is given; `None` for settings that are chosen automatically.
        help: One sentence for `--help` and the docs.
        group: Heading under which `--help` lists it.
        unit: Unit of the value, such as `"pixels"`.
        choices: The only values allowed.
        minimum: Smallest value allowed.
        maximum: Largest value allowed.
        read: From a value as it is given to what the config keeps, such as of a file to its
            contents; raises `ConfigError` where it cannot.
    """
    metadata = {
        "help": help,
        "group": group,
        "unit": unit,
        "choices": tuple(choices) if choices else None,
        "minimum": minimum,
        "maximum": maximum,
        "read": read,
    }
    return dataclasses.field(default=default, metadata=metadata)


def inherited(config_class: type, name: str, default: Any) -> Any:
    """Declare an inherited setting again, with another default and all else as it was.

    Args:
        config_class: Where the setting is declared.
        name: The setting.
        default: As in `setting`.
    """
    (field,) = (one for one in dataclasses.fields(config_class) if one.name == name)
    return dataclasses.field(default=default, metadata=field.metadata)


def settings_of(config_class: type) -> list[Setting]:
    """List the settings of a dataclass made with `setting`, grouped by heading, own ones first."""
    hints = typing.get_type_hints(config_class)
    found = []
    for field in dataclasses.fields(config_class):
        kind, optional = _plain_type(hints[field.name])
        found.append(Setting(field.name, kind, optional, field.default, **field.metadata))
    # What the recipe itself declares matters most to its user, so its headings come first.
    own = [one for one in found if one.name in inspect.get_annotations(config_class)]
    headings = list(dict.fromkeys(one.group for one in [*own, *found]))
    return sorted(found, key=lambda one: headings.index(one.group))


def _plain_type(hint: Any) -> tuple[type, bool]:
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return next(one for one in arguments if one is not type(None)), True
    return hint, False


def make_config(
    config_class: type[ConfigType],
    values: Mapping[str, Any],
    file: str | Path | None = None,
) -> ConfigType:
    """Build a config from keyword arguments over a YAML file over the defaults.

    A class with a static method `derived` fills in settings that were not given: it takes those
    that were, checked, and gives those that follow from them.

    Raises:
        ConfigError: A name is unknown (the nearest right one is given) or a value impossible.
    """
    merged = {**(load_yaml(file) if file else {}), **values}
    known = {one.name: one for one in settings_of(config_class)}
    checked = {}
    for raw_name, value in merged.items():
        name = str(raw_name).replace("-", "_")
        if name not in known:
            raise ConfigError(f"There is no setting {raw_name!r}; {nearest(name, known)}.")
        checked[name] = check_value(known[name], value)
    derived = getattr(config_class, "derived", None)
    return config_class(**{**(derived(checked) if derived else {}), **checked})


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which known name is most like the given one, or which names there are."""
    known = list(known)
    close = closest(name, known)
    return f"the nearest is {close!r}" if close else "there are: " + ", ".join(known)


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like the given one; `None` where none is."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return close[0] if close else None


def check_value(one: Setting, value: Any) -> Any:
    """Convert a value to the type of its setting, and check it.

    Raises:
        ConfigError: It is impossible.
    """
    if value is None:
        if one.optional or one.default is None:
            return None
        raise ConfigError(f"{one.name} needs a value; the default is {one.default!r}.")
    value = _convert(one, one.read(value) if one.read else value)
    if one.choices and value not in one.choices:
        raise ConfigError(
            f"{one.name} must be one of {', '.join(one.choices)}. Received: {value!r}"
        )
    unit = f" {one.unit}" if _counts(one) and one.unit != one.name else ""
    if one.minimum is not None and value < one.minimum:
        raise ConfigError(f"{one.name} must be at least {one.minimum}{unit}. Received: {value!r}")
    if one.maximum is not None and value > one.maximum:
        raise ConfigError(f"{one.name} must be at most {one.maximum}{unit}. Received: {value!r}")
    return value


def _convert(one: Setting, value: Any) -> Any:
    words = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
    wrong = ConfigError(f"{one.name} must be {words.get(one.kind)}. Received: {value!r}")
    if one.kind is bool:
        named = {"true": True, "false": False, "yes": True, "no": False}
        if isinstance(value, bool):
            return value
        if str(value).lower() in named:
            return named[str(value).lower()]
        raise wrong
    if one.kind is str:
        value = _yaml_text(value) if isinstance(value, dict) else value
        if isinstance(value, (str, int, float, Path)) and not isinstance(value, bool):
            return str(value)
        raise wrong
    if isinstance(value, bool):
        raise wrong
    try:
        number = float(value)
        if number != number or number in (float("inf"), float("-inf")):
            raise wrong
        if one.kind is int:
            if number != int(number):
                raise wrong
            return int(number)
        return number
    except (TypeError, ValueError):
        raise wrong from None


def absolute_path(text: str) -> str:
    """The absolute form of a setting that names an existing file or folder; others as they are."""
    path = Path(text).expanduser()
    return str(path.resolve()) if text and path.exists() else text


def load_yaml(path: str | Path, what: str = "settings file") -> dict[str, Any]:
    """Read a settings file.

    Args:
        path: The file.
        what: What errors call it.

    Raises:
        ConfigError: The file is missing, is not YAML, or is not a list of settings.
    """
    import yaml

    try:
        # Everything is read as text and converted by its setting: YAML 1.1 would read an
        # unquoted 2:1 as the base-60 number 121, and `no` as false.
        values = yaml.load(Path(path).read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    except OSError as error:
        raise ConfigError(f"Cannot read the {what} {path}: {error.strerror}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"The {what} {path} is not valid YAML: {reason}.") from None
    if not values:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"The {what} {path} must hold `name: value` lines.")
    return {name: _yaml_text(value) for name, value in values.items()}


def _yaml_text(value: Any) -> Any:
    # A mapping such as {2: 1, 5: 3} is the other natural way to write a schedule.
    if isinstance(value, dict):
        return ",".join(f"{key}:{item}" for key, item in value.items())
    return None if value in ("null", "~", "") else value


def dump_yaml(config: Any) -> str:
    """Write a config as YAML with a comment per setting."""
    import yaml

    lines = []
    for one in settings_of(type(config)):
        value = yaml.safe_dump({one.name: getattr(config, one.name)}, allow_unicode=True)
        unit = f" [{one.unit}]" if one.unit else ""
        lines += [f"# {one.help}{unit}", value.rstrip("\n")]
    return "\n".join(lines) + "\n"


def click_options(config_class: type) -> list[click.Option]:
    """Make one click option per setting; an option that was not given yields `None`."""
    import click

    options = []
    for one in settings_of(config_class):
        kind: Any = click.Choice(one.choices) if one.choices else _click_type(one)
        option = click.Option(
            [one.option] if one.kind is not bool else [f"{one.option}/--no-{one.option[2:]}"],
            type=None if one.kind is bool else kind,
            default=None,
            help=_option_help(one),
            metavar=None if one.choices else _metavar(one),
        )
        option.group = one.group  # type: ignore[attr-defined]
        options.append(option)
    return options


def _click_type(one: Setting) -> Any:
    return {int: int, float: float, str: str}.get(one.kind, str)


def _metavar(one: Setting) -> str | None:
    if one.kind is bool:
        return None
    return (one.unit or {int: "integer", float: "number"}.get(one.kind, "text")).upper()


def _counts(one: Setting) -> bool:
    """Whether the unit reads well behind a number; "0.15 fraction" does not."""
    return one.unit not in (None, "fraction")


def _option_help(one: Setting) -> str:
    default = "chosen automatically" if one.default is None else str(one.default)
    unit = f" {one.unit}" if _counts(one) and one.default is not None else ""
    return f"{one.help}  [default: {default}{unit}]"
