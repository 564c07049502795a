"""What every service follows: workflow definitions and machine tokens, each kept in the service's own tables."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated

from libs.common import inbox
from libs.common.envelope import Envelope
from libs.common.errors import NotYet
from libs.common.events import TokenChanged, WorkflowChanged
from libs.common.injection import Given
from libs.common.kafka import Subscriptions
from libs.common.postgres import Connection, Pool
from libs.common.workflows import Workflow, parse_workflow

SCOPES = ("ingest", "read", "train", "promote")


@dataclass(frozen=True)
class Token:
    """A machine's bearer token, without its secret."""

    token_id: str
    scopes: frozenset[str]
    camera_id: str | None
    label: str


def token_digest(secret: str) -> str:
    """How a token is stored: 256 random bits need no slow hash."""
    return sha256(secret.encode()).hexdigest()


@dataclass(frozen=True)
class Configuration:
    """Workflows and tokens as this service last heard of them."""

    pool: Pool

    async def workflow(self, name: str) -> Workflow:
        """Raises `NotYet`: its definition may still be on the way."""
        definition = await self.pool.fetchval("select definition from workflow where name = $1", name)
        if definition is None:
            raise NotYet(f"Workflow {name!r} is not known (yet): add deploy/workflows/{name}.yaml, or correct the name")
        return parse_workflow(definition, origin=f"workflow {name}")

    async def workflows(self) -> list[Workflow]:
        """All of them, by name."""
        rows = await self.pool.fetch("select name, definition from workflow order by name")
        return [parse_workflow(row["definition"], origin=f"workflow {row['name']}") for row in rows]

    async def token(self, secret: str) -> Token | None:
        """The token with this secret, unless it was revoked."""
        row = await self.pool.fetchrow(
            "update token set last_used_at = now() where sha256 = $1 and revoked_at is null returning id, scopes, camera_id, label",
            token_digest(secret),
        )
        return None if row is None else Token(str(row["id"]), frozenset(row["scopes"]), row["camera_id"], row["label"])


async def put_workflow(connection: Connection, event: WorkflowChanged) -> None:
    """Keep the newest revision; an older one that arrives late changes nothing."""
    await connection.execute(
        """
        insert into workflow (name, revision, definition) values ($1, $2, $3)
        on conflict (name) do update set revision = excluded.revision, definition = excluded.definition
        where workflow.revision < excluded.revision
        """,
        event.workflow,
        event.revision,
        event.definition,
    )


async def put_token(connection: Connection, event: TokenChanged) -> None:
    """Issue or revoke; a revoked token stays revoked."""
    await connection.execute(
        """
        insert into token (id, sha256, scopes, camera_id, label, issued_at, revoked_at) values ($1, $2, $3, $4, $5, $6, $7)
        on conflict (id) do update set revoked_at = coalesce(token.revoked_at, excluded.revoked_at)
        """,
        event.token_id,
        event.sha256,
        list(event.scopes),
        event.camera_id,
        event.label,
        event.issued_at,
        event.revoked_at,
    )


def follow_workflows(subscriptions: Subscriptions) -> None:
    """Hear `workflow.changed`. Handlers then ask `Configuration.workflow`."""

    @subscriptions.hears(WorkflowChanged)
    async def remember_workflow(
        event: WorkflowChanged, envelope: Annotated[Envelope, Given()], pool: Annotated[Pool, Given()]
    ) -> None:
        parse_workflow(event.definition, origin=f"workflow {event.workflow}")
        async with inbox.transaction(pool, subscriptions.consumer, envelope) as connection:
            await put_workflow(connection, event)


def follow_tokens(subscriptions: Subscriptions) -> None:
    """Hear `token.changed`. The HTTP side then asks `Configuration.token`."""

    @subscriptions.hears(TokenChanged)
    async def remember_token(
        event: TokenChanged, envelope: Annotated[Envelope, Given()], pool: Annotated[Pool, Given()]
    ) -> None:
        async with inbox.transaction(pool, subscriptions.consumer, envelope) as connection:
            await put_token(connection, event)
