"""Adapters of `hamrasan.storage.ports.blobs`."""
