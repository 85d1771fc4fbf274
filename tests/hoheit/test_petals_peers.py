"""The file with addresses to join a swarm by: read at once, and waited for only where no other peer is known."""

from pathlib import Path

from hoheit.petals import launch


def test_addresses_are_read_one_in_each_line(tmp_path: Path) -> None:
    file = tmp_path / "node.address"
    file.write_text("/ip4/192.0.2.7/tcp/8090/p2p/Qm1\n\n/ip4/192.0.2.8/tcp/8090/p2p/Qm2\n")

    expected = ("/ip4/192.0.2.7/tcp/8090/p2p/Qm1", "/ip4/192.0.2.8/tcp/8090/p2p/Qm2")
    assert launch.peers(file) == expected
    assert launch.peers(file, wait=False) == expected


def test_missing_file_is_not_waited_for_where_others_are_named(tmp_path: Path) -> None:
    assert launch.peers(tmp_path / "node.address", wait=False) == ()
