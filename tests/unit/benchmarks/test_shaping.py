from __future__ import annotations

import shaping
from shaping import FAST, GIGABIT, Link, Shape


def test_an_unshaped_link_delays_nothing_and_counts_both_directions() -> None:
    link = Link()
    assert link.shape == FAST
    assert link.arrival(1000, 5.0, up=True) == 5.0
    assert link.arrival(200, 6.0, up=False) == 6.0
    assert (link.up, link.down, link.moved()) == (1000, 200, 1200)


def test_chunks_wait_for_those_before_them_and_arrive_half_a_round_trip_later() -> None:
    link = Link(Shape(bytes_per_second=1000, round_trip=0.5))
    assert link.arrival(1000, 10.0, up=False) == 11.25
    assert link.arrival(500, 10.0, up=False) == 11.75
    assert link.arrival(500, 20.0, up=False) == 20.75


def test_the_directions_do_not_share_their_rate() -> None:
    link = Link(Shape(bytes_per_second=1000))
    assert link.arrival(1000, 0.0, up=True) == 1.0
    assert link.arrival(1000, 0.0, up=False) == 1.0


def test_a_gigabit_moves_125_megabytes_a_second() -> None:
    assert GIGABIT.round_trip == 0.010
    assert Link(GIGABIT).arrival(125_000_000, 0.0, up=True) == 1.005


def test_a_service_gets_the_proxys_name_at_the_beginning_of_an_answer_alone() -> None:
    names = (b"127.0.0.1:5020", b"127.0.0.1:6100")
    answer = b'HTTP/1.1 200 OK\r\n\r\n{"archiveLocation": "http://127.0.0.1:5020/1"}'
    blob = b"a layer that has 127.0.0.1:5020 in it"
    assert shaping.renamed(answer, names) == answer.replace(b"5020", b"6100")
    assert shaping.renamed(blob, names) == blob
    assert shaping.renamed(answer, (b"", b"")) == answer
