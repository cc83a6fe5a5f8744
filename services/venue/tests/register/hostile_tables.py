"""Files of records that are none: quotes, lengths, titles."""

from . import files
from .hostile_making import GOOD, HEAD, LIMIT, MIB, TAIL, Hostile, big, small


def quotes() -> list[Hostile]:
    """Quotes that open and do not close, or stand where none may, up to bombs of them. A good row stands behind each."""
    head, tail = HEAD.encode(), b"\n" + TAIL.encode()
    bombs = [
        b'"',
        b'""',
        b'"""',
        b'"\n',
        b'"a\n',
        b'"""\n',
        b'""\n"""\n',
        b'a,"\n',
        b'"a"b\n',
        b'"",',
        b'",\n',
        b'x"\n',
        b'"\r',
    ]
    bombs += [b'"",""', b'"\t"\t', b'"\r\n"', b'"\xe5\xba\x97"']
    alike = (b'""', b'"""')  # the same bytes as the first, if nothing else stands between
    found = [
        big(f"bomb {bomb!r} {size}", bomb, size, head=head, tail=tail)
        for bomb in bombs
        if bomb not in alike
        for size in (500, 40_000)
    ]
    found += [big(f"bomb {bomb!r} of 1 MiB", bomb, MIB, head=head, tail=tail) for bomb in (b'"', b'"a\n', b'"""\n')]
    found += [small(f"open in cell {n}", head + b",".join([b"x"] * n + [b'"open']) + tail) for n in range(10)]
    return found


def long() -> list[Hostile]:
    """Lines, cells and rows without end."""
    head, tail = HEAD.encode(), TAIL.encode()
    near = [32 * 1024 + step for step in (-2, -1, 0, 1, 2)]
    found = [big(f"line of {size}", b"x", size, head=head, tail=b"\n" + tail) for size in near]
    found += [
        big("one line of 32 MiB", b"x", LIMIT),
        big("one line of 32 MiB behind titles", b"x", LIMIT, head=head),
        big("commas for 4 MiB", b",", 4 * MIB, head=head, tail=b"\n" + tail),
        big("ten million columns", b",", 10 * MIB, head=b"\xe5\x90\x8d", tail=b"\n" + tail),
        big("a title of 4 MiB", b"x", 4 * MIB, tail=b"\n" + tail),
        big("quoted cells for 4 MiB", b'"x",', 4 * MIB, head=head, tail=b"\n" + tail),
        big("a quoted cell of 4 MiB", b"x", 4 * MIB, head=head + b'"', tail=b'"\n' + tail),
        big("a quoted cell of empty lines", b"\n", 40_000, head=head + b'"', tail=b'"\n' + tail),
        big("rows that are all the same", TAIL.encode(), 200_000, head=head),
        big("empty lines", b"\n", MIB, head=head, tail=tail),
        big("lines of commas", b",,,,,,,,,\n", MIB, head=head, tail=tail),
        big("lines of one letter", b"x\n", 30_000, head=head, tail=b"\n" + tail),
        small("a hundred columns", (HEAD.strip() + "," * 95 + "\r\n").encode() + tail),
        small("too many columns", (HEAD.strip() + "," * 200 + "\r\n").encode() + tail),
        small("too many cells", head + tail.strip() + b"," * 300 + b"\n" + tail),
    ]
    return found


def titles() -> list[Hostile]:
    """Titles that are missing, twice or something else."""
    full = list(files.TITLES)
    found = [
        small(
            f"without {title}",
            files.text([files.row(1)], titles=[each if each != title else "" for each in full]).encode(),
        )
        for title in full
    ]
    found += [
        small(f"twice {title}", files.text([files.row(1)], titles=[*full[:-1], title]).encode()) for title in full[:4]
    ]
    found += [
        small("titles alone", HEAD.encode()),
        small("titles again", (HEAD + GOOD).encode()),
        small("no titles", GOOD.partition("\r\n")[2].encode()),
        small("long titles", files.text([files.row(1)], titles=["长" * 5000, *full[1:]]).encode()),
        small("blank lines before", b"\n\n ,,\n" + GOOD.encode()),
        small("a table in a cell", files.text([files.row(1, 场所名称=files.many(2)), files.row(2)]).encode()),
        small("a table in a title", files.text([files.row(1)], titles=[files.many(2), *full[1:]]).encode()),
        small("the file twice", GOOD.encode() * 2),
        small("sep=", b"sep=,\n" + GOOD.encode()),
    ]
    return found
