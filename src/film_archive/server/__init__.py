"""HTTP over workflows and streaming: the API, the media bytes, the review page. Loaded only by `serve`."""
