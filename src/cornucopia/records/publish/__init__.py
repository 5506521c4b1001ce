"""A data set as a folder that other trainers load as it is: rows, dataset_info.json, dataset card."""
