"""Looks at clips, one leased job each: fetch, decode in a child, judge, store, announce."""

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from libs.common import outbox
from libs.common.clip_orders import ClipOrder
from libs.common.configuration import Configuration
from libs.common.jobs import Jobs, Lease
from libs.common.objects import Objects
from libs.common.postgres import Connection
from libs.common.runner import Pulse
from services.cleaner.domain.clips import ClipSeen, judge_clip, new_clip_sample
from services.cleaner.domain.samples import Sample, Unreadable, announcement, sample_id_of
from services.cleaner.domain.verdicts import Queued, Rejected, Verdict, with_verdict
from services.cleaner.settings import Settings
from services.cleaner.store.clips import ClipStore
from services.cleaner.store.counting import count
from services.cleaner.store.samples import CleanerStore
from services.cleaner.vision import draw_for_reviewer, look_at_clip, repeats


@dataclass(frozen=True)
class ClipCleaner:
    """`work` is what the job runner calls for a lease on a clip."""

    samples: CleanerStore
    clips: ClipStore
    jobs: Jobs
    objects: Objects
    configuration: Configuration
    settings: Settings

    async def work(self, lease: Lease, pulse: Pulse) -> None:
        """Make the clip a sample with a verdict."""
        order = ClipOrder.read(lease.spec)
        clip, workflow = order.clip, await self.configuration.workflow(order.clip.workflow)
        with TemporaryDirectory(prefix="camloop-clip-") as folder:
            path = Path(folder) / "clip"
            pulse.progress = {"stage": "fetching"}
            await self.objects.get_file(clip.video.uri, path, expected_sha256=clip.video.sha256)
            pulse.progress = {"stage": "looking"}
            seen = await look_at_clip(path, self.settings)
            sample = new_clip_sample(clip, seen, sample_id_of(workflow.name, clip.clip_id))
            verdict = judge_clip(clip, workflow, seen, sample.sample_id)
            if isinstance(verdict, Queued):
                pulse.progress = {"stage": "drawing a preview"}
                sample = await self._with_pictures(sample, path, Path(folder))
        await self._settle(lease, order, sample, seen, verdict)

    async def _with_pictures(self, sample: Sample, path: Path, folder: Path) -> Sample:
        """Kept by the video's digest: a second attempt writes the same bytes."""
        drawn = await draw_for_reviewer(path, folder, self.settings)
        prefix = f"clips/previews/{sample.media.sha256[:2]}/{sample.media.sha256}"
        strip = await self.objects.put_file(f"{prefix}.jpg", drawn.strip, "image/jpeg")
        preview = await self.objects.put_file(f"{prefix}.mp4", drawn.preview, "video/mp4")
        return replace(sample, strip=strip, preview=preview)

    async def _settle(
        self, lease: Lease, order: ClipOrder, sample: Sample, seen: ClipSeen | Unreadable, verdict: Verdict
    ) -> None:
        async with self.jobs.pool.acquire() as connection, connection.transaction():
            if isinstance(seen, ClipSeen) and not isinstance(verdict, Rejected):
                await self.samples.lock_looks(connection, sample.workflow)
                others = await self.clips.as_long(connection, sample.workflow, seen.seconds)
                original = await asyncio.to_thread(repeats, seen.fingerprint, others)
                if original is not None:
                    verdict = Rejected("duplicate", f"the same clip as sample {original}", original)
            sample = with_verdict(await self._with_suggestion(connection, sample), verdict)
            await self._finish(connection, lease, order, sample)
        count([sample])

    async def _with_suggestion(self, connection: Connection, sample: Sample) -> Sample:
        segments, model = await self.clips.suggestion(connection, sample.workflow, sample.clip_id or "")
        return replace(sample, suggested_segments=segments, suggested_by=model)

    async def _finish(self, connection: Connection, lease: Lease, order: ClipOrder, sample: Sample) -> None:
        """First the lease: without it nothing of this transaction stands."""
        await self.jobs.finish(connection, lease, {"verdict": sample.verdict, "reason": sample.reason})
        await self.samples.add_sample(connection, sample)
        await outbox.add(connection, announcement(sample, sample.verdict), cause=order.cause)

    async def give_up(self, connection: Connection, spec: dict[str, Any], attempt: int, reason: str) -> None:
        """Reject a clip that no attempt could look at, in the transaction that says so."""
        order = ClipOrder.read(spec)
        sample = new_clip_sample(order.clip, Unreadable(reason), sample_id_of(order.clip.workflow, order.clip.clip_id))
        sample = with_verdict(sample, Rejected("undecodable", f"given up after {attempt} attempts: {reason}"))
        await self.samples.add_sample(connection, sample)
        await outbox.add(connection, announcement(sample, "rejected"), cause=order.cause)
        count([sample])
