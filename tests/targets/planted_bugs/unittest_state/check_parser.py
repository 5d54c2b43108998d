import unittest

from parser import Parser


class TestParser(unittest.TestCase):
    def test_good_text_has_no_errors(self):
        self.assertEqual(Parser().parse("a;\nb;"), [])

    def test_an_error_names_its_line(self):
        self.assertEqual(Parser().parse("a;\nb"), ["line 2: 'b' does not end"])

    def test_a_second_text_starts_anew(self):
        parser = Parser()
        parser.parse("a;\nb;")
        self.assertEqual(parser.parse("c"), ["line 1: 'c' does not end"])
