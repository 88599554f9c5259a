"""``vstain models import`` and ``architectures``, in process: files in, files out, sentences."""

from __future__ import annotations

import json

import pytest
import torch

from napari_virtual_stain import io, networks


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    network = networks.build("fnet", ndim=2, filters=2, depth=1)
    torch.save(network.state_dict(), tmp_path / "weights é.pt")
    return tmp_path / "weights é.pt"


def test_a_checkpoint_becomes_a_model_file(vstain, weights, tmp_path):
    out = tmp_path / "new" / "imported"
    status, stdout, stderr = vstain("models", "import", weights, "--output", out)
    assert (status, stderr) == (0, "")
    assert "weights é: 2D: input → output" in stdout
    assert "Network: fnet (filters 2, depth 1)" in stdout
    assert "came without a specification" in stdout
    assert f"Wrote {out}.safetensors" in stdout
    model = io.load_model(f"{out}.safetensors")
    expected = torch.load(weights, weights_only=True)
    found = model.network.state_dict()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_it_can_be_named_and_printed_as_json(vstain, weights, tmp_path):
    out = tmp_path / "out.safetensors"
    command = ("models", "import", weights, "--output", out, "--json", "--name", "my µ model")
    status, stdout, _ = vstain(*command)
    assert status == 0
    result = json.loads(stdout)
    assert (result["path"], result["spec"]["name"]) == (str(out), "my µ model")
    assert io.read_spec(out).name == "my µ model"
    status, _, stderr = vstain(*command[:-1], "a\nb", "--overwrite")
    assert status == 1
    assert "the imported model holds a model specification that does not fit: name" in stderr


def test_nothing_is_overwritten_unless_asked(vstain, weights, tmp_path):
    out = tmp_path / "out.safetensors"
    out.write_bytes(b"mine")
    command = ("models", "import", weights, "--output", out)
    status, _, stderr = vstain(*command)
    assert status == 1
    assert "exists already and is left as it is" in stderr
    assert out.read_bytes() == b"mine"
    assert vstain(*command, "--overwrite")[0] == 0
    assert io.load_model(out).spec.network.name == "fnet"


def test_what_cannot_be_imported_is_one_sentence(vstain, tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    out = tmp_path / "out.safetensors"
    status, stdout, stderr = vstain("models", "import", tmp_path / "notes.txt", "--output", out)
    assert (status, stdout) == (1, "")
    assert stderr.startswith("vstain: error: notes.txt cannot be imported: it is a file of another")
    assert stderr.count("\n") == 1
    assert not out.exists()
    assert vstain("models", "import", tmp_path / "notes.txt")[0] == 2


def test_options_that_weights_do_not_tell_are_chosen(vstain, tmp_path):
    network = networks.build("fnet", ndim=2, filters=2, depth=1, likelihood="gaussian")
    torch.save(network.state_dict(), tmp_path / "w.pt")
    command = ("models", "import", tmp_path / "w.pt", "--output", tmp_path / "out")
    status, stdout, _ = vstain(*command, "--option", "likelihood=gaussian")
    assert status == 0
    assert "Network: fnet (filters 2, depth 1, likelihood gaussian)" in stdout
    assert io.load_model(tmp_path / "out.safetensors").spec.uncertainties == ("σ",)
    status, _, stderr = vstain(*command, "--overwrite", "--option", "wings=2")
    assert status == 1
    assert "w.pt cannot be imported: the network 'fnet' has no option 'wings'" in stderr
    assert vstain(*command, "--overwrite", "--option", "wings")[0] == 2


def test_a_model_file_of_ours_takes_no_options(vstain, weights, tmp_path):
    out = tmp_path / "out.safetensors"
    assert vstain("models", "import", weights, "--output", out)[0] == 0
    command = ("models", "import", out, "--output", tmp_path / "again")
    assert vstain(*command)[0] == 0
    status, _, stderr = vstain(*command, "--overwrite", "--option", "depth=1")
    assert status == 1
    assert "says all options of its network" in stderr


@pytest.mark.parametrize("output", ["/", ".", ".."])
def test_a_folder_as_output_is_refused(vstain, weights, output):
    status, stdout, stderr = vstain("models", "import", weights, "--output", output)
    assert (status, stdout) == (1, "")
    assert "is a folder; give the name of a file." in stderr
    assert "Traceback" not in stderr


def test_a_checkpoint_that_was_not_imported_says_so(vstain, weights):
    status, _, stderr = vstain("models", "info", weights)
    assert status == 1
    assert "has to be imported first (vstain models import)" in stderr


def test_architectures_for_a_person(vstain):
    status, stdout, _ = vstain("models", "architectures")
    assert status == 0
    assert "gvtnet: 2D 2,263,489, 3D 6,172,225 parameters" in stdout
    assert "fnet: 2D 8,116,225, 3D 23,280,769 parameters" in stdout
    assert "doi:10.1038/s42256-020-00283-x" in stdout
    assert "sizes in multiples of 8 × 8 × 8 px" in stdout
    assert "attends to the whole image" in stdout
    assert "windows of 256 × 256 px" in stdout
    assert "preset fnet" in stdout


def test_architectures_as_json(vstain):
    found = json.loads(vstain("models", "architectures", "--json")[1])
    assert set(found["networks"]) == set(networks.names())
    gvtnet = found["networks"]["gvtnet"]
    assert gvtnet["parameters"] == {"2D": 2_263_489, "3D": 6_172_225}
    assert gvtnet["stride"] == [8, 8, 8]
    assert gvtnet["options"]["filters"] == 32
    assert gvtnet["window"] is None
    assert found["networks"]["virfluonet"]["window"]["blend"] == "linear"
    assert found["networks"]["gvtnet-projection"]["projects"] is True
