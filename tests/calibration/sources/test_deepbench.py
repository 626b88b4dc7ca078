"""The output of DeepBench's programs: every layout, what is passed over, and faults."""

import pytest

from calibration.sources import deepbench
from calibration.sources.files import read
from hwsim.errors import InputError

GEMM = """\
                 Running training benchmark
                         Times
----------------------------------------------------------------------------------------
    m       n      k      a_t     b_t      precision        time (usec)
==PROF== a remark of a profiler
   1760     16   1760      0      0         half                  26
   5124    700   2048      1      0        float                 812
 Total kernels: 2
"""
AMD_GEMM = """\
    m       n      k      a_t     b_t      time (usec)
   1760     16   1760      n      t           26
"""
CONV = """\
   w      h      c      n      k      f_w    f_h  pad_w  pad_h    stride_w  stride_h    precision\
  fwd_time (usec)  bwd_inputs_time (usec)  bwd_params_time (usec)  total_time (usec) pad_kerenels\
     fwd_algo
--------------------------------------------------------------------
  700    161      1      4     32     20      5      0       1         2         3      half\
   211    0    362    573    1    IMPLICIT_PRECOMP_GEMM
"""
OLD_CONV = """\
   w      h      c      n      k      r      s    pad_w  pad_h    stride_w  stride_h\
    fwd_time (usec)  bwd_inputs_time (usec)  bwd_params_time (usec)  total_time (usec)   fwd_algo
  700    161      1      4     32      5     20      0       0         2         2\
  211    400   362   973   ConvolutionFwdAlgoGEMM
"""
RNN = """\
    type    hidden   N     timesteps   precision     fwd_time (usec)   bwd_time (usec)
 vanilla    1760      16      50         float              7769              7297
     gru    2816      32    1500         float            100000                 0
"""
AMD_RNN = """\
hidden_size     batch_size     time_steps     rnn_type     fwd_time (usec)\
  bwd_inputs_time (usec)  bwd_params_time (usec)  total_time (usec)
  512             16             25               lstm        813    2255    40    3108
"""


def parsed(text, device="v100-pcie-16gb"):
    return deepbench.parse(text, "out.txt", device)


@pytest.mark.parametrize("text", [GEMM, AMD_GEMM, CONV, OLD_CONV, RNN, AMD_RNN])
def test_the_programs_are_told_by_their_columns(text):
    assert deepbench.recognized(text)


def test_other_tables_are_not_taken_for_them():
    columns = "source,device,dtype,engine,cell,pass,hidden,batch,timesteps,seconds"
    assert not deepbench.recognized(f"{columns}\nlab,p4,fp32,vector,rnn,forward,8,8,8,1\n")


def test_products_in_microseconds():
    half, single = parsed(GEMM)
    assert (half.device, half.dtype, half.timing) == ("v100-pcie-16gb", "fp16", "kernel")
    assert (half.shape.m, half.shape.n, half.shape.k) == (1760, 16, 1760)
    assert half.seconds == pytest.approx(26e-6)
    assert (single.dtype, single.shape.transpose_a, single.row) == ("fp32", True, 1)


def test_transposes_in_letters_and_no_precision():
    (one,) = parsed(AMD_GEMM)
    assert (one.dtype, one.shape.transpose_a, one.shape.transpose_b) == ("fp32", False, True)


def test_a_convolution_is_three_passes_and_a_time_of_0_is_none():
    forward, data, weights = parsed(CONV)
    shape = forward.shape
    assert (shape.h, shape.w, shape.r, shape.s) == (161, 700, 5, 20)
    assert (shape.pad_h, shape.pad_w, shape.stride_h, shape.stride_w) == (1, 0, 3, 2)
    assert [one.shape.way for one in (data, weights)] == ["backward_data", "backward_weights"]
    assert (shape.algorithm, weights.shape.algorithm) == ("implicit_precomp_gemm", None)
    assert (data.seconds, weights.seconds) == (None, pytest.approx(362e-6))
    assert "multiple of 8" in forward.provenance.note


def test_r_is_the_height_of_the_filter_and_s_its_width():
    forward, *_ = parsed(OLD_CONV)
    assert (forward.shape.r, forward.shape.s) == (5, 20)
    assert forward.shape.algorithm == "explicit_gemm"


def test_layers_of_both_vendors():
    forward, data, *rest = parsed(RNN)
    assert (forward.shape.cell, forward.shape.hidden, forward.shape.batch) == ("rnn", 1760, 16)
    assert (data.shape.way, data.seconds) == ("backward_data", pytest.approx(7297e-6))
    assert [one.seconds for one in rest] == [pytest.approx(0.1), None]
    ways = [one.shape.way for one in parsed(AMD_RNN)]
    assert ways == ["forward", "backward_data", "backward_weights"]


def test_outputs_can_follow_one_another_and_cells_can_be_parted_by_commas():
    found = parsed(GEMM + RNN)
    assert [one.row for one in found] == list(range(6))
    commas = "m,n,k,a_t,b_t,precision,time (msec)\n1760,16,1760,0,0,half,0.026\n"
    assert parsed(commas)[0].seconds == pytest.approx(26e-6)


def test_without_a_device_it_is_said_how_to_give_one(tmp_path):
    path = tmp_path / "gemm.log"
    path.write_text(GEMM)
    with pytest.raises(InputError) as error:
        read(str(path))
    assert "--device" in error.value.instead
    assert read(str(path), "p4")[0].device == "p4"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("half                  26", "half", "found 6 cells"),
        ("half ", "bf8 ", "precision"),
        ("  26\n", "  2x\n", "2x"),
        ("   1760     16", "   1760     0", "line 6: n"),
    ],
)
def test_faults_name_the_line(old, new, said):
    with pytest.raises(InputError) as error:
        parsed(GEMM.replace(old, new, 1))
    assert "line 6" in str(error.value)
    assert said in str(error.value)


def test_a_header_alone_is_no_measurement():
    with pytest.raises(InputError, match="no row"):
        parsed(GEMM.split("==PROF", maxsplit=1)[0])
