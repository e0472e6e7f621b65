"""The media repository of a server: where it keeps what."""

from __future__ import annotations

from pathlib import Path

from hamrasan.http.services import Ground, MediaServices
from hamrasan.media.previews import UrlPreviews
from hamrasan.media.repository import MediaRepository
from hamrasan.media.spool import Spool
from hamrasan.media.thumbnails import Thumbnails
from hamrasan.media.workers import Workers
from hamrasan.storage.blobs.folder import BlobFolder
from hamrasan.storage.ports.blobs import Blobs
from hamrasan.storage.sqlite.store import Store

FOLDER = "media"
"""In the data folder: the blobs, and beside them what is arriving. One file system, so that files can be moved."""
ARRIVING = "arriving"


def build_media(store: Store, ground: Ground) -> MediaServices:
    """Put the media repository together; `recover` has to be called before it is used, and `close` at its end."""
    settings = ground.settings
    folder = settings.data_dir / FOLDER
    repository = MediaRepository(
        store.journal,
        store.media,
        open_blobs(settings.media_store, folder),
        Spool(folder / ARRIVING),
        ground.clock,
        ground.entropy,
        settings.server_name,
        int(settings.max_upload_size),
        int(settings.media_quota) or None,
    )
    workers = Workers()
    return MediaServices(
        media=repository,
        thumbnails=Thumbnails(store.media, repository, workers),
        url_previews=UrlPreviews(
            store.journal,
            store.media,
            repository,
            workers,
            ground.outbound,
            ground.clock,
            settings.server_name,
            settings.url_previews,
        ),
        workers=workers,
    )


def open_blobs(media_store: str | None, folder: Path) -> Blobs:
    """Return the object store that is configured, else the folder."""
    if media_store is None:
        return BlobFolder(folder)
    # Five megabytes of memory, which a server without an object store does not need.
    from hamrasan.storage.blobs.objects import ObjectBlobs  # noqa: PLC0415 - see above

    return ObjectBlobs(media_store)
