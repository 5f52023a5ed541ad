"""Writes newc cpio archives: the initrds that the tests boot."""

import gzip
import os
import stat


def entry(name, mode, data=b"", inode=0, device=(0, 0), names=1, mtime=0):
    """One header with its name and data, each padded to four bytes."""
    raw = name.encode() + b"\0"
    fields = [inode, mode, 0, 0, names, mtime, len(data), 0, 0, device[0], device[1], len(raw), 0]
    head = b"070701" + b"".join(b"%08x" % f for f in fields) + raw
    return head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)


class Initrd:
    """An archive under construction. Folders on the way to a file are made."""

    def __init__(self):
        self.parts = []
        self.names = set()
        self.folder("dev")
        self.add("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))

    def add(self, name, mode, data=b"", device=(0, 0), mtime=0):
        parent = os.path.dirname(name)
        if parent:
            self.folder(parent)
        if name not in self.names:
            self.names.add(name)
            self.parts.append(entry(name, mode, data, len(self.names), device, mtime=mtime))

    def folder(self, name, mtime=0):
        self.add(name, stat.S_IFDIR | 0o755, mtime=mtime)

    def text(self, name, text, mode=0o644):
        self.add(name, stat.S_IFREG | mode, text.encode())

    def file(self, name, path, mode=0o755):
        with open(path, "rb") as source:
            self.add(name, stat.S_IFREG | mode, source.read())

    def file_of_names(self, names, text, mtime=0):
        """One file under several names; as GNU cpio has it, the last one carries what is in it."""
        inode = 1000000 + len(self.names)
        for name in names:
            data = text.encode() if name == names[-1] else b""
            self.names.add(name)
            self.parts.append(entry(name, stat.S_IFREG | 0o644, data, inode, names=len(names), mtime=mtime))

    def link(self, name, target):
        self.add(name, stat.S_IFLNK | 0o777, target.encode())

    def bytes(self):
        data = b"".join(self.parts) + entry("TRAILER!!!", 0)
        return data + b"\0" * (-len(data) % 512)

    def write(self, path, compress=False):
        data = self.bytes()
        with open(path, "wb") as out:
            out.write(gzip.compress(data, 6, mtime=0) if compress else data)
        return path
