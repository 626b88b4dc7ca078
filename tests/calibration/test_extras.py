"""Commands whose extra is missing say what to install."""

import pytest

from calibration import extras
from hwsim.errors import SurroundingsError


def test_what_is_installed_is_not_asked_for():
    extras.need("numpy", "hwsim validate")


@pytest.mark.parametrize(
    "words",
    [
        ("calibrate", "fit", "{table}", "--out", "{folder}"),
        ("validate", "{table}", "--split", "device"),
        ("converge", "fit", "{table}"),
    ],
    ids=lambda words: words[0],
)
def test_a_missing_extra_is_named(words, tmp_path, monkeypatch, capsys):
    from hwsim.cli.main import run

    table = tmp_path / "gemm.csv"
    header = "source,device,dtype,engine,m,n,k,batch,transpose_a,transpose_b,timing,seconds,note"
    row = "mine,v100-pcie-16gb,fp32,vector,64,64,64,1,0,0,kernel,1e-5,"
    table.write_text(f"{header}\n{row}\n")
    monkeypatch.setattr(extras, "find_spec", lambda _: None)
    code = run([word.format(table=table, folder=tmp_path) for word in words])
    assert code == SurroundingsError.exit_code
    assert 'pip install "hwsim[measure]"' in capsys.readouterr().err


def test_the_missing_extra_of_a_cluster(monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda _: None)
    with pytest.raises(SurroundingsError, match=r'pip install "hwsim\[cluster\]"'):
        extras.need("distributed", "hwsim converge run --scheduler", "cluster")
