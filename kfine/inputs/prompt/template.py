"""How messages become the text that a language model was trained to reply to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from kfine.errors import ConfigError
from kfine.inputs.prompt.conversation import ASSISTANT, USER, Message
from kfine.inputs.prompt.vocabulary import Vocabulary

AUTO, PLAIN = "auto", "plain"
# Each message in a line, and the reply in the next one.
_PLAIN = "{% for message in messages %}{{ message.content }}\n{% endfor %}"
# Tokens that tell a template -> how it is written. Of models whose files do not hold one.
_CHAT_ML = """\
{% for message in messages %}<|im_start|>{{ message.role }}
{{ message.content }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""
_LLAMA_3 = """\
{{ bos_token }}{% for message in messages %}<|start_header_id|>{{ message.role }}<|end_header_id|>

{{ message.content | trim }}<|eot_id|>{% endfor %}{% if add_generation_prompt %}\
<|start_header_id|>assistant<|end_header_id|>

{% endif %}"""
_KNOWN = {
    ("<|im_start|>", "<|im_end|>"): ("ChatML", _CHAT_ML),
    ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"): ("Llama 3", _LLAMA_3),
}


@dataclass(frozen=True)
class Template:
    """A chat template in Jinja, as Hugging Face's tokenizers have it.

    See https://huggingface.co/docs/transformers/chat_templating.

    Attributes:
        name: "plain", "the model's own", "ChatML", "Llama 3" or a file.
        source: The template.
        start: Its `bos_token`.
        end: Its `eos_token`.
    """

    name: str
    source: str = field(repr=False)
    start: str = ""
    end: str = ""

    @property
    def plain(self) -> bool:
        """Whether it knows no roles."""
        return self.name == PLAIN

    def render(self, messages: Sequence[Message], *, asks: bool = True) -> str:
        """The text of messages.

        Args:
            messages: The messages.
            asks: Whether the assistant is to speak next.

        Raises:
            ConfigError: The template refuses the messages, or is none.
        """
        from jinja2 import TemplateError

        given = [{"role": one.role, "content": one.content} for one in messages]
        try:
            return str(
                self._compiled.render(
                    messages=given,
                    add_generation_prompt=asks,
                    bos_token=self.start,
                    eos_token=self.end,
                )
            )
        # A template may do anything that Jinja allows.
        except (TemplateError, TypeError, ValueError, OverflowError) as error:
            roles = ", ".join(one.role for one in messages)
            raise ConfigError(
                f"The chat template ({self.name}) cannot write messages of {roles}: {error}"
            ) from None

    @cached_property
    def _compiled(self) -> Any:
        from jinja2.exceptions import TemplateError
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        def refuse(message: str) -> None:
            raise TemplateError(message)

        # A template comes with a model that others made.
        sandbox = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        sandbox.filters["tojson"] = lambda one, **how: json.dumps(one, ensure_ascii=False, **how)
        sandbox.globals["raise_exception"] = refuse
        sandbox.globals["strftime_now"] = lambda how: datetime.now().strftime(how)
        return sandbox.from_string(self.source)

    def ends(self, vocabulary: Vocabulary) -> tuple[int, ...]:
        """Tokens any of which ends a reply: what the template writes behind one, and the end."""
        end = vocabulary.number(vocabulary.end)
        if self.plain:
            return (end,)
        said = [Message(USER, "x"), Message(ASSISTANT, "\ufdd0")]
        behind = self.render(said, asks=False).rpartition("\ufdd0")[2].lstrip()
        first = vocabulary.encode(behind, special=True)[:1]
        return tuple(dict.fromkeys([*first, end]))


def template_of(asked: str, own: str | None, vocabulary: Vocabulary, read_file: Any) -> Template:
    """The template of a model.

    Args:
        asked: `auto` takes the model's own, else one that its tokens tell, else `plain`, which
            writes each message in a line; or a file in Jinja.
        own: What comes with the model.
        vocabulary: Its tokens.
        read_file: Reads such a file.

    Raises:
        ConfigError: The file is no template.
    """
    marks = {"start": vocabulary.start or "", "end": vocabulary.end}
    if asked == PLAIN:
        return Template(PLAIN, _PLAIN, **marks)
    if asked != AUTO:
        return _checked(Template(asked, read_file(asked), **marks))
    if own:
        return _checked(Template("the model's own", own, **marks))
    for tokens, (name, source) in _KNOWN.items():
        if all(map(vocabulary.knows, tokens)):
            return Template(name, source, **marks)
    return Template(PLAIN, _PLAIN, **marks)


def _checked(template: Template) -> Template:
    """One that can write a message."""
    if "\ufdd0" not in template.render([Message(USER, "\ufdd0")]):
        raise ConfigError(
            f"The chat template ({template.name}) leaves out what a user says: it loops over "
            "`messages`, with `role` and `content` of each"
        )
    return template
