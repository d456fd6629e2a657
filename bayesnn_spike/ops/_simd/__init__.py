"""Vector values for numba kernels: `Words(n)` of n x 64 bits and `Floats(n)` of n float32.

A kernel holds vectors in ordinary local variables; LLVM keeps them in registers and legalises any
width to what the machine has. So one source runs on AVX-512, AVX2, NEON and without vectors.
Indices count elements of the array (not vectors); nothing is checked, nothing need be aligned.
Oracle: tests/ops/test_simd.py.
"""

from bayesnn_spike.ops._simd.draws import bits_above as bits_above
from bayesnn_spike.ops._simd.draws import count_up as count_up
from bayesnn_spike.ops._simd.draws import halvings as halvings
from bayesnn_spike.ops._simd.draws import multiply_low as multiply_low
from bayesnn_spike.ops._simd.draws import store_limits as store_limits
from bayesnn_spike.ops._simd.draws import store_quads as store_quads
from bayesnn_spike.ops._simd.floats import absolute as absolute
from bayesnn_spike.ops._simd.floats import choose_eight as choose_eight
from bayesnn_spike.ops._simd.floats import differs as differs
from bayesnn_spike.ops._simd.floats import load_floats as load_floats
from bayesnn_spike.ops._simd.floats import load_numbers as load_numbers
from bayesnn_spike.ops._simd.floats import multiply_add as multiply_add
from bayesnn_spike.ops._simd.floats import reaches as reaches
from bayesnn_spike.ops._simd.floats import rounded as rounded
from bayesnn_spike.ops._simd.floats import splat_float as splat_float
from bayesnn_spike.ops._simd.floats import transpose_tile as transpose_tile
from bayesnn_spike.ops._simd.floats import where_reaches as where_reaches
from bayesnn_spike.ops._simd.types import Floats as Floats
from bayesnn_spike.ops._simd.types import Width as Width
from bayesnn_spike.ops._simd.types import Words as Words
from bayesnn_spike.ops._simd.types import has_multiply_add as has_multiply_add
from bayesnn_spike.ops._simd.types import has_vector_popcount as has_vector_popcount
from bayesnn_spike.ops._simd.types import machine_width as machine_width
from bayesnn_spike.ops._simd.words import get as get
from bayesnn_spike.ops._simd.words import load as load
from bayesnn_spike.ops._simd.words import popcount as popcount
from bayesnn_spike.ops._simd.words import popcount_word as popcount_word
from bayesnn_spike.ops._simd.words import put as put
from bayesnn_spike.ops._simd.words import splat_words as splat_words
from bayesnn_spike.ops._simd.words import store as store
from bayesnn_spike.ops._simd.words import store_pieces as store_pieces
from bayesnn_spike.ops._simd.words import trailing_zeros as trailing_zeros
from bayesnn_spike.ops._simd.words import transpose_bytes as transpose_bytes
from bayesnn_spike.ops._simd.words import zeros as zeros
