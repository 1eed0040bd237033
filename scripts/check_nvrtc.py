#!/usr/bin/env python3
"""Compiles a CUDA source by NVRTC without options, as the program does when it runs. Needs no GPU.

check_nvrtc.py LIBNVRTC SOURCE      prints the architecture of the PTX and the number of its kernels
"""

import ctypes
import re
import sys
from pathlib import Path


def main():
    library, source = sys.argv[1:]
    nvrtc = ctypes.CDLL(library)
    program = ctypes.c_void_p()
    text = Path(source).read_bytes()
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), text, b"kernels.cu", 0, None, None)
    failed = nvrtc.nvrtcCompileProgram(program, 0, None)
    size = ctypes.c_size_t()
    nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(program, log)
    if failed:
        sys.exit(f"NVRTC ends with {failed}: {log.value.decode()}")
    nvrtc.nvrtcGetPTXSize(program, ctypes.byref(size))
    ptx = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetPTX(program, ptx)
    text = ptx.value.decode()
    target = re.search(r"^\.target (\S+)", text, re.MULTILINE)
    kernels = re.findall(r"^\.visible \.entry", text, re.MULTILINE)
    print(f"NVRTC: {len(kernels)} kernels, for {target and target[1]}")


if __name__ == "__main__":
    main()
