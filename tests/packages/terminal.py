"""Types answers at the terminal of a program: terminal.py ANSWERS COMMAND...

Each line of ANSWERS is what a question has in it, a tab, and what is typed then. What the program
shows goes to stdout. The status is the program's own, or 1 if a question was never asked.
"""

import os
import pty
import select
import sys
import time

# Only to find a program that waits for ever.
PATIENCE_S = 120


def play(answers, command):
    child, terminal = pty.fork()
    if child == 0:
        os.execvp(command[0], command)
    unread, deadline = "", time.monotonic() + PATIENCE_S
    while True:
        if not select.select([terminal], [], [], max(0, deadline - time.monotonic()))[0]:
            sys.exit(f"\nit waits for something: {unread!r}")
        try:
            shown = os.read(terminal, 4096)
        except OSError:
            break
        if not shown:
            break
        sys.stdout.write(text := shown.decode(errors="replace"))
        sys.stdout.flush()
        unread += text
        for answer in answers:
            if answer[0] in unread:
                answers.remove(answer)
                os.write(terminal, answer[1].encode() + b"\n")
                unread = ""
                break
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if answers and not status:
        sys.exit(f"it never asked: {answers}")
    sys.exit(status)


def main():
    with open(sys.argv[1], encoding="utf-8") as lines:
        answers = [line.rstrip("\n").split("\t") for line in lines if line.strip()]
    play(answers, sys.argv[2:])


main()
