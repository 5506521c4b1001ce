"""Benchmarks from a model hub on 127.0.0.1: laid where their readers look, licences told, archives unpacked safely."""

from __future__ import annotations

import io
import zipfile

import pytest

from cornucopia.core.errors import CornucopiaError, DataError, HubError
from cornucopia.evaluation.dataset import BENCHMARKS, read_rows
from cornucopia.evaluation.download import download

TABLE = "Question,A,B,C,D,Answer\n央行买入债券属于,投放,回笼,征税,发债,A\n".encode()
LINE = (
    '{"messages": [{"role": "user", "content": [{"text": "3加4等于几"}]}], "choices": [{"message": {"content": "7"}}]}'
)


def archive(name="test/economics.csv"):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for split in ("dev", "test"):
            for subject in (
                "economics", "professional_accounting", "business_ethics", "marketing", "management",
                "elementary_commonsense",
            ):  # fmt: skip
                file.writestr(f"{split}/{subject}.csv", TABLE)
        file.writestr(name, TABLE)
    return packed.getvalue()


@pytest.fixture
def server(fake_hub):
    fake_hub.repos["Duxiaoman-DI/FinanceIQ"] = {"data/dev/cpa.csv": TABLE, "data/test/cpa.csv": TABLE, "evil.py": b"1"}
    fake_hub.repos["haonan-li/cmmlu"] = {"cmmlu_v1_0_1.zip": archive("extra/economics.csv"), "cmmlu.py": b"1"}
    names = ("Financial_Numerical_Computation", "Financial_Time_Reasoning", "Stock_Price_Prediction")
    fake_hub.repos["HiThink-Research/BizFinBench"] = {f"{name}/{name}.jsonl": LINE.encode() for name in names}
    return fake_hub


@pytest.mark.parametrize("site", ["hf", "modelscope"])
@pytest.mark.parametrize("name", [name for name, one in BENCHMARKS.items() if one.hub])
def test_what_arrives_is_what_the_reader_reads(name, site, server, tmp_path, capsys):
    folder = download(BENCHMARKS[name], tmp_path, site)
    assert read_rows(name, str(tmp_path))["test"]
    assert "许可证" in capsys.readouterr().err and not list(folder.rglob("*.py"))
    assert not list(folder.rglob("Stock*"))
    asked = len(server.requests)
    download(BENCHMARKS[name], tmp_path, site)
    assert len(server.requests) == asked  # whole already


def test_an_archive_that_leads_out_or_is_none_is_refused(server, tmp_path):
    for packed, told in ((archive("../../out.csv"), "不敢解开"), (b"no archive at all", "解不开")):
        server.repos["haonan-li/cmmlu"]["cmmlu_v1_0_1.zip"] = packed
        with pytest.raises(DataError, match=told):
            download(BENCHMARKS["cmmlu_finance"], tmp_path / told, "hf")
        assert not list(tmp_path.rglob("out.csv"))


def test_what_the_hub_lacks_is_told(server, tmp_path):
    server.repos["Duxiaoman-DI/FinanceIQ"] = {"README.md": b"moved"}
    with pytest.raises(HubError, match="仓库里没有"):
        download(BENCHMARKS["financeiq"], tmp_path, "hf")
    del server.repos["haonan-li/cmmlu"]
    with pytest.raises(CornucopiaError) as error:
        download(BENCHMARKS["cmmlu_finance"], tmp_path, "hf")
    assert error.value.fix
