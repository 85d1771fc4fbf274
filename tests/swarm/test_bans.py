"""Nodes that failed are left alone, longer each time."""

from backend_adapter.petals.swarm.bans import Bans


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_ban_ends_and_the_next_is_twice_as_long() -> None:
    clock = Clock()
    bans = Bans(clock)
    for seconds in (5, 10, 20):
        bans.ban("a", "closed")
        assert bans.banned()["a"].reason == "closed"
        clock.now += seconds - 0.1
        assert "a" in bans.banned()
        clock.now += 0.2
        assert not bans.banned()


def test_what_several_conversations_see_at_once_counts_once() -> None:
    bans = Bans(Clock())
    for _ in range(4):
        bans.ban("a", "closed")
    assert bans.banned()["a"].strikes == 1


def test_a_node_that_works_again_starts_anew() -> None:
    clock = Clock()
    bans = Bans(clock)
    bans.ban("a", "closed")
    bans.lift("a")
    assert not bans.banned()
    bans.ban("a", "closed")
    assert bans.banned()["a"].strikes == 2
    bans.worked("a")
    bans.ban("a", "closed")
    assert bans.banned()["a"].strikes == 1


def test_a_liar_is_neither_lifted_nor_forgiven() -> None:
    bans = Bans(Clock())
    bans.ban("a", "numbers", liar=True)
    bans.lift("a")
    bans.worked("a")
    bans.ban("a", "closed")
    assert bans.liars() == {"a"}
