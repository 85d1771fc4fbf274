"""Who is asked after a failure, and when: the states of one replica's circuit."""

from hypothesis import given
from hypothesis import strategies as st

from backend_adapter.routing.circuit import Circuit


def closed() -> Circuit:
    circuit = Circuit(random_share=lambda: 1.0)
    circuit.proved()
    return circuit


def test_a_replica_gets_no_request_before_it_has_generated_a_token():
    circuit = Circuit()
    assert not circuit.closed
    assert circuit.due(0.0)
    circuit.proving()
    assert not circuit.closed
    circuit.proved()
    assert circuit.closed


def test_a_broken_connection_opens_it_at_once():
    circuit = closed()
    circuit.failed(10.0, "reset", at_once=True)
    assert (circuit.state, circuit.reason, circuit.opened) == ("open", "reset", 1)


def test_errors_open_it_when_three_come_in_a_row():
    circuit = closed()
    circuit.failed(0.0, "500", at_once=False)
    circuit.failed(0.0, "500", at_once=False)
    assert circuit.closed
    circuit.succeeded()
    circuit.failed(0.0, "500", at_once=False)
    circuit.failed(0.0, "500", at_once=False)
    assert circuit.closed
    circuit.failed(0.0, "500", at_once=False)
    assert circuit.state == "open"


def test_it_is_proved_after_a_wait_and_not_before():
    circuit = closed()
    circuit.failed(100.0, "reset", at_once=True)
    assert not circuit.due(100.4)
    assert circuit.due(100.5)
    circuit.proving()
    assert not circuit.due(200.0)


def test_the_wait_doubles_with_each_failed_proof_up_to_half_a_minute():
    circuit = closed()
    circuit.failed(0.0, "reset", at_once=True)
    waits = [circuit.prove_at]
    for _ in range(8):
        now = circuit.prove_at
        circuit.proving()
        circuit.failed(now, "still", at_once=True)
        waits.append(circuit.prove_at - now)
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


def test_a_proof_that_succeeds_begins_the_waits_anew():
    circuit = closed()
    for _ in range(5):
        circuit.failed(0.0, "reset", at_once=True)
        circuit.proving()
    circuit.proved()
    circuit.failed(50.0, "reset", at_once=True)
    assert circuit.prove_at == 50.5


def test_requests_that_fail_while_it_is_open_do_not_put_the_proof_off():
    circuit = closed()
    circuit.failed(0.0, "reset", at_once=True)
    due = circuit.prove_at
    for second in range(20):
        circuit.failed(float(second), "again", at_once=True)
    assert circuit.prove_at == due
    assert circuit.opened == 1


def test_an_answer_of_last_resort_closes_it():
    circuit = closed()
    circuit.failed(0.0, "reset", at_once=True)
    circuit.succeeded()
    assert circuit.closed


@given(st.floats(0, 1), st.integers(0, 12))
def test_waits_are_spread_over_half_of_themselves(share: float, proofs: int):
    circuit = Circuit(random_share=lambda: share)
    circuit.proved()
    circuit.failed(0.0, "reset", at_once=True)
    for _ in range(proofs):
        circuit.proving()
        circuit.failed(0.0, "still", at_once=True)
    longest = min(0.5 * 2**proofs, 30.0)
    assert longest / 2 <= circuit.prove_at <= longest


ACTS = st.lists(st.sampled_from(["proving", "proved", "succeeded", "failed", "broke"]), max_size=30)


@given(ACTS)
def test_only_a_token_or_an_answer_closes_it(acts: list[str]):
    circuit = Circuit()
    for number, act in enumerate(acts):
        was_closed = circuit.closed
        if act in ("failed", "broke"):
            circuit.failed(float(number), act, at_once=act == "broke")
        else:
            getattr(circuit, act)()
        assert not circuit.closed or was_closed or act in ("proved", "succeeded")
        assert act != "broke" or not circuit.closed
