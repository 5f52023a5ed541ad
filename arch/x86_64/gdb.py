"""
Commands for gdb on Calf: gdb -x arch/x86_64/gdb.py build/calf.elf, with `make debug` running.

    calf-tasks            every process: pid, state, name, address space
    calf-task [PID]       one task, by default the one that runs
    calf-areas [PID]      the areas of its address space
    calf-page PFN         struct page of a frame
    calf-tree [PID] [ADDRESS]
                          the tree of frames: the path to an address, or a count a level
    calf-log              the kernel's log
"""

import gdb

DIRECT_BASE = 0xFFFF800000000000
PFN_MASK = 0x000FFFFFFFFFF000
STATES = "RSDDTZX"
PTE_BITS = ((0, "P"), (1, "W"), (2, "U"), (5, "A"), (6, "D"), (7, "H"), (8, "G"), (9, "S"), (63, "NX"))


def value(expression):
    return gdb.parse_and_eval(expression)


def field_offset(type_name, field):
    for f in gdb.lookup_type(type_name).fields():
        if f.name == field:
            return f.bitpos // 8
    raise gdb.GdbError(f"{type_name} has no field {field}")


def container(node, type_name, field):
    address = int(node) - field_offset(type_name, field)
    return gdb.Value(address).cast(gdb.lookup_type(type_name).pointer())


def tree_nodes(node):
    """The nodes of a red-black tree in order."""
    while int(node):
        yield from tree_nodes(node["left"])
        yield node
        node = node["right"]


def processes():
    for node in tree_nodes(value("processes.root")):
        yield container(node, "struct process", "pid_node")


def find_task(pid):
    if pid is None:
        return value("percpus[0].task")
    for p in processes():
        if int(p["pid"]) == pid:
            return p["leader"]
    raise gdb.GdbError(f"there is no process {pid}")


def text(array):
    return array.string(errors="replace")


def read_u64(address):
    data = gdb.selected_inferior().read_memory(address, 8)
    return int.from_bytes(bytes(data), "little")


def entry_text(entry):
    bits = "".join(name for bit, name in PTE_BITS if entry >> bit & 1)
    return f"frame {(entry & PFN_MASK) >> 12:#x} {bits}"


def page_text(pfn):
    page = (value("page_array") + pfn).dereference()
    kind = gdb.Value(int(page["kind"])).cast(gdb.lookup_type("enum page_kind"))
    return (
        f"{kind} mapcount {int(page['mapcount'])} refcount {int(page['refcount'])} "
        f"order {int(page['order'])} flags {int(page['flags']):#x}"
    )


class Command(gdb.Command):
    """What the commands share: a number or nothing as their argument."""

    def __init__(self, name):
        super().__init__(name, gdb.COMMAND_DATA)

    @staticmethod
    def numbers(argument):
        return [int(value(a)) for a in gdb.string_to_argv(argument)]


class Tasks(Command):
    """calf-tasks: every process: pid, state, name, address space."""

    def invoke(self, argument, _from_tty):
        for p in processes():
            t = p["leader"]
            mm = int(t["mm"])
            print(f"{int(p['pid']):6} {STATES[int(t['state'])]} {text(t['comm']):16} mm {mm:#x}")


class Task(Command):
    """calf-task [PID]: one task, by default the one that runs."""

    def invoke(self, argument, _from_tty):
        numbers = self.numbers(argument)
        t = find_task(numbers[0] if numbers else None)
        print(f"task {int(t['tid'])} {text(t['comm'])} at {int(t):#x}, state {STATES[int(t['state'])]}")
        print(f"work {int(t['work']):#x} blocked {int(t['blocked']):#x} stack {int(t['kstack']):#x}")
        regs = gdb.Value(int(t["kstack"]) + 0x4000).cast(gdb.lookup_type("struct regs").pointer()) - 1
        print("user registers:")
        for f in regs.dereference().type.fields():
            print(f"  {f.name:9}{int(regs[f.name]):#x}")


class Areas(Command):
    """calf-areas [PID]: the areas of an address space."""

    def invoke(self, argument, _from_tty):
        numbers = self.numbers(argument)
        mm = find_task(numbers[0] if numbers else None)["mm"]
        if not int(mm):
            raise gdb.GdbError("a kernel thread has no areas")
        for node in tree_nodes(mm["areas"]["tree"]["root"]):
            a = container(node, "struct area", "node")
            flags = int(a["flags"])
            letters = "".join(c if flags >> i & 1 else "-" for i, c in enumerate("rwx"))
            letters += "s" if flags & 8 else "p"
            print(f"{int(a['start']):012x}-{int(a['end']):012x} {letters} pgoff {int(a['pgoff']):#x}")


class Page(Command):
    """calf-page PFN: struct page of a frame."""

    def invoke(self, argument, _from_tty):
        numbers = self.numbers(argument)
        if not numbers:
            raise gdb.GdbError("which frame?")
        print(page_text(numbers[0]))


class Tree(Command):
    """calf-tree [PID] [ADDRESS]: the path to an address, or how many entries each level has."""

    def invoke(self, argument, _from_tty):
        numbers = self.numbers(argument)
        mm = find_task(numbers[0] if numbers else None)["mm"]
        if not int(mm):
            raise gdb.GdbError("a kernel thread has no tree")
        root = int(mm["mmu"]["root"])
        if len(numbers) > 1:
            self.path(root, numbers[1])
            return
        counts = [0] * 5
        self.count(root, 4, counts)
        for level in range(4, 0, -1):
            print(f"level {level}: {counts[level]} entries")

    @staticmethod
    def path(pfn, address):
        for level in range(4, 0, -1):
            index = address >> (12 + 9 * (level - 1)) & 511
            entry = read_u64(DIRECT_BASE + (pfn << 12) + index * 8)
            print(f"level {level} frame {pfn:#x} [{index}] = {entry:#018x} {entry_text(entry)}")
            if not entry & 1:
                return
            pfn = (entry & PFN_MASK) >> 12
            print(f"    {page_text(pfn)}")
            if entry & 0x80:
                return

    def count(self, pfn, level, counts):
        data = bytes(gdb.selected_inferior().read_memory(DIRECT_BASE + (pfn << 12), 4096))
        for i in range(256 if level == 4 else 512):
            entry = int.from_bytes(data[i * 8 : i * 8 + 8], "little")
            if not entry:
                continue
            counts[level] += 1
            if level > 1 and not entry & 0x80:
                self.count((entry & PFN_MASK) >> 12, level - 1, counts)


class Log(Command):
    """calf-log: the kernel's log."""

    def invoke(self, argument, _from_tty):
        written = int(value("written"))
        size = value("ring").type.sizeof
        data = bytes(gdb.selected_inferior().read_memory(int(value("&ring[0]")), size))
        start = written % size
        both = data[start:] + data[:start] if written > size else data[:written]
        print(both.decode(errors="replace"), end="")


for cls, name in (
    (Tasks, "calf-tasks"),
    (Task, "calf-task"),
    (Areas, "calf-areas"),
    (Page, "calf-page"),
    (Tree, "calf-tree"),
    (Log, "calf-log"),
):
    cls(name)

gdb.execute("set confirm off")
gdb.execute("set pagination off")
try:
    gdb.execute("target remote localhost:1234")
except gdb.error as error:
    print(f"not connected ({error}): start `make debug`, then `target remote localhost:1234`")
