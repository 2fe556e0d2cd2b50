"""The whole recipe in order: data, trainings, packing; resumable."""
