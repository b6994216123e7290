"""Tests of the guest book: `python -m unittest` in the image or beside it."""

import unittest

from app import create_app


class GuestBookTest(unittest.TestCase):
    """Each test has an empty guest book."""

    def setUp(self) -> None:
        """Make a client."""
        self.client = create_app().test_client()

    def test_entry_is_kept(self) -> None:
        """What was added is read back."""
        self.client.post("/", data={"text": "hello"})
        assert self.client.get("/").json == {"entries": ["hello"]}

    def test_empty_entry_is_refused(self) -> None:
        """Blanks are not an entry."""
        assert self.client.post("/", data={"text": " "}).status_code == 400
