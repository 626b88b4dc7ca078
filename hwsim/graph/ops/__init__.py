"""Operators: shapes in, kernels out; one small class per kind (recurrences in graph.recurrent)."""

from hwsim.graph.ops.attention import Attention
from hwsim.graph.ops.convolution import Convolution2d
from hwsim.graph.ops.experts import Experts
from hwsim.graph.ops.images import BatchNormalization, Pooling
from hwsim.graph.ops.kernel import Engine, Kernel, Op, gemm, matrix_flops, vector_flops
from hwsim.graph.ops.latent import LatentProjection
from hwsim.graph.ops.linear import Embedding, Linear
from hwsim.graph.ops.loss import CTC, CrossEntropy
from hwsim.graph.ops.pointwise import Dropout, Normalization, Pointwise

__all__ = [
    "CTC",
    "Attention",
    "BatchNormalization",
    "Convolution2d",
    "CrossEntropy",
    "Dropout",
    "Embedding",
    "Engine",
    "Experts",
    "Kernel",
    "LatentProjection",
    "Linear",
    "Normalization",
    "Op",
    "Pointwise",
    "Pooling",
    "gemm",
    "matrix_flops",
    "vector_flops",
]
