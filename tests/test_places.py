import pytest

from twoway.places import without_places


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ("/home/ann/pictures/cats", "cats"),
        ("/home/ann/my cats", "my cats"),
        ("~/cats.zip", "cats.zip"),
        ("../../ann/cats", "cats"),
        (r"C:\Users\ann\cats", "cats"),
        (r"\\server\share\cats", "cats"),
        ("file /data/a/b.npz, then /x/y", "file b.npz, then y"),
        ("see 'D:/a/b.pth'", "see 'b.pth'"),
        ("/one/a /two/b", "a b"),
        # what is no place of a machine
        ("cats", "cats"),
        ("runs/00007-lia", "runs/00007-lia"),
        ("https://arxiv.org/abs/1906.08090", "https://arxiv.org/abs/1906.08090"),
        ("error of E(G(w)) / variance", "error of E(G(w)) / variance"),
        ("owner/name@main", "owner/name@main"),
        ("1/2 and 3 / 4", "1/2 and 3 / 4"),
        ("", ""),
        ("/", "/"),
    ],
)
def test_paths_become_names_and_nothing_else_changes(given, left):
    assert without_places(given) == left


def test_data_is_searched_through_and_numbers_stay():
    given = {"a": ["/x/y", 1, None, True, {"b": "/z/w"}], "c": 1.5}
    assert without_places(given) == {"a": ["y", 1, None, True, {"b": "w"}], "c": 1.5}
