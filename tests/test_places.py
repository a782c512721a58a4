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
        ("file:///home/ann/x.npz", "x.npz"),
        ("file:///home/ann/my cats", "my cats"),
        ("from file:///home/ann/x.npz, file:/a/b and file://localhost/c/d", "from x.npz, b and d"),
        ("host:/home/ann/x", "host:x"),
        ("data:/home/ann/cats", "data:cats"),
        ("in /usr/bin:/home/ann/bin", "in bin:bin"),
        ("at //share/ann/cats now", "at cats now"),
        ("fid[/home/ann/x]", "fid[x]"),
        ("--data=/home/ann/x (/a/b)", "--data=x (b)"),
        ("(see)/home/ann/x", "(see)x"),
        ("see '/home/ann/my cats/x' and \"~/a b\"", "see 'x' and \"a b\""),
        # what is no place of a machine
        ("score 7 /10 of", "score 7 /10 of"),
        ("loss (a)/b", "loss (a)/b"),
        ("loss (a)/b/c and w[0]/d/e", "loss (a)/b/c and w[0]/d/e"),
        ("from https://arxiv.org/abs/1 or s3://ann/b/c", "from https://arxiv.org/abs/1 or s3://ann/b/c"),
        ("the profile: 3", "the profile: 3"),
        ("a '/' and '/b'", "a '/' and '/b'"),
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


def test_keys_are_searched_too_and_none_is_lost():
    assert without_places({"fid[/home/ann/x]": 1, 2: "/a/b"}) == {"fid[x]": 1, 2: "b"}
    assert without_places({"/a/x": 1, "/b/x": 2, "x": 3}) == {"x (2)": 1, "x (3)": 2, "x": 3}
    assert without_places({"x": 3, "/a/x": {"/c/y": 1}}) == {"x": 3, "x (2)": {"y": 1}}
