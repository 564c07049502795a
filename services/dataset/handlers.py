"""What is heard: approvals, rejections and requests. Builds are jobs; nothing here takes longer than a row."""

import asyncio
from typing import Annotated

from libs.common import jobs
from libs.common.configuration import follow_tokens, follow_workflows
from libs.common.envelope import Envelope
from libs.common.events import DatasetBuildRequested, SampleApproved, SampleRejected
from libs.common.injection import Given
from libs.common.kafka import Subscriptions
from services.dataset.domain.orders import KIND, BuildOrder
from services.dataset.store.samples import CONSUMER, SampleStore

subscriptions = Subscriptions(CONSUMER)
follow_workflows(subscriptions)
follow_tokens(subscriptions)


@subscriptions.hears(SampleApproved)
async def remember_approval(
    event: SampleApproved,
    envelope: Annotated[Envelope, Given()],
    samples: Annotated[SampleStore, Given()],
) -> None:
    """Keep the sample; the policy loop sees it within half a second."""
    async with samples.transaction(envelope) as unit:
        await samples.add_approval(unit, event, envelope)


@subscriptions.hears(SampleRejected)
async def remember_rejection(
    event: SampleRejected,
    envelope: Annotated[Envelope, Given()],
    samples: Annotated[SampleStore, Given()],
) -> None:
    """A sample that was approved before leaves the next version."""
    async with samples.transaction(envelope) as unit:
        await samples.add_rejection(unit, event, envelope)


@subscriptions.hears(DatasetBuildRequested)
async def order_build(
    event: DatasetBuildRequested,
    envelope: Annotated[Envelope, Given()],
    samples: Annotated[SampleStore, Given()],
    wake: Annotated[asyncio.Event, Given()],
) -> None:
    """Order a build now; what it cannot be built from is the build's to say."""
    order = BuildOrder(
        build_id=event.request_id,
        workflow=event.workflow,
        reason=event.reason,
        cause_id=envelope.event_id,
        correlation_id=envelope.correlation_id,
        requested_by=event.requested_by,
        traceparent=envelope.traceparent,
    )
    async with samples.transaction(envelope) as unit:
        await jobs.enqueue(
            unit,
            job_id=event.request_id,
            kind=KIND,
            spec=order.spec(),
            dedupe_key=f"request:{event.request_id}",
            reason=f"requested by {event.requested_by}: {event.reason}",
            priority=1,
        )
    wake.set()
