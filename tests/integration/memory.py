"""All of a machine's memory, searched for a secret and for what is made of it."""

import mmap
import re


def sbox():
    """FIPS 197, 5.1.1 "SubBytes() Transformation"."""
    box, p, q = [0x63] * 256, 1, 1
    while True:
        p ^= (p << 1) & 0xff ^ (0x1b if p & 0x80 else 0)
        for shift in (1, 2, 4):
            q ^= (q << shift) & 0xff
        q ^= 0x09 if q & 0x80 else 0
        box[p] = q ^ 0x63
        for shift in (1, 2, 3, 4):
            box[p] ^= (q << shift | q >> (8 - shift)) & 0xff
        if p == 1:
            return box


def round_keys(key):
    """What an AES-256 key schedule has behind the key itself, as far as it is sure to be kept: two round keys. FIPS 197,
    5.2 "Key Expansion"."""
    box, words = sbox(), [key[at:at + 4] for at in range(0, 32, 4)]
    for i in range(8, 16):
        t = words[-1]
        if i == 8:
            t = bytes(box[b] for b in t[1:] + t[:1])
            t = bytes([t[0] ^ 1]) + t[1:]
        elif i == 12:
            t = bytes(box[b] for b in t)
        words.append(bytes(a ^ b for a, b in zip(t, words[-8])))
    return b"".join(words[8:])


def swapped(data):
    return b"".join(data[at:at + 4][::-1] for at in range(0, len(data), 4))


ROWS = {0x02: "1234567890", 0x10: "qwertyuiop", 0x1e: "asdfghjkl", 0x2c: "zxcvbnm", 0x39: " "}
MAKE = {c: first + i for first, row in ROWS.items() for i, c in enumerate(row)}  # scan code set 1, keyboard of the USA


def forms_of_passphrase(text):
    """As bytes, as UTF-16, and as buffers of keys have it: a BIOS's words with scan codes, a firmware's EFI_INPUT_KEY
    (scan code and character, 16 bits each) and EFI_KEY_DATA (that and 8 bytes of state)."""
    wide = [re.escape(c.encode("utf-16-le")) for c in text]
    codes = b"".join(re.escape(bytes([MAKE[c], MAKE[c] | 0x80])) for c in text[-6:])  # a driver's ring holds 16 keys
    return {"scan codes": codes,
            "UTF-8": re.escape(text.encode()), "UTF-16": b"".join(wide),
            "BIOS words": b".".join(re.escape(c.encode()) for c in text),
            "EFI_INPUT_KEY": rb"\0\0".join(wide), "EFI_KEY_DATA": b".{10}".join(wide)}


def forms_of_key(key):
    """A volume key: both halves and their key schedules, in both orders of bytes."""
    forms = {"all digits": re.escape(key.hex().encode())}
    for name, half in (("data key", key[:32]), ("tweak key", key[32:])):
        for form, data in ((name, half), (f"{name}'s schedule", round_keys(half))):
            forms[form] = re.escape(data)
            forms[f"{form}, swapped"] = re.escape(swapped(data))
    return forms


def dump(machine, mib):
    path = machine.folder / "memory"
    machine.monitor(f'pmemsave 0 {mib << 20} "{path}"')
    return path


def find(path, forms):
    """[(form, address)]"""
    with open(path, "rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as memory:
        return [(name, m.start()) for name, form in forms.items() for m in re.finditer(form, memory, re.S)]


def region(text):
    """The hypervisor's own."""
    start = int(re.search(r"KiB used at (\w+), guest starts", text).group(1), 16)
    return (start, start + (16 << 20))
