"""Ingest hears only configuration: tokens issued elsewhere, and which workflows a snapshot may name."""

from libs.common.configuration import follow_tokens, follow_workflows
from libs.common.kafka import Subscriptions

subscriptions = Subscriptions("ingest")
follow_workflows(subscriptions)
follow_tokens(subscriptions)
