"""Talk with model.litertlm. Needs: pip install litert-lm-api

python chat.py                  # each line that is typed is replied to
python chat.py "What is this?"  # one question
"""

import sys
from collections.abc import Iterable
from pathlib import Path

import litert_lm

MODEL = Path(__file__).resolve().parent / "model.litertlm"


def main(given: Iterable[str]) -> None:
    litert_lm.set_min_log_severity(litert_lm.LogSeverity.ERROR)
    with (
        litert_lm.Engine(str(MODEL), backend=litert_lm.Backend.CPU()) as engine,
        engine.create_conversation() as conversation,
    ):
        for text in given:
            for piece in conversation.send_message_async(text):
                for part in piece["content"]:
                    print(part.get("text", ""), end="", flush=True)
            print()


if __name__ == "__main__":
    main([" ".join(sys.argv[1:])] if sys.argv[1:] else map(str.strip, sys.stdin))
