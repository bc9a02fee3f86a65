"""The command under test, as a person or a script calls it. In the environment, SEKISHO is its program."""

import os
import pty
import select
import subprocess
import time

SEKISHO = os.environ["SEKISHO"]
CRYPTSETUP = os.environ.get("CRYPTSETUP", "/usr/sbin/cryptsetup")
CHEAP = ("--iter-time", "1", "--pbkdf-memory", "64")


def run(*argv, typed=b"", program=SEKISHO):
    """(exit code, standard output, standard error)."""
    done = subprocess.run([program, *map(str, argv)], input=typed, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def good(*argv, typed=b""):
    code, out, err = run(*argv, typed=typed)
    assert code == 0, err
    return out


def refused(*argv, typed=b"", code=1):
    """The one sentence it says."""
    found, out, err = run(*argv, typed=typed)
    assert found == code and out == "", (found, out, err)
    assert err.startswith("sekisho: ") and err.endswith("\n"), err
    return err.splitlines()[-1].removeprefix("sekisho: ")


class Terminal:
    """The command on a terminal: what it asks, what is typed, what is seen."""

    def __init__(self, *argv):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execv(SEKISHO, [SEKISHO, *map(str, argv)])
        self.seen = self.all = ""  # since the last answer, and from the start

    def read(self):
        """More of what is seen; False at the end."""
        ready = select.select([self.fd], [], [], 60)[0]
        assert ready, f"nothing more comes after {self.seen!r}"
        try:
            data = os.read(self.fd, 4096)
        except OSError:  # how Linux says that the other side is closed
            return False
        self.seen += data.decode()
        self.all += data.decode()
        return bool(data)

    def answer(self, question, text):
        while question not in self.seen:
            assert self.read(), f"{question!r} does not come: {self.seen!r}"
        self.seen = self.seen.split(question, 1)[1]
        time.sleep(0.1)  # what is typed before echo is off is thrown away
        os.write(self.fd, text.encode() + b"\n")

    def end(self):
        while self.read():
            pass
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
