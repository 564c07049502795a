"""PostgreSQL restarts, cuts connections and aborts a transaction; a process's clock steps: the work goes on by itself."""

import asyncio
import signal

import httpx
import pytest

from libs.common.settings import CommonSettings
from tests.conftest import ADMIN_TOKEN
from tests.support.gates import Gate, hairnet, post_snapshot

pytestmark = [pytest.mark.connected, pytest.mark.timeout(300)]
HEADERS = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
CUT = "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
# A deadlock's error, at the moment a victim would get it: the transaction is aborted by the server.
DEADLOCKS = """
    create sequence public.deadlocks;
    grant usage on sequence public.deadlocks to public;
    create function public.deadlock() returns trigger language plpgsql as $$ begin
        if nextval('public.deadlocks') <= 3 then raise exception 'deadlock detected' using errcode = '40P01'; end if;
        return new;
    end $$;
    create trigger deadlock before insert on cleaner.sample for each row execute function public.deadlock();
"""


async def decided(gate: Gate, count: int) -> bool:
    return await gate.value("select count(distinct snapshot_id) from cleaner.sample") >= count


async def send(http: httpx.AsyncClient, numbers: range) -> None:
    """As a camera does: again after a moment, until it is taken."""
    for number in numbers:
        async with asyncio.timeout(60):
            while (answer := await post_snapshot(http, f"snap-{number}", number)).status_code != 202:
                assert answer.status_code == 503, answer.text
                await asyncio.sleep(0.3)


async def test_the_work_outlives_a_restart_cut_connections_deadlocks_and_a_clock_that_steps(
    gate: Gate, settings: CommonSettings
) -> None:
    ingest, cleaner = await gate.start_all(["ingest", "cleaner"], clock_step="-7200")
    await gate.say(hairnet())
    for service in ("ingest", "cleaner"):
        await gate.until(lambda service=service: gate.value(f"select 1 from {service}.workflow"))
    async with httpx.AsyncClient(base_url=ingest.url, headers=HEADERS, timeout=60) as http:
        sending = asyncio.ensure_future(send(http, range(20)))
        await asyncio.sleep(0.5)
        await gate.stack.stop("postgres")
        await gate.stack.start("postgres")
        await sending
        await gate.until(lambda: decided(gate, 20), 90)

        sending = asyncio.ensure_future(send(http, range(20, 40)))
        for _ in range(4):
            await asyncio.sleep(0.3)
            await gate.query(CUT)
        await sending
        await gate.until(lambda: decided(gate, 40), 90)

        await gate.execute(DEADLOCKS)
        await send(http, range(40, 45))
        await gate.until(lambda: decided(gate, 45), 90)
        assert await gate.value("select last_value from public.deadlocks") >= 8, "three transactions were victims"

        for replica in (ingest, cleaner):
            replica.process.send_signal(signal.SIGUSR1)
        await gate.query("alter sequence public.deadlocks restart")  # retries, too, by a clock two hours behind
        await send(http, range(45, 50))
        await gate.until(lambda: decided(gate, 50), 90)
    await asyncio.gather(ingest.ready(), cleaner.ready())
    assert len(await gate.bus.records("snapshot.captured.dlq.cleaner")) == 0
    assert await gate.value("select count(*) from cleaner.outbox") == 0
