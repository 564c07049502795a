"""All routes of ingest in one router."""

from fastapi import APIRouter

from services.ingest.api import cameras, clips, snapshots, uploads

router = APIRouter()
router.include_router(snapshots.router)
router.include_router(clips.router)
router.include_router(uploads.router)
router.include_router(cameras.router)
