#!/usr/bin/env python3
"""The histogram holds what Java's HdrHistogram (Debian: libhdrhistogram-java) holds, value for value."""

import os
import random
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
JAR = "/usr/share/java/hdrhistogram.jar"
OURS = os.path.join(HERE, "..", "..", "build", "debug", "tests", "bench", "test", "hdr_values")
PERCENTILES = ("0", "1", "10", "25", "50", "75", "90", "95", "99", "99.9", "99.99", "100")


def draws(random_):
    """Sets of values: every size that a time can have, and every edge between slots."""
    yield [random_.randrange(2048) for _ in range(5000)]
    yield [int(random_.expovariate(1 / 20000)) for _ in range(50000)]
    yield [int(random_.lognormvariate(10, 2)) for _ in range(50000)]
    yield [int(2 ** random_.uniform(0, 51.99)) for _ in range(50000)]
    yield [edge + off for bits in range(11, 52) for edge in (2**bits,) for off in (-1, 0, 1)]
    yield [42]


@unittest.skipUnless(os.path.exists(JAR), f"no {JAR} (Debian package libhdrhistogram-java)")
@unittest.skipUnless(shutil.which("javac"), "no javac (Debian package default-jdk-headless)")
class AgainstJava(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.classes = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.classes)
        subprocess.run(["javac", "-cp", JAR, "-d", cls.classes, os.path.join(HERE, "HdrValues.java")],
                       check=True)

    def java(self):
        return ["java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", f"{JAR}:{self.classes}",
                "HdrValues"]

    def answers(self, command, values, percentiles=PERCENTILES):
        text = "".join(f"{value}\n" for value in values)
        run = subprocess.run([*command, *percentiles], input=text, capture_output=True, text=True,
                             check=True)
        return run.stdout.split("\n")

    def test_slots_quantiles_and_mean_agree_on_random_values(self):
        java = self.java()
        for values in draws(random.Random(20260724)):
            ours, theirs = self.answers([OURS], values), self.answers(java, values)
            self.assertGreater(len(ours), len(PERCENTILES))
            largest = max(values)
            for mine, other in zip(ours, theirs, strict=True):
                if mine.startswith("quantile"):
                    # Theirs answers with the slot's highest value even beyond the maximum.
                    name, percentile, value = other.split()
                    other = f"{name} {percentile} {min(int(value), largest)}"
                if mine.startswith("mean"):
                    # Theirs takes the upper of two middle values of a slot, ours goes between.
                    ratio = float(mine.split()[1]) / float(other.split()[1])
                    self.assertAlmostEqual(ratio, 1, delta=0.5 / 2048)
                    continue
                self.assertEqual(mine, other)

    def test_exported_percentile_distributions_are_the_same_text(self):
        for values in draws(random.Random(7)):
            ours = self.answers([OURS], values, ())
            theirs = self.answers(self.java(), values, ())
            self.assertGreater(len(ours), 5)
            for mine, other in zip(ours, theirs, strict=True):
                if mine.startswith(("#[Mean", "#[Buckets")):
                    continue  # the mean is compared above; they count their buckets otherwise
                if mine != other:  # Java rounds a tie up, C to the even digit
                    mine, other = mine.split(), other.split()
                    self.assertEqual(mine[0::2], other[0::2])
                    self.assertAlmostEqual(float(mine[1]), float(other[1]), delta=1.1e-12)
                    self.assertAlmostEqual(float(mine[-1]), float(other[-1]), delta=0.011)


def main():
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules[__name__])
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    for _, why in result.skipped:
        print(f"skipped: {why}")
    failed = len(result.failures) + len(result.errors)
    print(f"{max(result.testsRun - failed, 1 if result.skipped else 0)} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
