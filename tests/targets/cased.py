"""Tests for unittest, with every outcome that it knows; pytest can run them as well."""

import unittest

from priced import discounted, share, total


class Prices(unittest.TestCase):
    def test_passes(self):
        self.assertEqual(total(7, 1), 7)

    def test_fails(self):
        self.assertEqual(total(7, 20), 126)

    def test_raises(self):
        share(10, 0)

    @unittest.skip("not today")
    def test_skipped(self):
        pass

    @unittest.expectedFailure
    def test_expected_to_fail(self):
        self.assertEqual(discounted(10), 10)

    @unittest.expectedFailure
    def test_expected_in_vain(self):
        self.assertEqual(discounted(10), 9)

    def test_subtests(self):
        for pieces in (1, 20):
            with self.subTest(pieces=pieces):
                self.assertEqual(total(1, pieces), pieces)


class Awaited(unittest.IsolatedAsyncioTestCase):
    async def test_awaited(self):
        self.assertEqual(total(3, 1), 3)


class Unprepared(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        share(1, 0)

    def test_never(self):
        pass


if __name__ == "__main__":
    unittest.main()
