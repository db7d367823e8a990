"""Lengths of functions and files of the product, the outliers named.

The aims (see the table it prints): median function 13 lines, 90th percentile
45, no file over 600.  A function's length is what stands between its braces
in column 0.
"""
import glob
import sys

FUNCTION_AIM, FILE_AIM = 40, 600


def functions(path):
    """Yields (name, length) of each function of a file in our format."""
    lines = open(path, encoding="utf-8").read().split("\n")
    start = None
    for number, line in enumerate(lines):
        if line == "{" and start is None:
            start = number
        elif line == "}" and start is not None:
            name = lines[start - 1]
            back = start - 1
            while back > 0 and not lines[back][:1].isalpha():
                back -= 1
            name = lines[back].split("(")[0]
            yield name, number - start - 1
            start = None


def main():
    files = sorted(glob.glob("proxy/**/*.c", recursive=True)
                   + glob.glob("policy/*.c"))
    lengths, long_functions, sizes = [], [], []
    for path in files:
        sizes.append((len(open(path, encoding="utf-8").readlines()), path))
        for name, length in functions(path):
            lengths.append(length)
            if length > FUNCTION_AIM:
                long_functions.append((length, name, path))
    lengths.sort()
    sizes.sort(reverse=True)
    print(f"files      {len(files)}, {sum(s for s, _ in sizes)} lines, "
          f"largest {sizes[0][0]} ({sizes[0][1]})")
    print(f"functions  {len(lengths)}, median {lengths[len(lengths) // 2]}, "
          f"90th percentile {lengths[len(lengths) * 9 // 10]}, "
          f"longest {lengths[-1]}")
    for length, name, path in sorted(long_functions, reverse=True):
        print(f"  {length:4} lines  {name} ({path})")
    over = [(s, p) for s, p in sizes if s > FILE_AIM]
    for size, path in over:
        print(f"  {size:4} lines  {path}")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
