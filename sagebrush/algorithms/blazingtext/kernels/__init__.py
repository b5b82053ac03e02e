"""What BlazingText computes in machine code: loops that numba compiles, over arrays alone."""
