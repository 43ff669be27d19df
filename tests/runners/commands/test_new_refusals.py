"""What `throughtime new` refuses: wrong names, and to write over, or half of, anything."""

from pathlib import Path

import pytest

from .conftest import NAMES

REFUSED = {
    "MyIdea": "write my_idea, whose class is MyIdea",
    "my-idea": "write my_idea, whose class is MyIdea",
    "my idea": "write my_idea, whose class is MyIdea",
    "my_idea.py": "write my_idea, whose class is MyIdea",
    "2fast": "of the letters a to z, digits and underscores; my_idea is one",
    "idée": "of the letters a to z, digits and underscores; ",
    "": "of the letters a to z, digits and underscores; my_idea is one",
    "a_b": "its class would be AB, which is found as 'ab'; write that",
    "idea_2": "its class would be Idea2, which is found as 'idea2'; write that",
    "my__idea": "which is found as 'my_idea'; write that",
    "a" * 41: "it has 41 characters; take one of 40 or fewer",
    "lambda": "it is a word of Python's own; take another, such as my_lambda",
    "list": "it is a word of Python's own; take another, such as my_list",
    "rtrl": "there is an algorithm of that name already; take another, such as my_rtrl",
    "two_lag": "there is a task of that name already",
    "lstm": "there is a cell of that name already",
    "teacher": "there is a forcing of that name already",
    "random": "random.py would hide the module random; take another, such as my_random",
    "torch": "torch.py would hide the module torch",
    "throughtime": "throughtime.py would hide the module throughtime",
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_wrong_name_is_told_what_is_wrong_and_what_to_do(new, tmp_path, name):
    code, output = new("algorithm", name)
    assert code == 2
    assert output.startswith(f"throughtime: {name!r} can't be the name of an algorithm: ")
    assert REFUSED[name] in output
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("kind", "name"), [("algorithm", "update"), ("algorithm", "network"), ("task", "batch"), ("cell", "sequence")]
)
def test_a_name_whose_class_the_file_imports_is_refused(new, kind, name):
    assert f"its class would hide the {name.capitalize()} that it is written with" in new(kind, name)[1]


def test_another_kind_is_told_which_there_are(new):
    code, output = new("algoritm", "mine")
    assert code == 2
    for kind in NAMES:
        assert f"'{kind}'" in output


class TestNothingIsOverwritten:
    @pytest.mark.parametrize("there", ["mine.py", "test_mine.py"])
    def test_not_a_file(self, new, tmp_path, there):
        (tmp_path / there).write_text("a year's work", encoding="utf-8")
        code, output = new("algorithm", "mine")
        assert code == 2
        assert f"'{there}' is there already, and is left as it is; take another name, or another --out DIR" in output
        assert [path.name for path in tmp_path.iterdir()] == [there]
        assert (tmp_path / there).read_text(encoding="utf-8") == "a year's work"

    @pytest.mark.parametrize("make", ["mkdir", "touch"])
    def test_not_a_folder(self, new, tmp_path, make):
        getattr(tmp_path / "mine", make)()
        code, output = new("algorithm", "mine", "--package")
        assert code == 2
        assert "'mine' is there already" in output
        assert list(tmp_path.rglob("*")) == [tmp_path / "mine"]

    def test_not_a_link_that_leads_nowhere(self, new, tmp_path):
        (tmp_path / "mine.py").symlink_to("nowhere.py")
        assert new("algorithm", "mine")[0] == 2
        assert not (tmp_path / "nowhere.py").exists()

    def test_not_its_own(self, new, tmp_path):
        assert new("cell", "mine")[0] == 0
        before = (tmp_path / "mine.py").read_bytes()
        assert new("task", "mine")[0] == 2
        assert (tmp_path / "mine.py").read_bytes() == before

    def test_a_package_may_stand_beside_the_file_that_it_grew_from(self, new):
        assert new("cell", "mine")[0] == new("cell", "mine", "--package")[0] == 0


class TestNothingIsHalfWritten:
    def test_where_a_folder_is_a_file(self, new, tmp_path):
        (tmp_path / "out").touch()
        code, output = new("cell", "mine", "--out", "out")
        assert code == 2
        assert "'out/mine.py' can't be written (Not a directory); choose another --out DIR" in output

    @pytest.mark.parametrize("package", [[], ["--package"]], ids=["files", "package"])
    @pytest.mark.parametrize(
        "error", [OSError(28, "No space left on device", "out/mine"), KeyboardInterrupt()], ids=repr
    )
    def test_where_the_last_file_fails(self, new, tmp_path, monkeypatch, package, error):
        real = Path.open

        def fail(self, mode="r", *rest, **more):
            if self.name == "test_mine.py" and "x" in mode:
                raise error
            return real(self, mode, *rest, **more)

        monkeypatch.setattr(Path, "open", fail)
        code, output = new("cell", "mine", "--out", "out/of/the/way", *package)
        if isinstance(error, OSError):
            assert code == 2
            assert "'out/mine' can't be written (No space left on device); choose another --out DIR" in output
        else:
            assert code == 130
            assert "interrupted; nothing is written." in output
        assert not list(tmp_path.iterdir())
