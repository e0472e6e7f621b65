"""The media repository of a server: where it keeps what."""

from __future__ import annotations

from hamrasan.http.services import Ground, MediaServices
from hamrasan.media.previews import UrlPreviews
from hamrasan.media.repository import MediaRepository
from hamrasan.media.spool import Spool
from hamrasan.media.thumbnails import Thumbnails
from hamrasan.media.workers import Workers
from hamrasan.storage.blobs.folder import BlobFolder
from hamrasan.storage.blobs.objects import ObjectBlobs
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
        BlobFolder(folder) if settings.media_store is None else ObjectBlobs(settings.media_store),
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
