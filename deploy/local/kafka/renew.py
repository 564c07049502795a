"""Renew jars.lock: `python deploy/local/kafka/renew.py [KAFKA_VERSION] [LOG4J_VERSION]`, on a machine with Maven.

Maven resolves what `kafka_2.13` and `log4j-slf4j-impl` need at run time (Kafka speaks slf4j 1.7, hence not
`log4j-slf4j2-impl`). jgo is not asked: it picks another kafka-clients than the broker's.
"""

import hashlib
import re
import subprocess
import sys
import tempfile
from pathlib import Path

KAFKA_VERSION, LOG4J_VERSION = "4.3.1", "2.25.4"
LINE = re.compile(r"^\s+([\w.\-]+):([\w.\-]+):jar:([\w.\-]+):(?:compile|runtime)\b", re.MULTILINE)
POM = """<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>camloop</groupId><artifactId>jars</artifactId><version>1</version><dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{kafka}</version></dependency>
<dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>{log4j}</version></dependency>
</dependencies></project>"""


def maven(folder: Path, goal: str, *options: str) -> None:
    """Run one goal of Maven's dependency plugin in a folder with a pom.xml."""
    subprocess.run(
        ["mvn", "-B", "-q", f"dependency:{goal}", "-DincludeScope=runtime", *options], cwd=folder, check=True
    )


def lock_lines(kafka: str, log4j: str) -> list[str]:
    """One line per jar: group, artifact, version, sha256 of the file Maven fetched."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pom.xml").write_text(POM.format(kafka=kafka, log4j=log4j))
        maven(folder, "list", f"-DoutputFile={folder / 'list.txt'}")
        maven(folder, "copy-dependencies", f"-DoutputDirectory={folder / 'jars'}")
        found = LINE.findall((folder / "list.txt").read_text())
        return sorted(f"{g} {a} {v} {sha256(folder / 'jars' / f'{a}-{v}.jar')}" for g, a, v in found)


def sha256(path: Path) -> str:
    """The digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> None:
    """Write the lock beside this script."""
    kafka, log4j = [*sys.argv[1:], *(KAFKA_VERSION, LOG4J_VERSION)[len(sys.argv) - 1 :]][:2]
    head = (
        f"# Apache Kafka {kafka} with log4j {log4j}: group artifact version sha256. Renewed by renew.py, not by hand."
    )
    Path(__file__).with_name("jars.lock").write_text("\n".join([head, *lock_lines(kafka, log4j)]) + "\n")


if __name__ == "__main__":
    main()
