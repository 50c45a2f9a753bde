"""The stand-alone service: `ostiary serve`."""
