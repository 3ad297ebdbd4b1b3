"""Files on disk: HDF5, images, csv, downloads."""
